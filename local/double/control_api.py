"""The control API under ``/_double/``: counts, scenarios, settings, agents, and exports to add."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from .agents import Agent
from .call_counts import Counts
from .data.agent_files import true_rows
from .data.data_center import MAX_SERVERS, DataCenter
from .data.samples import Span
from .dataclass_json import InvalidControlRequest, replace_from_json
from .scenario import Addition, Scenario, Settings
from .service import Service

Document = Mapping[str, Any]
MAX_ADDED = 100_000


class Control:
    """Answers control requests. Each request takes effect before its response."""

    def __init__(self, service: Service, counts: Counts, data_center: DataCenter) -> None:
        self._service = service
        self._counts = counts
        self._data_center = data_center
        self._routes: dict[tuple[str, str], Callable[[Document], dict[str, Any]]] = {
            ("GET", "counts"): lambda _: counts.to_json(),
            ("DELETE", "counts"): self._reset_counts,
            ("GET", "signatures"): lambda _: {"signatures": counts.signatures()},
            ("GET", "settings"): lambda _: asdict(service.settings),
            ("PATCH", "settings"): self._change_settings,
            ("GET", "scenarios"): self._show_scenarios,
            ("PUT", "scenarios"): self._set_scenarios,
            ("GET", "agents"): self._show_agents,
            ("PUT", "agents"): self._set_agents,
            ("POST", "rows"): self._true_rows,
            ("GET", "exports"): lambda _: {"exports": service.exports()},
            ("POST", "exports"): self._add_exports,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, name: str, document: object) -> dict[str, Any]:
        """Return the response. Raises `InvalidControlRequest`, which says what is invalid."""
        route = self._routes.get((method, name))
        if not route:
            known = ", ".join(f"{method} /_double/{name}" for method, name in self._routes)
            raise InvalidControlRequest(f"unknown request: {method} /_double/{name}; known: {known}")
        return route(_object("the body", document))

    def _reset_counts(self, _: Document) -> dict[str, Any]:
        self._counts.reset()
        return {}

    def _change_settings(self, document: Document) -> dict[str, Any]:
        self._service.configure(replace_from_json(self._service.settings, document))
        return asdict(self._service.settings)

    def _show_scenarios(self, _: Document) -> dict[str, Any]:
        next_scenarios = [asdict(scenario) for scenario in self._service.next_scenarios]
        return {"next": next_scenarios, "default": asdict(self._service.default_scenario)}

    def _set_scenarios(self, document: Document) -> dict[str, Any]:
        if unknown := document.keys() - {"next", "default"}:
            raise InvalidControlRequest(f"unknown: {', '.join(sorted(unknown))}; known: next, default")
        scenarios = [
            replace_from_json(Scenario(), _object("next", each)) for each in _list("next", document.get("next", []))
        ]
        default = replace_from_json(Scenario(), _object("default", document.get("default", {})))
        self._service.set_scenarios(scenarios, default)
        return self._show_scenarios(document)

    def _show_agents(self, _: Document) -> dict[str, Any]:
        return {
            "seed": self._data_center.seed,
            "size": self._data_center.size,
            "account": self._data_center.account,
            "agents": self._service.agents.ids(with_exports=True),
            "others": self._service.agents.ids(with_exports=False),
        }

    def _set_agents(self, document: Document) -> dict[str, Any]:
        if document.keys() != {"agents"}:
            raise InvalidControlRequest("the body is not {agents: [...]}")
        documents = _list("agents", document["agents"])[:MAX_SERVERS]
        agents = [replace_from_json(Agent(), _object("agents", each)) for each in documents]
        return {"ids": self._service.agents.set(agents)}

    def _true_rows(self, document: Document) -> dict[str, Any]:
        try:
            agent_id, (start, end) = str(document["agent_id"]), (float(document[name]) for name in ("start", "end"))
            span = Span(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InvalidControlRequest("the body is not {agent_id: text, start: number, end: number}") from None
        server, history = self._data_center.server_of(agent_id), self._service.agents.history(agent_id, end)
        if not server or not history:
            raise InvalidControlRequest(f"agent_id: {agent_id} has no sample_seconds")
        return {"files": true_rows(self._data_center, server, history, span)}

    def _add_exports(self, document: Document) -> dict[str, Any]:
        if document.keys() == {"exports"}:
            documents = [_object("exports", each) for each in _list("exports", document["exports"])]
        elif document.keys() <= {"count", "each"} and type(document.get("count")) is int:
            documents = [_object("each", document.get("each", {}))] * min(document["count"], MAX_ADDED)
        else:
            raise InvalidControlRequest("the body is neither {exports: [...]} nor {count: number, each: {...}}")
        additions = [Addition.read(each, self._data_center, number) for number, each in enumerate(documents)]
        return {"ids": self._service.add(additions)}

    def _reset(self, _: Document) -> dict[str, Any]:
        self._service.tasks.clear()
        self._service.agents.reset()
        self._service.set_scenarios([], Scenario())
        self._service.configure(Settings(home_region=self._service.settings.home_region))
        self._counts.reset()
        return {}


def _object(name: str, value: object) -> Document:
    if not isinstance(value, dict):
        raise InvalidControlRequest(f"{name}: {value!r} is not an object")
    return value


def _list(name: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise InvalidControlRequest(f"{name}: {value!r} is not a list")
    return value
