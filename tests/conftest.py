"""What holds for every room: one local AWS for the whole session, brought up by need, and a count of tests by room."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.local.session import SharedAws

ROOMS = ("unit", "infra", "faults", "local")
ALONE = "alone: changes what every test on the local AWS uses, so it runs while no other of them does"
SHARED_AWS = pytest.StashKey[SharedAws]()

# The same examples each time, and no test that fails because a machine is busy.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ALONE)
    config.stash[SHARED_AWS] = SharedAws(config)
    config.pluginmanager.register(config.stash[SHARED_AWS])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that run alone on the local AWS are one group, which one process does while others compute.

    Those beside each other are a group a file, since what a file sets up may take minutes.
    """
    if room_of(item.nodeid) == "local":
        item.add_marker(pytest.mark.xdist_group("alone" if _place(item) < 0 else item.path.stem))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The group that runs alone comes first, then what needs no local AWS; what looks for traces of all comes last."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    room = room_of(item.nodeid)
    if item.get_closest_marker("alone"):
        return -2
    if room == "local":
        # No sweep of another test may come between those of test_deadline.py.
        return {"test_deadline.py": -1, "test_elsewhere.py": 3, "test_secret.py": 5}.get(item.path.name, 4)
    return {"infra": 0, "faults": 1}.get(room, 2)


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
