"""The functions have the same configuration, the settings that their code reads, and the packages that it imports."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path
from typing import Any

import pytest

from infra import lambda_asset
from infra.settings.settings import Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.synthesis import make_app
from tests.infra.template import Template

NAMES = ["Functions/PlanRun", "Functions/CheckExports", "Functions/StoreExport", "Functions/ReportRun"]
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "six")
UNCHECKED_HASH = b"\x01\x00\x00\x00"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The asset as it is uploaded."""
    folder = tmp_path_factory.mktemp("asset")
    lambda_asset.build(folder)
    return folder


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


def test_there_are_no_other_functions(template: Template) -> None:
    assert sorted(template.of_type("AWS::Lambda::Function")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_functions_have_the_same_configuration(template: Template, name: str) -> None:
    properties = template.properties(name)

    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert template.text(properties["Role"]) == f"<{name}Role.Arn>"
    assert template.text(properties["LoggingConfig"]["LogGroup"]) == f"<{name}Logs>"
    namespace = properties["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    assert template.text(namespace) == "DiscoveryExports/<AWS::StackName>"


def test_functions_share_one_asset(template: Template) -> None:
    code = [json.dumps(template.properties(name)["Code"]) for name in NAMES]

    assert len(set(code)) == 1


def test_every_log_group_has_a_retention_period(template: Template) -> None:
    assert {log["Properties"]["RetentionInDays"] for log in template.of_type("AWS::Logs::LogGroup").values()} == {90}


def test_store_budget_is_less_than_half_of_the_timeout(template: Template) -> None:
    properties = template.properties("Functions/StoreExport")

    assert int(properties["Environment"]["Variables"]["STORE_BUDGET_SECONDS"]) < properties["Timeout"] / 2


def test_every_setting_that_the_code_reads_is_set(template: Template) -> None:
    """For at least one function, by the stack or by Lambda; a sweep has no maximum age by default."""
    source = (lambda_asset.FUNCTIONS / "exports" / "settings.py").read_text("utf-8")
    read = set(re.findall(r'_Variable\("([A-Z_]+)", \w+\)', source))
    given = {variable for name in NAMES for variable in template.properties(name)["Environment"]["Variables"]}

    assert read - {"SWEEP_MAX_AGE_DAYS", "AWS_LAMBDA_FUNCTION_NAME"} <= given


@pytest.mark.parametrize("name", NAMES)
def test_handler_imports_only_the_asset_and_boto3(template: Template, built: Path, runtime: Path, name: str) -> None:
    """As in Lambda: no other package of this environment is visible."""
    module, handler = template.properties(name)["Handler"].split(".")
    script = (
        f"import sys; sys.path += {[str(built), str(runtime)]}; import {module}; assert callable({module}.{handler})"
    )

    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_different_files_give_different_hashes(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("1")
    (tmp_path / "two.py").write_text("2")

    assert lambda_asset.fingerprint({"a.py": tmp_path / "one.py"}) != lambda_asset.fingerprint(
        {"a.py": tmp_path / "two.py"}
    )


def test_the_hash_depends_on_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a deployment replaces an asset with equal files and other modes."""
    now = lambda_asset.fingerprint({})
    monkeypatch.setattr(lambda_asset, "FORMAT", lambda_asset.FORMAT - 1)

    assert lambda_asset.fingerprint({}) != now


def test_lambda_may_read_every_file_whatever_the_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_asset, "RUNTIME", sys.version_info[:2])  # bytecode, too
    before = os.umask(0o077)
    try:
        lambda_asset.build(tmp_path / "asset")
    finally:
        os.umask(before)

    found = {(path.suffix, path.stat().st_mode & 0o7777) for path in (tmp_path / "asset").rglob("*")}
    assert found == {("", 0o755), (".py", 0o644), (".json", 0o644), (".pyc", 0o644)}


def test_asset_outlives_a_synthesis_without_staging(tmp_path: Path) -> None:
    """`cdk synth --no-staging` copies no asset: its manifest has the path of the source."""
    app = make_app(tmp_path)
    app.node.set_context("aws:cdk:disable-asset-staging", True)
    DiscoveryExportsStack(app, "Stack", settings=Settings())
    app.synth()

    manifest = json.loads((tmp_path / "Stack.assets.json").read_text("utf-8"))
    (code,) = (each["source"] for each in manifest["files"].values() if each["source"]["packaging"] == "zip")
    assert (tmp_path / code["path"] / "store_export.py").is_file()


def test_asset_contains_only_code_and_data(built: Path) -> None:
    files = [path for path in built.rglob("*") if path.is_file()]

    assert {path.suffix for path in files} <= {".py", ".json", ".pyc"}
    assert sum(path.stat().st_size for path in files) < 10_000_000


def test_asset_contains_all_requirements_of_its_packages() -> None:
    required = {
        re.split(r"[^A-Za-z0-9._-]", line)[0] for name in lambda_asset.BUNDLED for line in required_without_extras(name)
    }

    assert {canonical(name) for name in required} <= {canonical(name) for name in lambda_asset.BUNDLED}


def test_native_code_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """mypy, which this environment has, is compiled."""
    monkeypatch.setattr(lambda_asset, "BUNDLED", ("mypy",))

    with pytest.raises(lambda_asset.NativeCode, match="mypy contains"):
        list(lambda_asset.bundled_files())


@pytest.mark.parametrize("record", [None, "__editable__.package.pth,,\npackage-1.dist-info/RECORD,,\n"])
def test_a_package_that_lists_no_modules_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: str | None
) -> None:
    """A package of a Linux distribution without RECORD, and an editable installation."""
    metadata = tmp_path / "package-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: package\nVersion: 1\n")
    if record:
        (metadata / "RECORD").write_text(record)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lambda_asset, "BUNDLED", ("package",))

    with pytest.raises(lambda_asset.NoModules, match="package cannot be bundled"):
        list(lambda_asset.bundled_files())


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


def required_without_extras(name: str) -> list[Any]:
    """Requirements of a distribution without those of its extras."""
    return [line for line in requires(name) or () if "extra ==" not in line]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
