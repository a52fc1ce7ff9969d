"""Every finding of checkov in the template with every setting on has a reason, and every reason has a finding.

``make checkov`` installs checkov and runs this file.
"""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.infra.template import Template

ROOT = Path(__file__).parents[2]
CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
ACCEPTED = ROOT / "tools" / "checkov" / "accepted.toml"

Finding = tuple[str, str]
"""The id of a check, and the name of a resource in the template."""


@pytest.fixture(scope="module")
def accepted() -> set[Finding]:
    entries = tomllib.loads(ACCEPTED.read_text("utf-8"))
    for check, entry in entries.items():
        assert len(entry["reason"].split()) > 5, f"{check} needs a reason"
    return {(check, resource) for check, entry in entries.items() for resource in entry["resources"]}


@pytest.fixture(scope="module")
def findings(everything: Template, tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """Without network: checkov would ask its vendor for texts about its checks."""
    path = tmp_path_factory.mktemp("checkov") / "template.json"
    path.write_text(json.dumps(everything.document))
    assert CHECKOV.is_file(), "checkov is not installed; this installs and runs it: make checkov"
    options = ["--framework", "cloudformation", "--output", "json", "--compact", "--soft-fail", "--skip-download"]
    command = [str(CHECKOV), "--file", str(path), *options]
    environment = {**os.environ, "LOG_LEVEL": "ERROR"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 100, done.stderr
    assert report["summary"]["parsing_errors"] == 0
    failed = report["results"]["failed_checks"]
    return {(each["check_id"], everything.names[each["resource"].rpartition(".")[2]]) for each in failed}


def test_every_finding_has_a_reason(findings: set[Finding], accepted: set[Finding]) -> None:
    assert sorted(findings - accepted) == []


def test_every_reason_has_a_finding(findings: set[Finding], accepted: set[Finding]) -> None:
    assert sorted(accepted - findings) == []
