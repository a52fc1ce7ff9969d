"""The package that users install: what is in it, and an app outside of this repository that uses it."""

import json
import os
import re
import shutil
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from discovery_exports import __version__
from infra.lambda_files import all_files, sha256
from tests import package
from tests.infra.test_lambda_asset import ARCHITECTURES, pins
from tests.package import ROOT

README = (ROOT / "README.md").read_text("utf-8")
NAME = f"discovery_exports-{__version__}"
APP = next(block for block in re.findall(r"```python\n(.+?)```", README, re.DOTALL) if "discovery_exports" in block)
"""The app of six lines in the README."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the package."""
    return package.install(wheel, tmp_path_factory.mktemp("environment") / ".venv")


def run(program: str | Path, folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program, such as Python, in ``folder`` with no variables but those that the CDK needs."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "CDK_VALIDATION")} | environ
    return subprocess.run([program, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def synth(python: str | Path, folder: Path, **environ: str) -> Path:
    """The cloud assembly of the app."""
    (folder / "app.py").write_text(APP)
    done = run(python, folder, "app.py", CDK_OUTDIR=str(folder / "cdk.out"), **environ)
    assert done.returncode == 0, done.stderr
    return folder / "cdk.out"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(wheel: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        return archive.namelist()


def metadata(wheel: Path) -> Any:
    with ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(f"{NAME}.dist-info/METADATA").decode())


# The construct


def test_an_app_with_the_package_has_the_template_and_the_asset_of_the_checkout(python: Path, tmp_path: Path) -> None:
    (tmp_path / "installed").mkdir()
    (tmp_path / "checkout").mkdir()

    installed = synth(python, tmp_path / "installed")
    checkout = synth(sys.executable, tmp_path / "checkout", PYTHONPATH=str(ROOT))

    for file in ("Exports.template.json", "Exports.assets.json"):
        assert (installed / file).read_bytes() == (checkout / file).read_bytes()
    (one,), (other,) = installed.glob("asset.*"), checkout.glob("asset.*")
    assert contents(one).keys() == contents(other).keys()
    assert json.loads((installed / "Exports.template.json").read_bytes())["Resources"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_installed_package_has_the_files_of_the_asset(python: Path, tmp_path: Path, architecture: str) -> None:
    script = (
        "import json, sys; from discovery_exports.infra.lambda_files import all_files, sha256;"
        "print(json.dumps({name: sha256(path).hex() for name, path in all_files(sys.argv[1]).items()}))"
    )

    installed = json.loads(run(python, tmp_path, "-c", script, architecture).stdout)

    assert installed == {name: sha256(path).hex() for name, path in all_files(architecture).items()}


def test_an_installer_may_link_to_the_files_of_the_package(python: Path, tmp_path: Path) -> None:
    """As ``uv pip install --link-mode symlink`` and Bazel do."""
    script = (
        "from discovery_exports.infra.lambda_files import FUNCTIONS, all_files;"
        "print(FUNCTIONS.parents[1], all_files('arm64').keys())"
    )
    expected = run(python, tmp_path, "-c", script).stdout
    (package,) = python.parents[1].glob("lib/python*/site-packages/discovery_exports")

    shutil.copytree(package, tmp_path / package.name, copy_function=os.symlink)

    found = run(python, tmp_path, "-c", script, PYTHONPATH=str(tmp_path)).stdout
    assert found == expected.replace(str(package.parent), str(tmp_path))


def test_an_incomplete_installation_is_an_error_that_has_the_command(python: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from discovery_exports.infra import lambda_files;"
        "lambda_files.PACKAGES = Path('missing'); lambda_files.all_files('arm64')"
    )

    assert run(python, tmp_path, "-c", script).stderr.endswith(
        "arm64 does not have the packages of functions/requirements.txt. "
        "This installs the packages again: pip install --force-reinstall --no-deps discovery-exports\n"
    )


def test_the_installed_package_is_imported_without_the_cdk(python: Path, tmp_path: Path) -> None:
    script = "import sys, discovery_exports.locations; print({'aws_cdk', 'constructs', 'jsii'} & sys.modules.keys())"

    assert run(python, tmp_path, "-c", script).stdout == "set()\n"


def test_the_installed_package_adds_only_one_name(python: Path, tmp_path: Path) -> None:
    """An app may have packages ``infra``, ``functions``, ``exports`` and ``local`` of its own."""
    names = ("infra", "functions", "exports", "local", "tools", "tests")
    script = f"from importlib.util import find_spec; print([name for name in {names} if find_spec(name)])"

    assert run(python, tmp_path, "-c", script).stdout == "[]\n"


def test_a_type_checker_knows_the_names_of_the_installed_package(python: Path, tmp_path: Path) -> None:
    wrong = ['DiscoveryExports(app, "More", setings=None)', "from discovery_exports import Setings"]
    (tmp_path / "app.py").write_text("\n".join([APP, *wrong]))
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n[mypy-aws_cdk.*]\nfollow_imports = skip\n")

    done = run(sys.executable, tmp_path, "-m", "mypy", "--python-executable", str(python), "app.py")

    assert re.findall(r"^app\.py:(\d+): error: .*\[(.+)\]$", done.stdout, re.MULTILINE) == [
        ("8", "call-arg"),
        ("9", "attr-defined"),
    ], done.stdout


def test_a_type_checker_knows_the_names_of_the_double(python: Path, tmp_path: Path) -> None:
    script = [
        "from discovery_exports.testing import ApplicationDiscovery, finished",
        "def test(double: ApplicationDiscovery) -> None:",
        "    double.next_exports(finished(after_seconds=1.5))",
        "    double.next_exports(finished(after_second=1.5))",
        "    double.next_exports('finished')",
        "    double.advence(1)",
    ]
    (tmp_path / "test_it.py").write_text("\n".join(script))
    skipped = "".join(f"[mypy-{each}.*]\nfollow_imports = skip\n" for each in ("aws_cdk", "pydantic"))
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = True\n{skipped}")

    done = run(sys.executable, tmp_path, "-m", "mypy", "--python-executable", str(python), "test_it.py")

    assert re.findall(r"^test_it\.py:(\d+): error: .*\[(.+)\]$", done.stdout, re.MULTILINE) == [
        ("4", "call-arg"),
        ("5", "arg-type"),
        ("6", "attr-defined"),
    ], done.stdout


# The command


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment that has the package with the extra."""
    python = package.install(wheel, tmp_path_factory.mktemp("environment") / ".venv", extra="cli")
    return python.with_name("discovery-exports")


def test_every_command_can_be_imported_with_the_extra_alone(program: Path, tmp_path: Path) -> None:
    """The modules of the functions that it uses need none of the packages of Lambda."""
    listed = run(program, tmp_path, "--help").stdout.partition("Commands:")[2]
    commands = re.findall(r"^  ([a-z]+) ", listed.partition("Exit codes:")[0], re.MULTILINE)
    assert {"status", "store", "outputs"} <= set(commands)

    for command in commands:
        assert f"discovery-exports {command}" in run(program, tmp_path, command, "--help").stdout


def test_the_command_runs_without_a_checkout(program: Path, tmp_path: Path) -> None:
    version = run(program, tmp_path, "--version")
    misused = run(program, tmp_path, "store", "a/b", AWS_DEFAULT_REGION="us-east-1")

    assert (version.returncode, version.stdout) == (0, f"discovery-exports {__version__}\n")
    assert (misused.returncode, misused.stdout) == (2, "")
    assert "'a/b' is not an export ID" in misused.stderr


def test_without_the_extra_the_command_names_it(python: Path, tmp_path: Path) -> None:
    done = run(python.with_name("discovery-exports"), tmp_path, "status")

    assert (done.returncode, done.stdout) == (253, "")
    assert done.stderr == (
        'discovery-exports needs more packages. This installs them: pip install "discovery-exports[cli]"\n'
    )


# The pytest plugin


def test_the_tests_of_another_project_use_the_plugin_of_the_package(wheel: Path, tmp_path: Path) -> None:
    """It knows the installed package and boto3, and nothing of this repository."""
    python = package.install(wheel, tmp_path / ".venv", extra="testing")
    project = tmp_path / "project"
    shutil.copytree(ROOT / "examples" / "testing", project, ignore=shutil.ignore_patterns("__pycache__"))

    done = run(python, project, "-m", "pytest", "-ra", "--strict-markers", "-W", "error")

    assert re.search(r"^plugins: .*discovery-exports-", done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert re.search(r"^=+ 11 passed in ", done.stdout, re.MULTILINE), done.stdout


# The wheel


def test_the_wheel_is_for_every_platform_and_smaller_than_40_mb(wheel: Path) -> None:
    assert wheel.name == f"{NAME}-py3-none-any.whl"
    assert wheel.stat().st_size < 40_000_000


def test_the_wheel_has_the_code_and_nothing_else(wheel: Path) -> None:
    inside = [name.removeprefix("discovery_exports/") for name in names(wheel) if name.startswith("discovery_exports/")]
    others = {name.partition("/")[0] for name in names(wheel)} - {"discovery_exports"}

    assert others == {f"{NAME}.dist-info"}
    assert {name.partition("/")[0] for name in inside if "/" in name} == {
        *(path.name for path in (ROOT / "discovery_exports").iterdir() if path.is_dir() and path.name[0] not in "._"),
        *("functions", "docs", ".lambda"),
    }
    assert {"infra/discovery_exports.py", "functions/store_export.py", "functions/requirements.txt"} <= set(inside)
    assert "py.typed" in inside
    assert {"double/in_process.py", "double/data/headers.json"} <= set(inside)
    assert not {"double/__main__.py", "double/export_bucket.py"} & set(inside), "only for the local AWS"


def test_two_checkouts_with_the_same_code_have_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Whatever the umask, and whatever tools and editors have left in the folders."""
    clone = tmp_path / "clone"
    for name in ("discovery_exports", "infra", "functions", "local/double", "docs/queries", ".lambda", "tools"):
        shutil.copytree(ROOT / name, clone / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone / name)
    for path in clone.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    for name in ("infra/.hidden.py", "infra/notes.txt", "functions/exports/model.py.orig", "functions/venv/a.py"):
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).write_text("left")
    (clone / "docs" / "queries" / "13-link.sql").symlink_to(ROOT / "README.md")
    (clone / ".lambda" / "arm64" / "more.py").write_text("left")
    (info,) = (clone / ".lambda" / "arm64").glob("jmespath-*.dist-info")
    record = (info / "RECORD").read_text("utf-8").splitlines()
    (info / "RECORD").write_text("\n".join([f"{info.name}/installed-at.json,sha256=0,1", *reversed(record)]))
    (info / "installed-at.json").write_text("1")

    other = package.build(tmp_path / "dist", checkout=clone, umask=0o077)

    assert other.read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("arguments", [["--target", "sdist"], ["--target", "wheel:editable"]])
def test_only_a_wheel_is_built(arguments: list[str], tmp_path: Path) -> None:
    """A source distribution would need the network for the packages of Lambda."""
    done = run(sys.executable, ROOT, "-m", "hatchling", "build", "--directory", str(tmp_path), *arguments)

    assert done.returncode != 0
    assert "The package is built as a wheel, by `make dist`" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_package_of_lambda_comes_with_its_licenses(wheel: Path, architecture: str) -> None:
    folder = f"discovery_exports/.lambda/{architecture}/"
    inside = {name.removeprefix(folder) for name in names(wheel) if name.startswith(folder)}
    packages = {name.partition("/")[0] for name in inside if name.partition("/")[0].endswith(".dist-info")}

    assert len(packages) == len(pins(ROOT / "functions" / "requirements.txt"))
    with ZipFile(wheel) as archive:
        for info in packages:
            about = Parser().parsestr(archive.read(f"{folder}{info}/METADATA").decode())
            for file in about.get_all("License-File", []):
                assert {f"{info}/{file}", f"{info}/licenses/{file}"} & inside, f"{info} without {file}"
            assert f"{info}/RECORD" in inside


def test_the_wheel_lists_the_packages_of_lambda(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        listed = json.loads(archive.read(f"{NAME}.dist-info/sboms/lambda-packages.cyclonedx.json"))

    components = listed["components"]
    assert {each["name"].replace("_", "-"): each["version"] for each in components} == pins(
        ROOT / "functions" / "requirements.txt"
    )
    assert all(each["licenses"][0].values() for each in components)


def test_the_wheel_requires_ranges_of_versions(wheel: Path) -> None:
    required = metadata(wheel).get_all("Requires-Dist")

    assert {"aws-cdk-lib<3,>=2.275", "constructs<11,>=10.5.1"} <= set(required)
    assert not [each for each in required if "==" in each.partition(";")[0]]
