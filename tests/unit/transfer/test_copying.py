"""What a copy carries, remembers and takes up again, with source and bucket in memory."""

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
from exports.s3.multipart import MIB, Upload
from exports.transfer.copying import copy
from exports.transfer.range_reader import RangeReader
from tests.unit.builders import countdown
from tests.unit.fakes import FakeBucket, FakeClock, FakeSource

PART = 5 * MIB
BODY = b"agentId,name\n" + random.Random(7).randbytes(32 * MIB + 100)
PARTS = 7


@dataclass
class World:
    source: FakeSource = field(default_factory=lambda: FakeSource(BODY))
    bucket: FakeBucket = field(default_factory=FakeBucket)
    remembered: list[Upload] = field(default_factory=list)
    time_left: Callable[[], float] = lambda: 1000.0
    clock: FakeClock = field(default_factory=FakeClock)

    def run(self, *, workers: int = 3, **more: Any) -> RawObject | Unfinished:
        return copy(
            self.source,
            self.bucket,
            key="raw/export.{}".format,
            known=more.pop("known", self.remembered[-1] if self.remembered else None),
            save_progress=more.pop("save_progress", self.remembered.append),
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
def world() -> World:
    return World()


def test_every_part_is_fetched_once(world: World) -> None:
    world.assert_stored(world.run())

    assert sorted(world.source.ranges) == [(at, min(at + PART, len(BODY)) - 1) for at in range(0, len(BODY), PART)]
    assert sum(world.bucket.received) == len(BODY)


def test_upload_is_remembered_before_its_parts_and_its_checksum_before_its_end(world: World) -> None:
    seen: list[tuple[str, int, bool]] = []

    def save_progress(upload: Upload) -> None:
        seen.append((upload.crc32, sum(world.bucket.received), "raw/export.csv" in world.bucket.objects))

    world.run(save_progress=save_progress)

    assert seen == [("", 0, False), (to_base64(zlib.crc32(BODY)), len(BODY), False)]


@pytest.mark.parametrize("size", [1, 13, 64 * 1024, 64 * 1024 + 1, 8 * MIB])
def test_small_file_is_one_stream_and_nothing_is_fetched_twice(world: World, size: int) -> None:
    world.source.body = BODY[:size]

    world.assert_stored(world.run())

    assert world.source.fetched == max(0, size - 64 * 1024)
    assert not world.remembered


def test_smallest_file_that_is_cut_into_parts(world: World) -> None:
    world.source.body = BODY[: 8 * MIB + 1]

    world.assert_stored(world.run())

    assert len(world.source.ranges) == 2


def test_workers_carry_parts_at_the_same_time(world: World) -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(number: int) -> None:
        if number <= 3:
            together.wait()

    world.bucket.before_part = meet

    world.assert_stored(world.run(workers=3))


def in_rounds(world: World, looks: int, **options: Any) -> list[RawObject | Unfinished]:
    """Run until it is done, in calls whose time is spent after so many looks at the clock."""
    results: list[RawObject | Unfinished] = []
    while not results or isinstance(results[-1], Unfinished):
        world.time_left = countdown(looks + 1)
        results.append(world.run(**options))
        assert len(results) < 50
    return results


def test_time_that_is_spent_between_parts_costs_nothing(world: World) -> None:
    results = in_rounds(world, 2, workers=1)

    world.assert_stored(results[-1])
    assert len(results) > 2
    assert world.source.fetched == len(BODY)
    assert world.source.probes == 1


def test_call_without_time_does_nothing(world: World) -> None:
    in_the_middle(world)
    fetched = world.source.fetched
    world.time_left = lambda: 0.0

    assert world.run() == Unfinished()
    assert world.source.fetched == fetched


def test_no_part_is_begun_that_the_time_would_not_suffice_for(world: World) -> None:
    clock = itertools.count(0.0, 30.0)
    world.time_left = lambda: 100.0 - next(clock)

    assert world.run(workers=1) == Unfinished()
    assert 1 <= len(world.source.ranges) <= 4


def test_part_in_flight_at_the_end_of_the_time_is_given_up(world: World) -> None:
    def late(first: int, at: int) -> None:
        if first >= 3 * PART:
            raise OutOfTime

    world.source.before_chunk = late

    assert world.run(workers=1) == Unfinished()
    assert set(next(iter(world.bucket.uploads.values())).parts) == {1, 2, 3}
    world.source.before_chunk = lambda first, at: None
    world.assert_stored(world.run())


class LockStep(FakeSource):
    """A line that gives each of its readers a chunk in turn, ``budget`` chunks until the time of the call is spent."""

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


@pytest.mark.parametrize(("parts_in_time", "arrived"), [(2.5, {1}), (4.5, {1, 2, 3, 4})])
def test_slow_line_is_left_to_one_part_if_it_is_too_slow_for_all(parts_in_time: float, arrived: set[int]) -> None:
    source = LockStep(4, parts_in_time * PART / FakeSource(BODY).chunk)
    world = World(source, time_left=source.time_left)

    assert world.run(workers=4) == Unfinished()

    assert set(next(iter(world.bucket.uploads.values())).parts) == arrived


def test_killed_call_costs_only_the_parts_in_flight(world: World) -> None:
    def kill(number: int) -> None:
        if number == 4:
            raise SystemExit

    world.bucket.before_part = kill
    with pytest.raises(SystemExit):
        world.run(workers=1)
    world.bucket.before_part = lambda number: None

    world.assert_stored(world.run())

    assert world.source.fetched == len(BODY)


def test_part_that_is_not_what_it_should_be_is_carried_again(world: World) -> None:
    in_the_middle(world)
    upload = next(iter(world.bucket.uploads.values()))
    part, data = upload.parts[1]
    upload.parts[1] = replace(part, size=3), data[:3]
    part, data = upload.parts[2]
    upload.parts[2] = replace(part, crc32=""), data

    world.assert_stored(world.run())


def in_the_middle(world: World) -> None:
    """Have a first call carry three parts."""
    world.time_left = countdown(4)
    assert isinstance(world.run(workers=1), Unfinished)
    assert len(world.source.ranges) == 3
    world.time_left = lambda: 1000.0


def test_call_killed_after_the_end_finds_the_object(world: World) -> None:
    world.run()
    fetched = world.source.fetched

    world.assert_stored(world.run())

    assert world.source.fetched == fetched


def test_an_upload_that_is_gone_without_its_checksum_is_not_taken_for_the_object_that_is_there(world: World) -> None:
    world.run()
    stale = replace(world.remembered[0], crc32="")

    world.assert_stored(world.run(known=stale))

    assert world.source.fetched == 2 * len(BODY)


def test_upload_that_expired_is_begun_anew(world: World) -> None:
    in_the_middle(world)
    world.bucket.uploads.clear()

    world.assert_stored(world.run())


def test_changed_source_is_copied_anew_and_the_old_upload_aborted(world: World) -> None:
    in_the_middle(world)
    world.source.body, world.source.etag = BODY[::-1][: 20 * MIB], '"v2"'

    world.assert_stored(world.run())
    assert world.bucket.journal == ["abort upload-1"]


def test_claim_lost_when_remembering_leaves_no_upload(world: World) -> None:
    def lost(upload: Upload) -> None:
        raise ClaimLost("export-1")

    with pytest.raises(ClaimLost):
        world.run(save_progress=lost)

    assert not world.bucket.uploads


def test_source_that_fails_for_good_keeps_what_arrived(world: World) -> None:
    def broken(first: int, at: int) -> None:
        if first >= 3 * PART:
            raise SourceError("broken")

    world.source.before_chunk = broken

    with pytest.raises(SourceError):
        world.run(workers=1)

    assert set(next(iter(world.bucket.uploads.values())).parts) == {1, 2, 3}
    assert len(world.clock.pauses) == 2


def test_refusal_stops_every_worker_at_once(world: World) -> None:
    other_has_begun = threading.Event()

    def refuse(number: int) -> None:
        if number == 1 and other_has_begun.wait(10):
            raise NonRetryableError("AccessDenied")

    world.bucket.before_part = refuse
    world.source.before_chunk = lambda first, at: other_has_begun.set()
    world.source.chunk = 8

    with pytest.raises(NonRetryableError, match="AccessDenied"):
        world.run(workers=2)

    assert not world.clock.pauses
    assert world.source.ranges == [(PART, 2 * PART - 1)]
    assert not next(iter(world.bucket.uploads.values())).parts


def test_passing_failure_of_the_bucket_fetches_the_part_again(world: World) -> None:
    failures = iter([True, True])

    def busy(number: int) -> None:
        if number == 2 and next(failures, False):
            raise ServiceError("SlowDown")

    world.bucket.before_part = busy

    world.assert_stored(world.run())

    assert sorted(world.clock.pauses) == [0.5, 1.0]


def test_source_that_ends_early_without_an_error_is_not_believed(world: World) -> None:
    real = world.source.read

    def short(first: int, last: int, etag: str) -> Iterator[bytes]:
        yield from itertools.islice(real(first, last, etag), 2)

    world.source.read = short  # type: ignore[method-assign]

    with pytest.raises(SourceError, match="too early"):
        world.run(workers=1)

    assert not world.bucket.objects


def test_a_pipe_gives_as_much_as_is_asked_for_however_little_comes_at_once(world: World) -> None:
    world.source.chunk = 1_000
    reader = RangeReader(world.source, 10, 100_009, world.source.etag, RetryPolicy())

    pieces = [reader.read(64 * 1024) for _ in range(3)]

    assert b"".join(pieces) == BODY[10:100_010]
    assert [len(piece) for piece in pieces] == [64 * 1024, 100_000 - 64 * 1024, 0]


def test_breaks_with_good_progress_between_them_are_forgiven(world: World) -> None:
    def breaking(first: int, at: int) -> None:
        if at - first >= 5 * world.source.chunk:
            raise SourceError("broken")

    world.source.before_chunk = breaking

    world.assert_stored(world.run(workers=1))

    assert set(world.clock.pauses) == {0.5}
