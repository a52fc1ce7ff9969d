"""The double in the process of a test: a server on loopback with its exports in memory, scripted in Python.

Time passes as usual, and :meth:`ApplicationDiscovery.advance` adds to it, so that no test has to sleep.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex
from time import time
from typing import Any

from .agents import Agent
from .data.agent_files import true_rows
from .data.contents import Container, Kind
from .data.data_center import DataCenter
from .data.files import csv_files
from .data.samples import Span
from .dataclass_json import replace_from_json
from .downloads import UrlSigner
from .export_memory import ExportMemory
from .scenario import Addition, Scenario, Settings
from .server import Server, serving

__all__ = [
    "Addition",
    "Agent",
    "ApplicationDiscovery",
    "Container",
    "Kind",
    "Scenario",
    "Settings",
    "expired_link",
    "failed",
    "finished",
    "late",
    "odd",
    "refused",
    "running",
    "truncated",
]


def finished(*, after_seconds: float = 0.0) -> Scenario:
    """The export succeeds, after this time in progress."""
    return Scenario(in_progress_seconds=after_seconds)


def failed(message: str = "", *, after_seconds: float = 0.0) -> Scenario:
    """The export fails with this ``statusMessage``, or with one of the double."""
    return Scenario(outcome="FAILED", status_message=message, in_progress_seconds=after_seconds)


def truncated(*, after_seconds: float = 0.0) -> Scenario:
    """The export succeeds, ``isTruncated`` is true, and the rows cover the first half of the range.

    Only exports of agents are truncated. See ``ActualEndTime`` in ``results.json``.
    """
    return Scenario(is_truncated=True, in_progress_seconds=after_seconds)


def late(*, after_seconds: float, finished_after_seconds: float = 0.0) -> Scenario:
    """DescribeExportTasks does not return the export before this time, although StartExportTask returned its id."""
    return Scenario(appears_after_seconds=after_seconds, in_progress_seconds=finished_after_seconds)


def refused(error_code: str, message: str = "") -> Scenario:
    """StartExportTask returns this error, such as OperationNotPermittedException, and creates no export."""
    return Scenario(error_code=error_code, error_message=message)


def expired_link(*, downloads: int = 1) -> Scenario:
    """The first downloads return 403, as if the credentials that signed the URL had expired.

    A URL also expires an hour after it was returned: call ``advance(3600)``.
    """
    return Scenario(refused_gets=downloads)


def odd(
    info: Mapping[str, Any] | None = None, *, without: Sequence[str] = (), entry: str = "", outcome: str = "SUCCEEDED"
) -> Scenario:
    """An answer that the service model does not allow, or not yet.

    ``info`` has members of ExportInfo with any JSON as their values, ``without`` names those that are missing,
    ``entry`` is JSON text in the place of the whole ExportInfo, and ``outcome`` a status that nobody knows.
    """
    return Scenario(info=dict(info or {}), info_without=list(without), entry=entry, outcome=outcome)


class _Clock:
    """The time of the computer, and what tests have added to it."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return time() + self.added


class ApplicationDiscovery:
    """A running double. All methods take effect before they return, and may be called from any thread."""

    def __init__(self, server: Server, data_center: DataCenter, clock: _Clock) -> None:
        self._server = server
        self._service = server.service
        self._data_center = data_center
        self._clock = clock

    @property
    def url(self) -> str:
        """The endpoint for ``boto3.client("discovery", endpoint_url=…)``. Its path is a secret of this double."""
        return self._server.url

    @property
    def now(self) -> datetime:
        """The time of the double, in UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def advance(self, seconds: float) -> None:
        """Let time pass for the double. ``monkeypatch.setattr(time, "sleep", application_discovery.advance)`` does so
        whenever the tested program sleeps.
        """
        self._clock.added += seconds

    # Scripts

    def next_exports(self, *scenarios: Scenario, then: Scenario | None = None) -> None:
        """Set what the next exports do that StartExportTask starts, one each. All later ones do ``then``: succeed."""
        self._service.set_scenarios(scenarios, then or Scenario())

    def add_export(self, scenario: Scenario | None = None, **members: Any) -> str:
        """Add an export that nobody in this test started, and return its id. ``members`` are those of `Addition`."""
        addition = Addition.read(members, self._data_center, 0)
        (export_id,) = self._service.add([replace(addition, scenario=scenario or addition.scenario)])
        return export_id

    def settings(self, **changes: Any) -> Settings:
        """Change the behavior of the service, and return all of it. ``changes`` are members of `Settings`.

        Raises ValueError for an unknown name or a wrong value.
        """
        self._service.configure(replace_from_json(self._service.settings, changes))
        return self._service.settings

    def throttle(self, *, calls: int) -> None:
        """Return ThrottlingException to the next calls. botocore repeats a call by itself, four times by default."""
        self.settings(throttled_calls=calls)

    def set_agents(self, *agents: Agent) -> list[str]:
        """Replace the agents, connectors and collectors of the account. Returns their ids, in this order."""
        return self._service.agents.set(agents)

    # What there is, and what was called

    def agents(self) -> list[str]:
        """The ids of the agents that have exports, deleted ones among them."""
        return self._service.agents.ids(with_exports=True)

    def exports(self) -> list[dict[str, Any]]:
        """What was requested for each export, in the order of the requests, and its status.

        Members: id, kind, agent_id, requested_start, requested_end, preferences, requested_at, status, is_truncated.
        """
        return self._service.exports()

    def files(self, export_id: str) -> dict[str, bytes]:
        """The CSV files that the zip file of the export has, by name. Raises KeyError."""
        task = self._service.tasks.get(export_id)
        if task is None:
            raise KeyError(export_id)
        return {file.name: b"".join(file.chunks()) for file in csv_files(self._data_center, task.contents)}

    def rows(self, agent_id: str, start: datetime, end: datetime) -> dict[str, list[list[str]]]:
        """All rows of an agent with ``sample_seconds`` in the range, both ends included, by file: ``osInfo.csv``, …

        The exports of windows that cover the range have these rows. Raises KeyError for another agent.
        """
        server = self._data_center.server_of(agent_id)
        history = self._service.agents.history(agent_id, end.timestamp())
        if not server or not history:
            raise KeyError(agent_id)
        return true_rows(self._data_center, server, history, Span(start, end))

    def calls(self, operation: str) -> int:
        """The number of calls of an operation, refused ones among them."""
        return int(self._server.counts.to_json()["calls"].get(operation, 0))

    def downloads(self, export_id: str) -> int:
        """The number of GETs of the export's download URLs, refused ones among them."""
        return int(self._server.counts.to_json()["exports"].get(export_id, {}).get("gets", 0))


@contextmanager
def running(*, port: int = 0, region: str = "us-east-1") -> Iterator[ApplicationDiscovery]:
    """A double on 127.0.0.1 until the end of the block, without TLS. ``port`` 0 selects a free port.

    ``region`` is the home Region of Migration Hub: calls to any other are refused. Raises OSError if the port is in
    use.
    """
    clock, data_center = _Clock(), DataCenter()
    server = Server(port=port, tls=None, token=token_hex(16))
    place = ExportMemory(UrlSigner(server.origin, region=region), data_center, clock)
    server.serve_for(place, data_center, Settings(home_region=region), clock)
    with serving(server):
        yield ApplicationDiscovery(server, data_center, clock)
