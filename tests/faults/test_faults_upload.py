"""Faults of the bucket's side of a copy, over the wire: botocore, TLS and a loopback S3 that fails when told to."""

import io
from collections import deque
from collections.abc import Iterator

import boto3
import pytest

from exports.archive import PIECE, Archive, s3_client
from exports.errors import CallRefused, ServiceError
from exports.model import RawObject
from exports.transfer import copy
from exports.uploads import Part, Unfinished, UploadGone
from tests.faults import s3server
from tests.faults import server as faults
from tests.faults.copying import MIB, Certificate, Copying, csv_bytes
from tests.faults.s3server import Fault, S3Server, hanging_up, losing_the_answer, refusing
from tests.faults.server import serving

PUT_PART = "PUT?uploadId"
COMPLETE = "POST?uploadId"
BODY = csv_bytes(20 * MIB)


@pytest.fixture
def s3(certificate: Certificate) -> Iterator[S3Server]:
    server = S3Server(certificate.serving)
    with serving(server):
        yield server


@pytest.fixture
def store(s3: S3Server, copying: Copying, monkeypatch: pytest.MonkeyPatch) -> "Store":
    copying.server.body = BODY
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(copying.certificate.path))
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
    return Store(copying, Archive(s3_client(session), bucket="bucket", owner="123456789012", patience=copying.patience))


class Store:
    """A copy into the loopback S3."""

    def __init__(self, copying: Copying, archive: Archive) -> None:
        self._copying = copying
        self.archive = archive

    def run(self) -> RawObject | Unfinished:
        copying = self._copying
        return copy(
            copying.download(),
            self.archive,
            key="raw/export.{}".format,
            known=copying.remembered[-1] if copying.remembered else None,
            remember=copying.remembered.append,
            patience=copying.patience,
            workers=4,
        )


def test_copy_over_the_wire(store: Store, s3: S3Server) -> None:
    result = store.run()

    assert isinstance(result, RawObject)
    assert s3.objects == {"raw/export.csv": BODY}


def test_parts_go_in_frames_that_s3_takes_and_that_need_little_memory(store: Store, s3: S3Server) -> None:
    store.run()

    assert [sum(frames) for frames in s3.frames.values()] == [5 * MIB] * 4
    assert {size for frames in s3.frames.values() for size in frames} == {PIECE}


@pytest.mark.parametrize(
    "fault",
    [
        refusing(503, "SlowDown"),
        refusing(503, "SlowDown", rudely=True),
        refusing(500, "InternalError"),
        refusing(400, "RequestTimeout"),
        hanging_up,
    ],
)
def test_fault_09_busy_bucket_gets_the_part_again(store: Store, s3: S3Server, copying: Copying, fault: Fault) -> None:
    s3.faults[PUT_PART] = deque([fault, fault])

    store.run()

    assert s3.objects == {"raw/export.csv": BODY}
    assert s3.calls.count(PUT_PART) == 4 + 2
    assert copying.pauses


def test_fault_09_bucket_that_asks_to_wait_is_waited_for(store: Store, s3: S3Server, copying: Copying) -> None:
    s3.faults[PUT_PART] = deque([refusing(503, "SlowDown", Retry_After="9")])

    store.run()

    assert s3.objects == {"raw/export.csv": BODY}
    assert copying.pauses == [9.0]


def test_fault_30_refused_part_is_not_tried_again(store: Store, s3: S3Server, copying: Copying) -> None:
    s3.faults[PUT_PART] = deque([refusing(403, "AccessDenied")] * 8)

    with pytest.raises(CallRefused, match=r"^AccessDenied$"):
        store.run()

    assert not copying.pauses
    assert not s3.objects


def test_fault_31_part_that_arrives_damaged_is_fetched_again(store: Store, s3: S3Server) -> None:
    s3.faults[PUT_PART] = deque([refusing(400, "BadDigest")])

    store.run()

    assert s3.objects == {"raw/export.csv": BODY}


def test_fault_32_source_that_dies_during_the_upload_leaves_nothing_visible(
    store: Store, s3: S3Server, copying: Copying
) -> None:
    copying.server.faults.extend([faults.well, faults.well, faults.well])
    copying.server.always = faults.reset_after(300_000)

    with pytest.raises(Exception, match="source"):
        store.run()

    assert not s3.objects
    (upload,) = s3.uploads.values()
    assert all(part.size == copying.remembered[0].length(number) for number, part in upload.parts.items())


def test_fault_32_next_call_goes_on_with_what_arrived(store: Store, s3: S3Server, copying: Copying) -> None:
    s3.faults[PUT_PART] = deque([s3server.refusing(403, "AccessDenied") for _ in range(2)])
    with pytest.raises(ServiceError):
        store.run()
    s3.faults.clear()
    (upload,) = s3.uploads.values()
    there = len(upload.parts)
    s3.calls.clear()

    store.run()

    assert s3.objects == {"raw/export.csv": BODY}
    assert s3.calls.count(PUT_PART) == 4 - there


def test_fault_32_upload_that_was_aborted_meanwhile_is_begun_anew(store: Store, s3: S3Server, copying: Copying) -> None:
    s3.faults[PUT_PART] = deque([refusing(403, "AccessDenied")])
    with pytest.raises(ServiceError):
        store.run()
    store.archive.abort("raw/export.csv", copying.remembered[0].upload_id)
    with pytest.raises(UploadGone):
        store.archive.put_part("raw/export.csv", copying.remembered[0].upload_id, 1, io.BytesIO(b"x"), 1)
    with pytest.raises(UploadGone):
        store.archive.complete("raw/export.csv", copying.remembered[0].upload_id, [Part(1, 1, "x", "AAAAAA==")], 1)

    store.run()

    assert s3.objects == {"raw/export.csv": BODY}


@pytest.mark.parametrize(
    "fault", [losing_the_answer, refusing(500, "InternalError"), refusing(409, "ConditionalRequestConflict")]
)
def test_fault_32_completion_that_fails_or_seems_to(store: Store, s3: S3Server, fault: Fault) -> None:
    s3.faults[COMPLETE] = deque([fault])

    result = store.run()

    assert isinstance(result, RawObject)
    assert s3.objects == {"raw/export.csv": BODY}
