"""The code of this project: the function that unpacks, with a bucket of files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from benchmarks.tables.competitor_code.job import Job
from exports.keys import Keys
from exports.model import RawObject
from exports.s3.multipart import ObjectStore, PendingUpload
from exports.unpack.members import Limits
from exports.unpack.unpacking import Unpacked, Unpacker


@dataclass(slots=True)
class PendingFile:
    """A table object. ``upload`` is set once all is written."""

    file: BinaryIO
    upload: PendingUpload = field(init=False)

    def write(self, data: bytes) -> int:
        return self.file.write(data)


class FileBucket:
    """A bucket whose raw object is a file. Table objects become files; other objects are discarded."""

    def __init__(self, raw: Path, output_file: Callable[[str], Path]) -> None:
        self._raw = raw
        self._output_file = output_file

    def size(self, key: str) -> int | None:
        return None

    def read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        with self._raw.open("rb") as file:
            file.seek(first)
            while (left := last + 1 - file.tell()) > 0:
                yield file.read(min(left, 256 << 10))

    def read_json(self, key: str) -> object:
        return None

    def put_json(self, key: str, document: object) -> None:
        """Discard the progress: there is no next invocation."""

    @contextmanager
    def writer(self, key: str) -> Iterator[BinaryIO]:
        with Path("/dev/null").open("wb") as file:
            yield file

    @contextmanager
    def pending_writer(self, key: str) -> Iterator[PendingFile]:
        path = self._output_file(key)
        try:
            with path.open("wb") as file:
                pending = PendingFile(file)
                yield pending
                pending.upload = PendingUpload(key, "upload-1", (), file.tell())
        except BaseException:
            path.unlink()
            raise


def ready(job: Job, *, with_tables: bool = True) -> Callable[[str], None]:
    def make_tables(name: str) -> None:
        path, keys = job.zip_file(name), Keys("123456789012", "us-west-2", "2026-11-23", name)
        result = Unpacker(
            raw=RawObject(keys.raw("zip"), path.stat().st_size, ""),
            keys=keys,
            bucket=cast(ObjectStore, FileBucket(path, job.output_file)),
            limits=Limits(),
            time_left=lambda: 900.0,
            tables_from="2016-05" if with_tables else "",
        ).run()
        if not isinstance(result, Unpacked):
            raise TypeError("the export was not unpacked in one invocation")

    return make_tables
