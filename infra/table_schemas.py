"""Names and columns of the tables that the functions write."""

import json
from collections.abc import Mapping
from pathlib import Path

KNOWN = Path(__file__).parents[1] / "functions" / "exports" / "datasets" / "tables.json"
"""The table definitions of the functions."""
EXPORTS_TABLE = "exports"
OTHER = ("other", "map<string,string>")
PARTITIONS = (("requested_date", "string"), ("export_id", "string"))


def known_tables() -> Mapping[str, list[tuple[str, str]]]:
    """Names and types of the columns of each dataset that has a table."""
    known = json.loads(KNOWN.read_bytes())
    return {dataset: [(name, kind) for name, kind in columns.values()] for dataset, columns in known.items()}
