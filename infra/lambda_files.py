"""The files of the Lambda asset: this project's code, and the packages that it imports.

The code is what the handlers import, so that no other file of the folder is deployed, whoever has put it there.
``make setup`` has put the packages into a folder for each architecture of Lambda, from a lock file with the hashes of
their wheels. Some have native code, so this machine's packages may not run there. Needs no CDK.
"""

import ast
import csv
import hashlib
import os
import re
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
HANDLERS = ("check_exports.py", "collect_exports.py", "plan_run.py", "report_run.py", "store_export.py")
DATA = (
    "exports/datasets/datasets.json",
    "exports/datasets/exports_table.json",
    "exports/datasets/tables.json",
    "exports/outcomes/coverage_event.schema.json",
    "exports/outcomes/export_event.schema.json",
    "exports/outcomes/not_found_event.schema.json",
    "exports/page/page.css",
    "exports/workflow/run_input.schema.json",
)
CODE = {".py", ".json"}
NATIVE = ".so"


class PackagesDiffer(Exception):
    """The packages of the asset are missing, or are not those of the lock file."""

    def __init__(self, path: Path, fault: str) -> None:
        name = path.relative_to(PACKAGES.parent)
        super().__init__(f"{name} {fault}. This installs the packages again: {REPAIR}")


class NotOfTheCode(Exception):
    """A file that the functions need is not a file of the code: it is missing, a link, or one of two for a module."""

    def __init__(self, name: str, fault: str) -> None:
        hint = f"This installs the file again: {REPAIR}" if IS_INSTALLED else "See: git status functions"
        super().__init__(f"functions/{name} {fault}. {hint}")


def all_files(architecture: str) -> dict[str, Path]:
    """The code of the functions by its names in the asset.

    Raises PackagesDiffer if setup must run first, and NotOfTheCode.
    """
    return dict(sorted([*own_files(), *package_files(architecture)]))


def own_files() -> Iterator[tuple[str, Path]]:
    """The handlers, the modules of this project that they import, directly or not, and the data files."""
    found: dict[str, Path] = {}
    waiting = [*HANDLERS]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = regular_file(name)
            waiting += imported_files(found[name])
    yield from found.items()
    yield from ((name, regular_file(name)) for name in DATA)


def imported_files(path: Path) -> Iterator[str]:
    """Names of the files of the package ``exports`` that the module imports, in any of its functions, too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import():
                modules = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                modules = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case _:
                continue
        for module in modules:
            parts = module.split(".")
            if parts[0] == "exports":
                yield from (file for end in range(len(parts)) if (file := file_of("/".join(parts[: end + 1]))))


def file_of(module: str) -> str | None:
    """The file of a module, ``exports/model`` or ``exports/aws``; None if it is only a name in a module."""
    files = [name for name in (f"{module}.py", f"{module}/__init__.py") if os.path.lexists(FUNCTIONS / name)]
    if len(files) > 1:
        raise NotOfTheCode(files[1], f"hides {files[0]}")
    return files[0] if files else None


def regular_file(name: str) -> Path:
    """The file in the folder of the functions. Raises NotOfTheCode if it is a link, or in one, or no file.

    Installers may link all files of a package to those in a cache (``uv pip install --link-mode symlink``, Bazel).
    """
    path = FUNCTIONS / name
    if not path.is_file() or (not IS_INSTALLED and path.resolve() != FUNCTIONS.resolve() / name):
        raise NotOfTheCode(name, "is not a regular file")
    return path


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
    locked = {
        f"{name.replace('-', '_')}-{version}.dist-info"
        for name, version in re.findall(r"^([\w.-]+)==([\w.!+]+)", LOCK.read_text("utf-8"), re.MULTILINE)
    }
    for record in folder.glob("*.dist-info/RECORD"):
        if record.parent.name not in locked:
            raise PackagesDiffer(record.parent, f"is no package of {LOCK.relative_to(ROOT)}")
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
