"""How the tables benchmark compares today's code with the code before."""

import math
from dataclasses import replace

from benchmarks.tables.before import rate_before, table_bytes_before
from benchmarks.tables.competitors import DUCKDB, PRODUCT, PYARROW
from benchmarks.tables.results import Results, Run, Size
from benchmarks.tables.scenarios import AGENT, Contest


def results(csv_bytes: int = 1_000, table_bytes: int = 100, **cpu_seconds: float) -> Results:
    names = {"product": PRODUCT, "duckdb": DUCKDB, "pyarrow": PYARROW}
    runs = [
        Run(Contest.CONVERSION, AGENT, 1, names[name], seconds, seconds, 1, table_bytes, "")
        for name, seconds in cpu_seconds.items()
    ]
    return Results({}, {}, {AGENT: Size(100, csv_bytes)}, runs)


def test_the_speed_before_is_that_of_its_run_if_the_machine_is_as_fast() -> None:
    before = results(product=10, duckdb=2, pyarrow=1)
    today = results(product=1, duckdb=2, pyarrow=1)

    assert rate_before(today, before, AGENT, PRODUCT) == 100


def test_the_peer_that_gained_most_decides_how_fast_the_code_before_would_be() -> None:
    before = results(product=10, duckdb=2, pyarrow=1)
    today = results(product=1, duckdb=1, pyarrow=0.8)

    assert rate_before(today, before, AGENT, PRODUCT) == 200


def test_the_bytes_before_are_for_as_many_bytes_of_csv() -> None:
    before = results(csv_bytes=1_000, table_bytes=100, product=10)
    today = results(csv_bytes=3_000, product=1)

    assert table_bytes_before(today, before, AGENT, PRODUCT) == 300


def test_a_run_with_an_error_does_not_count() -> None:
    found = results(product=10, duckdb=2)
    found.runs = [replace(found.runs[0], error="agent_process has 5 rows, not 6"), found.runs[1]]

    assert math.isnan(found.rate(AGENT, PRODUCT))
    assert found.rate(AGENT, DUCKDB) == 500
