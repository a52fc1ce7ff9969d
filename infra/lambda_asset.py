"""The Lambda asset: this project's code and the pure-Python packages that it imports, in one directory.

Built without Docker and network: the packages come from the environment that runs the synthesis, which a lock file
pins. None of them has native code, so the files run on any processor, also on Lambda's.
"""

import hashlib
import py_compile
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from aws_cdk import AssetHashType, Stage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

FUNCTIONS = Path(__file__).parent.parent / "functions"
BUNDLED = ("aws-lambda-powertools", "fastjsonschema", "jmespath", "typing-extensions")
"""Distributions that the functions import, with their dependencies; boto3 is part of the Lambda runtime."""
RUNTIME = (3, 13)
"""The functions' Python version. If the synthesis runs on it, the asset has bytecode and starts 3 times as fast."""
CODE = {".py", ".json"}
NATIVE = {".so", ".pyd", ".dylib", ".dll"}
FORMAT = 2
"""Part of the hash. A change of anything but names and contents, such as modes, needs a new number to be deployed."""
FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""What Lambda needs: it runs the code as another user, and an import of a file with mode 0600 fails with EACCES.
https://repost.aws/knowledge-center/lambda-deployment-package-errors
"""


class NativeCode(Exception):
    """A bundled package has native code, which may not run on Lambda's processors."""


class NoModules(Exception):
    """The metadata of a bundled package lists no modules, so that it would be missing in Lambda."""


@contextmanager
def code(scope: Construct) -> Iterator[lambda_.Code]:
    """Code for any number of functions. Create them within the context: the first one copies it within ``cdk.out``.

    They share one asset, because most of their code is common and one upload is faster than several. What is copied
    stays in ``cdk.out``, because ``cdk synth --no-staging`` does not copy it.
    """
    stage = Stage.of(scope)
    assert stage
    outdir, asset_hash = Path(stage.asset_outdir), fingerprint(all_files())
    folder = outdir / f"functions-{asset_hash}"
    if not folder.exists():  # a synthesis that is stopped leaves no folder of this name
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        build(draft)
        draft.rename(folder)
    yield lambda_.Code.from_asset(str(folder), asset_hash=asset_hash, asset_hash_type=AssetHashType.CUSTOM)
    copy = outdir / f"asset.{hashlib.sha256(asset_hash.encode()).hexdigest()}"
    if scope.node.try_get_context("aws:cdk:disable-asset-staging"):
        return
    set_modes(copy)  # the CDK made its folders with the caller's umask


def build(target: Path) -> None:
    """Write all code of the functions to ``target``, with the modes that Lambda needs."""
    for name, source in all_files().items():
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


def all_files() -> dict[str, Path]:
    """The code of the functions by its names in the asset."""
    return dict(sorted([*own_files(), *bundled_files()]))


def own_files() -> Iterator[tuple[str, Path]]:
    """The project's modules and data files."""
    for path in FUNCTIONS.rglob("*"):
        if path.suffix in CODE and path.is_file():
            yield path.relative_to(FUNCTIONS).as_posix(), path


def bundled_files() -> Iterator[tuple[str, Path]]:
    """Modules and data files of the bundled distributions, without the metadata that only installers read.

    ``files`` is None without a RECORD file, as in packages of Linux distributions, and lists no module of an editable
    installation: https://docs.python.org/3/library/importlib.metadata.html#distribution-files
    """
    for name in BUNDLED:
        found = {}
        for file in distribution(name).files or ():
            if file.suffix in NATIVE:
                raise NativeCode(f"{name} contains {file}: only pure Python can be bundled")
            if file.suffix in CODE and not file.parts[0].endswith(".dist-info") and ".." not in file.parts:
                found[file.as_posix()] = Path(str(file.locate()))
        if not found:
            raise NoModules(f"{name} cannot be bundled: its metadata lists no modules. Install it with pip or uv")
        yield from found.items()


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
        digest.update(f"\0{name}\0{hashlib.sha256(source.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()
