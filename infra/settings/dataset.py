"""Datasets that a deployment adds to those that are known: which files they are of, and their columns."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Predicate
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..table_schemas import EXPORTS_TABLE, OTHER, PARTITIONS, known_tables

LIMIT_BYTES = 2_500
"""Of all of them as JSON, of the 4 KB that Lambda allows for the whole environment of a function."""
TAKEN = {OTHER[0], *(name for name, _ in PARTITIONS)}


def _refuse_taken(name: str) -> str:
    if name in {*known_tables(), EXPORTS_TABLE, OTHER[0], "agent_results"} or name.startswith("latest_"):
        raise ValueError(f"must be another than {name!r}, which is taken")
    return name


def _refuse_alike(columns: Mapping[str, str]) -> Mapping[str, str]:
    names = [name_in_sql(header) for header in columns]
    if not all(names) or len({*(name.lower() for name in names), *TAKEN}) < len(names) + len(TAKEN):
        raise ValueError(f"must be different names in SQL, none of them {', '.join(sorted(TAKEN))}: {names}")
    return columns


def name_in_sql(header: str) -> str:
    """``Size (GB)`` is ``Size_GB``."""
    return re.sub("[^A-Za-z0-9]+", "_", header).strip("_")


class CustomDataset(BaseModel):
    """Files whose name matches ``pattern`` (``*_disk.csv``), unless a known dataset's does; ``columns`` by header.

    Refuses a name that is taken or cannot name a table, and columns that SQL could not tell apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        Field(pattern="^[a-z][a-z0-9_]{0,63}$", description="small letters, digits and _, up to 64"),
        AfterValidator(_refuse_taken),
    ]
    pattern: Annotated[
        str, Predicate(lambda pattern: bool(pattern.strip("*? "))), Field(description="a file's name with * and ?")
    ]
    columns: Annotated[
        Mapping[str, Literal["string", "bigint", "double", "timestamp"]],
        Field(min_length=1, description="at least one header with its type: string, bigint, double or timestamp"),
        AfterValidator(_refuse_alike),
    ]

    @property
    def table(self) -> Mapping[str, tuple[str, str]]:
        """Name in SQL and type of each column by its header."""
        return {header: (name_in_sql(header), kind) for header, kind in self.columns.items()}


def refuse_too_many(added: tuple[CustomDataset, ...]) -> tuple[CustomDataset, ...]:
    """``added``, if no two have a name and the environment of a function has room for them."""
    if len({each.name for each in added}) < len(added):
        raise ValueError("must not have a name twice")
    if (size := len(environment_text(added).encode())) > LIMIT_BYTES:
        raise ValueError(f"must be at most {LIMIT_BYTES} bytes in all, since Lambda's environment ends at 4 KB: {size}")
    return added


def environment_text(added: tuple[CustomDataset, ...]) -> str:
    """As the storing function reads them; nothing when there are none."""
    told = [{"name": each.name, "pattern": each.pattern, "columns": each.table} for each in added]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) if told else ""
