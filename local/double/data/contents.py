"""The contents of an export, and the format of its CSV files, for all kinds."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice

from .data_center import PAD_BYTES, DataCenter
from .headers import HEADERS
from .samples import LATEST, SAMPLES_PER_INVENTORY, History, Sample, Span, time_text

Row = Sequence[object]
ROWS_PER_CHUNK = 200
"""Rows formatted at once: at most about half a megabyte of text in memory."""
LATEST_TEXT = time_text(LATEST)


class Kind(StrEnum):
    """The kinds of exports that StartExportTask starts."""

    SUMMARY = "summary"
    AGENT = "agent"
    EC2_RECOMMENDATIONS = "ec2-recommendations"


class Container(StrEnum):
    """The format of a download. The service returns a zip. The others were seen, or can be expected."""

    ZIP = "zip"
    NESTED = "nested"
    CSV = "csv"
    GZIP = "gzip"
    NONE = "none"
    """An export without a result: a zip without a CSV file."""


class Compression(StrEnum):
    DEFLATED = "deflated"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of an export. With a data center, they determine every byte.

    ``rows`` is the number of samples, and of connections to each peer, in an agent export; those of an agent with a
    history depend on the time instead. ``min_bytes`` adds rows until the CSV files together have that size before
    compression. ``folder`` and ``name_prefix`` (instead of the account) change the names of the files.
    """

    kind: Kind = Kind.SUMMARY
    agent_id: str | None = None
    span: Span = field(default_factory=Span)
    history: History | None = None
    cut_in_half: bool = False
    """Whether the rows cover only the first half of the range."""
    rows: int = 24
    min_bytes: int = 0
    connection_columns: int = 12
    container: Container = Container.ZIP
    compression: Compression = Compression.DEFLATED
    folder: str = ""
    name_prefix: str = ""

    @property
    def is_truncated(self) -> bool:
        return self.cut_in_half or (self.history is not None and self.history.truncates(self.span))

    def samples(self) -> Iterator[Sample]:
        """The samples of an agent export."""
        span = self.span.first_half if self.cut_in_half else self.span
        return self.history.exported(span) if self.history else span.samples(self.rows)

    def inventory_times(self) -> Iterator[str]:
        """The times at which an agent export has rows of the system, its network interfaces and its processes."""
        if self.history is None:
            return iter([time_text(self.span.start)])
        return (sample.at for sample in self.samples() if sample.number % SAMPLES_PER_INVENTORY == 0)

    def covered(self) -> tuple[str, str] | None:
        """Start and end of the exported data, or None without data."""
        if self.history is None:
            span = self.span.first_half if self.cut_in_half else self.span
            return time_text(span.start), time_text(span.end)
        times = [sample.at for sample in self.samples()]
        return (times[0], times[-1]) if times else None

    @property
    def padding(self) -> int:
        """The number of padding rows that ``min_bytes`` requires."""
        return -(-self.min_bytes // PAD_BYTES)


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A member of an export. Each call of ``rows`` starts again, so that files of any size need no memory."""

    name: str
    header: Sequence[str]
    rows: Callable[[], Iterable[Row]]

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file as the service writes them: UTF-8, quotes only where needed, no final line break."""
        lines = chain([self.header], self.rows())
        separator = ""
        while block := list(islice(lines, ROWS_PER_CHUNK)):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(block)
            yield (separator + text.getvalue()[:-1]).encode()
            separator = "\n"


def csv_file(data_center: DataCenter, contents: Contents, name: str, rows: Callable[[], Iterable[Row]]) -> CsvFile:
    """The file with its name inside the zip and the header of the file ``name``."""
    return CsvFile(member_name(data_center, contents, name), HEADERS[contents.kind][name], rows)


def member_name(data_center: DataCenter, contents: Contents, name: str) -> str:
    """The name inside the zip: ``{account}_Server.csv``, unless the contents have a folder or a prefix."""
    return in_folder(contents, f"{contents.name_prefix or data_center.account}_{name}")


def in_folder(contents: Contents, name: str) -> str:
    return f"{contents.folder}/{name}" if contents.folder else name


def by_name(header: Sequence[str], values: Mapping[str, object]) -> Row:
    """A row in the order of the header, empty cells for missing values. Raises KeyError for an unknown column."""
    if unknown := values.keys() - set(header):
        raise KeyError(*sorted(unknown))
    return [values.get(column, "") for column in header]
