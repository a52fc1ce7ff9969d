"""The results of the code before this project wrote Parquet, beside those of today.

Until then, tables were gzipped JSON lines, written by pure Python. docs/benchmarks/tables-before.json is a run of this
benchmark with that code, and with the same competitors in turn. The code is gone, so its speed on the machine of
today's run follows from the competitors that both runs have.
"""

from pathlib import Path

from benchmarks.tables.competitors import DUCKDB, PYARROW
from benchmarks.tables.results import Results
from benchmarks.tables.scenarios import Contest

FILE = Path("docs/benchmarks/tables-before.json")
PEERS = (DUCKDB, PYARROW)


def rate_before(results: Results, before: Results, export: str, competitor: str) -> float:
    """The bytes of CSV per CPU second that the code before would reach in today's run.

    ``competitor`` is this project, with tables or without. The peers of both runs give two values: the higher one
    counts, so that no improvement looks larger than it is.
    """
    factors = (results.rate(export, peer) / before.rate(export, peer) for peer in PEERS)
    return before.rate(export, competitor) * max(factors)


def table_bytes_before(results: Results, before: Results, export: str, competitor: str) -> float:
    """The bytes of the tables that the code before would write for today's bytes of CSV."""
    share = before.median(Contest.CONVERSION, export, competitor, "table_bytes") / before.sizes[export].csv_bytes
    return share * results.sizes[export].csv_bytes
