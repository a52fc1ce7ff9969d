"""Exports with CSV files of a test's own, stored like any other export."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence

Rows = Iterable[Sequence[object]]


def zipped_csv(files: Mapping[str, Rows]) -> bytes:
    """A zip file of CSV files by name; the first row of each is its header."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in files.items():
            text = io.StringIO(newline="")
            csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
            archive.writestr(name, text.getvalue())
    return whole.getvalue()
