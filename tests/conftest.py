"""What holds for every room: local AWSs for the whole session, brought up by need, and a count of tests by room."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.local.session import SharedAws

ROOMS = ("unit", "infra", "slow", "faults", "local")
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
    """Files whose tests run alone come first, ended by the one that looks for all traces; then the slower rooms."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    room = room_of(item.nodeid)
    if room != "local":
        return {"infra": 2, "slow": 3, "faults": 3}.get(room, 4)
    if runs_alone(item.path):
        return 1 if item.path.name == "test_secret.py" else 0
    return 5 if item.path.name == "test_elsewhere.py" else 6


@cache
def runs_alone(path: Path) -> bool:
    return "pytestmark = pytest.mark.alone" in path.read_text("utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "Rooms":
    config.option.loadscopereorder = False
    return Rooms(config, log)


class Rooms(LoadScopeScheduling):  # type: ignore[misc, no-any-unimported]  # xdist tells no types
    """All files whose tests run alone are one process's; so is each other file of a room whose set-up takes a while.

    So are all tests of the infrastructure, which share a few templates and the Node.js that makes them.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, room = nodeid.partition("::")[0], room_of(nodeid)
        if room == "local" and runs_alone(self.config.rootpath / file):
            return "alone"
        return {"infra": "infra", "slow": file, "local": file}.get(room, nodeid)


@pytest.fixture(scope="session")
def shared_aws(pytestconfig: pytest.Config) -> SharedAws:
    """The session's local AWS, which may not be up yet."""
    return pytestconfig.stash[SHARED_AWS]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """After everything else that is told of the session: its own last line follows."""
    yield
    reports = [each for told in terminalreporter.stats.values() for each in told if hasattr(each, "nodeid")]
    tests = Counter(room_of(nodeid) for nodeid in {report.nodeid for report in reports if hasattr(report, "when")})
    if tests:
        counted = [f"{room} {tests[room]}" for room in (*ROOMS, "elsewhere") if tests[room]]
        terminalreporter.write_line(f"Tests by room: {', '.join(counted)}; {tests.total()} in all")


def room_of(nodeid: str) -> str:
    """``local`` for ``tests/local/test_sweep.py::test_…``."""
    return next((room for room in ROOMS if nodeid.startswith(f"tests/{room}/")), "elsewhere")
