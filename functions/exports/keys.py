"""Keys of all objects that the functions write to the bucket."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of an export's objects. They depend on the export only, so storing it twice uses the same keys."""

    account: str
    region: str
    requested_date: str
    export_id: str

    def raw(self, extension: str) -> str:
        """The raw bytes as received; ``extension`` is ``zip``, ``csv`` or ``csv.gz``."""
        return f"raw/{self.account}/{self.region}/{self.requested_date}/{self.export_id}.{extension}"

    def data(self, dataset: str, file: str) -> str:
        """One member, byte for byte; ``file`` is a name made safe by :mod:`exports.unpack.filenames`."""
        return f"data/{dataset}/{self.requested_date}/{self.export_id}/{file}"

    def table(self, dataset: str, number: int) -> str:
        """The rows of the member ``number``, from 1, for SQL. Its name is left out, because Athena hides some names."""
        return f"tables/{dataset}/{self._partition}/{self.export_id}-{number:04d}.parquet"

    @property
    def exports_row(self) -> str:
        """The row of the export in the table ``exports``."""
        return f"tables/exports/{self._partition}/{self.export_id}.parquet"

    def work(self, name: str) -> str:
        """Checkpoints and intermediate objects of an unfinished store; they expire."""
        return f"work/{self.export_id}/{name}"

    @property
    def manifest(self) -> str:
        return f"manifests/{self.export_id}.json"

    @property
    def requested_month(self) -> str:
        """The month of the request in UTC, ``yyyy-mm``."""
        return self.requested_date[:7]

    @property
    def _partition(self) -> str:
        """The part of a key that is a partition of a table."""
        return f"requested_month={self.requested_month}"


STATUS_PAGE = "status/index.html"
"""The page that each run writes over: the only key whose object depends on more than an export or a run."""


def batch_key(run_id: str, number: int) -> str:
    return f"runs/{run_id}/batches/{number:05d}.json"


def plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"


def report_key(run_id: str) -> str:
    return f"runs/{run_id}.json"
