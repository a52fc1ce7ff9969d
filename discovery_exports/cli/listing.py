"""What the commands that list exports share: the columns of their tables, and the exports of an agent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from discovery_exports.cli.catalog import Item, exit_code_of, public, why
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import NOT_AWS, ExitCode, Misconfigured
from discovery_exports.cli.output import Column, number
from discovery_exports.cli.run_input import agents_filter, checked_agents
from discovery_exports.cli.times import short_bytes, short_time

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient


def style_of(status: str) -> str:
    """Green if the export is stored, red if it is not, yellow while it may still be."""
    return {ExitCode.DONE: "green", ExitCode.NOT_STORED: "red"}.get(exit_code_of([status]), "yellow")


ID = Column("exportId", "export", whole=True)
STATUS = Column("status", "status", whole=True, style=style_of)
KIND = Column("kind", "kind", whole=True, spare=1)
REQUESTED = Column("exportRequestTime", "requested", short_time, whole=True, spare=2)
RECORDED = Column("settledAt", "settled", short_time, whole=True, spare=2)
FILES = Column("files", "files", number, right=True, spare=4)
ROWS = Column("rows", "rows", number, right=True, spare=4)
BYTES = Column("bytes", "size", short_bytes, right=True, whole=True, spare=3)
WHY = Column("why", "why")
COLUMNS = (ID, STATUS, KIND, REQUESTED, ROWS, BYTES, WHY)


def with_why(item: Item) -> dict[str, object]:
    """The public members of the item, and why it has its status."""
    return {**public(item), "why": why(item)}


def ids_of_agents(context: Context, agents: Sequence[str]) -> set[str]:
    """The exports of these agents that the service lists now. The catalog has no agents: the service reports none.

    The response has download URLs, which are dropped here.
    """
    client: ApplicationDiscoveryServiceClient = context.client("discovery")
    pages = client.get_paginator("describe_export_tasks").paginate(
        filters=[agents_filter(checked_agents(agents))]  # type: ignore[list-item]
    )
    try:
        return {info["exportId"] for page in pages for info in page["exportsInfo"]}
    except (AttributeError, KeyError, TypeError):  # HTML, or JSON of another shape, which boto3 does not check
        raise Misconfigured(NOT_AWS) from None
