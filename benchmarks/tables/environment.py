"""The environment of the tables benchmark: exports on disk, the servers, and runs of competitors."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loopback import Loopback, loopback
from benchmarks.processes import log, run_job
from benchmarks.tables.agreement import Objects, difference
from benchmarks.tables.competitor_code.job import Job
from benchmarks.tables.competitors import TABLES_OFF
from benchmarks.tables.inputs import Export, Prepared, prepare
from benchmarks.tables.results import Run
from benchmarks.tables.scenarios import ONE_LAMBDA, Contest, Scenario
from tests.loopback.bucket import BucketServer
from tests.loopback.network import Line
from tests.loopback.server import serving
from tests.loopback.source import SourceServer

PACKAGE = "benchmarks.tables.competitor_code"


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    source: SourceServer
    bucket: BucketServer
    loopback: Loopback
    exports: Mapping[str, Prepared]

    def run(self, scenario: Scenario, competitor: str, number: int) -> Run:
        """Run the competitor in a new process, and compare its tables with the CSV files."""
        inputs, output = str(self.loopback.folder), self.loopback.folder / "output"
        endpoints = (self.source.endpoint, self.bucket.endpoint, str(self.loopback.certificate))
        job = Job((scenario.export,), *endpoints, inputs=inputs, output=str(output))
        self._reset(job.zip_file(scenario.export).read_bytes())
        env = self.loopback.env(self.bucket.endpoint)
        [outcome] = run_job(PACKAGE, scenario.modules[competitor], job, env)
        files = {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*") if path.is_file()}
        shutil.rmtree(output, ignore_errors=True)
        objects = self.bucket.objects or files
        return Run(
            scenario.contest,
            scenario.export,
            number,
            competitor,
            outcome.seconds,
            outcome.cpu_seconds,
            outcome.peak_bytes,
            table_bytes=_bytes(objects, "tables/"),
            error=outcome.error or self._difference(scenario, competitor, objects),
        )

    def _reset(self, download: bytes) -> None:
        """Empty the bucket and serve the download."""
        self.source.body = download
        self.source.line, self.bucket.line = Line(ONE_LAMBDA), Line(ONE_LAMBDA)
        for record in (self.bucket.requests, self.bucket.stored, self.bucket.uploads):
            record.clear()

    def _difference(self, scenario: Scenario, competitor: str, objects: Objects) -> str:
        expected = self.exports[scenario.export]
        if scenario.contest is Contest.LINK and (stored := _bytes(objects, "data/")) != expected.member_bytes:
            return f"{stored} bytes of {expected.member_bytes} are in data/"
        return "" if competitor == TABLES_OFF else difference(expected.contents, objects)


def _bytes(objects: Objects, prefix: str) -> int:
    return sum(len(content) for key, content in objects.items() if key.startswith(prefix))


@contextmanager
def bench_environment(exports: Sequence[Export]) -> Iterator[BenchEnvironment]:
    with loopback() as shared:
        source, bucket = SourceServer(shared.context), BucketServer(shared.context)
        with serving(source), serving(bucket):
            yield BenchEnvironment(source, bucket, shared, dict(_prepared(shared.folder, exports)))


def _prepared(folder: Path, exports: Sequence[Export]) -> Iterator[tuple[str, Prepared]]:
    for export in exports:
        log(f"generating the {export.name}")
        yield export.name, prepare(folder, export)
