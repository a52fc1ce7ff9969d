"""The Lambda asset: this project's code and the packages that it imports, in one directory.

Built without Docker and network: ``make setup`` has put the packages into a folder for each architecture of Lambda,
from a lock file with the hashes of their wheels. Some have native code, so this machine's packages may not run there.
"""

import csv
import hashlib
import py_compile
import shutil
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from aws_cdk import AssetHashType, Stage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from discovery_exports.locations import FUNCTIONS, PACKAGES, ROOT

from .settings.settings import Architecture

LOCK = FUNCTIONS / "requirements.txt"
"""Packages that the functions import, with their dependencies; boto3 is part of the Lambda runtime."""
RUNTIME = (3, 13)
"""The functions' Python version. If the synthesis runs on it, the asset has bytecode and starts 3 times as fast."""
CODE = {".py", ".json"}
NATIVE = ".so"
FORMAT = 2
"""Part of the hash. A change of anything but names and contents, such as modes, needs a new number to be deployed."""
FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""What Lambda needs: it runs the code as another user, and an import of a file with mode 0600 fails with EACCES.
https://repost.aws/knowledge-center/lambda-deployment-package-errors
"""


class PackagesDiffer(Exception):
    """The packages of the asset are missing, or are not those of the lock file."""

    def __init__(self, path: Path, fault: str) -> None:
        name = path.relative_to(PACKAGES.parent)
        super().__init__(f"{name} {fault}. This installs the packages again: rm -rf {PACKAGES.name} && make setup")


@contextmanager
def code(scope: Construct, architecture: Architecture) -> Iterator[lambda_.Code]:
    """Code for any number of functions. Create them within the context: the first one copies it within ``cdk.out``.

    They share one asset, because most of their code is common and one upload is faster than several. What is copied
    stays in ``cdk.out``, because ``cdk synth --no-staging`` does not copy it.
    """
    stage = Stage.of(scope)
    assert stage
    files = all_files(architecture)
    outdir, asset_hash = Path(stage.asset_outdir), fingerprint(files)
    folder = outdir / f"functions-{asset_hash}"
    if not folder.exists():  # a synthesis that is stopped leaves no folder of this name
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        build(draft, files)
        draft.rename(folder)
    yield lambda_.Code.from_asset(str(folder), asset_hash=asset_hash, asset_hash_type=AssetHashType.CUSTOM)
    copy = outdir / f"asset.{hashlib.sha256(asset_hash.encode()).hexdigest()}"
    if scope.node.try_get_context("aws:cdk:disable-asset-staging"):
        return
    set_modes(copy)  # the CDK made its folders with the caller's umask


def build(target: Path, files: Mapping[str, Path]) -> None:
    """Copy ``files`` to their names in ``target``, with the modes that Lambda needs."""
    for name, source in files.items():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    precompile(target)
    set_modes(target)


def set_modes(target: Path) -> None:
    """The CDK adds the mode of each file to the zip file. The caller's umask, such as 077, must not decide about it.

    https://github.com/aws/aws-cdk/issues/8233
    """
    for path in (target, *target.rglob("*")):
        path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)


def all_files(architecture: Architecture) -> dict[str, Path]:
    """The code of the functions by its names in the asset. Raises PackagesDiffer if setup must run first."""
    return dict(sorted([*own_files(), *package_files(architecture)]))


def own_files() -> Iterator[tuple[str, Path]]:
    """The project's modules and data files. What editors leave, hidden files and links, is not part of the code."""
    for path in (*FUNCTIONS.glob("*.py"), *(FUNCTIONS / "exports").rglob("*")):
        name = path.relative_to(FUNCTIONS)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.suffix in CODE and path.is_file() and not path.is_symlink() and not hidden:
            yield name.as_posix(), path


def package_files(architecture: Architecture) -> Iterator[tuple[str, Path]]:
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


def precompile(target: Path) -> None:
    """Write bytecode that Python uses without checking its source, if this Python has Lambda's version."""
    if sys.version_info[:2] != RUNTIME:
        return
    for path in target.rglob("*.py"):
        name = path.relative_to(target).as_posix()
        py_compile.compile(str(path), dfile=name, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def fingerprint(files: Mapping[str, Path]) -> str:
    """A hash of names, sources and whether there is bytecode, which itself differs between equal compilations."""
    digest = hashlib.sha256(f"format={FORMAT} bytecode={sys.version_info[:2] == RUNTIME}".encode())
    for name, source in files.items():
        digest.update(f"\0{name}\0{sha256(source).hex()}".encode())
    return digest.hexdigest()
