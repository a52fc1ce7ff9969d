"""cdk-nag finds nothing that is not explained, and nothing is explained that it does not find."""

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
from tests.infra.synthesis import ACCOUNT, EVERYTHING, REGION, make_app

Finding = tuple[str, str]
"""The path of a construct and the id of a rule."""


class Explanations:
    """Stands in for the CDK's validations, so that what is acknowledged is found all the same."""

    def __init__(self) -> None:
        self.given: set[Finding] = set()
        self._path = ""

    def of(self, construct: IConstruct) -> "Explanations":
        self._path = construct.node.path
        return self

    def acknowledge(self, acknowledgment: Acknowledgment) -> None:
        assert len(acknowledgment.reason.split()) > 5
        self.given.add((self._path, acknowledgment.id))


FEATURES = {
    "none": Settings(tables=False, watching=False),
    "as it comes": Settings(),
    "with all that can be had": EVERYTHING,
}


def checked(outdir: Path, settings: Settings) -> App:
    app, everything = make_app(outdir), settings is EVERYTHING
    stack = Stack(app, "Stack", env=Environment(account=ACCOUNT, region=REGION) if everything else None)
    key = kms.Key(stack, "Key", enable_key_rotation=True) if everything else None
    DiscoveryExports(stack, "Exports", key=key, settings=settings)
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
def test_explanations_are_exactly_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: str) -> None:
    explanations = Explanations()
    monkeypatch.setattr(permissions, "Validations", explanations)

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        checked(tmp_path, FEATURES[features]).synth()

    assert findings(tmp_path) == explanations.given


def test_explanations_are_accepted(tmp_path: Path) -> None:
    checked(tmp_path, EVERYTHING).synth()
