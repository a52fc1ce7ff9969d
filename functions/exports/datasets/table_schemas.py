"""The columns of the tables that SQL reads.

``tables.json`` defines them: for each dataset the known headers, in the newest order, each with the name and type of
its column in SQL.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Columns = Mapping[str, tuple[str, str]]
"""Name and type of each column of a table, by the header of the cells that it holds."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The export that the rows of a table come from. ``requested_date`` is ``yyyy-mm-dd``."""

    export_id: str
    requested_date: str


@cache
def known_tables() -> Mapping[str, Columns]:
    """The columns of each dataset that has a table."""
    known = json.loads(Path(__file__).with_name("tables.json").read_bytes())
    return {
        dataset: {header: (name, kind) for header, (name, kind) in columns.items()}
        for dataset, columns in known.items()
    }
