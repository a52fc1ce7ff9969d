"""StartExportTask and DescribeExportTasks as the service answers them."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import Any
from uuid import uuid4

from local.double.call_counts import Counts
from local.double.data.contents import Kind
from local.double.protocol import Protocol, ServiceException, signing_region
from local.double.requests import MAX_EXPORTS, Parameters, export_asked_for, query_of, read_json, token_after
from local.double.scenario import Addition, Scenario, Settings
from local.double.tasks import Clock, Task, Tasks

CONCURRENT_EXPORTS = (
    "You have reached limit of maximum allowed concurrent exports. "
    "Please wait for current export tasks to finish before starting another."
)
"""In full as a public script of 2017 quotes it."""
AS_TOLD = "The double was told to answer so."
EXISTING_EXPORT = "A successful export is already present Export ID: {}"


class Service:
    """The two calls, over tasks that go as they are scripted. ``download_url`` makes a fresh link, ``make`` a large export."""

    def __init__(
        self, *, clock: Clock, counts: Counts, download_url: Callable[[Task, str], str], make: Callable[[Task], None]
    ) -> None:
        self.tasks = Tasks()
        self.settings = Settings()
        self.next_scenarios: deque[Scenario] = deque()
        self.default_scenario = Scenario()
        self._clock = clock
        self._counts = counts
        self._download_url = download_url
        self._make = make
        self._protocol = Protocol()
        self._faults = random.Random(self.settings.fault_seed)  # noqa: S311  # repeatable on purpose
        self._starting = Lock()

    def configure(self, settings: Settings) -> None:
        """Behave so from the next call on; the order of faults begins anew."""
        self.settings = settings
        self._faults = random.Random(settings.fault_seed)  # noqa: S311  # repeatable on purpose

    def set_scenarios(self, scenarios: Iterable[Scenario], default: Scenario) -> None:
        """Let the coming starts go so, one each, and those after them the usual way."""
        with self._starting:
            self.next_scenarios = deque(scenarios)
            self.default_scenario = default

    def call(self, target: str, authorization: str | None, body: bytes) -> dict[str, Any]:
        """Answer one call, or raise `Refused`. Every answer has been checked against the model."""
        operation = "Unknown"
        try:
            operation = self._protocol.operation(target)
            self._refuse_at_will(signing_region(authorization))
            parameters = read_json(body)
            self._protocol.check_request(operation, parameters)
            answer = self._start(parameters) if operation == "StartExportTask" else self._describe(parameters)
            self._protocol.check_answer(operation, answer)
        except ServiceException as refused:
            self._counts.failed(refused.code)
            raise
        finally:
            self._counts.called(operation)
        return answer

    def add(self, additions: Iterable[Addition]) -> list[str]:
        """Let these exports be there, and say their ids."""
        tasks = [self._task(addition) for addition in additions]
        self._keep(tasks)
        return [task.id for task in tasks]

    def _refuse_at_will(self, region: str) -> None:
        settings = self.settings
        if settings.refuse_with:
            raise ServiceException(settings.refuse_with, AS_TOLD)
        if region not in settings.home_region.split(","):
            raise ServiceException(
                "HomeRegionNotSetException", "The home region is not set. Set the home region to continue."
            )
        draw = self._faults.random()
        if draw < settings.throttle_rate:
            raise ServiceException("ThrottlingException", "Rate exceeded")
        if draw < settings.throttle_rate + settings.error_rate:
            raise ServiceException("ServerInternalErrorException", "Internal server error")

    def is_busy(self) -> bool:
        """Whether the next download is to answer SlowDown."""
        busy = self._faults.random() < self.settings.busy_rate if self.settings.busy_rate else False
        if busy:
            self._counts.failed("SlowDown")
        return busy

    def _start(self, parameters: Parameters) -> dict[str, Any]:
        addition = export_asked_for(parameters)
        with self._starting:
            if addition.kind is Kind.AGENT and self._agents_are_busy():
                raise ServiceException("OperationNotPermittedException", CONCURRENT_EXPORTS)
            scenario = self.next_scenarios.popleft() if self.next_scenarios else self.default_scenario
            if scenario.error_code:
                raise ServiceException(scenario.error_code, scenario.error_message or AS_TOLD)
            if scenario.existing_id:
                self._counts.count("starts", [scenario.existing_id])
                raise ServiceException("OperationNotPermittedException", EXISTING_EXPORT.format(scenario.existing_id))
            task = self._task(replace(addition, scenario=scenario))
            self._keep([task])
        self._counts.count("starts", [task.id])
        return {"exportId": task.id}

    def _agents_are_busy(self) -> bool:
        return self.tasks.agent_exports_in_progress(self._clock()) >= self.settings.concurrent_agent_exports

    def _task(self, addition: Addition) -> Task:
        now = self._clock()
        task = Task(
            id=addition.scenario.export_id or f"export-{uuid4()}",
            kind=addition.kind,
            scenario=addition.scenario,
            requested_at=now - addition.age_seconds,
            appears_at=now + addition.scenario.appears_after_seconds,
            agent_id=addition.agent_id,
            requested_start=addition.requested_start,
            requested_end=addition.requested_end,
            refused_gets=addition.scenario.refused_gets,
        )
        if not addition.scenario.large:
            task.made.set()
        return task

    def _keep(self, tasks: Sequence[Task]) -> None:
        self.tasks.add(tasks)
        for task in tasks:
            if task.scenario.large:
                self._make(task)

    def _describe(self, parameters: Parameters) -> dict[str, Any]:
        query, position = query_of(parameters)
        size = min(parameters.get("maxResults", MAX_EXPORTS), self.settings.page_size)
        if size < 1:
            raise ServiceException("InvalidParameterValueException", "maxResults: less than 1")
        page = list(islice(self._matching(query, position), size + 1))
        found = page[:size]
        self._counts.count("describes", [*query.get("exportIds", []), *(task.id for task in found)])
        token = {"nextToken": token_after(found[-1], query)} if len(page) > size else {}
        return {"exportsInfo": [self._info(task) for task in found], **token}

    def _matching(self, query: Parameters, position: tuple[bytes, str] | None) -> Iterator[Task]:
        """What the ids and the filters both allow, of what has appeared, after the position."""
        now = self._clock()
        if ids := query.get("exportIds"):
            tasks: Iterable[Task] = (
                task for task in self.tasks.among(ids) if position is None or task.position > position
            )
        else:
            tasks = self.tasks.after(position)
        allowed = [set(one["values"]) for one in query.get("filters", [])]
        for task in tasks:
            if task.appears_at <= now and all(task.agent_id in agents for agents in allowed):
                yield task

    def _info(self, task: Task) -> dict[str, Any]:
        now = self._clock()
        status = task.status(now)
        info: dict[str, Any] = {
            "exportId": task.id,
            "exportStatus": status,
            "statusMessage": task.status_message(now),
            "exportRequestTime": round(task.requested_at, 3),
            "isTruncated": task.scenario.is_truncated and status != "IN_PROGRESS",
        }
        if status == "SUCCEEDED" and not task.scenario.no_download_url:
            own = task.scenario.download_url
            url = self._download_url(task, self.settings.marker) if own is None else own
            self._counts.signed(url.rpartition("X-Amz-Signature=")[2])
            info["configurationsDownloadUrl"] = url
        span = {"requestedStartTime": task.requested_start, "requestedEndTime": task.requested_end}
        return info | {name: value for name, value in span.items() if value is not None}
