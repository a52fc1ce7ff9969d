"""Fakes of the service, the records, the bucket, the source, the pipeline and the clock for domain tests."""

import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from exports.download.download import FullBody, Probe
from exports.errors import ServiceError, SourceChanged
from exports.keys import Keys
from exports.model import Export, RawObject
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row, Write
from exports.retry import RetryPolicy, no_deadline
from exports.runs import Batch, Described, Filters, Unfinished
from exports.s3.crc32 import to_base64
from exports.s3.multipart import ObjectStore, Part, PendingUpload, Upload, UploadGone, composite_checksum
from tests.unit.builders import KEYS, NOW, row

if TYPE_CHECKING:
    from _typeshed import SupportsRead

NO_URL_SINCE = "2026-11-23T12:00:00.000Z"


@dataclass
class FakeClock:
    """Returns ``now``, which a test may change. Pauses are recorded, not slept, and have their maximum length."""

    now: datetime = NOW
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    def retry_policy(self, attempts: int = 4, time_left: Callable[[], float] = no_deadline) -> RetryPolicy:
        return RetryPolicy(
            attempts, time_left=time_left, sleep=self.pauses.append, random_between=lambda low, high: high
        )


@dataclass
class FakeService:
    """Lists ``exports``, or raises ``error``; records the IDs and filters of each call.

    It refuses the ids in ``refused``, and knows nothing of those in ``unanswered``.
    """

    exports: Sequence[Export] = ()
    error: Exception | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    unanswered: Sequence[str] = ()
    calls: list[tuple[tuple[str, ...], Filters]] = field(default_factory=list)

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Described:
        self.calls.append((tuple(export_ids), filters))
        if self.error:
            raise self.error
        found = {each.id: each for each in self.exports if not export_ids or each.id in export_ids}
        refused = {each: code for each, code in self.refused.items() if each in export_ids}
        return Described(found, refused=refused, unanswered=self.unanswered)


@dataclass
class FakeRecords:
    """Has the catalog items in ``known``; records its calls in ``journal``, in their order."""

    known: dict[str, Row] = field(default_factory=dict)
    claimed: Write = field(default_factory=lambda: Write(row(status="IN_PROGRESS", firstSeenAt="first"), applied=True))
    journal: list[str] = field(default_factory=list)
    outcomes: dict[str, tuple[Outcome, str | None]] = field(default_factory=dict)
    settled: list[tuple[Outcome, Mapping[str, Any]]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    renewed: list[list[str]] = field(default_factory=list)
    overdue: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return {each: self.known[each] for each in export_ids if each in self.known}

    def mark_in_progress(self, export: Export) -> None:
        self.seen.append(export.id)

    def mark_no_url(self, export: Export) -> None:
        self.seen.append(export.id)
        self.known[export.id] = row(export.id, "IN_PROGRESS", linklessSince=NO_URL_SINCE)

    def renew_leases(self, export_ids: Iterable[str]) -> None:
        self.renewed.append([*export_ids])

    def claim(self, export: Export, duration: timedelta) -> Write:
        self.journal.append("claim")
        return self.claimed

    def release(self, export_id: str, error: str, *, denied: bool = False) -> None:
        self.journal.append(f"release {error}{' (denied)' * denied}")

    def save_progress(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None:
        self.journal.append("save progress")

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        self.journal.append(f"settle {outcome}")
        self.outcomes[export.id] = (outcome, details.get("reason"))
        self.settled.append((outcome, {**details, "polls": polls}))

    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        self.journal.append(f"record {outcome} {reason}")
        self.outcomes[export_id] = (outcome, reason)

    def announce_overdue(self, row: Row) -> None:
        self.journal.append("announce overdue")
        self.overdue.append(row.export_id)

    def announce_pending(self, row: Row) -> None:
        self.closed.append(row.export_id)


@dataclass
class FakeCatalog:
    """Returns ``answer`` from every conditional write, and records the writes."""

    answer: Write
    announced_ids: list[str] = field(default_factory=list)
    unsettled: list[Outcome] = field(default_factory=list)
    released: list[tuple[str, str | None]] = field(default_factory=list)
    held_back: list[tuple[Outcome, str | None]] = field(default_factory=list)

    def settle(self, *_: Any, **__: Any) -> Write:
        return self.answer

    def record_unsettled(self, batch: Batch, export_id: str, outcome: Outcome, reason: str | None) -> Write:
        self.unsettled.append(outcome)
        return self.answer

    def hold_back(self, batch: Batch, export_id: str, outcome: Outcome, reason: str | None) -> None:
        self.held_back.append((outcome, reason))

    def announced(self, row: Row) -> None:
        self.announced_ids.append(row.export_id)

    def release(self, batch: Batch, export_id: str, error: str | None) -> None:
        self.released.append((export_id, error))


@dataclass
class FakePublisher:
    """Records the published outcomes, or rejects every event."""

    published: list[Outcome] = field(default_factory=list)
    refuses: bool = False

    def publish(self, row: Row, outcome: Outcome) -> None:
        if self.refuses:
            raise ServiceError("ThrottlingException")
        self.published.append(outcome)


@dataclass
class FakeUpload:
    key: str
    parts: dict[int, tuple[Part, bytes]] = field(default_factory=dict)


@dataclass
class FakeBucket:
    """Objects in memory, as strict as S3: a part has its declared length, and only JSON documents are overwritten.

    ``uploads`` are not visible yet. ``journal`` has aborts and the documents of ``put_json_if_absent``, ``reads`` each
    range that was read, ``written`` each key that became visible, ``received`` the bytes of each part. ``checksums``
    has the checksums of the objects that were multipart uploads. ``before_part`` takes the number of the part,
    ``before_chunk`` the offset of the next read; either may raise. Without ``keeps``, streams are discarded, for tests
    that measure memory.
    """

    journal: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    chunk: int = 64 << 10
    keeps: bool = True
    uploads: dict[str, FakeUpload] = field(default_factory=dict)
    reads: list[tuple[str, int, int]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    before_part: Callable[[int], None] = lambda number: None
    before_chunk: Callable[[int], None] = lambda at: None
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def holds(self, body: bytes, extension: str = "zip") -> RawObject:
        """Store a raw object."""
        raw = RawObject(KEYS.raw(extension), len(body), to_base64(zlib.crc32(body)))
        self.objects[raw.key] = body
        return raw

    @property
    def pending(self) -> dict[str, bytes]:
        """The bytes of all uploads that are not completed, by key."""
        return {
            upload.key: b"".join(body for _, (_, body) in sorted(upload.parts.items()))
            for upload in self.uploads.values()
        }

    @property
    def data(self) -> dict[str, bytes]:
        """Stored files, by ``dataset/file``."""
        return {
            f"{key.split('/')[1]}/{key.rpartition('/')[2]}": body
            for key, body in self.objects.items()
            if key.startswith("data/")
        }

    def size(self, key: str) -> int | None:
        return len(self.objects[key]) if key in self.objects else None

    def etag(self, key: str) -> str:
        return f'"{zlib.crc32(self.objects[key]):08x}"' if key in self.objects else ""

    def matches(self, key: str, size: int, checksum: str) -> bool:
        body = self.objects.get(key)
        return (
            body is not None and len(body) == size and self.checksums.get(key, to_base64(zlib.crc32(body))) == checksum
        )

    def read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        body = self.objects[key]
        assert 0 <= first <= last + 1 <= len(body)
        self.reads.append((key, first, last))
        for at in range(first, last + 1, self.chunk):
            self.before_chunk(at)
            yield body[at : min(at + self.chunk, last + 1)]

    def read_json(self, key: str) -> Any:
        return json.loads(self.objects[key]) if key in self.objects else None

    def put_json(self, key: str, document: Any) -> None:
        self.objects[key] = json.dumps(document, ensure_ascii=False).encode()

    def put_json_if_absent(self, key: str, document: Any) -> bool:
        self.journal.append(f"put {key}")
        if key in self.objects:
            return False
        self.put_json(key, document)
        return True

    def put_if_absent(self, key: str, body: bytes) -> bool:
        self.journal.append(f"put {key}")
        return self.objects.setdefault(key, body) is body

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    @contextmanager
    def writer(self, key: str) -> Iterator["_Writer"]:
        writer = _Writer(self.keeps)
        yield writer
        self._make_visible(key, bytes(writer.body))

    @contextmanager
    def pending_writer(self, key: str) -> Iterator["FakePendingWriter"]:
        writer = FakePendingWriter(self.keeps)
        yield writer
        writer.send(self, key)

    def publish(self, upload: PendingUpload) -> bool:
        self.journal.append(f"publish {upload.key}")
        pending = self.uploads.pop(upload.upload_id, None)
        if pending and upload.key not in self.objects:
            self._make_visible(upload.key, b"".join(pending.parts[part.number][1] for part in upload.parts))
        if upload.key in self.objects:
            self.abort_all(upload.key)
        return upload.key in self.objects

    def create_upload(self, key: str) -> str:
        upload_id = f"upload-{next(self._ids)}"
        self.uploads[upload_id] = FakeUpload(key)
        return upload_id

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        return {number: part for number, (part, _) in self._upload(upload_id).parts.items()}

    def put_part(self, key: str, upload_id: str, number: int, body: "SupportsRead[bytes]", size: int) -> Part:
        self.before_part(number)
        data = b"".join(iter(lambda: body.read(self.chunk), b""))
        if len(data) != size:
            raise ServiceError("IncompleteBody")
        part = Part(number, size, f'"{upload_id}-{number}"', to_base64(zlib.crc32(data)))
        self._upload(upload_id).parts[number] = part, data
        self.received.append(size)
        return part

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int, replaces: str = "") -> None:
        checksum = composite_checksum(parts)
        if not self.matches(key, size, checksum):
            stored = self._upload(upload_id).parts
            assert all(stored[part.number][0] == part for part in parts)
            body = b"".join(stored[part.number][1] for part in parts)
            if len(body) != size:
                raise ServiceError("InvalidRequest")
            if self.etag(key) != replaces:
                raise UploadGone
            self.objects.pop(key, None)
            self._make_visible(key, body)
            self.checksums[key] = checksum
        self.abort_all(key)

    def abort_all(self, key: str) -> None:
        self.uploads = {each: upload for each, upload in self.uploads.items() if upload.key != key}

    def abort(self, key: str, upload_id: str) -> None:
        self.journal.append(f"abort {upload_id}")
        self.uploads.pop(upload_id, None)

    def _upload(self, upload_id: str) -> FakeUpload:
        if upload_id not in self.uploads:
            raise UploadGone
        return self.uploads[upload_id]

    def _make_visible(self, key: str, body: bytes) -> None:
        self.written.append(key)
        if self.keeps:
            assert self.objects.setdefault(key, body) == body, f"a different object exists at {key}"


class _Writer:
    def __init__(self, keeps: bool) -> None:
        self.body = bytearray()
        self._keeps = keeps

    def write(self, data: bytes) -> None:
        assert len(data) <= 512 << 10, "a write is at most 512 KiB"
        if self._keeps:
            self.body += data


class FakePendingWriter(_Writer):
    """Collects what ``send`` then uploads as one part, in two calls of the bucket."""

    upload: PendingUpload

    def send(self, bucket: ObjectStore, key: str) -> None:
        upload_id, size = bucket.create_upload(key), len(self.body)
        part = bucket.put_part(key, upload_id, 1, io.BytesIO(self.body), size)
        self.upload = PendingUpload(key, upload_id, (part,), size)


@dataclass
class FakeSource:
    """``body`` at a download URL. A probe returns its first ``head`` bytes; reads return chunks of ``chunk`` bytes.

    ``before_chunk`` takes the first byte of the read and its offset, and may raise.
    """

    body: bytes
    etag: str = '"v1"'
    chunk: int = 256 << 10
    head: int = 64 << 10
    probes: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    before_chunk: Callable[[int, int], None] = lambda first, at: None

    def probe(self) -> Probe:
        self.probes += 1
        return Probe(len(self.body), self.etag, ranges=True, head=self.body[: self.head])

    def read(self, first: int, last: int, etag: str) -> Iterator[bytes]:
        self.ranges.append((first, last))
        if etag != self.etag:
            raise SourceChanged("changed")
        for at in range(first, last + 1, self.chunk):
            self.before_chunk(first, at)
            yield self.body[at : min(at + self.chunk, last + 1)]

    def full_body(self) -> AbstractContextManager[FullBody]:
        raise NotImplementedError("reads use ranges")

    @property
    def bytes_read(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)


@dataclass
class FakePipeline:
    """Returns the results of ``copies``, ``unpacks`` and ``publishes``."""

    copies: Callable[[], Any]
    unpacks: Callable[[], Any]
    journal: list[str] = field(default_factory=list)
    publishes: Callable[[], Unfinished | None] = lambda: None
    published: list[Mapping[str, Any]] = field(default_factory=list)

    def copy(self, export: Export, keys: Keys, known: Upload | None) -> Any:
        self.journal.append("copy")
        return self.copies()

    def unpack(self, raw: RawObject, keys: Keys) -> Any:
        self.journal.append("unpack")
        return self.unpacks()

    def publish_tables(self, manifest: Mapping[str, Any], keys: Keys) -> Unfinished | None:
        self.published.append(manifest)
        self.journal.append("publish tables")
        return self.publishes()
