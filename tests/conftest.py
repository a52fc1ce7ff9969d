"""What holds for every suite: local AWSs for the whole session, brought up by need, and a count of tests by suite."""

import io
import logging
import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from exports import redaction
from tests.local.session import SharedAws

SUITES = ("unit", "infra", "slow", "faults", "local")
ALONE = "alone: changes or counts what every test on a local AWS uses, so no other runs on its own meanwhile"
SHARED_AWS = pytest.StashKey[SharedAws]()

# No test, and nothing that a test starts, depends on the caller's AWS profiles, credentials, region or endpoints.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
# The CDK would check every template once more by rules that cfn-lint has checked, which takes most of a synthesis.
os.environ["CDK_VALIDATION"] = "false"

# The same examples each time, and no test that fails because a machine is busy.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ALONE)
    config.stash[SHARED_AWS] = SharedAws(config)
    config.pluginmanager.register(config.stash[SHARED_AWS])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests run alone come first, ended by the one that looks for all traces; then the slower suites."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    suite = suite_of(item.nodeid)
    if suite != "local":
        return {"infra": 2, "slow": 3, "faults": 3}.get(suite, 4)
    if runs_alone(item.path):
        return 1 if item.path.name == "test_secret.py" else 0
    return 5 if item.path.name == "test_elsewhere.py" else 6


@cache
def runs_alone(path: Path) -> bool:
    return "pytestmark = pytest.mark.alone" in path.read_text("utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "SuiteScheduling":
    config.option.loadscopereorder = False
    return SuiteScheduling(config, log)


class SuiteScheduling(LoadScopeScheduling):  # type: ignore[misc, no-any-unimported]  # xdist tells no types
    """All files whose tests run alone are one process's; so is each other file of a suite whose set-up takes a while.

    So are all tests of the infrastructure, which share a few templates and the Node.js that makes them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, suite = nodeid.partition("::")[0], suite_of(nodeid)
        if suite == "local" and runs_alone(self.config.rootpath / file):
            return "alone"
        return {"infra": "infra", "slow": file, "local": file}.get(suite, nodeid)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that any logger writes from here on, at DEBUG, through a plain handler of the root logger."""
    before, level = logging.getLogRecordFactory(), logging.root.level
    redaction.install_log_filter()
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield text
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)
    logging.setLogRecordFactory(before)


@pytest.fixture(scope="session")
def shared_aws(pytestconfig: pytest.Config) -> SharedAws:
    """The session's local AWS, which may not be up yet."""
    return pytestconfig.stash[SHARED_AWS]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """After everything else that is told of the session: its own last line follows."""
    yield
    reports = [each for told in terminalreporter.stats.values() for each in told if hasattr(each, "nodeid")]
    tests = Counter(suite_of(nodeid) for nodeid in {report.nodeid for report in reports if hasattr(report, "when")})
    if tests:
        counted = [f"{suite} {tests[suite]}" for suite in (*SUITES, "elsewhere") if tests[suite]]
        terminalreporter.write_line(f"Tests by suite: {', '.join(counted)}; {tests.total()} in all")


def suite_of(nodeid: str) -> str:
    """``local`` for ``tests/local/test_sweep.py::test_…``."""
    return next((suite for suite in SUITES if nodeid.startswith(f"tests/{suite}/")), "elsewhere")
