"""Exports for the status page: those of a usual month, and those of somebody who wants to break the page."""

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from exports.collecting.coverage import coverage
from exports.model import IN_PROGRESS, Kind, utc_text
from exports.outcomes.catalog_index import NEWEST, STATUSES, StatusItems
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row
from exports.page.status_page import PERIOD, StatusPage

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
USUAL = {
    Outcome.STORED: 0.93,
    Outcome.TRUNCATED: 0.03,
    Outcome.FAILED: 0.014,
    Outcome.REJECTED: 0.004,
    Outcome.NOT_STORED: 0.006,
    Outcome.NOT_FOUND: 0.003,
    Outcome.TIMED_OUT: 0.003,
    IN_PROGRESS: 0.01,
}
WHY: Mapping[str, tuple[dict[str, str], ...]] = {
    Outcome.FAILED: (
        {"statusMessage": "The agent has not reported any data in the requested range."},
        {"statusMessage": "Export failed due to an internal error. Please try again."},
    ),
    Outcome.REJECTED: ({"reason": "CORRUPT"}, {"reason": "TOO_LARGE"}, {"reason": "GONE"}),
    Outcome.NOT_STORED: ({"reason": "AccessDenied"}, {"reason": "KMS.DisabledException"}),
    Outcome.TIMED_OUT: ({"reason": "SlowDown"}, {}),
}
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(1)>",
    "</td></tr></table><h1>owned</h1>",
    "\u202egnp.exe\u202c \u2066left\u2069",
    "\x1b[31mred\x07\x00\x85\u2028",
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "</style><style>body{display:none}</style>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "Z̸̡̛̭̪͖̲͈͓̺̄̾̏̈́̈́a̵̛̳l̶͎̔g̷̱͝o̶̤͘",
    "\U0001f600" * 300,
    "\U000f0000" * 500,
    "'" * 500,
    "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=0123456789abcdef0123456789abcdef",
    "\ud800",
)


def usual(exports: int = 640, *, seed: int = 1) -> list[dict[str, Any]]:
    """Items of ``exports`` exports of the last 40 days."""
    draw = random.Random(seed)
    return [_item(draw, number) for number in range(exports)]


def _item(draw: random.Random, number: int) -> dict[str, Any]:
    (status,) = draw.choices(list(USUAL), list(USUAL.values()))
    requested = NOW - timedelta(days=40) * draw.random() ** 1.3
    if status == IN_PROGRESS:
        requested = NOW - timedelta(minutes=draw.expovariate(1 / 300))
    settled = min(NOW, requested + timedelta(minutes=2 + draw.lognormvariate(2.6, 1.1)))
    rows = int(draw.lognormvariate(8, 1.6))
    item: dict[str, Any] = {
        "exportId": f"export-{UUID(int=draw.getrandbits(128), version=4)}",
        "status": str(status),
        "firstSeenAt": utc_text(requested + timedelta(seconds=20)),
        "exportRequestTime": utc_text(requested),
        "exportStatus": {Outcome.FAILED: "FAILED", IN_PROGRESS: "IN_PROGRESS"}.get(status, "SUCCEEDED"),
        **(draw.choice(WHY[status]) if status in WHY else {}),
    }
    if status in {Outcome.STORED, Outcome.TRUNCATED}:
        kind = draw.choices([Kind.AGENT, Kind.SUMMARY, Kind.EC2_RECOMMENDATIONS], [30, 4, 1])[0]
        item |= {"kind": str(kind), "rows": rows, "bytes": 900 + rows * 11, "settledAt": utc_text(settled)}
    elif status != IN_PROGRESS:
        item |= {"settledAt" if status.settled else "announcedAt": utc_text(settled)}  # type: ignore[attr-defined]
    return item


def hostile(exports: int = 2_000) -> list[dict[str, Any]]:
    """Items that were written by hand, with as much and as dangerous text as fits, in every attribute."""
    items = []
    for number in range(exports):
        texts = [HOSTILE[(number + shift) % len(HOSTILE)] for shift in range(4)]
        time = utc_text(NOW - timedelta(hours=1, minutes=number))
        items.append(
            {
                "exportId": f"{texts[0]}{number}",
                "status": str(STATUSES[number % len(STATUSES)]),
                "firstSeenAt": time if number % 7 else f"{time}{texts[1]}",
                "exportRequestTime": time if number % 3 else texts[1],
                "settledAt": time if number % 5 else texts[2],
                **dict.fromkeys(("reason", "statusMessage", "lastError", "claimedBy", "kind"), texts[3] * 20),
                "rows": 10**30 if number % 2 else texts[1],
                "bytes": 10**30 if number % 2 else True,
            }
        )
    return items


def agents(count: int = 12, *, seed: int = 1) -> list[dict[str, Any]]:
    """Items of the table of the collector: agents with 90 days of data, of which the newest is stored."""
    draw = random.Random(seed)
    return [_agent(draw, number) for number in range(count)]


def _agent(draw: random.Random, number: int) -> dict[str, Any]:
    start, end = NOW - timedelta(days=90), NOW - timedelta(minutes=40)
    stored = end - timedelta(days=draw.choice([0, 3, 9, 27, 60, 89.9]))
    hole = stored + (end - stored) * draw.random()
    covered = [[utc_text(stored), utc_text(hole)], [utc_text(hole + timedelta(days=3)), utc_text(end)]]
    gap = {"from": utc_text(hole), "to": utc_text(hole + timedelta(days=3)), "reason": "NO_PROGRESS"}
    item: dict[str, Any] = {
        "agentId": f"o-{draw.getrandbits(64):016x}",
        "hostName": f"app-{number:03}.corp.example",
        "registeredAt": utc_text(start),
        "lastPingAt": utc_text(end),
        "seenAt": utc_text(start),
        "covered": [each for each in covered if each[0] < each[1]],
        "gaps": [gap] if draw.random() < 0.2 else [],
    }
    if draw.random() < 0.1:
        item["stopped"] = {"reason": "InvalidParameterValueException", "at": utc_text(NOW)}
    elif draw.random() < 0.2:
        asked = {"from": utc_text(start), "to": utc_text(start + timedelta(days=3)), "intentAt": utc_text(NOW)}
        item["asked"] = {**asked, "exportId": "export-1"}
    return item


def hostile_agents(count: int = 500) -> list[dict[str, Any]]:
    """Agents with as much and as dangerous text as fits."""
    made = [
        {
            **item,
            "agentId": f"{HOSTILE[number % len(HOSTILE)].replace(' ', '')}{number}",
            "hostName": HOSTILE[(number + 1) % len(HOSTILE)] * 20,
            "stopped": {"reason": HOSTILE[(number + 2) % len(HOSTILE)] * 20, "at": utc_text(NOW)},
        }
        for number, item in enumerate(agents(count))
    ]
    blocked = {"blockedBy": HOSTILE[0] * 20, "blockedSince": utc_text(NOW), "blockedUntil": utc_text(NOW)}
    failure = {"operation": HOSTILE[0], "error": HOSTILE[1], "message": HOSTILE[2] * 20, "refused": True}
    ticked = {"at": utc_text(NOW), "failure": {**failure, "since": utc_text(NOW)}}
    return [
        *made,
        {"agentId": "account: tick", **ticked},
        {"agentId": "account: agents", **blocked},
        {"agentId": "account: summary", **blocked},
    ]


def page_of(
    items: Iterable[Mapping[str, Any]], *, now: datetime = NOW, collected: Iterable[Mapping[str, Any]] | None = None
) -> StatusPage:
    """The page of these items, with what the reader would read of them."""
    since = utc_text(now - PERIOD)
    rows = sorted(map(Row, items), key=lambda row: str(row.item["firstSeenAt"]), reverse=True)
    statuses = {}
    for status in map(str, STATUSES):
        found = [row for row in rows if row.item["status"] == status]
        statuses[status] = StatusItems(
            found[:NEWEST],
            is_complete=len(found) <= NEWEST,
            recent=sum(str(row.item["firstSeenAt"]) >= since for row in found),
        )
    covered = coverage(collected, now) if collected is not None else None
    return StatusPage("DiscoveryExports", "111122223333", "eu-central-1", now, timedelta(hours=24), statuses, covered)
