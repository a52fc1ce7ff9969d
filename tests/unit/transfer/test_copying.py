"""Copies with source and bucket in memory: parts, saved progress and resumption."""

import itertools
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from exports.errors import ClaimLost, NonRetryableError, ServiceError, SourceError
from exports.model import RawObject
from exports.retry import OutOfTime, RetryPolicy
from exports.runs import Unfinished
from exports.s3.crc32 import to_base64
from exports.s3.multipart import MIB, Upload, UploadGone
from exports.transfer.copying import copy
from exports.transfer.range_reader import RangeReader
from tests.unit.builders import countdown
from tests.unit.fakes import FakeBucket, FakeClock, FakeSource

PART = 5 * MIB
BODY = b"agentId,name\n" + random.Random(7).randbytes(32 * MIB + 100)
PARTS = 7


@dataclass
class CopyHarness:
    source: FakeSource = field(default_factory=lambda: FakeSource(BODY))
    bucket: FakeBucket = field(default_factory=FakeBucket)
    saved: list[Upload] = field(default_factory=list)
    time_left: Callable[[], float] = lambda: 1000.0
    clock: FakeClock = field(default_factory=FakeClock)

    def run(self, *, workers: int = 3, **more: Any) -> RawObject | Unfinished:
        return copy(
            self.source,
            self.bucket,
            key="raw/export.{}".format,
            known=more.pop("known", self.saved[-1] if self.saved else None),
            save_progress=more.pop("save_progress", self.saved.append),
            retry_policy=self.clock.retry_policy(3, self.time_left),
            workers=workers,
            **more,
        )

    def assert_stored(self, result: object) -> None:
        body = self.source.body
        assert result == RawObject("raw/export.csv", len(body), to_base64(zlib.crc32(body)))
        assert self.bucket.objects == {"raw/export.csv": body}
        assert not self.bucket.uploads


@pytest.fixture
def harness() -> CopyHarness:
    return CopyHarness()


def test_every_part_is_read_once(harness: CopyHarness) -> None:
    harness.assert_stored(harness.run())

    assert sorted(harness.source.ranges) == [(at, min(at + PART, len(BODY)) - 1) for at in range(0, len(BODY), PART)]
    assert sum(harness.bucket.received) == len(BODY)


def test_upload_is_saved_before_its_parts_and_its_checksum_before_completion(harness: CopyHarness) -> None:
    seen: list[tuple[str, int, bool]] = []

    def save_progress(upload: Upload) -> None:
        seen.append((upload.crc32, sum(harness.bucket.received), "raw/export.csv" in harness.bucket.objects))

    harness.run(save_progress=save_progress)

    assert seen == [("", 0, False), (to_base64(zlib.crc32(BODY)), len(BODY), False)]


@pytest.mark.parametrize("size", [1, 13, 64 * 1024, 64 * 1024 + 1, 8 * MIB])
def test_small_file_is_one_stream_and_no_byte_is_read_twice(harness: CopyHarness, size: int) -> None:
    harness.source.body = BODY[:size]

    harness.assert_stored(harness.run())

    assert harness.source.bytes_read == max(0, size - 64 * 1024)
    assert not harness.saved


def test_smallest_file_with_parts_has_two(harness: CopyHarness) -> None:
    harness.source.body = BODY[: 8 * MIB + 1]

    harness.assert_stored(harness.run())

    assert len(harness.source.ranges) == 2


def test_workers_copy_parts_at_the_same_time(harness: CopyHarness) -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(number: int) -> None:
        if number <= 3:
            together.wait()

    harness.bucket.before_part = meet

    harness.assert_stored(harness.run(workers=3))


def run_until_stored(harness: CopyHarness, checks: int, **options: Any) -> list[RawObject | Unfinished]:
    """Run invocations until the copy is complete. Each has time for ``checks`` checks of the time left."""
    results: list[RawObject | Unfinished] = []
    while not results or isinstance(results[-1], Unfinished):
        harness.time_left = countdown(checks + 1)
        results.append(harness.run(**options))
        assert len(results) < 50
    return results


def test_no_byte_is_read_twice_if_the_time_ends_between_parts(harness: CopyHarness) -> None:
    results = run_until_stored(harness, 2, workers=1)

    harness.assert_stored(results[-1])
    assert len(results) > 2
    assert harness.source.bytes_read == len(BODY)
    assert harness.source.probes == 1


def test_invocation_without_time_left_reads_nothing(harness: CopyHarness) -> None:
    copy_three_parts(harness)
    bytes_read = harness.source.bytes_read
    harness.time_left = lambda: 0.0

    assert harness.run() == Unfinished()
    assert harness.source.bytes_read == bytes_read


def test_part_without_enough_time_left_is_not_started(harness: CopyHarness) -> None:
    clock = itertools.count(0.0, 30.0)
    harness.time_left = lambda: 100.0 - next(clock)

    assert harness.run(workers=1) == Unfinished()
    assert 1 <= len(harness.source.ranges) <= 4


def test_part_in_flight_at_the_end_of_the_time_is_cancelled(harness: CopyHarness) -> None:
    def run_out_of_time(first: int, at: int) -> None:
        if first >= 3 * PART:
            raise OutOfTime

    harness.source.before_chunk = run_out_of_time

    assert harness.run(workers=1) == Unfinished()
    assert set(next(iter(harness.bucket.uploads.values())).parts) == {1, 2, 3}
    harness.source.before_chunk = lambda first, at: None
    harness.assert_stored(harness.run())


class RoundRobinSource(FakeSource):
    """A source that gives each reader a chunk in turn, until the time is over after ``budget`` chunks."""

    def __init__(self, readers: int, budget: float) -> None:
        super().__init__(BODY)
        self._left = budget
        self._readers = readers
        self._turns: dict[int, int] = {}
        self._changed = threading.Condition()
        self._together = threading.Barrier(readers, timeout=10)

    def time_left(self) -> float:
        return self._left

    def read(self, first: int, last: int, etag: str) -> Iterator[bytes]:
        with self._changed:
            self._turns[first] = min(self._turns.values(), default=0)
        if first < self._readers * PART:
            self._together.wait()
        try:
            for chunk in super().read(first, last, etag):
                self._take_turn(first)
                yield chunk
        finally:
            with self._changed:
                del self._turns[first]
                self._changed.notify_all()

    def _take_turn(self, reader: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turns[reader] <= min(self._turns.values()), timeout=10)
            if self._left <= 0:
                raise OutOfTime
            self._turns[reader] += 1
            self._left -= 1
            self._changed.notify_all()


@pytest.mark.parametrize(("parts_in_time", "finished"), [(2.5, {1}), (4.5, {1, 2, 3, 4})])
def test_parts_are_cancelled_so_that_the_first_one_can_finish(parts_in_time: float, finished: set[int]) -> None:
    source = RoundRobinSource(4, parts_in_time * PART / FakeSource(BODY).chunk)
    harness = CopyHarness(source, time_left=source.time_left)

    assert harness.run(workers=4) == Unfinished()

    assert set(next(iter(harness.bucket.uploads.values())).parts) == finished


def test_killed_invocation_loses_only_the_parts_in_flight(harness: CopyHarness) -> None:
    def kill(number: int) -> None:
        if number == 4:
            raise SystemExit

    harness.bucket.before_part = kill
    with pytest.raises(SystemExit):
        harness.run(workers=1)
    harness.bucket.before_part = lambda number: None

    harness.assert_stored(harness.run())

    assert harness.source.bytes_read == len(BODY)


def test_part_with_wrong_size_or_without_checksum_is_copied_again(harness: CopyHarness) -> None:
    copy_three_parts(harness)
    upload = next(iter(harness.bucket.uploads.values()))
    part, data = upload.parts[1]
    upload.parts[1] = replace(part, size=3), data[:3]
    part, data = upload.parts[2]
    upload.parts[2] = replace(part, crc32=""), data

    harness.assert_stored(harness.run())


def copy_three_parts(harness: CopyHarness) -> None:
    """Run a first invocation that copies three parts."""
    harness.time_left = countdown(4)
    assert isinstance(harness.run(workers=1), Unfinished)
    assert len(harness.source.ranges) == 3
    harness.time_left = lambda: 1000.0


def test_existing_object_of_a_killed_invocation_is_used(harness: CopyHarness) -> None:
    harness.run()
    bytes_read = harness.source.bytes_read

    harness.assert_stored(harness.run())

    assert harness.source.bytes_read == bytes_read


def test_existing_object_is_not_used_without_the_checksum_of_its_upload(harness: CopyHarness) -> None:
    harness.run()

    harness.assert_stored(harness.run(known=harness.saved[0]))

    assert harness.source.bytes_read == 2 * len(BODY)


def test_other_bytes_of_the_same_size_are_not_used_but_replaced(harness: CopyHarness) -> None:
    harness.run()
    harness.bucket.objects = {"raw/export.csv": BODY[::-1]}
    harness.bucket.checksums.clear()

    harness.assert_stored(harness.run())


def test_other_bytes_of_the_same_size_do_not_keep_a_copy_from_starting_again(harness: CopyHarness) -> None:
    copy_three_parts(harness)
    harness.bucket.uploads.clear()
    harness.bucket.objects["raw/export.csv"] = BODY[::-1]

    harness.assert_stored(harness.run())


def test_expired_upload_starts_again(harness: CopyHarness) -> None:
    copy_three_parts(harness)
    harness.bucket.uploads.clear()

    harness.assert_stored(harness.run())


@pytest.mark.parametrize("part", [1, PARTS])
def test_upload_that_is_aborted_during_the_copy_starts_again(harness: CopyHarness, part: int) -> None:
    def abort(number: int) -> None:
        if number == part:
            harness.bucket.before_part = lambda number: None
            harness.bucket.uploads.clear()

    harness.bucket.before_part = abort

    harness.assert_stored(harness.run(workers=1))


def test_object_that_keeps_changing_is_an_error(harness: CopyHarness) -> None:
    def change(number: int) -> None:
        harness.bucket.objects["raw/export.csv"] = bytes([len(harness.bucket.received)])

    harness.bucket.before_part = change

    with pytest.raises(UploadGone):
        harness.run()

    assert not harness.bucket.uploads


def test_changed_source_is_copied_again_and_the_old_upload_is_aborted(harness: CopyHarness) -> None:
    copy_three_parts(harness)
    harness.source.body, harness.source.etag = BODY[::-1][: 20 * MIB], '"v2"'

    harness.assert_stored(harness.run())
    assert harness.bucket.journal == ["abort upload-1"]


def test_claim_lost_while_saving_progress_leaves_no_upload(harness: CopyHarness) -> None:
    def lose_claim(upload: Upload) -> None:
        raise ClaimLost("export-1")

    with pytest.raises(ClaimLost):
        harness.run(save_progress=lose_claim)

    assert not harness.bucket.uploads


def test_finished_parts_stay_if_the_source_fails(harness: CopyHarness) -> None:
    def fail(first: int, at: int) -> None:
        if first >= 3 * PART:
            raise SourceError("broken")

    harness.source.before_chunk = fail

    with pytest.raises(SourceError):
        harness.run(workers=1)

    assert set(next(iter(harness.bucket.uploads.values())).parts) == {1, 2, 3}
    assert len(harness.clock.pauses) == 2


def test_permanent_error_stops_every_worker_at_once(harness: CopyHarness) -> None:
    other_has_started = threading.Event()

    def deny(number: int) -> None:
        if number == 1 and other_has_started.wait(10):
            raise NonRetryableError("AccessDenied")

    harness.bucket.before_part = deny
    harness.source.before_chunk = lambda first, at: other_has_started.set()
    harness.source.chunk = 8

    with pytest.raises(NonRetryableError, match="AccessDenied"):
        harness.run(workers=2)

    assert not harness.clock.pauses
    assert harness.source.ranges == [(PART, 2 * PART - 1)]
    assert not next(iter(harness.bucket.uploads.values())).parts


def test_retryable_error_of_the_bucket_reads_the_part_again(harness: CopyHarness) -> None:
    failures = iter([True, True])

    def slow_down(number: int) -> None:
        if number == 2 and next(failures, False):
            raise ServiceError("SlowDown")

    harness.bucket.before_part = slow_down

    harness.assert_stored(harness.run())

    assert sorted(harness.clock.pauses) == [0.5, 1.0]


def test_source_that_ends_early_without_an_error_is_detected(harness: CopyHarness) -> None:
    real = harness.source.read

    def short(first: int, last: int, etag: str) -> Iterator[bytes]:
        yield from itertools.islice(real(first, last, etag), 2)

    harness.source.read = short  # type: ignore[method-assign]

    with pytest.raises(SourceError, match="too early"):
        harness.run(workers=1)

    assert not harness.bucket.objects


def test_range_reader_returns_full_reads_from_small_chunks(harness: CopyHarness) -> None:
    harness.source.chunk = 1_000
    reader = RangeReader(harness.source, 10, 100_009, harness.source.etag, RetryPolicy())

    pieces = [reader.read(64 * 1024) for _ in range(3)]

    assert b"".join(pieces) == BODY[10:100_010]
    assert [len(piece) for piece in pieces] == [64 * 1024, 100_000 - 64 * 1024, 0]


def test_progress_between_failures_resets_the_retries(harness: CopyHarness) -> None:
    def fail(first: int, at: int) -> None:
        if at - first >= 5 * harness.source.chunk:
            raise SourceError("broken")

    harness.source.before_chunk = fail

    harness.assert_stored(harness.run(workers=1))

    assert set(harness.clock.pauses) == {0.5}
