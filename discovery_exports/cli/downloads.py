"""Downloads objects of the bucket into a folder: verified, resumable, and under names that are safe everywhere."""

import base64
import errno
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Failure, Misconfigured, Misused, NotStored, is_transient
from discovery_exports.cli.progress import Progress
from discovery_exports.cli.text import printable
from discovery_exports.cli.times import short_bytes

PART = ".part"
CHUNK = 1 << 20
MAX_NAME = 150
MAX_FRUITLESS_ATTEMPTS = 6
"""Attempts in a row without a byte: 31 seconds of pauses."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows does not open as files."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An object, and what it has to be."""

    local_name: str
    key: str
    bytes: int
    sha256: str = ""
    """Hexadecimal; empty for a raw object."""
    crc32: str = ""
    """Base64 of four big-endian bytes; empty unless it is a raw object."""
    details: Mapping[str, Any] | None = None

    @property
    def digest(self) -> "Digest":
        return Digest(self.sha256, self.crc32)


class Digest:
    """Of the bytes so far. Equal to what is expected, once all bytes are in it."""

    def __init__(self, sha256: str, crc32: str) -> None:
        self._expected = sha256 or crc32
        self._sha256 = hashlib.sha256() if sha256 else None
        self._crc32 = 0

    def update(self, data: bytes) -> None:
        if self._sha256:
            self._sha256.update(data)
        else:
            self._crc32 = zlib.crc32(data, self._crc32)

    @property
    def is_expected(self) -> bool:
        found = self._sha256.hexdigest() if self._sha256 else base64.b64encode(self._crc32.to_bytes(4, "big")).decode()
        return found == self._expected


def files_of(manifest: Mapping[str, Any], datasets: Sequence[str] | None) -> list[RemoteFile]:
    """The files of these datasets, or all. The local names are those of all files, whatever is downloaded.

    Raises NotStored if the manifest does not have the members that its format requires, and Misused if a dataset has
    no files.
    """
    try:
        entries = [(file, str(file["key"]), int(file["bytes"]), str(file["sha256"])) for file in manifest["files"]]
    except (KeyError, TypeError, ValueError):
        raise NotStored("The manifest cannot be read: its list of files is not complete.") from None
    names = local_names([key for _, key, _, _ in entries])
    files = [
        RemoteFile(name, key, size, sha256=sha256, details=file)
        for name, (file, key, size, sha256) in zip(names, entries, strict=True)
    ]
    known = {str(file["dataset"]) for file, _, _, _ in entries}
    for dataset in datasets or ():
        if dataset not in known:
            raise Misused(f"The export has no files of a dataset {dataset!r}. It has {', '.join(sorted(known))}.")
    return [file for file in files if not datasets or (file.details or {})["dataset"] in datasets]


def raw_file_of(item: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> RemoteFile | None:
    """The export as received, also of a rejected export; None if no bytes were kept.

    Raises NotStored if the manifest does not have the members that its format requires.
    """
    if manifest is None and not item.get("rawKey"):
        return None
    kept = {"key": item.get("rawKey"), "bytes": item.get("bytes"), "crc32": item.get("rawCrc32")}
    try:
        raw: Any = kept if manifest is None else manifest["raw"]
        key, size, crc32 = str(raw["key"]), int(raw["bytes"]), str(raw["crc32"])
    except (KeyError, TypeError, ValueError):
        raise NotStored("What describes the raw object cannot be read: it is not complete.") from None
    (name,) = local_names([key])
    return RemoteFile(name, key, size, crc32=crc32)


def local_names(keys: Iterable[str]) -> list[str]:
    """A file name for each key, which is hostile: one path part of ``[A-Za-z0-9._-]``, without a leading dot.

    No two names, and no name and the partial file of another, are equal, also where upper and lower case are the same.
    """
    used: set[str] = set()
    names = []
    for number, key in enumerate(keys):
        name = _safe(key)
        if {name.lower(), f"{name}{PART}".lower()} & used:
            digest = hashlib.sha256(f"{number}/{key}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
            name = f"{digest}-{name}"
        used |= {name.lower(), f"{name}{PART}".lower()}
        names.append(name)
    return names


def _safe(key: str) -> str:
    last = re.split(r"[/\\]", key)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip(".")
    name = name if len(name) <= MAX_NAME else name[-MAX_NAME:].strip(".")
    return f"_{name}" if not name or name.startswith("-") or _DEVICES.fullmatch(name) else name


class Downloads:
    """Downloads into one folder, one file after the other."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._done = 0
        self._bytes = 0
        self._files: Sequence[RemoteFile] = ()

    def get(self, files: Sequence[RemoteFile]) -> list[dict[str, Any]]:
        """A row for each file, which is complete then. Raises a Failure for the first that cannot be."""
        self._files = files
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            states = [self._existing_state(file) for file in files]
            with Progress(self._context) as self._progress:
                self._show()
                return [
                    self._row(file, state or self._download(file)) for file, state in zip(files, states, strict=True)
                ]
        except OSError as error:
            raise _unwritable(error, self._folder) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"Interrupted. {_KEPT}") from None

    def _path(self, file: RemoteFile) -> Path:
        return self._folder / file.local_name

    def _existing_state(self, file: RemoteFile) -> str:
        """``here`` if the file is there and complete; empty if it is not there. Raises Misused if another one is."""
        path = self._path(file)
        if not os.path.lexists(path):
            return ""
        if not path.is_symlink() and path.is_file() and path.stat().st_size == file.bytes:
            with path.open("rb") as opened:
                if _digest_of(opened, file).is_expected:
                    return "here already"
        raise Misused(f"{printable(str(path))} exists and is another file. Move it, or choose another folder with -d.")

    def _download(self, file: RemoteFile) -> str:
        """A partial file that is not the beginning of the object is downloaded once more, from its start."""
        path = self._path(file)
        part = path.with_name(path.name + PART)
        bytes_before = self._bytes
        for _ in range(2):
            self._bytes = bytes_before
            with _opened(part) as opened:
                digest = _digest_of(opened, file)
                had = opened.seek(0, os.SEEK_END)
                if had > file.bytes:
                    had, digest = 0, file.digest
                    opened.truncate(0)
                    opened.seek(0)
                is_same = self._receive(file, opened, digest, had)
            if is_same and digest.is_expected:
                _give_name(part, path)
                return "resumed" if had else "downloaded"
            part.unlink()
            if not had:
                break
        raise NotStored(
            f"s3://{self._context.bucket_name}/{file.key} is not what the manifest says: its checksum or size differs. "
            "It was changed after it was stored. Look for its earlier versions."
        )

    def _receive(self, file: RemoteFile, opened: BinaryIO, digest: Digest, have: int) -> bool:
        """Append the rest of the object. After a lost connection it continues there, if the object is the same.

        Returns whether it was the same to its end, and had the expected size.
        """
        from botocore.exceptions import ClientError

        etag, attempts = "", 0
        self._bytes += have
        while have < file.bytes:
            before = have
            try:
                same: dict[str, Any] = {"IfMatch": etag} if etag else {}
                response = self._context.s3.get_object(
                    Bucket=self._context.bucket_name, Key=file.key, Range=f"bytes={have}-{file.bytes - 1}", **same
                )
                if not response["ContentRange"].endswith(f"/{file.bytes}"):
                    return False
                etag = response["ETag"]
                for chunk in response["Body"].iter_chunks(CHUNK):
                    opened.write(chunk)
                    digest.update(chunk)
                    have += len(chunk)
                    self._bytes += len(chunk)
                    self._show()
            except Exception as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                if code in _ANOTHER_OBJECT:
                    return False
                if code in _GONE:
                    raise NotStored(
                        f"s3://{self._context.bucket_name}/{file.key} was deleted, for example by a retention setting "
                        "(docs/settings.md). Its earlier versions may still exist."
                    ) from None
                attempts = 1 if have > before else attempts + 1
                if not _is_lost(error):
                    raise
                if attempts == MAX_FRUITLESS_ATTEMPTS:
                    raise Misconfigured(
                        f"The connection is lost each time. {_KEPT} Check your network, and AWS_ENDPOINT_URL."
                    ) from error
                self._context.sleep(2 ** (attempts - 1))
        return have == file.bytes

    def _row(self, file: RemoteFile, state: str) -> dict[str, Any]:
        self._done += 1
        if state == "here already":
            self._bytes += file.bytes
        self._show()
        path = printable(str(self._path(file)))
        given = {name: (file.details or {}).get(name) for name in ("name", "dataset", "rows")}
        checks = {"sha256": file.sha256 or None, "crc32": file.crc32 or None}
        return {"path": path, "state": state, "bytes": file.bytes, "key": file.key, **checks, **given}

    def _show(self) -> None:
        total = sum(file.bytes for file in self._files)
        done = f"{self._done:,} of {len(self._files):,} files, {short_bytes(self._bytes)} of {short_bytes(total)}"
        tenth = self._bytes * 10 // total if total else 0
        title = f"To {printable(str(self._folder))}"
        self._progress.show(title, [done], self._bytes, total, key=(tenth, self._done == len(self._files)))


_KEPT = "What was downloaded is kept: the same command continues."
_GONE = frozenset({"NoSuchKey", "404", "NoSuchVersion"})
_ANOTHER_OBJECT = frozenset({"PreconditionFailed", "412", "InvalidRange", "416"})


def _is_lost(error: Exception) -> bool:
    """Whether the connection was lost. botocore does not translate all errors that urllib3 raises within a body."""
    from botocore.exceptions import IncompleteReadError
    from urllib3.exceptions import HTTPError

    return is_transient(error) or isinstance(error, IncompleteReadError | HTTPError)


def _opened(part: Path) -> BinaryIO:
    """The partial file, to be read and appended to by this process alone. A symbolic link is not followed.

    Where the system has no such locks, two processes could append to it; the checksum would differ.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(part, flags, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and _locked(descriptor):
        return os.fdopen(descriptor, "r+b")
    os.close(descriptor)
    raise Misused(
        f"{printable(str(part))} is in use by another process, or is not a file. Wait for the process, or choose "
        "another folder with -d."
    )


def _locked(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _digest_of(opened: BinaryIO, file: RemoteFile) -> Digest:
    digest = file.digest
    while chunk := opened.read(CHUNK):
        digest.update(chunk)
    return digest


def _give_name(part: Path, path: Path) -> None:
    """Rename without replacing a file that has appeared meanwhile, where the file system has links."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise Misused(
            f"{printable(str(path))} has appeared meanwhile. Move it, and run the same command again."
        ) from None
    except OSError:
        part.rename(path)
        return
    with suppress(FileNotFoundError):
        part.unlink()


def _unwritable(error: OSError, folder: Path) -> Failure:
    place = printable(str(error.filename or folder))
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Misconfigured(f"There is no space left for {place}. Make room, and run the same command: it continues.")
    if error.errno == errno.ELOOP:
        return Misused(f"{place} is a symbolic link. Remove it, or choose another folder with -d.")
    no_folder = next((each for each in (folder, *folder.parents) if each.exists() and not each.is_dir()), None)
    if no_folder:
        return Misused(f"{printable(str(no_folder))} is not a folder. Choose another one with -d.")
    return Misconfigured(f"{place} cannot be written: {error.strerror or error}. Choose another folder with -d.")
