"""Invariants under triggers in any order, kills and faults at any AWS call, and sources that fail.

The storing code runs as in one invocation of its function, with the real catalog against DynamoDB of moto. The bucket,
the source and the bus are in memory. A run is a batch with all exports; its invocations come in any order.
"""

import hashlib
import io
import itertools
import json
import logging
import random
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from moto import mock_aws

from exports.errors import ExportsError, ServiceError, SourceError
from exports.keys import Keys
from exports.model import Export, RawObject
from exports.outcomes.catalog import Catalog
from exports.outcomes.events import EventPublisher
from exports.outcomes.outcome import Outcome
from exports.outcomes.recorder import ANNOUNCE_GRACE, OutcomeRecorder
from exports.outcomes.rows import Row
from exports.runs import Batch, Described, Filters, Item, Unfinished
from exports.s3.crc32 import to_base64
from exports.s3.multipart import Upload
from exports.storing.storing import Storing
from exports.transfer.copying import copy
from exports.unpack.members import Limits
from exports.unpack.publishing import publish_tables
from exports.unpack.unpacking import Unpacked, write_table_again
from tests.unit.builders import batch, countdown, create_catalog, export, unpacking, zipped
from tests.unit.fakes import FakeBucket, FakeClock, FakePendingWriter, FakeSource

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CANARY = "s3cr3t-of-the-url"
CLAIM_DURATION = timedelta(minutes=15)
PART = 4_000
MAX_CALLS = 500
"""AWS calls of one invocation that stores these exports. More would mean an endless loop."""
ROUNDS = 60
"""Rounds within which all exports are settled once no process is killed."""
RUNS = ("run-1", "run-2", "run-3")


def rows(count: int) -> bytes:
    draw = random.Random(5)
    return b"agentId,value\n" + b"".join(b'"o-%d","%d\n"\n' % (row, draw.getrandbits(60)) for row in range(count))


FILES = {
    "export-small": {"export-small.csv": b"agentId,name\no-1,one\n"},
    "export-large": {"1_osInfo.csv": rows(2_000), "2_process.csv": rows(20), "inner.zip/a.csv": b"a"},
}
"""Files of each export that can be stored, by their names in the manifest."""
MONTH = "requested_month=2026-11"
TABLES = {
    "export-small": {f"tables/exports/{MONTH}/export-small.parquet"},
    "export-large": {
        f"tables/agent_os_info/{MONTH}/export-large-0001.parquet",
        f"tables/agent_process/{MONTH}/export-large-0002.parquet",
        f"tables/exports/{MONTH}/export-large.parquet",
    },
}
"""Objects that SQL reads, of each export that can be stored."""


def damaged() -> bytes:
    """A zip file whose last member does not match its CRC-32."""
    body = bytearray(zipped({"1_osInfo.csv": rows(30), "2_process.csv": rows(1_000)}, method=zipfile.ZIP_STORED))
    body[body.rindex(b'"o-999"') + 2] ^= 1
    return bytes(body)


BODIES = {
    "export-small": FILES["export-small"]["export-small.csv"],
    "export-large": zipped(
        {
            "1_osInfo.csv": FILES["export-large"]["1_osInfo.csv"],
            "2_process.csv": FILES["export-large"]["2_process.csv"],
            "inner.zip": zipped({"a.csv": FILES["export-large"]["inner.zip/a.csv"]}),
        }
    ),
    "export-damaged": damaged(),
    "export-failed": b"",
}
OUTCOMES = {
    "export-small": Outcome.STORED,
    "export-large": Outcome.STORED,
    "export-damaged": Outcome.REJECTED,
    "export-failed": Outcome.FAILED,
}


class Killed(BaseException):
    """SIGKILL: no code of the invocation runs after it."""


@dataclass
class FaultPlan:
    """A process that dies, or whose call fails, before or after its AWS call number ``at`` (0: never)."""

    at: int = 0
    kind: str = "lives"
    calls: int = 0
    dead: bool = False

    def call(self, method: Callable[..., Any], fault: Exception, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        assert self.calls < MAX_CALLS, "endless loop"
        if self.dead:
            raise Killed
        planned = self.calls == self.at
        if planned and self.kind == "fails before":
            raise fault
        if planned and self.kind == "dies before":
            self._die()
        result = method(*arguments, **named)
        if planned and self.kind == "dies after":
            self._die()
        if planned and self.kind == "fails after":
            raise fault
        return result

    def _die(self) -> None:
        self.dead = True
        raise Killed


class KillableProxy:
    """An object whose method calls follow the ``FaultPlan`` of a process."""

    def __init__(self, target: Any, plan: FaultPlan, fault: Exception) -> None:
        self._target, self._plan, self._fault = target, plan, fault

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if name == "exceptions":
            return method
        if name == "writer":
            return self._writer
        if name == "pending_writer":
            return self._pending_writer
        return lambda *arguments, **named: self._plan.call(method, self._fault, *arguments, **named)

    @contextmanager
    def _writer(self, key: str) -> Iterator[io.BytesIO]:
        body = io.BytesIO()
        yield body
        self._plan.call(self._put, self._fault, key, body.getvalue())

    @contextmanager
    def _pending_writer(self, key: str) -> Iterator[FakePendingWriter]:
        writer = FakePendingWriter(keeps=True)
        yield writer
        writer.send(cast(Any, self), key)

    def _put(self, key: str, body: bytes) -> None:
        with self._target.writer(key) as writer:
            writer.write(body)


@dataclass
class FakeEventBridge:
    """Records the events that are put."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def put_events(self, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.events += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": [{}]}


@dataclass
class PipelineProxy:
    """A ``Pipeline`` with a source in memory, and time for ``parts`` parts."""

    bucket: Any
    source: FakeSource
    records: OutcomeRecorder
    parts: int

    def copy(self, export: Export, keys: Keys, known: Upload | None) -> RawObject | Unfinished:
        return copy(
            self.source,
            self.bucket,
            key=keys.raw,
            known=known,
            save_progress=lambda upload: self.records.save_progress(export.id, upload=upload),
            retry_policy=FakeClock().retry_policy(2, countdown(self.parts)),
            workers=1,
        )

    def unpack(self, raw: RawObject, keys: Keys) -> Unpacked | Unfinished:
        limits = Limits(max_ratio=1_000)
        return unpacking(self.bucket, raw, keys=keys, limits=limits, time_left=countdown(self.parts), with_tables=True)

    def publish_tables(self, manifest: Mapping[str, Any], keys: Keys) -> Unfinished | None:
        return publish_tables(
            manifest,
            keys=keys,
            bucket=self.bucket,
            write_table=partial(write_table_again, keys=keys),
            time_left=countdown(self.parts),
        )


@pytest.fixture(autouse=True, scope="module")
def moto() -> Iterator[None]:
    """Started once: a start takes as long as ten calls. botocore logs at INFO: its DEBUG logs take longer than moto."""
    logging.getLogger("botocore").setLevel(logging.INFO)
    with mock_aws():
        StoreStateMachine.dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        yield
    logging.getLogger("botocore").setLevel(logging.NOTSET)


class StoreStateMachine(RuleBasedStateMachine):
    """Invocations that store and report, of three runs for the same exports, with kills and faults."""

    max_calls = 0
    dynamodb: "DynamoDBClient"

    @initialize()
    def create_upload(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("exports.transfer.copying.part_size_for", lambda _: PART)
        self.patch.setattr("exports.transfer.copying.SMALL_FILE_BYTES", PART)
        create_catalog(self.dynamodb)
        self.bucket, self.event_bridge, self.clock = FakeBucket(chunk=1_000), FakeEventBridge(), FakeClock()
        self.sources = {export_id: FakeSource(body, chunk=500, head=64) for export_id, body in BODIES.items()}
        self.use_only(*BODIES)
        self.first: dict[str, str] = {}
        self.settled: dict[str, str] = {}
        self.errors: list[str] = []

    def use_only(self, *export_ids: str) -> None:
        """Limit the account to these exports."""
        self.outcomes = {export_id: OUTCOMES[export_id] for export_id in export_ids}

    def teardown(self) -> None:
        if not hasattr(self, "bucket"):
            return
        try:
            self._settle_without_faults()
        finally:
            self.clean_up()

    def clean_up(self) -> None:
        self.dynamodb.delete_table(TableName="catalog")
        self.patch.undo()

    @rule(
        export_id=st.sampled_from(sorted(BODIES)),
        run=st.sampled_from(RUNS),
        parts=st.integers(1, 12),
        at=st.integers(0, 70),
        kind=st.sampled_from(["dies before", "dies after", "fails before", "fails after"]),
    )
    def store(self, export_id: str, run: str, parts: int, at: int, kind: str) -> None:
        """One invocation of the storing function."""
        self._store(export_id, run, parts, FaultPlan(at, kind))

    @rule(run=st.sampled_from(RUNS), at=st.integers(0, 8), kind=st.sampled_from(["dies before", "dies after"]))
    def report(self, run: str, at: int, kind: str) -> None:
        """The last invocation of the run, which publishes the pending events."""
        self._report(run, FaultPlan(at, kind))

    @rule(minutes=st.integers(1, 40))
    def time_passes(self, minutes: int) -> None:
        """Claims expire, and so does the grace period of an event."""
        self.clock.now += timedelta(minutes=minutes)

    @rule(export_id=st.sampled_from(sorted(BODIES)), after=st.integers(0, 40_000))
    def source_breaks(self, export_id: str, after: int) -> None:
        """The source fails once, at the first read after byte ``after``."""
        source = self.sources[export_id]
        before = source.before_chunk

        def reset(_: int, at: int) -> None:
            if at >= after:
                source.before_chunk = before
                raise SourceError("reset")

        source.before_chunk = reset

    @rule(export_id=st.sampled_from(sorted(BODIES)))
    def source_has_another_etag(self, export_id: str) -> None:
        self.sources[export_id].etag = self.sources[export_id].etag.swapcase()

    @rule(export_id=st.sampled_from(sorted(TABLES)))
    def pending_uploads_expire(self, export_id: str) -> None:
        """S3 aborts them after the days of the bucket's lifecycle rule."""
        for upload_id, upload in list(self.bucket.uploads.items()):
            if export_id in upload.key:
                del self.bucket.uploads[upload_id]

    @invariant()
    def invariant_1_stored_exports_are_complete(self) -> None:
        for row in self._rows().values():
            assert row.outcome in {None, OUTCOMES[row.export_id]}
            if row.outcome is Outcome.STORED:
                self._assert_complete(row)

    @invariant()
    def invariant_2_settled_items_stay_settled(self) -> None:
        for export_id, row in self._rows().items():
            if export_id in self.settled:
                assert row.item["status"] == self.settled[export_id]
            elif row.outcome is not None and row.outcome.settled:
                self.settled[export_id] = row.item["status"]

    @invariant()
    def invariant_5_the_url_is_stored_nowhere(self) -> None:
        items = [row.item for row in self._rows().values()]
        documents = [
            body.decode("latin-1") for key, body in self._objects().items() if not key.startswith(("raw/", "data/"))
        ]
        assert CANARY not in json.dumps([items, documents, self._events(), self.errors], default=str)

    @invariant()
    def invariant_8_every_invocation_ends(self) -> None:
        assert self.max_calls < MAX_CALLS

    @invariant()
    def invariant_6_objects_are_never_overwritten(self) -> None:
        for key, body in self._objects().items():
            if key.startswith(("raw/", "data/", "manifests/", "tables/")):
                digest = hashlib.sha256(body).hexdigest()
                assert self.first.setdefault(key, digest) == digest, f"{key} has changed"

    @invariant()
    def invariant_9_sql_reads_only_tables_of_exports_with_a_manifest(self) -> None:
        objects = self._objects()
        stored = [TABLES[export_id] for export_id in TABLES if f"manifests/{export_id}.json" in objects]
        visible = {key for key in objects if key.startswith("tables/")}
        assert visible <= set().union(*stored)
        for tables in stored:
            assert not any("/exports/" in key for key in tables & visible) or tables <= visible, "its row is the last"

    def _settle_without_faults(self) -> None:
        """Without kills, every export is settled soon and announced at least once, and nothing is left behind."""
        for _ in range(ROUNDS):
            for export_id in self.outcomes:
                self._store(export_id, "run-3", 12, FaultPlan())
            self.clock.now += timedelta(minutes=5)
            if len(self.settled_rows()) == len(self.outcomes):
                break
        self.invariant_3_every_export_is_settled()
        self.clock.now += ANNOUNCE_GRACE + timedelta(minutes=1)
        self._report("run-3", FaultPlan())
        self.invariant_4_every_outcome_is_announced()
        self.invariant_1_stored_exports_are_complete()
        assert {key.partition("/")[0] for key in self._objects() if "export-damaged" in key} <= {"raw", "work"}
        assert not [upload for upload in self.bucket.uploads.values() if upload.key in self.bucket.objects]
        assert not any(key.startswith("tables/") for key in self.bucket.pending)

    def invariant_3_every_export_is_settled(self) -> None:
        """Each export has its one outcome, within ``ROUNDS``."""
        assert {export_id: row.item["status"] for export_id, row in self._rows().items()} == self.outcomes

    def invariant_4_every_outcome_is_announced(self) -> None:
        announced = Counter(event["data"]["exportId"] for event in self._events())
        assert announced.keys() == self.outcomes.keys()

    def settled_rows(self) -> list[Row]:
        return [row for row in self._rows().values() if row.outcome is not None and row.outcome.settled]

    def _store(self, export_id: str, run: str, parts: int, plan: FaultPlan) -> None:
        bucket: Any = KillableProxy(self.bucket, plan, ServiceError("InternalError"))
        records = self._recorder(run, plan)
        storing = Storing(
            records.batch,
            account="111122223333",
            region="us-west-2",
            service=self,
            records=records,
            bucket=bucket,
            pipeline=PipelineProxy(bucket, self.sources[export_id], records, parts),
            claim_duration=CLAIM_DURATION,
            denied_grace=timedelta(minutes=10),
            clock=self.clock,
        )
        try:
            storing.store(Item(export_id, polls=1))
        except (ExportsError, ServiceError) as error:
            self.errors.append(repr(error))
        except Killed:
            pass
        self.max_calls = max(self.max_calls, plan.calls)

    def _report(self, run: str, plan: FaultPlan) -> None:
        recorder = self._recorder(run, plan)
        with suppress(Killed, ServiceError):
            for row in self._rows().values():
                recorder.announce_pending(row)

    def _recorder(self, run: str, plan: FaultPlan) -> OutcomeRecorder:
        closed = ConnectionClosedError(endpoint_url=f"https://example.com/?X-Amz-Signature={CANARY}")
        catalog = self._catalog(cast(Any, KillableProxy(self.dynamodb, plan, closed)))
        events = cast(Any, KillableProxy(self.event_bridge, plan, closed))
        publisher = EventPublisher(events, "bus", bucket="bucket", catalog="catalog")
        return OutcomeRecorder(self._batch(run), catalog, publisher.publish, lambda row, outcome: None, self.clock)

    def _catalog(self, client: Any) -> Catalog:
        return Catalog(client, "catalog", account="111122223333", region="us-west-2", clock=self.clock)

    def _batch(self, run: str) -> Batch:
        return batch(*BODIES, run_id=run)

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Described:
        """Behave as the service; every download URL contains the canary."""
        url = f"https://exports.s3.us-west-2.amazonaws.com/key?X-Amz-Signature={CANARY}"
        failed = {"export-failed": export("export-failed", "FAILED")}
        exports = {each: failed.get(each) or export(each, download_url=url) for each in export_ids}
        return Described(exports)

    def _rows(self) -> dict[str, Row]:
        if not hasattr(self, "bucket"):
            return {}
        return self._catalog(self.dynamodb).rows(BODIES)

    def _objects(self) -> dict[str, bytes]:
        return self.bucket.objects if hasattr(self, "bucket") else {}

    def _events(self) -> list[dict[str, Any]]:
        return self.event_bridge.events if hasattr(self, "event_bridge") else []

    def _assert_complete(self, row: Row) -> None:
        manifest = json.loads(self.bucket.objects[row.item["manifestKey"]])
        raw = self.bucket.objects[manifest["raw"]["key"]]
        assert raw == BODIES[row.export_id]
        assert row.item["rawCrc32"] == manifest["raw"]["crc32"] == to_base64(zlib.crc32(raw))
        files = {file["name"]: self.bucket.objects[file["key"]] for file in manifest["files"]}
        assert files == FILES[row.export_id]
        for file in manifest["files"]:
            body = files[file["name"]]
            assert (len(body), hashlib.sha256(body).hexdigest()) == (file["bytes"], file["sha256"])
        tables = {key: body for key, body in self.bucket.objects.items() if key in TABLES[row.export_id]}
        assert tables.keys() == TABLES[row.export_id]
        assert all(tables.values())
        assert {file["tableKey"] for file in manifest["files"]} - {None} < tables.keys()


TestStoreStateMachine = StoreStateMachine.TestCase
TestStoreStateMachine.settings = settings(max_examples=25, stateful_step_count=25)


@pytest.mark.parametrize(("kind", "every"), [("dies after", 1), ("fails before", 3), ("fails after", 3)])
@pytest.mark.parametrize(
    ("export_id", "calls"), [("export-failed", 2), ("export-small", 10), ("export-large", 40), ("export-damaged", 30)]
)
def test_fault_23_24_25_32_a_kill_or_fault_at_any_aws_call_changes_no_outcome(
    export_id: str, calls: int, kind: str, every: int
) -> None:
    """Death after one AWS call is death before the next, so the cases include every moment between two calls."""
    for at in itertools.count(1, every):
        machine = StoreStateMachine()
        machine.create_upload()
        machine.use_only(export_id)
        plan = FaultPlan(at, kind)
        machine._store(export_id, "run-1", 100, plan)
        machine.invariant_9_sql_reads_only_tables_of_exports_with_a_manifest()
        machine.teardown()
        if plan.calls < at:
            break

    assert at > calls


def test_invariant_9_uploads_that_expire_after_a_kill_are_made_again() -> None:
    """At each moment between the manifest and the last table."""
    kills = 0
    for at in itertools.count(1):
        machine = StoreStateMachine()
        machine.create_upload()
        machine.use_only("export-large")
        plan = FaultPlan(at, "dies after")
        machine._store("export-large", "run-1", 100, plan)
        if "manifests/export-large.json" in machine._objects() and machine.bucket.uploads:
            machine.pending_uploads_expire("export-large")
            kills += 1
            machine.teardown()
        else:
            machine.clean_up()
        if plan.calls < at:
            break

    assert kills == 3, "after the manifest, the checkpoint and the first table"
