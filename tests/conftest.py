"""What all suites share: the local AWS of the session, started on demand, the order of tests, and a count by suite."""

import io
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from exports import redaction
from tests.local.session import SharedAws

SUITES = ("unit", "infra", "fuzz", "slow", "faults", "judges", "browser", "local")
ALONE = "alone: changes or counts what all tests on a local AWS share, so that no other test may run there meanwhile"
CASES = "cases"
SHARED_AWS = pytest.StashKey[SharedAws]()

# No test, and nothing that a test starts, depends on the caller's AWS profiles, credentials, Region or endpoints.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
# Validation by the CDK repeats rules of cfn-lint, which check each template anyway, and takes most of a synthesis.
os.environ["CDK_VALIDATION"] = "false"

# Hypothesis draws the same examples each time, and no test fails because the machine is busy.
settings.register_profile("seeded", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("seeded")
# `make fuzz` draws other and more examples, from the seed in its option `--hypothesis-seed`.
if FUZZ_EXAMPLES := os.environ.get("FUZZ_EXAMPLES"):
    settings.register_profile(
        "fuzz", settings.get_profile("seeded"), derandomize=False, database=None, max_examples=int(FUZZ_EXAMPLES)
    )
    settings.load_profile("fuzz")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ALONE)
    config.stash[SHARED_AWS] = SharedAws(config)
    config.pluginmanager.register(config.stash[SHARED_AWS])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files marked ``alone`` first, the search for secrets as the last of them, then the slower suites."""
    items.sort(key=_position)


def _position(item: pytest.Item) -> int:
    suite = suite_of(item.nodeid)
    if suite != "local":
        return {"infra": 2, "judges": 2, "browser": 2, "slow": 3, "faults": 3}.get(suite, 4)
    if runs_alone(item.path):
        return 1 if item.path.name == "test_secret.py" else 0
    return 5 if item.path.name == "test_other_account.py" else 6


@cache
def runs_alone(path: Path) -> bool:
    return "pytestmark = pytest.mark.alone" in path.read_text("utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "SuiteScheduling":
    config.option.loadscopereorder = False
    return SuiteScheduling(config, log)


class SuiteScheduling(LoadScopeScheduling):  # type: ignore[misc, no-any-unimported]  # xdist has no types
    """Assigns the files marked ``alone`` to two processes, and each other file of a suite with a slow set-up to one.

    The tests of the infrastructure, which share templates, run in one process, and those on independent servers, too.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, suite = nodeid.partition("::")[0], suite_of(nodeid)
        path = self.config.rootpath / file
        if suite == "local" and runs_alone(path):
            return f"alone {sorted(filter(runs_alone, path.parent.glob('*.py'))).index(path) % 2}"
        return {"infra": "infra", "judges": "judges", "browser": file, "slow": file, "local": file}.get(suite, nodeid)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The output of all loggers during the test, at DEBUG, through a plain handler of the root logger."""
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
    """The local AWS of the session, which may not have started yet."""
    return pytestconfig.stash[SHARED_AWS]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the number of examples of a fuzz test to its report, which pytest-xdist sends to the main process."""
    statistics: str = getattr(item, "hypothesis_statistics", "")
    if suite_of(item.nodeid) == "fuzz" and statistics and CASES not in dict(item.user_properties):
        counted = re.findall(r"(\d+) passing, (\d+) failing", statistics)
        item.user_properties.append((CASES, sum(int(number) for each in counted for number in each)))
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Write the count after all other sections of the summary; pytest's own last line follows."""
    yield
    reports = [each for group in terminalreporter.stats.values() for each in group if hasattr(each, "nodeid")]
    tests = Counter(suite_of(nodeid) for nodeid in {report.nodeid for report in reports if hasattr(report, "when")})
    if tests:
        counted = [f"{suite} {tests[suite]}" for suite in (*SUITES, "elsewhere") if tests[suite]]
        terminalreporter.write_line(f"Tests by suite: {', '.join(counted)}; {tests.total()} in all")
    if cases := _cases_of_fuzz_tests(reports):
        listed = [f"  {number:>9,} {nodeid}" for nodeid, number in sorted(cases.items())] if FUZZ_EXAMPLES else []
        terminalreporter.write_line("\n".join([f"Cases of fuzz tests: {cases.total():,}", *listed]))


def _cases_of_fuzz_tests(reports: Iterable[Any]) -> "Counter[str]":
    return Counter(
        {
            report.nodeid: dict(report.user_properties)[CASES]
            for report in reports
            if CASES in dict(getattr(report, "user_properties", ()))
        }
    )


def suite_of(nodeid: str) -> str:
    """``local`` for ``tests/local/test_sweep.py::test_…``."""
    return next((suite for suite in SUITES if nodeid.startswith(f"tests/{suite}/")), "elsewhere")
