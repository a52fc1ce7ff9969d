"""Builders with defaults for the domain tests."""

import io
import itertools
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import moto.core.models  # noqa: F401  # moto mocks only sessions that are created after this import

from exports.keys import Keys
from exports.model import Export, RawObject
from exports.outcomes.rows import Row
from exports.runs import Batch, Unfinished
from exports.s3.multipart import ObjectStore
from exports.storing.manifest import manifest
from exports.unpack.members import Limits
from exports.unpack.unpacking import Unpacked, Unpacker

SESSION = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
"""One session for all tests: each new session loads the service model again."""
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SIGNED = "https://prod-exports.s3.us-west-2.amazonaws.com/key.zip?X-Amz-Signature=s3cr3t"
KEYS = Keys("123456789012", "us-west-2", "2026-11-23", "export-1")

Files = Mapping[str, bytes] | Sequence[tuple[str, bytes]]


def export(export_id: str = "export-1", status: str = "SUCCEEDED", *, age_minutes: float = 30, **more: Any) -> Export:
    requested_at = NOW - timedelta(minutes=age_minutes)
    download_url = SIGNED if status == "SUCCEEDED" else None
    return Export(
        **{
            "id": export_id,
            "status": status,
            "status_message": "",
            "requested_at": requested_at,
            "download_url": download_url,
            **more,
        }
    )


def batch(*export_ids: str, **more: Any) -> Batch:
    default = {
        "started_at": NOW - timedelta(minutes=1),
        "deadline": NOW + timedelta(hours=12),
        "retries_rejected": True,
    }
    return Batch(**{"run_id": "run-1", "number": 1, "export_ids": export_ids, **default, **more})


def row(export_id: str = "export-1", status: str = "STORED", **attributes: Any) -> Row:
    return Row({"exportId": export_id, "status": status, "announcedAt": "2026-11-23T11:00:00.000Z", **attributes})


ODD_VALUES: Sequence[Any] = [
    7,
    -1,
    True,
    "",
    "x" * 400_000,
    b"bytes",
    {"a"},
    [None],
    {"a": {"b"}},
    None,
    10**125,
    "2026-13-45",
]
"""What DynamoDB can store in place of any attribute."""
ATTRIBUTES: Sequence[str] = [
    *("status", "reason", "kind", "manifestKey", "bytes", "rows", "files", "schemaNotes", "statusMessage", "runId"),
    *("correlationId", "accountId", "region", "settledAt", "exportRequestTime", "lastError", "upload", "raw", "rawKey"),
    *("rawCrc32", "linklessSince", "deniedSince", "claimedUntil", "announcedAt", "exportStatus"),
    *("pendingBy", "pendingUntil", "pendingLease", "unrecorded", "askedFor", "actualStartTime", "actualEndTime"),
]
"""What an item of the catalog may have."""


def create_table(dynamodb: Any, name: str, key: str) -> None:
    """Create an empty table, such as that of the collector."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def create_catalog(dynamodb: Any) -> None:
    """Create the empty table ``catalog``, without its index, so that it takes odd items."""
    create_table(dynamodb, "catalog", "exportId")


def create_indexed_catalog(dynamodb: Any, name: str) -> None:
    """Create an empty catalog as in the stack, with its index."""
    keys = {"status": "HASH", "firstSeenAt": "RANGE"}
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "exportId", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("exportId", *keys)],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "ByStatus",
                "KeySchema": [{"AttributeName": each, "KeyType": kind} for each, kind in keys.items()],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def zipped(files: Files, *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """A zip file from the standard library. The same name may occur twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        for name, body in files.items() if isinstance(files, Mapping) else files:
            info = zipfile.ZipInfo("x")
            info.filename = name  # the constructor would cut it at a NUL
            info.compress_type = method
            archive.writestr(info, body)
    return buffer.getvalue()


def in_chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def countdown(calls: int) -> Callable[[], float]:
    """A ``time_left``: 100 seconds at each of the first ``calls`` calls, then 0."""
    return itertools.chain([100.0] * calls, itertools.repeat(0.0)).__next__


def unpacking(
    bucket: ObjectStore, raw: RawObject, *, with_tables: bool = False, **options: Any
) -> Unpacked | Unfinished:
    """The result of one invocation; by default with much time, the default limits, and no tables."""
    tables_from = "2016-05" if with_tables else ""
    default: dict[str, Any] = {"keys": KEYS, "limits": Limits(), "time_left": lambda: 900, "tables_from": tables_from}
    return Unpacker(raw=raw, bucket=bucket, **{**default, **options}).run()


def unpacked(bucket: ObjectStore, raw: RawObject, **options: Any) -> Unpacked:
    result = unpacking(bucket, raw, **options)
    assert isinstance(result, Unpacked)
    return result


def manifest_of(stored: Unpacked, raw: RawObject) -> dict[str, Any]:
    """The manifest of the export, as the pipeline writes it."""
    return manifest(
        export(),
        keys=KEYS,
        kind=stored.kind,
        raw=raw,
        files=stored.files,
        notes=stored.notes,
        results=[],
        first_seen_at="",
        run_id="run-1",
        correlation_id=None,
        now=NOW,
    )


def peak_memory(action: Callable[[], object]) -> int:
    """Peak memory of ``action``, in bytes."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
