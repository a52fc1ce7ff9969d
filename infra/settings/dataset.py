"""Custom datasets of a deployment: the names of their files, and their columns."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from annotated_types import Predicate
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..table_schemas import APPENDED, EXPORTS_TABLE, PARTITION, known_tables

RESERVED_COLUMNS = {name for name, _ in (*APPENDED, PARTITION)}


def _reject_reserved_name(name: str) -> str:
    if name in {*known_tables(), EXPORTS_TABLE, "other", "agent_results"} or name.startswith("latest_"):
        raise ValueError(f"must not be {name!r}, which is reserved")
    return name


def _reject_equal_columns(columns: Mapping[str, str]) -> Mapping[str, str]:
    names = [name_in_sql(header) for header in columns]
    distinct = {*(name.lower() for name in names), *RESERVED_COLUMNS}
    if not all(names) or len(distinct) < len(names) + len(RESERVED_COLUMNS):
        reserved = ", ".join(sorted(RESERVED_COLUMNS))
        raise ValueError(f"must have different names in SQL, none of them reserved ({reserved}): {names}")
    return columns


def name_in_sql(header: str) -> str:
    """The column name: ``Size_GB`` for ``Size (GB)``."""
    return re.sub("[^A-Za-z0-9]+", "_", header).strip("_")


class CustomDataset(BaseModel):
    """Files whose name matches ``pattern`` (``*_disk.csv``) and no known dataset; ``columns`` by header.

    Rejects a name that is reserved or not valid for a table, and columns whose names are equal in SQL.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        Field(pattern="^[a-z][a-z0-9_]{0,63}$", description="lower-case letters, digits and _, up to 64"),
        AfterValidator(_reject_reserved_name),
    ]
    pattern: Annotated[
        str, Predicate(lambda pattern: bool(pattern.strip("*? "))), Field(description="a file's name with * and ?")
    ]
    columns: Annotated[
        Mapping[str, Literal["string", "bigint", "double", "timestamp"]],
        Field(min_length=1, description="at least one header with its type: string, bigint, double or timestamp"),
        AfterValidator(_reject_equal_columns),
    ]

    @property
    def table(self) -> Mapping[str, tuple[str, str]]:
        """SQL name and type of each column, by header."""
        return {header: (name_in_sql(header), kind) for header, kind in self.columns.items()}


def reject_equal_names(added: tuple[CustomDataset, ...]) -> tuple[CustomDataset, ...]:
    if len({each.name for each in added}) < len(added):
        raise ValueError("must have unique names")
    return added


def environment_text(added: tuple[CustomDataset, ...]) -> str:
    """The datasets as JSON for the environment of Store export; empty if there are none."""
    documents = [{"name": each.name, "pattern": each.pattern, "columns": each.table} for each in added]
    return json.dumps(documents, ensure_ascii=False, separators=(",", ":")) if documents else ""
