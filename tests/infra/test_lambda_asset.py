"""The asset has the functions' code and the locked packages for Lambda's processors, in the form that Lambda needs."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path
from typing import get_args

import pytest

from discovery_exports.locations import FUNCTIONS, ROOT
from infra import lambda_asset, lambda_files
from infra.lambda_files import PackagesDiffer
from infra.settings.settings import Architecture, Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.synthesis import make_app
from tests.infra.template import Template
from tests.infra.test_functions import NAMES

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
HERE: Architecture = "x86_64" if platform.machine() == "x86_64" else "arm64"
E_MACHINE: Mapping[Architecture, int] = {"arm64": 183, "x86_64": 62}
"""EM_AARCH64 and EM_X86_64 in the header of an ELF file: https://man7.org/linux/man-pages/man5/elf.5.html"""
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "six")
LIBRARIES = ("arro3.core", "arro3.io", "arro3.compute")
UNCHECKED_HASH = b"\x01\x00\x00\x00"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Architecture, Path]:
    """The asset of each architecture as it is uploaded."""
    folder = tmp_path_factory.mktemp("assets")
    for architecture in ARCHITECTURES:
        lambda_asset.build(folder / architecture, lambda_files.all_files(architecture))
    return {architecture: folder / architecture for architecture in ARCHITECTURES}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of the Lambda runtime: boto3 and its requirements, without packages of the asset."""
    folder = tmp_path_factory.mktemp("runtime")
    for package in RUNTIME_PACKAGES:
        spec = find_spec(package)
        assert spec
        assert spec.origin
        found = Path(spec.origin)
        found = found.parent if found.name == "__init__.py" else found
        (folder / found.name).symlink_to(found)
    return folder


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for packages with one for arm64, and a lock file that it matches."""
    folder = tmp_path / ".lambda" / "arm64"
    files = {
        "one/__init__.py": b"import one._native",
        "one/_native.abi3.so": b"native",
        "one/data.json": b"{}",
        "one/__init__.pyi": b"stub",
        "one/py.typed": b"",
        "bin/one.py": b"script",
        "one-1.dist-info/METADATA": b"Name: one",
        "one-1.dist-info/sboms/one.json": b"{}",
    }
    lines = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        lines.append(f"{name},{lambda_files.recorded_digest(path)},{len(content)}")
    (folder / "one-1.dist-info" / "RECORD").write_text("\n".join([*lines, "one-1.dist-info/RECORD,,"]))
    (tmp_path / "requirements.txt").write_text("one==1")
    (folder / "requirements.txt").write_text("one==1")
    monkeypatch.setattr(lambda_files, "PACKAGES", tmp_path / ".lambda")
    monkeypatch.setattr(lambda_files, "LOCK", tmp_path / "requirements.txt")
    monkeypatch.setattr(lambda_files, "ROOT", tmp_path)
    return folder


# What is in it


@pytest.mark.parametrize("name", NAMES)
def test_handler_imports_only_the_asset_and_boto3(
    template: Template, assets: Mapping[Architecture, Path], runtime: Path, name: str
) -> None:
    """As in Lambda: no other package of this environment is visible. Native libraries are imported when needed only."""
    module, handler = template.properties(name)["Handler"].split(".")
    script = (
        f"import sys; sys.path += {[str(assets[HERE]), str(runtime)]}; import {module}; "
        f"assert callable({module}.{handler}); assert 'arro3' not in sys.modules"
    )

    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries are for Linux, as Lambda is")
@pytest.mark.parametrize("library", LIBRARIES)
def test_native_libraries_can_be_imported_from_the_asset(assets: Mapping[Architecture, Path], library: str) -> None:
    script = f"import sys; sys.path.append({str(assets[HERE])!r}); import {library}"

    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_native_libraries_are_for_the_architecture(
    assets: Mapping[Architecture, Path], architecture: Architecture
) -> None:
    headers = {path.name: path.read_bytes()[:20] for path in assets[architecture].rglob("*.so")}

    assert headers.keys() == {f"_{library.partition('.')[2]}.abi3.so" for library in LIBRARIES}
    assert {header[:4] for header in headers.values()} == {b"\x7fELF"}
    assert {int.from_bytes(header[18:20], "little") for header in headers.values()} == {E_MACHINE[architecture]}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_asset_contains_only_code_and_data(assets: Mapping[Architecture, Path], architecture: Architecture) -> None:
    """Far below Lambda's limit of 250 MB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    files = [path for path in assets[architecture].rglob("*") if path.is_file()]

    assert {path.suffix for path in files} - {".pyc"} == {".py", ".json", ".css", ".so"}
    assert not [path for path in assets[architecture].iterdir() if path.suffix == ".dist-info" or path.name == "bin"]
    assert sum(path.stat().st_size for path in files) < 60_000_000


def test_the_asset_has_the_versions_that_the_tests_import() -> None:
    deployed, installed = (pins(ROOT / folder / "requirements.txt") for folder in ("functions", "."))

    assert deployed.items() <= installed.items()
    assert {"aws-lambda-powertools", "fastjsonschema", "arro3-core", "arro3-io", "arro3-compute"} <= deployed.keys()
    assert "boto3" not in deployed


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text("utf-8"), re.MULTILINE))


def test_of_a_package_only_code_and_data_are_taken(packages: Path) -> None:
    assert dict(lambda_files.package_files("arm64")) == {
        name: packages / name for name in ("one/__init__.py", "one/_native.abi3.so", "one/data.json")
    }


def test_files_that_no_package_lists_are_left_out(packages: Path) -> None:
    before = dict(lambda_files.package_files("arm64"))
    (packages / "one" / "more.py").write_text("more")
    (packages / "sitecustomize.py").write_text("more")

    assert dict(lambda_files.package_files("arm64")) == before


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for functions with all handlers, of which one imports two modules, and with all data files."""
    folder = tmp_path / "functions"
    files = {
        **dict.fromkeys(
            [*lambda_files.HANDLERS, *lambda_files.DATA, "exports/__init__.py", "exports/aws/__init__.py"], ""
        ),
        "plan_run.py": "import json\nfrom exports.model import Export",
        "exports/model.py": "def lazy():\n    from exports.aws import discovery",
        "exports/aws/discovery.py": "from __future__ import annotations",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(lambda_files, "FUNCTIONS", folder)
    return folder


def test_every_file_of_the_functions_in_git_is_taken() -> None:
    """Nothing that the functions need is left out: a new data file belongs into ``DATA``. None of them is unused."""
    command = ["git", "ls-files", "--", "*.py", "*.json", "*.css"]
    listed = subprocess.run(command, cwd=FUNCTIONS, capture_output=True, text=True, check=True)

    assert {*listed.stdout.split()} - {name for name, _ in lambda_files.own_files()} == set()


def test_attack_9_only_what_the_handlers_import_is_taken(functions: Path) -> None:
    taken = {*lambda_files.HANDLERS, *lambda_files.DATA, "exports/__init__.py", "exports/aws/__init__.py"}

    assert dict(lambda_files.own_files()) == {
        name: functions / name for name in {*taken, "exports/model.py", "exports/aws/discovery.py"}
    }


@pytest.mark.parametrize(
    "name",
    [
        "json.py",
        "sitecustomize.py",
        "boto3/__init__.py",
        "exports/notes.py",
        "exports/aws/backup.json",
        "exports/aws/credentials",
        "exports/model.py.orig",
        "exports/.#model.py",
        "exports/__pycache__/model.cpython-313.pyc",
        ".venv/exports/model.py",
    ],
)
@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_attack_9_other_files_are_left_out(functions: Path, name: str, kind: str) -> None:
    before = dict(lambda_files.own_files())
    path = functions / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_text("import os")
    elif kind == "link":
        path.symlink_to(functions / "plan_run.py")
    else:
        os.mkfifo(path)

    assert dict(lambda_files.own_files()) == before


@pytest.mark.parametrize("name", ["plan_run.py", "exports/model.py", "exports/aws/__init__.py", lambda_files.DATA[0]])
@pytest.mark.parametrize("replaced", ["link", "folder", "fifo", "missing"])
def test_attack_9_what_replaces_a_file_of_the_code_is_an_error(
    functions: Path, tmp_path: Path, name: str, replaced: str
) -> None:
    path = functions / name
    path.rename(tmp_path / "outside")
    if replaced == "link":
        path.symlink_to(tmp_path / "outside")
    elif replaced == "folder":
        path.mkdir()
    elif replaced == "fifo":
        os.mkfifo(path)
    elif name.startswith("exports/") and name.endswith(".py"):
        return  # not told from a name in a module; the test of the handlers' imports finds it

    with pytest.raises(lambda_files.NotOfTheCode, match=rf"^functions/{re.escape(name)} is not a regular file"):
        dict(lambda_files.own_files())


def test_attack_9_a_link_to_a_folder_is_an_error(functions: Path, tmp_path: Path) -> None:
    (functions / "exports" / "aws").rename(tmp_path / "aws")
    (functions / "exports" / "aws").symlink_to(tmp_path / "aws")

    with pytest.raises(lambda_files.NotOfTheCode, match="is not a regular file"):
        dict(lambda_files.own_files())


def test_files_of_the_installed_package_may_be_links(
    functions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some installers link every file to a cache."""
    before = dict(lambda_files.own_files())
    (functions / "plan_run.py").rename(tmp_path / "cached")
    (functions / "plan_run.py").symlink_to(tmp_path / "cached")
    monkeypatch.setattr(lambda_files, "IS_INSTALLED", True)

    assert dict(lambda_files.own_files()) == before


def test_attack_9_a_folder_that_hides_a_module_is_an_error(functions: Path) -> None:
    """Python imports the folder and not the file."""
    (functions / "exports" / "model").mkdir()
    (functions / "exports" / "model" / "__init__.py").write_text("import os")

    with pytest.raises(lambda_files.NotOfTheCode, match=r"^functions/exports/model/__init__.py hides exports/model.py"):
        dict(lambda_files.own_files())


# Packages that are not those of the lock file


def test_missing_packages_are_an_error_that_has_the_command(packages: Path) -> None:
    shutil.rmtree(packages)

    with pytest.raises(PackagesDiffer) as raised:
        lambda_files.all_files("arm64")

    assert str(raised.value) == (
        ".lambda/arm64 does not have the packages of requirements.txt. "
        "This installs the packages again: rm -rf .lambda && make setup"
    )


def test_packages_of_another_lock_file_are_an_error(packages: Path) -> None:
    (packages / "requirements.txt").write_text("one==0")

    with pytest.raises(PackagesDiffer, match="arm64 does not have the packages of requirements"):
        lambda_files.all_files("arm64")


def test_attack_9_a_package_that_the_lock_file_does_not_have_is_an_error(packages: Path) -> None:
    (packages / "more-1.dist-info").mkdir()
    (packages / "more-1.dist-info" / "RECORD").write_text("more.py,,")

    with pytest.raises(PackagesDiffer, match=r"^.lambda/arm64/more-1.dist-info is no package of requirements.txt"):
        lambda_files.all_files("arm64")


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"other"), Path.unlink])
def test_a_file_that_is_not_that_of_its_package_is_an_error(packages: Path, change: object) -> None:
    assert callable(change)
    change(packages / "one" / "_native.abi3.so")

    with pytest.raises(PackagesDiffer, match=r"arm64/one/_native.abi3.so is not the file that its package has"):
        lambda_files.all_files("arm64")


# Hash, modes and bytecode


def test_different_names_and_different_files_give_different_hashes(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "two.py").write_text("2")

    contents = [{"a.py": tmp_path / "one.py"}, {"a.py": tmp_path / "two.py"}, {"b.py": tmp_path / "one.py"}]

    assert len({lambda_asset.fingerprint(each) for each in contents}) == 3


def test_the_hash_depends_on_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a deployment replaces an asset with equal files and other modes."""
    now = lambda_asset.fingerprint({})
    monkeypatch.setattr(lambda_asset, "FORMAT", lambda_asset.FORMAT - 1)

    assert lambda_asset.fingerprint({}) != now


def test_lambda_may_read_every_file_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_asset, "RUNTIME", sys.version_info[:2])  # bytecode, too
    before = os.umask(0o077)
    try:
        lambda_asset.build(tmp_path / "asset", lambda_files.all_files("arm64"))
    finally:
        os.umask(before)

    paths = list((tmp_path / "asset").rglob("*"))
    assert {path.stat().st_mode & 0o7777 for path in paths if path.is_dir()} == {0o755}
    found = {(path.suffix, path.stat().st_mode & 0o7777) for path in paths if path.is_file()}
    assert found == {(suffix, 0o644) for suffix in (".py", ".json", ".css", ".so", ".pyc")}


def test_asset_outlives_a_synthesis_without_staging(tmp_path: Path) -> None:
    """`cdk synth --no-staging` copies no asset: its manifest has the path of the source."""
    app = make_app(tmp_path)
    app.node.set_context("aws:cdk:disable-asset-staging", True)
    DiscoveryExportsStack(app, "Stack", settings=Settings())
    app.synth()

    manifest = json.loads((tmp_path / "Stack.assets.json").read_text("utf-8"))
    (code,) = (each["source"] for each in manifest["files"].values() if each["source"]["packaging"] == "zip")
    assert (tmp_path / code["path"] / "store_export.py").is_file()


def test_bytecode_is_compiled_for_the_same_python_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("1")
    monkeypatch.setattr(lambda_asset, "RUNTIME", sys.version_info[:2])

    lambda_asset.precompile(tmp_path)

    (compiled,) = tmp_path.rglob("*.pyc")
    assert compiled.read_bytes()[:8] == MAGIC_NUMBER + UNCHECKED_HASH


def test_no_bytecode_is_compiled_for_another_python_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.py").write_text("1")
    monkeypatch.setattr(lambda_asset, "RUNTIME", (2, 7))

    lambda_asset.precompile(tmp_path)

    assert not list(tmp_path.rglob("*.pyc"))
