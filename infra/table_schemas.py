"""Names and columns of the tables that the functions write."""

import json
from collections.abc import Mapping

from discovery_exports.locations import DATASETS

EXPORTS_TABLE = "exports"
APPENDED = (("other", "string"), ("export_id", "string"), ("requested_date", "date"), ("row_number", "bigint"))
"""Columns after those of each dataset. ``other`` is a JSON object."""
PARTITION = ("requested_month", "string")


def known_tables() -> Mapping[str, list[tuple[str, str]]]:
    """Names and types of the columns of each dataset that has a table."""
    known = json.loads((DATASETS / "tables.json").read_bytes())
    return {dataset: [(name, kind) for name, kind in columns.values()] for dataset, columns in known.items()}


def exports_table() -> list[tuple[str, str]]:
    """Names and types of the columns of the table ``exports``, which has one row for each stored export."""
    table = json.loads((DATASETS / "exports_table.json").read_bytes())
    members = ",".join(f"{name}:{kind}" for name, kind in table["files"].items())
    return [*table["columns"].items(), ("files", f"array<struct<{members}>>")]
