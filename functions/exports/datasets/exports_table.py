"""The table ``exports``: one row for each stored export, with what its manifest says.

``exports_table.json`` defines the columns, all in lower case. The last column, ``files``, is an array of structs.
"""

import io
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exports.datasets.column_types import timestamp_text

if TYPE_CHECKING:
    from arro3.core import Schema

MAX_FILES_BYTES = 16 << 20
"""Bytes of ``files`` as JSON: Athena reads no row above 32 MB.

https://docs.aws.amazon.com/athena/latest/ug/other-notable-limitations.html
"""
MAX_NOTES_BYTES = 1 << 20
"""Bytes of ``schemanotes``. One note may hold thousands of column names."""


def exports_row(manifest: Mapping[str, Any]) -> bytes:
    """The row of a manifest, of this or an earlier version, as a Parquet file.

    Members that the manifest lacks are null, and so are times that cannot be read. If the export has too many files or
    notes for one row, the first ones are kept, and ``schemanotes`` ends with the numbers of those left out.
    """
    # Imported here: only the function that stores exports needs these, and the import takes 70 ms of a cold start.
    from arro3.io import read_json, write_parquet

    line = json.dumps(_row(manifest), ensure_ascii=False).encode()
    body = io.BytesIO()
    write_parquet(read_json(io.BytesIO(line), _schema()), body, compression="zstd(1)", skip_arrow_metadata=True)
    return body.getvalue()


def _row(manifest: Mapping[str, Any]) -> dict[str, Any]:
    raw, timings, asked = manifest.get("raw", {}), manifest.get("timings", {}), manifest.get("askedFor") or {}
    files = [{name.lower(): value for name, value in file.items()} for file in manifest["files"]]
    values = {
        **{name.lower(): value for name, value in manifest.items()},
        **{f"raw{name}": value for name, value in raw.items()},
        **{f"askedfor{name.lower()}": value for name, value in asked.items()},
        "storedat": timings.get("storedAt"),
    }
    columns, of_file = _definition()["columns"], _definition()["files"]
    row = {name: values.get(name) for name in columns}
    row |= {name: _time(row[name]) for name, kind in columns.items() if kind == "timestamp"}
    kept = _first([{name: file.get(name) for name in of_file} for file in files], MAX_FILES_BYTES)
    return {**row, "schemanotes": _notes(manifest.get("schemaNotes", []), len(files) - len(kept)), "files": kept}


def _notes(notes: list[Any], omitted_files: int) -> str | None:
    """The notes as JSON; None if there are none."""
    kept = _first(notes, MAX_NOTES_BYTES)
    omitted = {"omittedFiles": omitted_files, "omittedNotes": len(notes) - len(kept)}
    counts = {name: count for name, count in omitted.items() if count}
    return json.dumps([*kept, counts] if counts else kept, ensure_ascii=False) if notes or counts else None


def _first(items: Iterable[Any], max_bytes: int) -> list[Any]:
    """The first items whose JSON has at most ``max_bytes`` together."""
    kept, left = [], max_bytes
    for item in items:
        left -= len(json.dumps(item, ensure_ascii=False).encode())
        if left < 0:
            break
        kept.append(item)
    return kept


def _time(value: Any) -> str | None:
    return timestamp_text(value) if isinstance(value, str) else None


@cache
def _definition() -> Mapping[str, Mapping[str, str]]:
    """Types by column, as Glue names them."""
    definition: Mapping[str, Mapping[str, str]] = json.loads(Path(__file__).with_suffix(".json").read_bytes())
    return definition


def _schema() -> "Schema":
    from arro3.core import DataType, Field, Schema

    types = {
        "string": DataType.string(),
        "bigint": DataType.int64(),
        "boolean": DataType.bool(),
        "timestamp": DataType.timestamp("us"),
    }
    columns, files = (
        [Field(name, types[kind]) for name, kind in _definition()[part].items()] for part in ("columns", "files")
    )
    return Schema([*columns, Field("files", DataType.list(Field("element", DataType.struct(files))))])
