"""The Lambda asset: this project's code and the packages that it imports, in one directory.

Built without Docker and network, from the files that ``lambda_files`` finds.
"""

import hashlib
import py_compile
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aws_cdk import AssetHashType, Stage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from .lambda_files import all_files, sha256
from .settings.settings import Architecture

RUNTIME = (3, 13)
"""The functions' Python version. If the synthesis runs on it, the asset has bytecode and starts 3 times as fast."""
FORMAT = 2
"""Part of the hash. A change of anything but names and contents, such as modes, needs a new number to be deployed."""
FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""What Lambda needs: it runs the code as another user, and an import of a file with mode 0600 fails with EACCES.
https://repost.aws/knowledge-center/lambda-deployment-package-errors
"""


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
