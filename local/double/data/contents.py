"""What is in an export, and what its CSV files look like, whatever its kind."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice

from local.double.data.data_center import LATEST, PAD_BYTES, DataCenter, Span, time_text
from local.double.data.headers import HEADERS

Row = Sequence[object]
ROWS_AT_ONCE = 200
"""Rows formatted at a time: at most about half a megabyte of text in memory."""
LATER = time_text(LATEST)


class Kind(StrEnum):
    """What StartExportTask was asked for."""

    SUMMARY = "summary"
    AGENT = "agent"
    EC2_RECOMMENDATIONS = "ec2-recommendations"


class Container(StrEnum):
    """How the files are handed over. The service gives a zip; the others have been seen, or are to be expected."""

    ZIP = "zip"
    NESTED = "nested"
    CSV = "csv"
    GZIP = "gzip"
    NONE = "none"
    """An export with no result: a zip without any CSV."""


class Compression(StrEnum):
    DEFLATED = "deflated"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in an export; together with a fleet it decides every byte.

    ``rows`` is the number of samples, and of connections to each peer, in an agent export. ``min_bytes`` adds rows
    until the CSV files together have at least so many bytes before compression. ``folder`` and ``name_prefix`` (instead
    of the account) change the names of the files.
    """

    kind: Kind = Kind.SUMMARY
    agent_id: str | None = None
    span: Span = field(default_factory=Span)
    is_truncated: bool = False
    rows: int = 24
    min_bytes: int = 0
    connection_columns: int = 12
    container: Container = Container.ZIP
    compression: Compression = Compression.DEFLATED
    folder: str = ""
    name_prefix: str = ""

    def covered(self) -> Span:
        """The time that the rows cover: half of what was asked for when the export is truncated."""
        return self.span.first_half if self.is_truncated else self.span

    @property
    def padding(self) -> int:
        """How many padding rows ``min_bytes`` asks for."""
        return -(-self.min_bytes // PAD_BYTES)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A member of an export. ``rows`` starts anew at every call, so that files of any size need no memory."""

    name: str
    header: Sequence[str]
    rows: Callable[[], Iterable[Row]]

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes as the service writes them: UTF-8, quotes only where needed, no final line break."""
        lines = chain([self.header], self.rows())
        separator = ""
        while block := list(islice(lines, ROWS_AT_ONCE)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(block)
            yield (separator + text.getvalue()[:-1]).encode()
            separator = "\n"


def csv_file(data_center: DataCenter, contents: Contents, name: str, rows: Callable[[], Iterable[Row]]) -> CsvFile:
    """The file under its name inside the zip, with the header that belongs to its own name."""
    return CsvFile(member_name(data_center, contents, name), HEADERS[contents.kind][name], rows)


def member_name(data_center: DataCenter, contents: Contents, name: str) -> str:
    """The name inside the zip: ``{account}_Server.csv``, unless a folder or another prefix is asked for."""
    return in_folder(contents, f"{contents.name_prefix or data_center.account}_{name}")


def in_folder(contents: Contents, name: str) -> str:
    return f"{contents.folder}/{name}" if contents.folder else name


def by_name(header: Sequence[str], values: Mapping[str, object]) -> Row:
    """A row in the header's order, empty cells where nothing is known; a name that is not in the header is a slip."""
    if unknown := values.keys() - set(header):
        raise KeyError(*sorted(unknown))
    return [values.get(column, "") for column in header]
