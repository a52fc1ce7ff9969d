"""Templates that the tests of the infrastructure share."""

from typing import Any

import pytest

from infra.settings.settings import Settings
from tests.infra import synthesis
from tests.infra.template import Template


@pytest.fixture(scope="session")
def template() -> Template:
    return synthesis.by_default()


@pytest.fixture(scope="session")
def everything() -> Template:
    return synthesis.with_everything()


@pytest.fixture(scope="session")
def bare() -> Template:
    """A stack without its optional parts."""
    return synthesis.of_stack(Settings(tables=False, watching=False))


@pytest.fixture(scope="session")
def triggers() -> Template:
    """A stack with all triggers that start runs."""
    schedules = (*synthesis.EVERYTHING.schedules, synthesis.DAILY)
    return synthesis.of_stack(Settings(schedules=schedules, cloud_trail_trigger=True, cloud_trail_sources=("tests",)))


@pytest.fixture(scope="session")
def collecting() -> Template:
    return synthesis.with_collector()


@pytest.fixture(scope="session")
def definition(template: Template) -> dict[str, Any]:
    return template.definition()
