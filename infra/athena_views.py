"""Views of the newest export in the form that Athena stores: a Glue table with the SQL of the view."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_glue as glue

from discovery_exports.locations import DATASETS

TRUNCATED = ("istruncated", "boolean")
PRESTO = {"string": "varchar"}
"""Glue types that have another name in a view; all other names are equal."""


@dataclass(frozen=True, slots=True)
class View:
    """``columns`` are the names and Glue types of the columns that ``sql`` selects, in order."""

    name: str
    sql: str
    columns: Sequence[tuple[str, str]]

    def table_input(self, database: str) -> dict[str, Any]:
        """TableInput members of a view. Athena requires those for location and format, too, even if empty."""
        definition = {
            "originalSql": self.sql,
            "catalog": "awsdatacatalog",
            "schema": database,
            "columns": [{"name": name, "type": PRESTO.get(kind, kind)} for name, kind in self.columns],
        }
        encoded = base64.b64encode(json.dumps(definition).encode()).decode()
        columns = [glue.CfnTable.ColumnProperty(name=name, type=kind) for name, kind in self.columns]
        return {
            "table_type": "VIRTUAL_VIEW",
            "parameters": {"presto_view": "true", "comment": "Presto View"},
            "view_original_text": f"/* Presto View: {encoded} */",
            "view_expanded_text": "/* Presto View */",
            "partition_keys": [],
            "storage_descriptor": glue.CfnTable.StorageDescriptorProperty(
                columns=columns, serde_info=glue.CfnTable.SerdeInfoProperty()
            ),
        }


def latest(dataset: str, columns: Sequence[tuple[str, str]]) -> View:
    """The view of the rows of the newest stored export of the dataset's kind, for agents of each agent's newest.

    That export can be truncated: the last column says so.
    """
    kind = json.loads((DATASETS / "datasets.json").read_bytes())[dataset]["kind"]
    per_agent = kind == "agent"
    selected = [(name.lower(), kind) for name, kind in columns]
    lines = [
        "SELECT " + ", ".join([*(f'stored."{name}"' for name, _ in selected), "newest.istruncated"]),
        f"FROM {dataset} stored",
        f"JOIN ({_by_age_of_agents() if per_agent else _by_age(kind)}) newest",
        "ON newest.exportid = stored.export_id AND newest.age = 1",
        *(["AND newest.agentid = stored.agentid"] if per_agent else []),
    ]
    return View(f"latest_{dataset}", "\n".join(lines), [*selected, TRUNCATED])


def _by_age(kind: str) -> str:
    age = "row_number() OVER (ORDER BY exportrequesttime DESC, exportid DESC) AS age"
    return " ".join(["SELECT exportid, istruncated,", age, f"FROM exports WHERE kind = '{kind}'"])


def _by_age_of_agents() -> str:
    """An export covers an agent if it has the agent's operating system, whatever else is missing.

    The newest one is not always requested last: its range ends last. A range can end after the request.
    """
    end = "least(coalesce(requestedendtime, exportrequesttime), exportrequesttime)"
    order = f"PARTITION BY systems.agentid ORDER BY {end} DESC, exportrequesttime DESC, exportid DESC"
    age = f"row_number() OVER ({order}) AS age"
    systems = "FROM agent_os_info systems JOIN exports ON exports.exportid = systems.export_id"
    return " ".join(["SELECT systems.agentid, exportid, istruncated,", age, systems])
