"""Work that is too much for one call: several slices share it, in any order and through kills, to the same end."""

import io
import random
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.errors import Rejected, ServiceError
from exports.members import Limits
from exports.model import RawObject, Reason
from exports.unpack import Unpacked, discard, unpack
from exports.uploads import Part, Unfinished, UploadGone
from tests.unit.bucket import KEYS, Bucket, zipped

LIMITS = Limits(max_ratio=1_000_000)
SLICE = 30_000
PART = 2_000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.spread.part_size_for", lambda *_: PART)
    monkeypatch.setattr("exports.unpack.FIRST_PART", SLICE)


def rows(count: int, seed: int = 1) -> bytes:
    draw = random.Random(seed)
    return b"name,value\n" + b"".join(
        b'"row %d","%d,\n%d"\n' % (row, row, draw.randrange(10**9)) for row in range(count)
    )


LARGE = rows(5_000)
FILES = {
    "a.csv": rows(3),
    "large_osInfo.csv": LARGE,
    "b.csv": rows(200),
    "inner.zip": zipped({"c.csv": rows(2_000, 2)}),
}


def sliced(
    bucket: Bucket, raw: RawObject, index: int, slices: int, time_left: Callable[[], float] = lambda: 900
) -> Unpacked | Unfinished:
    return unpack(
        raw,
        keys=KEYS,
        archive=bucket,
        limits=LIMITS,
        time_left=time_left,
        part_slice=(index, slices),
        slice_bytes=SLICE,
    )


def in_one(body: bytes, extension: str = "zip") -> tuple[Bucket, Unpacked]:
    """What one call makes of it that may take as long as it likes."""
    bucket = Bucket()
    result = unpack(bucket.holds(body, extension), keys=KEYS, archive=bucket, limits=LIMITS, time_left=lambda: 900)
    assert isinstance(result, Unpacked)
    return bucket, result


def test_a_large_member_is_carried_by_several_slices_into_one_object() -> None:
    whole, wanted = in_one(zipped({"large_osInfo.csv": LARGE}))
    bucket = Bucket()
    raw = bucket.holds(zipped({"large_osInfo.csv": LARGE}))

    asked = sliced(bucket, raw, 0, 1)
    assert asked == Unfinished(-(-len(LARGE) // SLICE))
    assert bucket.sent == [], "the call that finds so much work leaves it to the slices"
    results = [sliced(bucket, raw, index, asked.slices) for index in range(asked.slices)]

    assert asked.slices >= 4
    assert results[:-1] == [asked] * (asked.slices - 1)
    assert results[-1] == wanted
    assert bucket.data == whole.data
    assert sorted(number for _, number in bucket.sent) == list(range(1, -(-len(LARGE) // PART) + 1)), "each part once"
    assert bucket.uploads == {}


def test_a_plain_csv_is_shared_too() -> None:
    _, wanted = in_one(LARGE, "csv")
    bucket = Bucket()
    raw = bucket.holds(LARGE, "csv")

    slices = -(-len(LARGE) // SLICE)
    results = [sliced(bucket, raw, index, slices) for index in reversed(range(slices))]

    assert results[-1] == wanted
    assert bucket.data == {"other/export-1.csv": LARGE}


def test_many_small_members_are_shared_too() -> None:
    files = {f"{number}.csv": rows(120, number) for number in range(40)}
    _, wanted = in_one(zipped(files))
    bucket = Bucket()
    raw = bucket.holds(zipped(files))
    slices = sliced(bucket, raw, 0, 1)
    assert isinstance(slices, Unfinished)

    first = sliced(bucket, raw, 1, slices.slices)

    assert first == slices
    assert len(bucket.data) == len(range(1, 40, slices.slices)), "one slice does no more than its share"
    results = [sliced(bucket, raw, index, slices.slices) for index in range(slices.slices)]
    assert results[-1] == wanted


def test_a_slice_that_was_killed_sends_only_what_is_missing() -> None:
    class Killed(Exception):
        pass

    class Dying(Bucket):
        lives = False

        def put_buffer(self, key: str, upload_id: str, number: int, buffer: io.BytesIO) -> Part:
            if len(self.sent) == 5 and not self.lives:
                raise Killed
            return super().put_buffer(key, upload_id, number, buffer)

    bucket = Dying()
    raw = bucket.holds(zipped({"large_osInfo.csv": LARGE}))
    with pytest.raises(Killed):
        sliced(bucket, raw, 0, -(-len(LARGE) // SLICE))
    bucket.lives = True

    results = [sliced(bucket, raw, index, -(-len(LARGE) // SLICE)) for index in range(-(-len(LARGE) // SLICE))]

    assert isinstance(results[-1], Unpacked)
    assert sorted(number for _, number in bucket.sent) == list(range(1, -(-len(LARGE) // PART) + 1)), "no part twice"


def test_a_large_member_with_a_wrong_crc_leaves_nothing() -> None:
    body = bytearray(zipped({"a.csv": rows(3), "large_osInfo.csv": LARGE}, method=zipfile.ZIP_STORED))
    body[body.find(b"row 4999")] ^= 1
    bucket = Bucket()
    raw = bucket.holds(bytes(body))
    slices = sliced(bucket, raw, 0, 1)
    assert isinstance(slices, Unfinished)

    reasons = []
    for index in reversed(range(slices.slices)):
        try:
            sliced(bucket, raw, index, slices.slices)
        except Rejected as rejected:
            reasons.append(rejected.reason)

    assert reasons == [Reason.CORRUPT]
    assert set(bucket.objects) == {raw.key}
    assert bucket.uploads == {}


def test_what_a_late_slice_has_stored_is_discarded() -> None:
    bucket = Bucket()
    raw = bucket.holds(zipped(FILES))
    slices = sliced(bucket, raw, 0, 1)
    assert isinstance(slices, Unfinished)
    for index in range(3):
        sliced(bucket, raw, index, slices.slices)
    assert bucket.data
    assert bucket.uploads

    discard(raw, keys=KEYS, archive=bucket, part_slice=(2, slices.slices))

    assert bucket.data == {}
    assert bucket.uploads == {}


def test_parts_that_are_not_the_members_bytes_never_become_its_object() -> None:
    bucket = Bucket()
    raw = bucket.holds(zipped({"large_osInfo.csv": LARGE}))
    slices = -(-len(LARGE) // SLICE)
    sliced(bucket, raw, 0, slices)
    ((_, sent),) = bucket.uploads.values()
    sent[1] = bytes(PART)

    for index in range(1, slices - 1):
        sliced(bucket, raw, index, slices)
    with pytest.raises(ServiceError, match="BadDigest"):
        sliced(bucket, raw, slices - 1, slices)

    assert bucket.data == {}
    assert bucket.uploads == {}, "the next round begins anew"
    results = [sliced(bucket, raw, index, slices) for index in range(slices)]
    assert isinstance(results[-1], Unpacked)
    assert bucket.data == {"agent_os_info/large_osInfo.csv": LARGE}


def test_an_upload_that_expired_is_begun_anew() -> None:
    bucket = Bucket()
    raw = bucket.holds(zipped({"large_osInfo.csv": LARGE}))
    slices = -(-len(LARGE) // SLICE)
    sliced(bucket, raw, 0, slices)
    bucket.uploads.clear()

    with pytest.raises(UploadGone):
        sliced(bucket, raw, 0, slices)
    results = [sliced(bucket, raw, index, slices) for index in range(slices)]

    assert isinstance(results[-1], Unpacked)
    assert bucket.data == {"agent_os_info/large_osInfo.csv": LARGE}


class Killed(BaseException):
    """SIGKILL: nothing of the slice runs after it."""


class Mortal:
    """A bucket whose user dies before or after some call."""

    def __init__(self, bucket: Bucket, calls: int, *, after: bool) -> None:
        self._bucket, self._calls, self._after = bucket, calls, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._bucket, name)

        def call(*arguments: Any) -> Any:
            self._calls -= 1
            if self._calls == 0 and not self._after:
                raise Killed
            result = method(*arguments)
            if self._calls == 0:
                raise Killed
            return result

        return call


def countdown(pieces: int) -> Callable[[], float]:
    """Time for as many pieces."""
    left = iter([1.0] * pieces)
    return lambda: next(left, 0.0)


WHOLE, WANTED = in_one(zipped(FILES))


@settings(max_examples=150)
@given(
    order=st.lists(st.integers(0, 20), max_size=12),
    deaths=st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=8),
    times=st.lists(st.integers(1, 4), max_size=8),
)
def test_in_any_order_and_through_kills_it_comes_out_the_same(
    order: list[int], deaths: list[tuple[int, bool]], times: list[int]
) -> None:
    bucket = Bucket()
    raw = bucket.holds(zipped(FILES))
    asked = sliced(bucket, raw, 0, 1)
    assert isinstance(asked, Unfinished)
    slices = asked.slices
    for index in order:
        calls, after = deaths.pop() if deaths else (0, False)
        mortal: Any = Mortal(bucket, calls, after=after)
        try:
            sliced(mortal, raw, index % slices, slices, countdown(times.pop() if times else 99))
        except Killed:
            continue

    results = [sliced(bucket, raw, index, slices) for index in range(slices)]

    assert results[-1] == WANTED
    assert bucket.data == WHOLE.data
    assert all(bucket.written.count(key) <= 2 for key in bucket.written)
