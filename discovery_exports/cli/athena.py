"""Runs SQL in the workgroup and the database of the stack."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import CallRefused, Failure, one_line
from discovery_exports.cli.following import Clock, polled
from discovery_exports.cli.output import MAX_TABLE_ROWS, Column
from discovery_exports.cli.progress import Progress
from discovery_exports.cli.times import short_bytes, short_duration

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint"), int),
    **dict.fromkeys(("float", "real", "double"), float),
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
}
"""Types whose values are no texts in JSON. A decimal stays a text, because JSON readers round numbers."""
ADVICE = (
    (
        ("bytes scanned limit", "data scanned limit"),
        "Name the columns that you need, and the months with a condition on requested_month (docs/queries.md), or "
        "raise queryScanLimitBytes (docs/settings.md).",
    ),
    (("insufficient lake formation", "lakeformation"), "Ask for grants in Lake Formation (docs/accounts.md)."),
    (("access denied", "accessdenied", "not authorized"), "Ask for the permissions in examples/reader.policy.json."),
    (
        ("does not exist", "cannot be resolved", "not found"),
        "Check the names: docs/queries.md describes the tables.",
    ),
    (("exhausted resources", "query timeout", "timed out"), "Select fewer columns, months or rows."),
)


class Athena:
    """One query at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._work_group = context.stack_output("WorkGroupName")
        self._database = context.stack_output("DatabaseName")
        self._client: AthenaClient = context.client("athena")

    def print_rows(self, sql: str) -> None:
        """Run the query to its end and print its rows, in a table only the first. Raises CallRefused if it fails."""
        clock = Clock(self._context, None)
        execution = self._executed(sql, clock)
        members, rows = self._result(execution["QueryExecutionId"])
        printed = _Counted(islice(rows, MAX_TABLE_ROWS if self._context.output.is_table else None))
        self._context.output.rows(printed, members, [_column(name) for name in members])
        scanned = short_bytes(_scanned(execution))
        rows_text = "1 row" if printed.count == 1 else f"{printed.count:,} rows"
        note = f"{rows_text}, {scanned} scanned, {short_duration(clock.passed)}"
        is_cut = next(rows, None) is not None
        self._context.say(f"The first {note}. There are more: -o csv prints all." if is_cut else note)

    def download(self, sql: str, file: IO[bytes], title: str) -> None:
        """Run the query to its end and write its result to ``file``: CSV in UTF-8 with a header. Null is an empty cell.

        The object with the result is read in place of its pages of 1,000 rows, which take a call each. ``title`` is
        shown in place of the ID of the query. Raises CallRefused if the query fails.
        """
        from boto3.s3.transfer import TransferConfig

        execution = self._executed(sql, Clock(self._context, None), title)
        bucket, _, prefix = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
        # Not at the location itself, but below it, is the object on the local AWS: so it is looked up.
        found = self._context.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        keys = [each["Key"] for each in found if each["Key"].endswith(".csv")]
        if not keys:
            raise CallRefused(f"The result of the query is not in s3://{bucket}/{prefix}. Run the command again.")
        with_one_part_in_memory = TransferConfig(use_threads=False)
        self._context.s3.download_fileobj(bucket, keys[0], file, Config=with_one_part_in_memory)

    def _executed(self, sql: str, clock: Clock, title: str = "") -> Any:
        """The query after its end. Raises CallRefused if it has failed. An interrupt cancels it."""
        start = partial(
            self._client.start_query_execution,
            QueryString=sql,
            WorkGroup=self._work_group,
            QueryExecutionContext={"Database": self._database},
            ClientRequestToken=str(uuid4()),
        )
        query = ""
        try:
            query = start()["QueryExecutionId"]
            execution = self._followed(query, clock, title or f"Query {query}")
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Interrupted. {self._cancel(query, start)}") from None
        if execution["Status"]["State"] != "SUCCEEDED":
            raise _failure(execution)
        return execution

    def _cancel(self, query: str, start: Callable[[], Any]) -> str:
        """Cancel the query, and say what became of it.

        Without its ID, the start was interrupted. The same start again, with its token, returns the ID: it starts a
        query only if the first request did not arrive.
        """
        with suppress(Exception):
            query = query or start()["QueryExecutionId"]
            self._client.stop_query_execution(QueryExecutionId=query)
            return "The query was cancelled."
        if query:
            return f"The query {query} could not be cancelled, and goes on."
        return "The query may have been started, and could not be cancelled."

    def _followed(self, query: str, clock: Clock, title: str) -> Any:
        with Progress(self._context) as progress:
            while True:
                execution = polled(self._context, lambda: self._read(query), clock)
                state = execution["Status"]["State"]
                line = f"{state}, {short_bytes(_scanned(execution))} scanned"
                progress.show(f"{title}, {short_duration(clock.passed)}", [line], 0, 0, key=state)
                if state not in {"QUEUED", "RUNNING"}:
                    return execution
                clock.pause()

    def _read(self, query: str) -> Any:
        return self._client.get_query_execution(QueryExecutionId=query)["QueryExecution"]

    def _result(self, query: str) -> tuple[Sequence[str], Iterator[dict[str, Any]]]:
        """The names of the columns and the rows. Only one page of them, 1,000 rows, is in memory."""
        pages = iter(self._client.get_paginator("get_query_results").paginate(QueryExecutionId=query))
        first: Any = next(pages, {})
        result = first.get("ResultSet", {})
        columns = result.get("ResultSetMetadata", {}).get("ColumnInfo", ())
        members = _distinct([str(each.get("Label") or each["Name"]) for each in columns])
        readers = [READERS.get(str(each.get("Type", "")).lower(), str) for each in columns]

        def rows() -> Iterator[dict[str, Any]]:
            lines = [_texts(row) for row in result.get("Rows", ())]
            # The result of SELECT begins with the names of the columns, that of SHOW and DESCRIBE does not.
            has_header = lines[:1] == [[each.get("Label") or each["Name"] for each in columns]]
            yield from (_row(members, readers, line) for line in lines[has_header:])
            for page in pages:
                yield from (_row(members, readers, _texts(row)) for row in page["ResultSet"]["Rows"])

        return members, rows()


class _Counted:
    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self.count += 1
            yield row


def _texts(row: Any) -> list[str | None]:
    return [cell.get("VarCharValue") for cell in row.get("Data", ())]


def _row(
    members: Sequence[str], readers: Sequence[Callable[[str], Any]], texts: Sequence[str | None]
) -> dict[str, Any]:
    """Cells that are missing at the end of a row, as in the result of DESCRIBE, are null."""
    return {
        name: _value(read, text)
        for name, read, text in zip(members, readers, [*texts, *[None] * len(members)], strict=False)
    }


def _value(read: Callable[[str], Any], text: str | None) -> Any:
    """A value that JSON cannot have as a number, such as NaN, is a text."""
    if text is None:
        return None
    try:
        value = read(text)
    except (ValueError, KeyError):
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _distinct(names: Sequence[str]) -> list[str]:
    """SQL allows several columns of a name."""
    distinct: list[str] = []
    for name in names:
        count, unique = 1, name
        while unique in distinct:
            count += 1
            unique = f"{name}_{count}"
        distinct.append(unique)
    return distinct


def _column(name: str) -> Column:
    return Column(name, name, _shown)


def _shown(value: Any) -> str:
    """Numbers have no separators: they may be ports and times."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scanned(execution: Any) -> int:
    return int(execution.get("Statistics", {}).get("DataScannedInBytes", 0))


def _failure(execution: Any) -> Failure:
    status = execution["Status"]
    details = status.get("AthenaError", {}).get("ErrorMessage", "")
    reason = one_line(str(status.get("StateChangeReason") or details or "no reason"))
    found = [advice for words, advice in ADVICE if any(word in reason.lower() for word in words)]
    ending = "" if reason.endswith((".", "?")) else "."
    return CallRefused(" ".join([f"The query ended as {status['State']}: {reason}{ending}", *found[:1]]))
