"""The code of the Lambdas as one directory: ours, and the pure-Python packages that it imports.

Made without Docker and without network: the packages come from the environment that runs the synthesis, which a lock
file fixes. That works because none of them has native code, so what runs here runs on Lambda's processors too.
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
CARRIED = ("aws-lambda-powertools", "fastjsonschema", "jmespath", "typing-extensions")
"""Distributions that the functions import, with theirs. boto3 is not among them: Lambda's runtime brings it."""
RUNTIME = (3, 13)
"""The Python of the Lambdas: with the same one here, they get bytecode and start three times as fast."""
CODE = {".py", ".json"}
NATIVE = {".so", ".pyd", ".dylib", ".dll"}


class NativeCode(Exception):
    """A package that the Lambdas should carry has compiled code, which may not run on their processors."""


@contextmanager
def code() -> Iterator[lambda_.Code]:
    """Code for any number of functions, which must be made before this ends: the first takes it into ``cdk.out``.

    One asset for all of them, since they share most of their code and one upload is quicker than several.
    """
    with TemporaryDirectory() as folder:
        asset_hash = build(Path(folder))
        yield lambda_.Code.from_asset(folder, asset_hash=asset_hash, asset_hash_type=AssetHashType.CUSTOM)


def build(target: Path) -> str:
    """Fill ``target`` with all that the Lambdas run and return a hash of it: the same files, the same hash."""
    files = dict(sorted([*own_files(), *carried_files()]))
    for name, source in files.items():
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    precompile(target)
    return fingerprint(files)


def own_files() -> Iterator[tuple[str, Path]]:
    """Our modules and the data beside them."""
    for path in FUNCTIONS.rglob("*"):
        if path.suffix in CODE and path.is_file():
            yield path.relative_to(FUNCTIONS).as_posix(), path


def carried_files() -> Iterator[tuple[str, Path]]:
    """Modules of the carried distributions and the data beside them, without what only installers read."""
    for name in CARRIED:
        for file in distribution(name).files or ():
            if file.suffix in NATIVE:
                raise NativeCode(f"{name} holds {file}: only pure Python can be carried")
            if file.suffix in CODE and not file.parts[0].endswith(".dist-info") and ".." not in file.parts:
                yield file.as_posix(), Path(str(file.locate()))


def precompile(target: Path) -> None:
    """Write bytecode that is used without looking at its source, when this Python writes what Lambda's reads."""
    if sys.version_info[:2] != RUNTIME:
        return
    for path in target.rglob("*.py"):
        name = path.relative_to(target).as_posix()
        py_compile.compile(str(path), dfile=name, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def fingerprint(files: dict[str, Path]) -> str:
    """Of names, sources and whether there is bytecode; bytecode itself differs between two equal compilations."""
    digest = hashlib.sha256(f"bytecode={sys.version_info[:2] == RUNTIME}".encode())
    for name, source in files.items():
        digest.update(f"\0{name}\0{hashlib.sha256(source.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()
