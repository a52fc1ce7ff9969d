"""The coverage on the status page: what it shows, that it is there only with the collector, and how large it is."""

import re
from datetime import timedelta
from typing import Any

import pytest

from exports.model import utc_text
from exports.outcomes.catalog_index import STATUSES
from exports.page.coverage_section import MAX_AGENTS
from exports.page.status_page import render, sections
from exports.text import printable
from tests.status_pages import NOW, agents, hostile, hostile_agents, page_of, usual
from tests.unit.page.test_status_page import ATTRIBUTES, ELEMENTS, MAX_BYTES, Page, item, section

PING = NOW - timedelta(days=2)
DAY = timedelta(days=1)


def agent(agent_id: str, *, stored: float, **attributes: Any) -> dict[str, Any]:
    """An agent with ten days of data, of which the last ``stored`` days are stored."""
    covered = [[utc_text(PING - stored * DAY), utc_text(PING)]] if stored else []
    times = {"registeredAt": utc_text(PING - 10 * DAY), "lastPingAt": utc_text(PING), "seenAt": utc_text(PING)}
    return {"agentId": agent_id, "hostName": f"host-of-{agent_id}", **times, "covered": covered, **attributes}


def shown(*collected: dict[str, Any]) -> Page:
    return Page(render(page_of([item()], collected=collected)))


def test_the_section_is_there_only_if_exports_are_collected() -> None:
    without, with_it = page_of(usual(50)), page_of(usual(50), collected=agents())

    assert [each.id for each in sections(with_it)] == [
        "overview",
        "coverage",
        *(each.id for each in sections(without)[1:]),
    ]
    assert "Coverage" not in Page(render(without)).text


def test_agents_are_listed_with_their_share_the_least_covered_first() -> None:
    gap = {"from": utc_text(PING - 10 * DAY), "to": utc_text(PING - 9 * DAY), "reason": "NO_PROGRESS"}
    stopped = {"reason": "REFUSED", "at": utc_text(NOW)}

    listed = section(
        shown(
            agent("o-all", stored=10), agent("o-none", stored=0, stopped=stopped), agent("o-gap", stored=9, gaps=[gap])
        ),
        "coverage",
    )

    assert "History stored 63.3 % Data missing 10 d Gaps 1 Agents given up 1" in listed
    assert re.findall(r"o-\w+ host-of-o-\w+ [\d.]+ %", listed) == [
        "o-none host-of-o-none 0.0 %",
        "o-gap host-of-o-gap 90.0 %",
        "o-all host-of-o-all 100.0 %",
    ]
    assert re.search(r"given up +REFUSED 2026-11-17", listed)


def test_a_deleted_agent_that_the_service_refuses_is_the_last_one_with_its_reason_and_in_no_total() -> None:
    stopped = {"reason": "InvalidParameterException", "at": utc_text(NOW)}

    listed = section(
        shown(agent("o-all", stored=10), agent("o-deleted", stored=0, stopped=stopped, listed=False)), "coverage"
    )

    assert "History stored 100.0 % Data missing 0 s Gaps 0 Agents given up 0" in listed
    assert listed.index("o-all") < listed.index("o-deleted")
    assert re.search(r"deleted +InvalidParameterException 2026-11-17", listed)


def test_a_bar_shows_what_is_stored_given_up_and_missing() -> None:
    gap = {"from": utc_text(PING - 10 * DAY), "to": utc_text(PING - 9 * DAY), "reason": "NO_PROGRESS"}
    html = render(page_of([], collected=[agent("o-1", stored=5, gaps=[gap])])).decode()

    paths = {kind: path for path, kind in re.findall(r'<path d="([^"]*)" class="(\w+)"', html)}
    assert paths == {
        "gap": "M0.0 0H10.0V8H0.0z",
        "missing": "M10.0 0H50.0V8H10.0z",
        "stored": "M50.0 0H100.0V8H50.0z",
    }


def test_what_the_service_says_and_the_estimate_are_shown() -> None:
    blocked = {"blockedBy": "no more today", "blockedSince": utc_text(NOW), "blockedUntil": utc_text(NOW + DAY)}
    snapshot = {"at": utc_text(NOW - 5 * DAY), "uncoveredSeconds": 10 * 86_400}

    listed = section(
        shown(
            agent("o-half", stored=5),
            {"agentId": "account: agents", **blocked},
            {"agentId": "account: progress", "snapshots": [snapshot]},
        ),
        "coverage",
    )

    assert "The service starts no agent exports, tried again at 2026-11-30 12:00: no more today" in listed
    assert "At the rate of the last days, the rest is stored by 2026-12-04." in listed


def test_the_totals_are_of_all_agents_and_the_list_is_limited() -> None:
    page = shown(*(agent(f"o-{number:03}", stored=number % 10) for number in range(200)))

    listed = section(page, "coverage")
    assert "History stored 45.0 %" in listed
    assert f"{MAX_AGENTS} of 200 agents, the least covered first" in listed
    assert len(re.findall(r"host-of-o-\d+", listed)) == MAX_AGENTS


def test_before_the_first_tick_no_agent_is_known() -> None:
    listed = section(shown(), "coverage")

    assert listed.startswith("The collector has not run yet. It runs every 15 minutes.")
    assert "No agent is known yet." in listed


def test_fault_53_the_section_says_first_what_the_collector_cannot_do_and_when_it_ran() -> None:
    failure = {"operation": "DescribeAgents", "error": "AccessDeniedException", "message": "<b>no</b>", "refused": True}
    ticked = {"at": utc_text(NOW), "failure": {**failure, "since": utc_text(NOW - DAY)}}

    listed = section(shown({"agentId": "account: tick", **ticked}), "coverage")

    assert listed.startswith(
        "Since 2026-11-28 12:00 UTC, the collector cannot list the agents. DescribeAgents failed with "
        "AccessDeniedException: <b>no</b>. What to do: docs/runbook.md#the-collector-fails "
        "The collector last ran at 2026-11-29 12:00 UTC. What was stored since then still counts as in progress. "
    )


@pytest.mark.parametrize("message", ["x" * 500, "'" * 5_000, "😀" * 500, f"see https://example.com/?{'x' * 999}"])
def test_the_section_says_what_to_do_also_after_the_longest_text_of_aws(message: str) -> None:
    failure = {"operation": "DescribeAgents", "error": "AccessDeniedException", "message": message, "refused": True}
    ticked = {"at": utc_text(NOW), "failure": {**failure, "since": utc_text(NOW)}}

    listed = section(shown({"agentId": "account: tick", **ticked}), "coverage")

    assert "What to do: docs/runbook.md#the-collector-fails The collector last ran at" in listed
    assert "example.com" not in listed


def test_a_page_of_10_000_exports_and_10_000_agents_has_less_than_300_kb() -> None:
    html = render(page_of(usual(10_000), collected=agents(10_000)))

    print(len(html))
    assert len(html) < MAX_BYTES


def test_a_page_with_coverage_of_the_longest_texts_has_less_than_300_kb() -> None:
    """Each list is as long as it can be, and a quotation mark is six bytes of HTML."""
    texts = dict.fromkeys(("reason", "statusMessage", "lastError", "claimedBy"), "'" * 500)
    items = [
        item(f"{chr(39) * 200}{number}", str(status), hours=30 + number / 1_000, **texts)
        for number in range(500)
        for status in STATUSES
    ]
    stopped = {"reason": "'" * 500, "at": utc_text(NOW)}
    holes = [[utc_text(PING - n * DAY), utc_text(PING - (n - 0.5) * DAY)] for n in range(10, 0, -1)]
    collected = [
        agent(f"{chr(39) * 200}{number}", stored=0, hostName="'" * 500, stopped=stopped, covered=holes)
        for number in range(500)
    ]

    html = render(page_of(items, collected=collected))

    print(len(html))
    assert len(html) < MAX_BYTES


def test_bad_input_48_hostile_agents_are_shown_as_text() -> None:
    html = render(page_of(hostile(), collected=hostile_agents()))
    page, body = Page(html), html.decode().partition("</style>")[2]

    assert set(page.elements) == ELEMENTS | {"path"}
    assert page.attributes == ATTRIBUTES | {"d"}
    assert len(html) < MAX_BYTES
    assert printable(body, keep="\n") == body
    assert "X-Amz-Signature" not in body
    for expected in ("<img src=x onerror=alert(1)>", "</td></tr></table><h1>owned</h1>"):
        assert expected in section(page, "coverage")
