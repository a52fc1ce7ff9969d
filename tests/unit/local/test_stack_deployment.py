"""Deployment of the local AWS: fingerprints and arguments."""

import os
from pathlib import Path

import pytest

from local.stack.deployment import CONTEXT, Cdk, fingerprint
from local.stack.errors import LocalAwsFailed


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "functions" / "exports").mkdir(parents=True)
    (tmp_path / "app.py").write_text("app")
    (tmp_path / "functions" / "exports" / "model.py").write_text("model")
    return tmp_path


def test_only_the_architecture_waits_download_hosts_and_named_queries_differ_from_aws() -> None:
    waits = {"waitFloorSeconds", "waitCeilingSeconds", "notFoundGraceSeconds"}
    assert set(CONTEXT) == {"architecture", *waits, "downloadHosts", "namedQueries"}


def test_unchanged_app_has_the_same_fingerprint(app: Path) -> None:
    before = fingerprint(app, CONTEXT)
    (app / "functions" / "__pycache__").mkdir()
    (app / "functions" / "__pycache__" / "model.pyc").touch()
    (app / "README.md").write_text("not deployed")

    assert fingerprint(app, CONTEXT) == before


@pytest.mark.parametrize("file", ["app.py", "cdk.json", "functions/exports/model.py", "functions/exports/new.py"])
def test_changed_source_has_another_fingerprint(app: Path, file: str) -> None:
    before = fingerprint(app, CONTEXT)
    (app / file).write_text("changed")

    assert fingerprint(app, CONTEXT) != before


def test_changed_context_has_another_fingerprint(app: Path) -> None:
    assert fingerprint(app, CONTEXT) != fingerprint(app, CONTEXT | {"waitFloorSeconds": "2"})


def test_deployment_passes_the_context_to_the_cdk(app: Path) -> None:
    cdk = _cdk(app, 'printf "%s\\n" "$@" > arguments')

    cdk.deploy({"waitFloorSeconds": "1", "downloadHosts": "localhost:*"}, app / "outputs.json")

    arguments = (app / "arguments").read_text().splitlines()
    assert arguments[-4:] == ["--context", "waitFloorSeconds=1", "--context", "downloadHosts=localhost:*"]
    assert arguments[arguments.index("--outputs-file") + 1] == str(app / "outputs.json")


def test_failed_deployment_has_the_output_of_the_cdk(app: Path) -> None:
    cdk = _cdk(app, "echo maxFiles is not a number; exit 1")

    with pytest.raises(LocalAwsFailed, match="maxFiles is not a number"):
        cdk.deploy(CONTEXT, app / "outputs.json")


def _cdk(app: Path, script: str) -> Cdk:
    program = app / "cdk"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Cdk(program, app, env=os.environ, work=app)
