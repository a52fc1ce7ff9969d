"""The pipeline of an invocation: which of its steps a setting turns off."""

from collections.abc import Mapping
from typing import cast

from exports.s3.bucket import Bucket
from exports.settings import Settings
from exports.storing.pipeline import Pipeline
from tests.unit.builders import KEYS
from tests.unit.fakes import FakeBucket, FakeRecords, FakeService

TABLE = KEYS.table("agent_os_info", 1)
BODY = b"agentId\no-1\n"
MANIFEST = {
    "exportId": "export-1",
    "raw": {"key": "raw/export-1.zip", "bytes": 1, "crc32": "AAAAAA=="},
    "files": [{"dataset": "agent_os_info", "key": "data/1.csv", "bytes": len(BODY), "tableKey": TABLE}],
}


def pipeline(bucket: FakeBucket, env: Mapping[str, str]) -> Pipeline:
    in_memory = cast(Bucket, bucket)
    return Pipeline(FakeService(), in_memory, FakeRecords(), Settings(env), lambda: 900, lambda: 900)


def test_without_tables_nothing_is_published() -> None:
    bucket = FakeBucket(objects={"data/1.csv": BODY})

    assert pipeline(bucket, {}).publish_tables(MANIFEST, KEYS) is None

    assert bucket.objects.keys() == {"data/1.csv"}


def test_with_tables_every_table_of_the_manifest_is_published_from_the_stored_file_if_need_be() -> None:
    bucket = FakeBucket(objects={"data/1.csv": BODY})

    assert pipeline(bucket, {"TABLES_FROM": "2016-05"}).publish_tables(MANIFEST, KEYS) is None

    assert bucket.objects.keys() == {"data/1.csv", TABLE, KEYS.exports_row}
    assert bucket.reads == [("data/1.csv", 0, len(BODY) - 1)]
