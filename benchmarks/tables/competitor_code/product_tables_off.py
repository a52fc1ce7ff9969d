"""The code of this project without tables: it stores, hashes and counts the members."""

from collections.abc import Callable

from benchmarks.tables.competitor_code import product
from benchmarks.tables.competitor_code.job import Job


def ready(job: Job) -> Callable[[str], None]:
    return product.ready(job, with_tables=False)
