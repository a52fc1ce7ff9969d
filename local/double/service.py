"""The operations, with the responses of the service."""

import json
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import Any
from uuid import uuid4

from .agents import Agents
from .call_counts import Counts
from .data.contents import Kind
from .listing import describe_agents, list_configurations
from .protocol import Protocol, ServiceException, signing_region
from .requests import Parameters, exports_query, page_size, read_json, requested_export, token_after
from .scenario import Addition, Scenario, Settings
from .tasks import Clock, Task, Tasks, position_of

CONCURRENT_EXPORTS = (
    "You have reached limit of maximum allowed concurrent exports. "
    "Please wait for current export tasks to finish before starting another."
)
"""The full message, as a public script of 2017 quotes it."""
CONFIGURED_ERROR = "The double is configured to return this error."
EXISTING_EXPORT = "A successful export is already present Export ID: {}"
DAY_SECONDS = 86_400.0


class Service:
    """The operations. ``download_url`` returns a new URL for a task, ``make`` generates a large export."""

    def __init__(
        self,
        *,
        clock: Clock,
        counts: Counts,
        agents: Agents,
        download_url: Callable[[Task, str], str],
        make: Callable[[Task], None],
    ) -> None:
        self.tasks = Tasks()
        self.agents = agents
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
        """Apply the settings from the next call on. The order of faults starts again."""
        self.settings = settings
        self._faults = random.Random(settings.fault_seed)  # noqa: S311  # repeatable on purpose

    def set_scenarios(self, scenarios: Iterable[Scenario], default: Scenario) -> None:
        """Set the scenarios of the next exports, one each. All later exports use ``default``."""
        with self._starting:
            self.next_scenarios = deque(scenarios)
            self.default_scenario = default

    def call(self, target: str, authorization: str | None, body: bytes) -> dict[str, Any]:
        """Answer one call, or raise `ServiceException`. Every response is validated with the service model.

        After that, members of exports are replaced as their scenarios say.
        """
        operation = "Unknown"
        try:
            operation = self._protocol.operation(target)
            self._raise_configured_errors(signing_region(authorization))
            parameters = read_json(body)
            self._protocol.check_request(operation, parameters)
            answer = self._answer(operation, parameters)
            self._protocol.check_answer(operation, answer)
            if "exportsInfo" in answer:
                answer["exportsInfo"] = [self._scripted(info) for info in answer["exportsInfo"]]
        except ServiceException as error:
            self._counts.failed(error.code)
            raise
        finally:
            self._counts.called(operation)
        return answer

    def add(self, additions: Iterable[Addition]) -> list[str]:
        """Add exports, and return their ids."""
        tasks = [self._task(addition) for addition in additions]
        self._add_tasks(tasks)
        return [task.id for task in tasks]

    def exports(self) -> list[dict[str, Any]]:
        """All exports as they were requested or added, and their status."""
        now = self._clock()
        return [
            {
                "id": task.id,
                "kind": task.kind,
                "agent_id": task.agent_id,
                "requested_start": task.requested_start,
                "requested_end": task.requested_end,
                "preferences": task.preferences,
                "requested_at": task.requested_at,
                "status": task.status(now),
                "is_truncated": task.is_truncated,
            }
            for task in self.tasks.all()
        ]

    def _raise_configured_errors(self, region: str) -> None:
        settings = self.settings
        if settings.refuse_with:
            raise ServiceException(settings.refuse_with, CONFIGURED_ERROR)
        if region not in settings.home_region.split(","):
            raise ServiceException(
                "HomeRegionNotSetException", "The home region is not set. Set the home region to continue."
            )
        if self._is_throttled():
            raise ServiceException("ThrottlingException", "Rate exceeded")
        draw = self._faults.random()
        if draw < settings.throttle_rate:
            raise ServiceException("ThrottlingException", "Rate exceeded")
        if draw < settings.throttle_rate + settings.error_rate:
            raise ServiceException("ServerInternalErrorException", "Internal server error")

    def _is_throttled(self) -> bool:
        """Whether this is one of the next ``throttled_calls``."""
        with self._starting:
            left = self.settings.throttled_calls
            if left:
                self.settings = replace(self.settings, throttled_calls=left - 1)
        return left > 0

    def is_busy(self) -> bool:
        """Whether the next download returns SlowDown."""
        busy = self._faults.random() < self.settings.busy_rate if self.settings.busy_rate else False
        if busy:
            self._counts.failed("SlowDown")
        return busy

    def _answer(self, operation: str, parameters: Parameters) -> dict[str, Any]:
        match operation:
            case "StartExportTask":
                return self._start(parameters)
            case "DescribeAgents":
                size = self.settings.page_size
                return describe_agents(self.agents, parameters, now=self._clock(), max_items=size)
            case "ListConfigurations":
                return list_configurations(self.agents, parameters, max_items=self.settings.page_size)
            case _:
                return self._describe(parameters)

    def _start(self, parameters: Parameters) -> dict[str, Any]:
        addition = requested_export(parameters)
        of_agent = self.agents.scenario(addition.agent_id) if addition.agent_id else None
        with self._starting:
            self._refuse_beyond_limits(addition)
            scenario = self.next_scenarios.popleft() if self.next_scenarios else of_agent or self.default_scenario
            if scenario.error_code:
                raise ServiceException(scenario.error_code, scenario.error_message or CONFIGURED_ERROR)
            if existing := scenario.existing_id or self._existing(addition):
                self._counts.count("starts", [existing])
                raise ServiceException("OperationNotPermittedException", EXISTING_EXPORT.format(existing))
            task = self._task(replace(addition, scenario=scenario))
            self._add_tasks([task])
        self._counts.count("starts", [task.id])
        return {"exportId": task.id}

    def _refuse_beyond_limits(self, addition: Addition) -> None:
        """Added exports count, too: the limits belong to the account."""
        now, settings, tasks = self._clock(), self.settings, self.tasks.all()
        if addition.kind is Kind.AGENT:
            in_progress = sum(task.kind is Kind.AGENT and task.in_progress(now) for task in tasks)
            if in_progress >= settings.concurrent_agent_exports:
                raise ServiceException("OperationNotPermittedException", CONCURRENT_EXPORTS)
        if settings.daily_limit is not None and addition.kind in settings.daily_limit_kinds:
            of_the_day = [task.kind for task in tasks if now - DAY_SECONDS < task.requested_at <= now]
            if sum(kind in settings.daily_limit_kinds for kind in of_the_day) >= settings.daily_limit:
                raise ServiceException("OperationNotPermittedException", settings.daily_limit_message)

    def _existing(self, addition: Addition) -> str | None:
        """The id of a successful export of the same agent and range. A range with an open end has new data later."""
        if addition.requested_start is None or addition.requested_end is None:
            return None
        wanted, now = (addition.agent_id, addition.requested_start, addition.requested_end), self._clock()
        found = (
            task.id
            for task in self.tasks.all()
            if (task.agent_id, task.requested_start, task.requested_end) == wanted and task.status(now) == "SUCCEEDED"
        )
        return next(found, None)

    def _task(self, addition: Addition) -> Task:
        now = self._clock()
        requested_at = now - addition.age_seconds
        task = Task(
            id=addition.scenario.export_id or f"export-{uuid4()}",
            kind=addition.kind,
            scenario=addition.scenario,
            requested_at=requested_at,
            appears_at=now + addition.scenario.appears_after_seconds,
            agent_id=addition.agent_id,
            requested_start=addition.requested_start,
            requested_end=addition.requested_end,
            history=self.agents.history(addition.agent_id or "", requested_at - self.settings.data_delay_seconds),
            preferences=addition.preferences,
            refused_gets=addition.scenario.refused_gets,
        )
        if not addition.scenario.large:
            task.made.set()
        return task

    def _add_tasks(self, tasks: Sequence[Task]) -> None:
        self.tasks.add(tasks)
        for task in tasks:
            if task.scenario.large:
                self._make(task)

    def _describe(self, parameters: Parameters) -> dict[str, Any]:
        query, last = exports_query(parameters)
        for task in self.tasks.among(query.get("exportIds", [])):
            if task.scenario.refused_id:
                raise ServiceException("InvalidParameterValueException", f"exportIds: {task.id!r} is not valid")
        size = page_size(parameters, self.settings.page_size)
        page = list(islice(self._matching(query, None if last is None else position_of(last)), size + 1))
        found = page[:size]
        self._counts.count("describes", [*query.get("exportIds", []), *(task.id for task in found)])
        token = {"nextToken": token_after(found[-1].id, query)} if len(page) > size else {}
        return {"exportsInfo": [self._info(task) for task in found], **token}

    def _matching(self, query: Parameters, position: tuple[bytes, str] | None) -> Iterator[Task]:
        """The tasks after the position that have appeared and match both the ids and the filters."""
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

    def _scripted(self, info: dict[str, Any]) -> Any:
        """The ExportInfo as the scenario of its export changes it."""
        task = self.tasks.get(info["exportId"])
        scenario = task.scenario if task else self.default_scenario
        if scenario.entry:
            return json.loads(scenario.entry)
        changed = info | scenario.info
        return {name: value for name, value in changed.items() if name not in scenario.info_without}

    def _info(self, task: Task) -> dict[str, Any]:
        now = self._clock()
        status = task.status(now)
        info: dict[str, Any] = {
            "exportId": task.id,
            "exportStatus": status,
            "statusMessage": task.status_message(now),
            "exportRequestTime": round(task.requested_at, 3),
            "isTruncated": task.is_truncated and status != "IN_PROGRESS",
        }
        if status == "SUCCEEDED" and not task.scenario.no_download_url:
            scripted = task.scenario.download_url
            url = self._download_url(task, self.settings.marker) if scripted is None else scripted
            self._counts.signed(url.rpartition("X-Amz-Signature=")[2])
            info["configurationsDownloadUrl"] = url
        span = {"requestedStartTime": task.requested_start, "requestedEndTime": task.requested_end}
        return info | {name: value for name, value in span.items() if value is not None}
