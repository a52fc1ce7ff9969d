"""The double of the service, which all tests of a module share."""

from collections.abc import Iterator

import pytest

from tests.unit.doubles import Running, running_double


@pytest.fixture(scope="module")
def module_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_double(tmp_path_factory.mktemp("double")) as running:
        yield running


@pytest.fixture
def running(module_double: Running) -> Running:
    return module_double.fresh()
