"""One synthesis for all tests of the infrastructure."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from infra.settings import Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.template import Template


@pytest.fixture(scope="session")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cloud assembly made with the default settings."""
    outdir = tmp_path_factory.mktemp("cdk.out")
    app = App(outdir=str(outdir), context={"aws:cdk:enable-path-metadata": True})
    stack = DiscoveryExportsStack(app, "DiscoveryExports", settings=Settings())
    app.synth()
    return outdir / stack.template_file


@pytest.fixture(scope="session")
def template(synthesized: Path) -> Template:
    return Template(json.loads(synthesized.read_text("utf-8")))


@pytest.fixture(scope="session")
def definition(template: Template) -> dict[str, Any]:
    return template.definition()
