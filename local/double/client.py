"""For tests and the demo: set scenarios of the double and read its counts. Exports are started and described with boto3."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

Document = Mapping[str, Any]


class Double:
    """The control requests of a running double.

    Members of scripts, settings and additions are those of `local.double.scenario`; what the double does not understand
    raises `ValueError` with its words.
    """

    def __init__(self, url: str, ca: str | Path | None = None) -> None:
        """``ca`` is a file of certificates to trust, such as the local AWS's own."""
        self.url = url.rstrip("/")
        self._http = urllib3.PoolManager(ca_certs=str(ca) if ca else None, retries=False, timeout=30.0)

    def set_scenarios(self, *scenarios: Document, default: Document | None = None) -> None:
        """Say how the coming exports go, one each, in turn; those after them go the usual way."""
        self._ask("PUT", "scenarios", {"next": list(scenarios), "default": default or {}})

    @contextmanager
    def with_scenarios(self, *scenarios: Document) -> Iterator[None]:
        """The exports that are started in the block go so, one each; whatever it leaves over, no later one does."""
        self.set_scenarios(*scenarios)
        try:
            yield
        finally:
            self.set_scenarios()

    def add(self, *exports: Document) -> list[str]:
        """Let these exports be there at once, and say their ids."""
        return list(self._ask("POST", "exports", {"exports": list(exports)})["ids"])

    def add_many(self, count: int, each: Document | None = None) -> list[str]:
        """Let so many alike exports be there at once; those of agents take the fleet's agents in turn."""
        return list(self._ask("POST", "exports", {"count": count, "each": each or {}})["ids"])

    def settings(self, **changes: object) -> dict[str, Any]:
        """Change how the service behaves, and say how it does now."""
        return self._ask("PATCH", "settings", changes)

    def counts(self) -> dict[str, Any]:
        """``calls`` by operation, ``errors`` by code, and ``exports`` by id: starts, describes, heads, gets, bytes."""
        return self._ask("GET", "counts")

    def signatures(self) -> set[str]:
        """The signatures of the links that were handed out."""
        return set(self._ask("GET", "signatures")["signatures"])

    def reset_counts(self) -> None:
        self._ask("DELETE", "counts")

    def gets(self, export_ids: Sequence[str] | None = None) -> int:
        """How many GETs there were of these exports, or of all."""
        exports = self.counts()["exports"]
        return sum(counts["gets"] for name, counts in exports.items() if export_ids is None or name in export_ids)

    def agents(self) -> list[str]:
        """The ids of the fleet's agents."""
        return list(self._ask("GET", "agents")["agents"])

    def reset(self) -> None:
        """Forget every export, scenario, setting and count."""
        self._ask("POST", "reset")

    def close(self) -> None:
        self._http.clear()

    def _ask(self, method: str, name: str, document: Document | None = None) -> dict[str, Any]:
        body = json.dumps(document or {})
        answer = self._http.request(method, f"{self.url}/_double/{name}", body=body)
        result: dict[str, Any] = answer.json()
        if answer.status != 200:
            raise ValueError(result["error"])
        return result
