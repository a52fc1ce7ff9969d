"""A part is uploaded while the next one is collected, and its errors end the object."""

import io
from collections.abc import Callable, Sequence
from threading import Event
from typing import cast

import pytest

from exports.errors import ServiceError
from exports.s3.bucket import Bucket
from exports.s3.multipart import SMALL_FILE_BYTES, Part
from exports.s3.object_writer import ObjectWriter

WAIT = 60.0
"""Seconds until a test fails instead of waiting for ever."""


class Uploads:
    """A bucket that calls ``before_part`` with the number of a part before it takes it."""

    overwrite = False

    def __init__(self, before_part: Callable[[int], object]) -> None:
        self.before_part = before_part
        self.completed: list[int] = []
        self.aborted = False

    def create_upload(self, key: str) -> str:
        return "upload-1"

    def put_buffer(self, key: str, upload_id: str, number: int, buffer: io.BytesIO) -> Part:
        self.before_part(number)
        return Part(number, buffer.tell(), "", "")

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int, replaces: str = "") -> None:
        assert sum(part.size for part in parts) == size
        self.completed = [part.number for part in parts]

    def abort(self, key: str, upload_id: str) -> None:
        self.aborted = True


def writer(uploads: Uploads) -> ObjectWriter:
    return ObjectWriter(cast(Bucket, uploads), "key")


def test_the_next_part_is_collected_while_a_part_is_uploaded() -> None:
    more = Event()
    uploads = Uploads(lambda number: more.wait(WAIT) if number == 1 else None)
    target = writer(uploads)

    target.write(bytes(SMALL_FILE_BYTES))
    target.write(b"more")
    assert not more.is_set()
    more.set()
    target.finish()

    assert uploads.completed == [1, 2]


def test_at_most_one_part_is_uploaded_at_a_time() -> None:
    running: list[int] = []

    def before(number: int) -> None:
        running.append(number)
        assert running == [number]
        running.remove(number)

    uploads = Uploads(before)
    target = writer(uploads)
    for _ in range(5):
        target.write(bytes(SMALL_FILE_BYTES))
    target.finish()

    assert uploads.completed == [1, 2, 3, 4, 5]


def fail(number: int) -> None:
    if number == 2:
        raise ServiceError("SlowDown")


def test_an_error_of_a_part_is_raised_by_the_next_one() -> None:
    target = writer(Uploads(fail))
    target.write(bytes(SMALL_FILE_BYTES))
    target.write(bytes(SMALL_FILE_BYTES))

    with pytest.raises(ServiceError, match="SlowDown"):
        target.write(bytes(SMALL_FILE_BYTES))


def test_an_error_of_the_last_part_is_raised_at_the_end_and_nothing_is_completed() -> None:
    uploads = Uploads(fail)
    target = writer(uploads)
    target.write(bytes(SMALL_FILE_BYTES))
    target.write(b"rest")

    with pytest.raises(ServiceError, match="SlowDown"):
        target.finish()
    target.abort()

    assert (uploads.completed, uploads.aborted) == ([], True)


def test_an_upload_is_aborted_after_its_running_part() -> None:
    ended = Event()
    uploads = Uploads(lambda _: ended.set())
    target = writer(uploads)
    target.write(bytes(SMALL_FILE_BYTES))

    target.abort()

    assert ended.is_set()
    assert uploads.aborted
