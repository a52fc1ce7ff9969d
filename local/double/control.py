"""The control requests under ``/_double/``: counts, scripts, settings, and exports that are there at once."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from local.double.counts import Counts
from local.double.script import Addition, Script, Settings
from local.double.service import Service
from local.double.typed import BadControl, changed
from local.fleet import Fleet

Document = Mapping[str, Any]
MOST_ADDED = 100_000


class Control:
    """Answers control requests; each takes effect before it is answered."""

    def __init__(self, service: Service, counts: Counts, fleet: Fleet) -> None:
        self._service = service
        self._counts = counts
        self._fleet = fleet
        self._routes: dict[tuple[str, str], Callable[[Document], dict[str, Any]]] = {
            ("GET", "counts"): lambda _: counts.to_json(),
            ("DELETE", "counts"): self._reset_counts,
            ("GET", "signatures"): lambda _: {"signatures": counts.signatures()},
            ("GET", "settings"): lambda _: asdict(service.settings),
            ("PATCH", "settings"): self._change_settings,
            ("GET", "script"): self._show_scripts,
            ("PUT", "script"): self._set_scripts,
            ("GET", "fleet"): self._show_fleet,
            ("POST", "exports"): self._add_exports,
            ("POST", "reset"): self._reset,
        }

    def answer(self, method: str, name: str, document: object) -> dict[str, Any]:
        """Answer the request; `BadControl` says what is wrong with it."""
        route = self._routes.get((method, name))
        if not route:
            known = ", ".join(f"{method} /_double/{name}" for method, name in self._routes)
            raise BadControl(f"there is no {method} /_double/{name}; there are {known}")
        return route(_object("the body", document))

    def _reset_counts(self, _: Document) -> dict[str, Any]:
        self._counts.reset()
        return {}

    def _change_settings(self, document: Document) -> dict[str, Any]:
        self._service.configure(changed(self._service.settings, document))
        return asdict(self._service.settings)

    def _show_scripts(self, _: Document) -> dict[str, Any]:
        scripts = [asdict(script) for script in self._service.scripts]
        return {"next": scripts, "usual": asdict(self._service.usual_script)}

    def _set_scripts(self, document: Document) -> dict[str, Any]:
        if unknown := document.keys() - {"next", "usual"}:
            raise BadControl(f"unknown: {', '.join(sorted(unknown))}; known: next, usual")
        coming = [changed(Script(), _object("next", one)) for one in _list("next", document.get("next", []))]
        usual = changed(Script(), _object("usual", document.get("usual", {})))
        self._service.set_scripts(coming, usual)
        return self._show_scripts(document)

    def _show_fleet(self, _: Document) -> dict[str, Any]:
        agents = [server.agent_id for server in self._fleet.servers()]
        return {"seed": self._fleet.seed, "size": self._fleet.size, "account": self._fleet.account, "agents": agents}

    def _add_exports(self, document: Document) -> dict[str, Any]:
        if document.keys() == {"exports"}:
            documents = [_object("exports", one) for one in _list("exports", document["exports"])]
        elif document.keys() <= {"count", "each"} and type(document.get("count")) is int:
            documents = [_object("each", document.get("each", {}))] * min(document["count"], MOST_ADDED)
        else:
            raise BadControl("the body is neither {exports: [...]} nor {count: number, each: {...}}")
        additions = [Addition.read(one, self._fleet, number) for number, one in enumerate(documents)]
        return {"ids": self._service.add(additions)}

    def _reset(self, _: Document) -> dict[str, Any]:
        self._service.tasks.clear()
        self._service.set_scripts([], Script())
        self._service.configure(Settings(home_region=self._service.settings.home_region))
        self._counts.reset()
        return {}


def _object(name: str, value: object) -> Document:
    if not isinstance(value, dict):
        raise BadControl(f"{name}: {value!r} is not an object")
    return value


def _list(name: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise BadControl(f"{name}: {value!r} is not a list")
    return value
