"""Where the files of a hand-off go: a file, or an object in S3. Nothing is there before it is whole and checked."""

import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misconfigured, Misused
from discovery_exports.cli.text import printable

REPORT = ".report.json"
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Target:
    """A path, or ``s3://bucket/key``. The report goes beside it, to the same name with ``.report.json``."""

    context: Context
    name: str
    endings: tuple[str, ...]
    overwrite: bool

    @property
    def is_s3(self) -> bool:
        return self.name.startswith("s3://")

    @property
    def report_name(self) -> str:
        return self.name + REPORT

    def check(self) -> None:
        """Raises Misused before any query if the files cannot go there."""
        if self.is_s3:
            bucket, _ = self._location(self.name)
            self._check_ending()
            self._check_bucket(bucket)
            for name in (self.name, self.report_name):
                bucket, key = self._location(name)
                if not self.overwrite and self._is_object(bucket, key):
                    raise self._exists(name)
            return
        if self.name in {"", "-"} or "://" in self.name:
            raise Misused(
                f"{printable(self.name) or 'An empty name'} is neither a file nor s3://bucket/key. Correct --to."
            )
        path = Path(self.name)
        if path.is_dir() or not path.name or self.name.endswith(("/", os.sep)):
            raise Misused(f"{printable(self.name)} is a folder. Name a file with --to.")
        if not path.parent.is_dir():
            raise Misused(f"There is no folder {printable(str(path.parent))}. Make it, or name another file with --to.")
        self._check_ending()
        for each in (path, Path(self.report_name)):
            if os.path.lexists(each) and not self.overwrite:
                raise self._exists(str(each))

    @contextmanager
    def workspace(self, *, dry_run: bool) -> Iterator[Path]:
        """A temporary folder: for a file that is delivered, beside it, so that it can be renamed.

        What a hand-off of the same file left there because it was killed is removed. One that still runs has a lock.
        """
        path = None if self.is_s3 or dry_run else Path(self.name)
        prefix = f".handoff-{path.name}-" if path else "handoff-"
        try:
            for left in path.parent.glob(f"{glob.escape(prefix)}*") if path else ():
                with _lock(left, wait=False) as unused:
                    if unused:
                        shutil.rmtree(left, ignore_errors=True)
            while True:
                with (
                    TemporaryDirectory(prefix=prefix, dir=path.parent if path else None) as made,
                    _lock(Path(made), wait=True),
                ):
                    if Path(made).exists():  # it was not removed before it was locked
                        yield Path(made)
                        return
        except OSError as error:
            raise Misconfigured(
                f"{printable(str(error.filename or self.name))} cannot be written: {error.strerror or error}. "
                "Choose another place with --to."
            ) from error

    def deliver(self, file: Path, report: Path) -> None:
        """Give both their names: the report first, so that a file is never without its report."""
        for path, name, kind in ((report, self.report_name, "application/json"), (file, self.name, _type(self.name))):
            if self.is_s3:
                self._put(path, name, kind)
            else:
                self._rename(path, Path(name))

    def _check_ending(self) -> None:
        if not self.name.lower().endswith(self.endings):
            raise Misused(
                f"{printable(self.name)} does not end with {' or '.join(self.endings)}, as this kind of file does. "
                "Correct --to."
            )

    def _check_bucket(self, bucket: str) -> None:
        """Another refusal than 404 proves nothing: to write, s3:PutObject is enough."""
        from botocore.exceptions import ClientError

        try:
            self.context.s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"404", "NoSuchBucket"}:
                raise Misused(f"There is no bucket {bucket}. Correct --to.") from None

    def _is_object(self, bucket: str, key: str) -> bool:
        """False, too, for those who may only write: then S3 refuses to replace the object at the end."""
        from botocore.exceptions import ClientError

        try:
            self.context.s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
        return True

    def _put(self, path: Path, name: str, kind: str) -> None:
        from botocore.exceptions import ClientError

        bucket, key = self._location(name)
        condition: Any = {} if self.overwrite else {"IfNoneMatch": "*"}
        try:
            with path.open("rb") as body:
                self.context.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, **condition)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code in {"PreconditionFailed", "412"}:
                raise self._exists(name) from None
            raise

    def _rename(self, path: Path, final: Path) -> None:
        if self.overwrite:
            path.replace(final)
            return
        try:
            os.link(path, final)  # unlike a rename, it does not replace a file that has appeared meanwhile
        except FileExistsError:
            raise self._exists(str(final)) from None
        except OSError:  # a file system without links
            path.rename(final)

    @staticmethod
    def _exists(name: str) -> Misused:
        return Misused(f"{printable(name)} exists. Name another file with --to, or replace it with --overwrite.")

    @staticmethod
    def _location(name: str) -> tuple[str, str]:
        found = _S3.fullmatch(name)
        if not found or found[2].endswith("/"):
            raise Misused(f"{printable(name)} is not the name of an object. Write it as s3://bucket/key.")
        return found[1], found[2]


@contextmanager
def _lock(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of the folder, which ends with the process. Yields whether it is held.

    It is not on Windows and on some network file systems, which have no such locks, nor without ``wait`` while another
    process holds it.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked = True
    except OSError:
        locked = False
    try:
        yield locked
    finally:
        os.close(descriptor)


def _type(name: str) -> str:
    return {".zip": "application/zip", ".csv": "text/csv; charset=utf-8"}.get(
        Path(name).suffix.lower(), "text/plain; charset=utf-8"
    )
