"""Every finding of cdk-nag is acknowledged, and every acknowledgment has a finding."""

import json
from pathlib import Path

import pytest
from aws_cdk import Acknowledgment, App, Environment, Stack, Validations
from aws_cdk import aws_kms as kms
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from infra import permissions
from infra.discovery_exports import DiscoveryExports
from infra.settings.settings import Settings
from tests.infra.synthesis import ACCOUNT, EVERYTHING, REGION, make_app, make_vpc

Finding = tuple[str, str]
"""The path of a construct and the id of a rule."""


class RecordedAcknowledgments:
    """Replaces ``Validations`` of the CDK, so that acknowledged findings are reported all the same."""

    def __init__(self) -> None:
        self.recorded: set[Finding] = set()
        self._path = ""

    def of(self, construct: IConstruct) -> "RecordedAcknowledgments":
        self._path = construct.node.path
        return self

    def acknowledge(self, acknowledgment: Acknowledgment) -> None:
        assert len(acknowledgment.reason.split()) > 5
        self.recorded.add((self._path, acknowledgment.id))


FEATURES = {
    "none": Settings(tables=False, watching=False),
    "default": Settings(),
    "all": EVERYTHING,
}


def checked(outdir: Path, settings: Settings) -> App:
    app, everything = make_app(outdir), settings is EVERYTHING
    stack = Stack(app, "Stack", env=Environment(account=ACCOUNT, region=REGION) if everything else None)
    key = kms.Key(stack, "Key", enable_key_rotation=True) if everything else None
    vpc = make_vpc(stack) if everything else None
    DiscoveryExports(stack, "Exports", key=key, vpc=vpc, settings=settings)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def findings(outdir: Path) -> set[Finding]:
    reports = json.loads((outdir / "validation-report.json").read_text("utf-8"))["pluginReports"]
    return {
        (construct["constructPath"].removesuffix("/Resource"), violation["ruleName"])
        for report in reports
        for violation in report["violations"]
        for construct in violation["violatingConstructs"]
    }


@pytest.mark.parametrize("features", FEATURES)
def test_acknowledgments_match_the_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: str) -> None:
    acknowledgments = RecordedAcknowledgments()
    monkeypatch.setattr(permissions, "Validations", acknowledgments)

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        checked(tmp_path, FEATURES[features]).synth()

    assert findings(tmp_path) == acknowledgments.recorded


def test_acknowledgments_are_accepted(tmp_path: Path) -> None:
    checked(tmp_path, EVERYTHING).synth()
