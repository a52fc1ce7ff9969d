"""The section of the status page that shows what share of the agents' history is stored, if exports are collected."""

from collections.abc import Sequence
from dataclasses import replace

from exports.collecting.account_state import KindState
from exports.collecting.coverage import AgentCoverage, AgentProgress, Coverage
from exports.collecting.timeline import timeline
from exports.page.layout import Column, Section, Tone, figures, minute, paragraph, segments, table, tag
from exports.page.markup import Markup, join, text
from exports.redaction import redact, redact_message
from exports.text import short_duration

MAX_AGENTS = 40
SLICES = 30
MAX_NAME = 120
"""Characters of a name or a reason."""
MAX_SENTENCE = 6_000
"""Bytes of a sentence about the collector, so many that the advice at its end is shown whole after a text of AWS."""
STATES: dict[AgentProgress, tuple[str, Tone]] = {
    AgentProgress.COVERED: ("up to date", "good"),
    AgentProgress.IN_PROGRESS: ("in progress", "plain"),
    AgentProgress.WAITING: ("waiting", "open"),
    AgentProgress.STOPPED: ("given up", "bad"),
    AgentProgress.DELETED: ("deleted", "plain"),
}


def coverage_section(coverage: Coverage) -> Section:
    """The totals are of all agents but deleted ones; listed are those with the smallest shares, deleted ones last."""
    values: list[tuple[str, str, Tone]] = [
        ("History stored", percent(coverage.share), "good" if coverage.share else "plain"),
        ("Data missing", short_duration(coverage.uncovered), "plain"),
        ("Gaps", f"{coverage.gaps:,}", "bad" if coverage.gaps else "plain"),
        ("Agents given up", f"{coverage.stopped:,}", "bad" if coverage.stopped else "plain"),
    ]
    return Section(
        "coverage", "Coverage", [*_collector(coverage), figures(values), *_remarks(coverage), *_agents(coverage)]
    )


def _collector(coverage: Coverage) -> list[Markup]:
    tick, failure = coverage.last_tick, coverage.last_tick.failure
    if failure:
        operation, code = (redact_message(each, MAX_NAME) for each in (failure.operation, failure.code))
        tick = replace(
            tick, failure=replace(failure, operation=operation, code=code, text=redact_message(failure.text))
        )
    return [paragraph(text(each, MAX_SENTENCE)) for each in replace(coverage, last_tick=tick).collector]


def percent(share: float | None) -> str:
    """Rounded down: 100 is shown only if nothing is missing."""
    return "unknown" if share is None else f"{int(1000 * share + 1e-6) / 10:.1f} %"


def _remarks(coverage: Coverage) -> list[Markup]:
    remarks = [_block(each) for each in coverage.blocked]
    if coverage.expected_at:
        remarks.append(f"At the rate of the last days, the rest is stored by {coverage.expected_at:%Y-%m-%d}.")
    elif coverage.uncovered:
        remarks.append("There is no estimate yet of when the rest is stored.")
    return [paragraph(each) for each in remarks]


def _block(kind: KindState) -> str:
    until = f", tried again at {minute(kind.blocked_until)}" if kind.blocked_until else ""
    return f"The service starts no {kind.kind} exports{until}: {redact_message(kind.blocked_by, MAX_NAME)}"


def _agents(coverage: Coverage) -> list[Markup]:
    if not coverage.agents:
        return [paragraph("No agent is known yet.")]
    least = sorted(
        coverage.agents,
        key=lambda agent: (agent.progress is AgentProgress.DELETED, agent.share or 0.0, agent.agent_id),
    )
    columns = (
        *(Column("Agent", "id"), Column("Host"), Column("History", "wide"), Column("Stored", "number")),
        *(Column("State"), Column("Since", "number"), Column("Gaps", "number")),
    )
    shown = least[:MAX_AGENTS]
    of = f"{len(shown):,} of {len(least):,}" if len(shown) < len(least) else f"{len(least):,}"
    caption = (
        f"{of} agents, the least covered first. Bars: stored, partly stored (lighter), given up (red), missing (empty)"
    )
    return [table(caption, columns, [_row(agent) for agent in shown], name="exports agents")]


def _row(agent: AgentCoverage) -> Sequence[str]:
    label, tone = STATES[agent.progress]
    reason = text(redact_message(agent.stopped, MAX_NAME), MAX_NAME)
    return (
        text(redact(agent.agent_id[:MAX_NAME]), MAX_NAME),
        text(redact_message(agent.host_name, MAX_NAME), MAX_NAME),
        segments([str(each) for each in timeline(agent, SLICES)]),
        percent(agent.share),
        join(tag(label, tone), *([Markup(" "), reason] if reason else [])),
        f"{agent.wanted.start:%Y-%m-%d}" if agent.wanted else "",
        f"{len(agent.gaps):,}" if agent.gaps else "",
    )
