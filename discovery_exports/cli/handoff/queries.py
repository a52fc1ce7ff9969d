"""The SQL of hand-offs in docs/queries/handoff, with the settings of the command in place of those of the files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.handoff.choices import Meaning
from discovery_exports.locations import QUERIES

FOLDER = QUERIES / "handoff"
MAX_BYTES = 262_144
"""Of a query: https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html"""
BEGIN, END = "-- Settings: ", "-- End of the settings.\n"
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Settings:
    """Which exports are used, and which keys of tags have a meaning."""

    exports: Sequence[str] = ()
    """Only these; all if empty."""
    as_of: datetime = FOREVER
    """Exports that were requested until this time, in UTC."""
    tags: Mapping[Meaning, Sequence[str]] | None = None
    """Keys by meaning. The value of the first key that a server has is used."""

    def ctes(self) -> str:
        """The common table expressions between the comments of each file."""
        keys = [(meaning, key, place) for meaning, keys in (self.tags or {}).items() for place, key in enumerate(keys)]
        as_of = self.as_of.replace(tzinfo=None).isoformat(" ", "milliseconds")
        chosen = f"\n      AND exportid IN ({', '.join(map(_text, self.exports))})" if self.exports else ""
        return f"""usable AS (
    SELECT exportid, kind, exportrequesttime, requestedendtime, istruncated
    FROM exports
    WHERE exportrequesttime <= TIMESTAMP {_text(as_of)}{chosen}
),
tag_keys (meaning, key, place) AS (
    VALUES {_values(keys or [("", "", 0)])}
),
"""  # noqa: S608  # each value is a literal


@dataclass(frozen=True, slots=True)
class Known:
    """An export that a query reads, by its ID and the month (``yyyy-mm``) in which it was requested."""

    export_id: str
    month: str


def statement(name: str, settings: Settings, known: Mapping[str, Known] | None = None) -> str:
    """The SQL of the file with this name, such as ``servers``. Raises Misused if it is too long for Athena.

    ``known`` has the newest summary and recommendations by the names of their common table expressions. They replace
    the search for them, which Athena would do once more in each place; and with constants, Athena lists one month and
    skips other exports.
    """
    sql = (FOLDER / f"{name}.sql").read_text("utf-8")
    before, _, rest = sql.partition(BEGIN)
    comment, _, settings_and_after = rest.partition("\n")
    _, _, after = settings_and_after.partition(END)
    for cte, export in (known or {}).items():
        search = f"= (SELECT exportid FROM {cte})"  # noqa: S608
        after = after.replace(search, f"= {_text(export.export_id)} AND requested_month = {_text(export.month)}")
    sql = f"{before}{BEGIN}{comment}\n{settings.ctes()}{END}{after}"
    if len(sql.encode()) > MAX_BYTES:
        raise Misused(
            f"So many IDs and keys make a query of more than {MAX_BYTES:,} bytes, the limit of Athena. Name fewer, or "
            "use --as-of in place of --export."
        )
    return sql


def read_as_of(text: str, now: datetime) -> datetime:
    """A date, which is its last millisecond, or a time, in UTC, not in the future. Raises Misused."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misused(f"{text!r} is not a date. Write it as 2026-11-28, or with a time as 2026-11-28T09:30Z.") from None
    if moment > now:
        raise Misused(f"--as-of {text} is in the future: it is {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC now.")
    is_date = len(text.strip()) <= len("2026-11-28")
    return datetime.combine(moment, time.max, UTC).replace(microsecond=999_000) if is_date else moment


def _values(rows: Iterable[Iterable[object]]) -> str:
    return ", ".join(f"({', '.join(str(v) if isinstance(v, int) else _text(str(v)) for v in row)})" for row in rows)


def _text(value: str) -> str:
    """A literal. SQL knows no other escape in it: https://trino.io/docs/current/language/types.html#varchar"""
    if not value.isprintable():
        raise Misused(f"{value!r} has characters that no ID and no key of a tag has.")
    return "'" + value.replace("'", "''") + "'"
