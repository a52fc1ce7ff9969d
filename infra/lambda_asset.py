"""The Lambda asset: this project's code and the pure-Python packages that it imports, in one directory.

Built without Docker and network: the packages come from the environment that runs the synthesis, which a lock file
pins. None of them has native code, so the files run on any processor, also on Lambda's.
"""

import hashlib
import py_compile
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_cdk import AssetHashType
from aws_cdk import aws_lambda as lambda_

FUNCTIONS = Path(__file__).parent.parent / "functions"
BUNDLED = ("aws-lambda-powertools", "fastjsonschema", "jmespath", "typing-extensions")
"""Distributions that the functions import, with their dependencies; boto3 is part of the Lambda runtime."""
RUNTIME = (3, 13)
"""The functions' Python version. If the synthesis runs on it, the asset has bytecode and starts 3 times as fast."""
CODE = {".py", ".json"}
NATIVE = {".so", ".pyd", ".dylib", ".dll"}


class NativeCode(Exception):
    """A bundled package has native code, which may not run on Lambda's processors."""


@contextmanager
def code() -> Iterator[lambda_.Code]:
    """Code for any number of functions. Create them within the context: the first one copies it into ``cdk.out``.

    They share one asset, because most of their code is common and one upload is faster than several.
    """
    with TemporaryDirectory() as folder:
        asset_hash = build(Path(folder))
        yield lambda_.Code.from_asset(folder, asset_hash=asset_hash, asset_hash_type=AssetHashType.CUSTOM)


def build(target: Path) -> str:
    """Write all code of the functions to ``target`` and return its hash, which is equal for equal files."""
    files = dict(sorted([*own_files(), *bundled_files()]))
    for name, source in files.items():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    precompile(target)
    return fingerprint(files)


def own_files() -> Iterator[tuple[str, Path]]:
    """The project's modules and data files."""
    for path in FUNCTIONS.rglob("*"):
        if path.suffix in CODE and path.is_file():
            yield path.relative_to(FUNCTIONS).as_posix(), path


def bundled_files() -> Iterator[tuple[str, Path]]:
    """Modules and data files of the bundled distributions, without the metadata that only installers read."""
    for name in BUNDLED:
        for file in distribution(name).files or ():
            if file.suffix in NATIVE:
                raise NativeCode(f"{name} contains {file}: only pure Python can be bundled")
            if file.suffix in CODE and not file.parts[0].endswith(".dist-info") and ".." not in file.parts:
                yield file.as_posix(), Path(str(file.locate()))


def precompile(target: Path) -> None:
    """Write bytecode that Python uses without checking its source, if this Python has Lambda's version."""
    if sys.version_info[:2] != RUNTIME:
        return
    for path in target.rglob("*.py"):
        name = path.relative_to(target).as_posix()
        py_compile.compile(str(path), dfile=name, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def fingerprint(files: dict[str, Path]) -> str:
    """A hash of names, sources and whether there is bytecode, which itself differs between equal compilations."""
    digest = hashlib.sha256(f"bytecode={sys.version_info[:2] == RUNTIME}".encode())
    for name, source in files.items():
        digest.update(f"\0{name}\0{hashlib.sha256(source.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()
