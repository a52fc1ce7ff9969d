"""Datasets that a deployment adds to those that are known: which files they are of, and their columns."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.tables import EXPORTS_TABLE, OTHER, PARTITIONS, known_tables

TYPES = ("string", "bigint", "double", "timestamp")
LIMIT_BYTES = 2_500
"""Of all of them as JSON, of the 4 KB that Lambda allows for the whole environment of a function."""
MEMBERS = {"name", "pattern", "columns"}
TAKEN = {OTHER[0], *(name for name, _ in PARTITIONS)}


@dataclass(frozen=True, kw_only=True)
class AddedDataset:
    """Files whose name matches ``pattern`` (``*_disk.csv``), unless a known dataset's does; ``columns`` by header.

    Raises ValueError for a name that is taken or cannot name a table, and for columns that SQL could not tell apart.
    """

    name: str
    pattern: str
    columns: Mapping[str, str]

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]{0,63}", self.name):
            raise ValueError(f"name must be small letters, digits and _, up to 64, not {self.name!r}")
        if self.name in {*known_tables(), EXPORTS_TABLE, OTHER[0], "agent_results"} or self.name.startswith("latest_"):
            raise ValueError(f"name {self.name} is taken")
        if not self.pattern.strip("*? "):
            raise ValueError(f"pattern must be a file's name with * and ?, not {self.pattern!r}")
        if not self.columns:
            raise ValueError("columns must hold at least one header with its type")
        for header, kind in self.columns.items():
            if kind not in TYPES:
                raise ValueError(f"the type of column {header!r} must be one of {', '.join(TYPES)}, not {kind!r}")
        names = [name.lower() for name, _ in self.table.values()]
        if not all(names) or len({*names, *TAKEN}) < len(names) + len(TAKEN):
            raise ValueError(
                f"columns must be different names in SQL, none of them {', '.join(sorted(TAKEN))}: {names}"
            )

    @property
    def table(self) -> Mapping[str, tuple[str, str]]:
        """Name in SQL and type of each column by its header: ``Size (GB)`` is ``Size_GB``."""
        return {
            header: (re.sub("[^A-Za-z0-9]+", "_", header).strip("_"), kind) for header, kind in self.columns.items()
        }


class DatasetList:
    """Reads ``[{"name": …, "pattern": …, "columns": {header: type}}]``, or the same as JSON text."""

    def read(self, value: object) -> tuple[AddedDataset, ...]:
        datasets = _from_json(value) if isinstance(value, str) else value
        if not isinstance(datasets, list | tuple):
            raise ValueError(f"must be a list of datasets, not {value!r}")  # noqa: TRY004 - as every rule does
        added = tuple(self._one(number, each) for number, each in enumerate(datasets, start=1))
        if len({each.name for each in added}) < len(added):
            raise ValueError("must not have a name twice")
        if (size := len(environment_text(added).encode())) > LIMIT_BYTES:
            raise ValueError(
                f"must be at most {LIMIT_BYTES} bytes in all, since Lambda's environment ends at 4 KB: {size}"
            )
        return added

    def _one(self, number: int, value: object) -> AddedDataset:
        if isinstance(value, AddedDataset):
            return value
        if not isinstance(value, Mapping) or set(value) != MEMBERS:
            raise ValueError(f"dataset {number} must hold {', '.join(sorted(MEMBERS))}, not {value!r}")
        for member, kind in (("name", str), ("pattern", str), ("columns", Mapping)):
            if not isinstance(value[member], kind):
                raise ValueError(f"dataset {number}: {member} cannot be {value[member]!r}")  # noqa: TRY004
        try:
            return AddedDataset(**value)
        except ValueError as fault:
            raise ValueError(f"dataset {number}: {fault}") from None


def environment_text(added: tuple[AddedDataset, ...]) -> str:
    """As the storing function reads them; nothing when there are none."""
    told = [{"name": each.name, "pattern": each.pattern, "columns": each.table} for each in added]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) if told else ""


def _from_json(text: str) -> Any:
    try:
        return json.loads(text or "[]")
    except ValueError:
        raise ValueError(f"must be JSON, not {text!r}") from None
