"""What the commands that list exports share: the columns of their tables, and the exports of an agent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from discovery_exports.cli.catalog import Item, why
from discovery_exports.cli.context import Context
from discovery_exports.cli.output import Column, number
from discovery_exports.cli.run_input import agents_filter, checked_agents
from discovery_exports.cli.times import short_bytes, short_time

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

ID = Column("exportId", "export", whole=True)
STATUS = Column("status", "status", whole=True)
KIND = Column("kind", "kind")
REQUESTED = Column("exportRequestTime", "requested", short_time, whole=True)
RECORDED = Column("settledAt", "settled", short_time, whole=True)
FILES = Column("files", "files", number, right=True)
ROWS = Column("rows", "rows", number, right=True)
BYTES = Column("bytes", "size", short_bytes, right=True, whole=True)
WHY = Column("why", "why")
COLUMNS = (ID, STATUS, KIND, REQUESTED, RECORDED, ROWS, BYTES, Column("reason", "reason"))


def with_why(item: Item) -> dict[str, object]:
    return {**item, "why": why(item)}


def ids_of_agents(context: Context, agents: Sequence[str]) -> set[str]:
    """The exports of these agents that the service lists now. The catalog has no agents: the service reports none.

    The response has download URLs, which are dropped here.
    """
    client: ApplicationDiscoveryServiceClient = context.client("discovery")
    pages = client.get_paginator("describe_export_tasks").paginate(
        filters=[agents_filter(checked_agents(agents))]  # type: ignore[list-item]
    )
    return {info["exportId"] for page in pages for info in page["exportsInfo"]}
