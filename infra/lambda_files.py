"""The files of the Lambda asset: this project's code, and the packages that it imports.

``make setup`` has put the packages into a folder for each architecture of Lambda, from a lock file with the hashes of
their wheels. Some have native code, so this machine's packages may not run there. Needs no CDK.
"""

import csv
import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

from discovery_exports.locations import FUNCTIONS, IS_INSTALLED, PACKAGES, ROOT

LOCK = FUNCTIONS / "requirements.txt"
"""Packages that the functions import, with their dependencies; boto3 is part of the Lambda runtime."""
REPAIR = (
    "pip install --force-reinstall --no-deps discovery-exports"
    if IS_INSTALLED
    else f"rm -rf {PACKAGES.name} && make setup"
)
CODE = {".py", ".json"}
NATIVE = ".so"


class PackagesDiffer(Exception):
    """The packages of the asset are missing, or are not those of the lock file."""

    def __init__(self, path: Path, fault: str) -> None:
        name = path.relative_to(PACKAGES.parent)
        super().__init__(f"{name} {fault}. This installs the packages again: {REPAIR}")


def all_files(architecture: str) -> dict[str, Path]:
    """The code of the functions by its names in the asset. Raises PackagesDiffer if setup must run first."""
    return dict(sorted([*own_files(), *package_files(architecture)]))


def own_files() -> Iterator[tuple[str, Path]]:
    """The project's modules and data files: the handlers, and the package that they import."""
    for name, path in regular_files(FUNCTIONS, CODE):
        top, _, inside = name.partition("/")
        if top == "exports" or (path.suffix == ".py" and not inside):
            yield name, path


def regular_files(folder: Path, suffixes: Set[str] | None) -> Iterator[tuple[str, Path]]:
    """Files by their names in the folder: no links, nothing hidden and, unless None, only those with such a suffix."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not path.is_symlink() and not hidden and (not suffixes or path.suffix in suffixes):
            yield name.as_posix(), path


def package_files(architecture: str) -> Iterator[tuple[str, Path]]:
    """Modules, native libraries and data files of the packages: no scripts, type stubs and metadata.

    Only what a package lists, and with the content that it lists:
    https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
    """
    folder = PACKAGES / architecture
    if not is_equal(folder / LOCK.name, LOCK):
        raise PackagesDiffer(folder, f"does not have the packages of {LOCK.relative_to(ROOT)}")
    for record in folder.glob("*.dist-info/RECORD"):
        for name, digest, _ in csv.reader(record.read_text("utf-8").splitlines()):
            path, top = folder / name, name.partition("/")[0]
            if path.suffix not in {*CODE, NATIVE} or top == "bin" or top.endswith(".dist-info"):
                continue
            if not path.is_file() or recorded_digest(path) != digest:
                raise PackagesDiffer(path, "is not the file that its package has")
            yield name, path


def is_equal(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def recorded_digest(path: Path) -> str:
    """The SHA-256 of a file in the form of RECORD."""
    return f"sha256={urlsafe_b64encode(sha256(path)).rstrip(b'=').decode()}"


def sha256(path: Path) -> bytes:
    """The SHA-256 of a file. An app with several stacks reads the 45 MB of an asset only once."""
    status = path.stat()
    return _sha256(path, status.st_mtime_ns, status.st_size)


@cache
def _sha256(path: Path, _modified: int, _size: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
