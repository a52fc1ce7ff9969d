"""Client of the double's control API, for tests and the demo. They start and describe exports with boto3."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

Document = Mapping[str, Any]


class Double:
    """Control requests to a running double.

    `local.double.scenario` defines the members of scenarios, settings and additions. Each method raises `ValueError`
    with the message of the double if the request is invalid.
    """

    def __init__(self, url: str, ca: str | Path | None = None) -> None:
        """``ca`` is a file of CA certificates to trust, for example the bundle of the local AWS."""
        self.url = url.rstrip("/")
        self._http = urllib3.PoolManager(ca_certs=str(ca) if ca else None, retries=False, timeout=30.0)

    def set_scenarios(self, *scenarios: Document, default: Document | None = None) -> None:
        """Set the scenarios of the next exports, one each. All later exports use ``default``."""
        self._request("PUT", "scenarios", {"next": list(scenarios), "default": default or {}})

    @contextmanager
    def with_scenarios(self, *scenarios: Document) -> Iterator[None]:
        """Use the scenarios for exports that are started in the block, one each. Unused scenarios are discarded."""
        self.set_scenarios(*scenarios)
        try:
            yield
        finally:
            self.set_scenarios()

    def add(self, *exports: Document) -> list[str]:
        """Add exports without StartExportTask, and return their ids."""
        return list(self._request("POST", "exports", {"exports": list(exports)})["ids"])

    def add_many(self, count: int, each: Document | None = None) -> list[str]:
        """Add ``count`` exports with the same members. Agent exports use the agents of the double in turn."""
        return list(self._request("POST", "exports", {"count": count, "each": each or {}})["ids"])

    def settings(self, **changes: object) -> dict[str, Any]:
        """Change settings of the service, and return all settings."""
        return self._request("PATCH", "settings", changes)

    def counts(self) -> dict[str, Any]:
        """``calls`` by operation, ``errors`` by code, and ``exports`` by id: starts, describes, heads, gets, bytes."""
        return self._request("GET", "counts")

    def signatures(self) -> set[str]:
        """The signatures of all download URLs that the double returned."""
        return set(self._request("GET", "signatures")["signatures"])

    def reset_counts(self) -> None:
        self._request("DELETE", "counts")

    def gets(self, export_ids: Sequence[str] | None = None) -> int:
        """The number of GETs of these exports, or of all exports."""
        exports = self.counts()["exports"]
        return sum(counts["gets"] for name, counts in exports.items() if export_ids is None or name in export_ids)

    def agents(self) -> list[str]:
        """The ids of all agents of the double, without connectors and collectors."""
        return list(self._request("GET", "agents")["agents"])

    def set_agents(self, *agents: Document) -> list[str]:
        """Replace all agents, connectors and collectors, and return the ids of the new ones, in the same order.

        `local.double.agents.Agent` defines the members. A later call with changed members changes the same agents.
        """
        return list(self._request("PUT", "agents", {"agents": list(agents)})["ids"])

    def true_rows(self, agent_id: str, start: float, end: float) -> dict[str, list[list[str]]]:
        """All rows of an agent with ``sample_seconds`` from start to end, both included, by file (``osInfo.csv``).

        Times are seconds since the epoch. Exports of windows that cover the range have these rows together; those of
        a second that two windows share are in both.
        """
        body = {"agent_id": agent_id, "start": start, "end": end}
        return dict(self._request("POST", "rows", body)["files"])

    def exports(self) -> list[dict[str, Any]]:
        """All exports, in the order in which they were started or added, with what was requested and their status."""
        return list(self._request("GET", "exports")["exports"])

    def reset(self) -> None:
        """Remove all exports, scenarios and counts, and reset the agents and all settings except ``home_region``."""
        self._request("POST", "reset")

    def close(self) -> None:
        self._http.clear()

    def _request(self, method: str, name: str, document: Document | None = None) -> dict[str, Any]:
        body = json.dumps(document or {})
        response = self._http.request(method, f"{self.url}/_double/{name}", body=body)
        result: dict[str, Any] = response.json()
        if response.status != 200:
            raise ValueError(result["error"])
        return result
