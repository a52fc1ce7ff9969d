"""The status page: what happened to the exports of the last 30 days, what is late, and what is not stored."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from exports.collecting.coverage import Coverage
from exports.model import IN_PROGRESS, utc_text
from exports.outcomes.catalog_index import NEWEST, OLDEST, STATUSES, UNSETTLED, StatusItems
from exports.outcomes.outcome import WITH_DATA, Outcome
from exports.outcomes.rows import Row
from exports.page.coverage_section import coverage_section
from exports.page.layout import Column, Section, Tone, bar, document, figures, minute, paragraph, table, tag
from exports.page.markup import Markup, text
from exports.redaction import redact, redact_message
from exports.text import short_bytes, short_duration

PERIOD = timedelta(days=30)
MAX_LISTED = 50
"""Rows of the tables of late exports and of those that are not stored."""
MAX_REASONS = 10
MAX_NEWEST = 200
MAX_ID = 200
"""Characters of an ID that is a valid one."""
MAX_COUNT = 10**15
"""Bytes or rows above this are no count: the item was edited."""
MAX_WHY = 160
"""Characters of a reason or a message."""
MEANINGS: Mapping[str, tuple[str, Tone]] = {
    IN_PROGRESS: ("the service has not finished it, or it is being stored", "plain"),
    Outcome.STORED: ("complete and verified", "good"),
    Outcome.TRUNCATED: ("stored, but the service cut its data", "good"),
    Outcome.FAILED: ("failed in the service", "bad"),
    Outcome.REJECTED: ("what the service gave cannot be accepted", "bad"),
    Outcome.NOT_STORED: ("could not be stored; a later run tries again", "bad"),
    Outcome.NOT_FOUND: ("the service does not list it", "bad"),
    Outcome.TIMED_OUT: ("not stored at the deadline; a later run continues", "open"),
}
NOT_STORED = tuple(status for status in STATUSES if MEANINGS[status][1] in {"bad", "open"})
DURATIONS = (
    ("under 5 min", timedelta(minutes=5)),
    ("5 to 15 min", timedelta(minutes=15)),
    ("15 to 60 min", timedelta(hours=1)),
    ("1 to 4 h", timedelta(hours=4)),
    ("4 to 24 h", timedelta(days=1)),
    ("1 d or more", timedelta.max),
)
"""Names and upper limits."""
ID = Column("Export", "id")
WHY = Column("Why", "wide")


@dataclass(frozen=True, slots=True)
class StatusPage:
    """What the page shows. ``late_after`` is the age from which an export that is not settled is late."""

    stack: str
    account: str
    region: str
    written_at: datetime
    late_after: timedelta
    statuses: Mapping[str, StatusItems]
    coverage: Coverage | None = None
    """None if the stack starts no exports."""

    @property
    def since(self) -> str:
        return utc_text(self.written_at - PERIOD)

    def newest(self, statuses: Iterable[str] = STATUSES) -> list[Row]:
        """Items of these statuses, each export once, those that were first seen last at the beginning."""
        found = {row.export_id: row for status in statuses for row in self.statuses[status].newest}
        return sorted(found.values(), key=_first_seen, reverse=True)

    def recent(self, statuses: Iterable[str]) -> list[Row]:
        return [row for row in self.newest(statuses) if _first_seen(row) >= self.since]

    def late(self) -> list[Row]:
        """Items that are not settled and were requested ``late_after`` ago, the oldest first."""
        limit = self.written_at - self.late_after
        rows = [row for status in UNSETTLED for row in (*self.statuses[status].newest, *self.statuses[status].oldest)]
        found = {row.export_id: row for row in rows if (row.time("exportRequestTime") or limit) < limit}
        return sorted(found.values(), key=lambda row: row.text("exportRequestTime") or "")

    @property
    def has_all_late(self) -> bool:
        return all(self.statuses[status].is_complete for status in UNSETTLED)


def render(page: StatusPage) -> bytes:
    """The page in HTML, of less than 300,000 bytes for any items."""
    return document(
        title="Discovery Exports",
        facts={"Stack": page.stack, "Account": page.account, "Region": page.region},
        written_at=page.written_at,
        sections=sections(page),
    )


def sections(page: StatusPage) -> list[Section]:
    """The sections, in their order. Each is made by a function of its own."""
    covered = [coverage_section(page.coverage)] if page.coverage else []
    return [overview(page), *covered, outcomes(page), durations(page), late(page), not_stored(page), newest(page)]


def overview(page: StatusPage) -> Section:
    late, is_exact = page.late(), page.has_all_late
    values: list[tuple[str, str, Tone]] = [
        ("Stored", _total(page, WITH_DATA), "good"),
        ("In progress", _total(page, [IN_PROGRESS]), "plain"),
        ("Not stored", _total(page, NOT_STORED), "bad" if page.recent(NOT_STORED) else "plain"),
        ("Late now", _number(len(late), is_exact), "bad" if late else "plain"),
    ]
    sentence = (
        f"Exports that were first seen in the {PERIOD.days} days before this page was written. "
        "It is written at the end of each run. Times are in UTC."
    )
    return Section("overview", "Overview", [figures(values), paragraph(sentence)])


def outcomes(page: StatusPage) -> Section:
    counts = {status: page.statuses[status].recent for status in STATUSES}
    total = sum(counts.values()) or 1
    rows = [
        (
            tag(status, tone),
            _number(counts[status], page.statuses[status].recent_is_exact),
            bar(counts[status] / total, tone),
            meaning,
        )
        for status, (meaning, tone) in MEANINGS.items()
    ]
    columns = (Column("Status", "id"), Column("Exports", "number"), Column("Share"), Column("Meaning", "wide"))
    body = [table(f"Exports of the last {PERIOD.days} days by status", columns, rows, name="counts")]
    if not all(items.recent_is_exact for items in page.statuses.values()):
        body.append(paragraph("+ means: at least this many. This page does not count more, so that a run ends soon."))
    return Section("outcomes", "Outcomes", body, narrow=True)


def durations(page: StatusPage) -> Section:
    """Of the newest stored exports only, because their number is limited, and that of all exports is not."""
    rows = page.recent(WITH_DATA)
    taken = sorted(each for row in rows if (each := _taken(row)) is not None)
    title = "From request to stored"
    if not taken:
        return Section(
            "durations", title, [paragraph(f"No export of the last {PERIOD.days} days is stored.")], narrow=True
        )
    counts = Counter(next(name for name, limit in DURATIONS if each < limit) for each in taken)
    shares = [(name, f"{counts[name]:,}", bar(counts[name] / len(taken), "plain")) for name, _ in DURATIONS]
    is_all = len(rows) == sum(page.statuses[status].recent for status in WITH_DATA)
    caption = (
        f"The {'' if is_all else 'newest '}{len(taken):,} stored exports of the last {PERIOD.days} days by duration"
    )
    values: list[tuple[str, str, Tone]] = [
        ("Median", short_duration(_percentile(taken, 50)), "plain"),
        ("95th percentile", short_duration(_percentile(taken, 95)), "plain"),
        ("Longest", short_duration(taken[-1]), "plain"),
    ]
    columns = (Column("Duration", "id"), Column("Exports", "number"), Column("Share"))
    return Section("durations", title, [figures(values), table(caption, columns, shares, name="counts")], narrow=True)


def late(page: StatusPage) -> Section:
    limit, found = short_duration(page.late_after), page.late()
    if not found:
        return Section(
            "late", "Late", [paragraph(f"No export was requested more than {limit} ago and is not settled.")]
        )
    rows = [
        (_id(row), _status(row), _age(row, page.written_at), _minute(row, "exportRequestTime"), _why(row))
        for row in found[:MAX_LISTED]
    ]
    columns = (ID, Column("Status"), Column("Age", "number"), Column("Requested"), WHY)
    caption = f"{_of(rows, found)} requested more than {limit} ago and not settled, the oldest first"
    body = [table(caption, columns, rows, name="exports")]
    if not page.has_all_late:
        body.append(
            paragraph(
                f"Of each status, the newest {NEWEST} and the oldest {OLDEST} exports were searched for late ones."
            )
        )
    return Section("late", "Late", body)


def not_stored(page: StatusPage) -> Section:
    found = page.recent(NOT_STORED)
    if not found:
        return Section("not-stored", "Not stored", [paragraph(f"None in the last {PERIOD.days} days.")])
    rows = [(_id(row), _status(row), _recorded(row), _why(row)) for row in found[:MAX_LISTED]]
    columns = (ID, Column("Status"), Column("Recorded"), WHY)
    caption = f"{_of(rows, found)} of the last {PERIOD.days} days, the newest first"
    return Section("not-stored", "Not stored", [_reasons(found), table(caption, columns, rows, name="exports")])


def _reasons(found: Sequence[Row]) -> Markup:
    counts = Counter((_status_of(row), row.why) for row in found)
    rows = [
        (text(_shown(why) or "No reason was recorded"), tag(status, MEANINGS[status][1]), f"{count:,}")
        for (status, why), count in counts.most_common(MAX_REASONS)
    ]
    columns = (Column("Why", "id"), Column("Status"), Column("Exports", "number"))
    return table("The most frequent reasons", columns, rows, name="reasons")


def newest(page: StatusPage) -> Section:
    found = page.newest()[:MAX_NEWEST]
    if not found:
        return Section("newest", "Newest exports", [paragraph("The catalog has no exports yet.")])
    cells = [
        (
            _id(row),
            _status(row),
            row.kind or "",
            _minute(row, "exportRequestTime"),
            short_duration(taken) if row.outcome in WITH_DATA and (taken := _taken(row)) is not None else "",
            f"{rows:,}" if (rows := _count(row, "rows")) is not None else "",
            short_bytes(size) if (size := _count(row, "bytes")) is not None else "",
        )
        for row in found
    ]
    columns = (
        *(ID, Column("Status"), Column("Kind"), Column("Requested")),
        *(Column("Stored after", "number"), Column("Rows", "number"), Column("Size", "number")),
    )
    caption = f"The {len(found):,} exports that were first seen last, the newest first"
    return Section("newest", "Newest exports", [table(caption, columns, cells, name="exports")])


def _total(page: StatusPage, statuses: Sequence[str]) -> str:
    found = [page.statuses[status] for status in statuses]
    return _number(sum(each.recent for each in found), all(each.recent_is_exact for each in found))


def _number(number: int, is_exact: bool) -> str:
    return f"{number:,}{'' if is_exact else '+'}"


def _of(rows: Sequence[object], found: Sequence[object]) -> str:
    return f"{len(rows):,} of {len(found):,}" if len(rows) < len(found) else f"{len(found):,}"


def _first_seen(row: Row) -> str:
    return row.text("firstSeenAt") or ""


def _status_of(row: Row) -> str:
    return str(row.outcome or IN_PROGRESS)


def _id(row: Row) -> Markup:
    """Its characters are all there: those that are not shown are escaped, so that two IDs never look the same."""
    return text(redact(row.export_id[:MAX_ID]), MAX_ID)


def _status(row: Row) -> Markup:
    status = _status_of(row)
    return tag(status, MEANINGS[status][1])


def _why(row: Row) -> Markup:
    return text(_shown(row.why))


def _shown(why: str) -> str:
    """Redacted once more: an item may have been written by hand, or by a release that hid less."""
    return redact_message(why, MAX_WHY)


def _minute(row: Row, name: str) -> str:
    moment = row.time(name)
    return minute(moment) if moment else ""


def _recorded(row: Row) -> str:
    return _minute(row, "settledAt") or _minute(row, "announcedAt")


def _count(row: Row, name: str) -> int | None:
    count = row.count(name)
    return count if count is not None and count < MAX_COUNT else None


def _age(row: Row, now: datetime) -> str:
    requested = row.time("exportRequestTime")
    return short_duration(now - requested) if requested else ""


def _taken(row: Row) -> timedelta | None:
    requested, settled = row.time("exportRequestTime"), row.time("settledAt")
    return max(timedelta(), settled - requested) if requested and settled else None


def _percentile(values: Sequence[timedelta], percent: int) -> timedelta:
    """The smallest of the sorted values that at least ``percent`` percent of them do not exceed."""
    return values[-(-len(values) * percent // 100) - 1]
