"""The exports, contests and rounds of the full and of the quick benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.tables.competitors import CONVERSIONS, LINKS, PRODUCT
from benchmarks.tables.inputs import Export, agent_export, summary
from tests.loopback.network import Network

MB = 1_000_000

AGENT = "agent-export"
SUMMARY = "summary"
SMALL = "small-export"
LARGE = "large-export"

ONE_LAMBDA = Network(cap=75 * MB)
"""The bandwidth of a default Lambda function, for each direction. The copy benchmark has the same network."""


class Contest(StrEnum):
    CONVERSION = "conversion"
    """From a zip file on disk to tables, without S3."""
    LINK = "link"
    """From a download URL to objects in S3."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """``modules`` are those of ``competitor_code/`` by competitor."""

    contest: Contest
    export: str
    rounds: int
    modules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    exports: Sequence[Export]
    scenarios: Sequence[Scenario]


def _plan(agent_rows: int, servers: int, small_rows: int, rounds: int) -> Plan:
    exports = (
        agent_export(AGENT, agent_rows),
        summary(SUMMARY, servers),
        agent_export(SMALL, small_rows),
        agent_export(LARGE, small_rows, times=20),
    )
    alone = {PRODUCT: CONVERSIONS[PRODUCT]}
    return Plan(
        exports,
        (
            Scenario(Contest.CONVERSION, AGENT, rounds, CONVERSIONS),
            Scenario(Contest.CONVERSION, SUMMARY, rounds, CONVERSIONS),
            Scenario(Contest.LINK, AGENT, rounds, LINKS),
            Scenario(Contest.CONVERSION, SMALL, 1, alone),
            Scenario(Contest.CONVERSION, LARGE, 1, alone),
        ),
    )


FULL = _plan(agent_rows=150_000, servers=10_000, small_rows=40_000, rounds=5)
QUICK = _plan(agent_rows=15_000, servers=2_000, small_rows=4_000, rounds=1)
