"""The types of the columns of the tables, and how a cell of each is written as JSON."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from json.encoder import encode_basestring

CellReader = Callable[[str], str | None]
"""Converts a cell to JSON of its column's type; None if the cell is not of that type."""
INTEGER = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,17}))?")
NUMBER = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,16})(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?)?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


def read_nothing(cell: str) -> None:
    """The reader of an unknown column."""


def _read_integer(cell: str) -> str | None:
    return cell or "null" if INTEGER.fullmatch(cell) else None


def _read_number(cell: str) -> str | None:
    return cell or "null" if NUMBER.fullmatch(cell) else None


def _read_time(cell: str) -> str | None:
    """A time in UTC as the service and SQL write it: ``2020-07-14 20:46:38``."""
    if not TIME.fullmatch(cell):
        return None if cell else "null"
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return None
    return f'"{cell}"'


READERS: Mapping[str, CellReader] = {
    "string": encode_basestring,
    "bigint": _read_integer,
    "double": _read_number,
    "timestamp": _read_time,
}
