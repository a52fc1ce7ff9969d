"""Export tasks, as Application Discovery Service describes them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.config import Config

from exports.aws.client_errors import aws_call
from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Status
from exports.redaction import redact_message
from exports.runs import Filters

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

logger = Logger(child=True)

DISCOVERY_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=20)
"""For DescribeExportTasks. If the last attempt fails, the next poll of the batch tries again."""
MAX_PAGES = 10_000
"""More pages than this are treated as a listing that never ends."""
INVALID = frozenset({"InvalidParameterException", "InvalidParameterValueException"})
"""Codes for an invalid id or an invalid value of a filter."""
_RANK: dict[str, int] = {Status.SUCCEEDED: 2, Status.FAILED: 1}


class DiscoveryService:
    """DescribeExportTasks with all pages. The client must be in the account's Migration Hub home Region."""

    def __init__(self, client: "ApplicationDiscoveryServiceClient") -> None:
        self._client = client

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> dict[str, Export]:
        """Exports by id, at most 100 ids per call; without ids and filters, all exports of the service.

        Ids that the service does not know or rejects as invalid are absent. The other ids of a rejected call are
        requested again without the invalid ones. If an id appears twice, the most advanced status wins, so that the
        result does not depend on the order of pages.
        """
        try:
            return self._describe_all(export_ids, filters)
        except NonRetryableError as error:
            if error.code not in INVALID or filters or not export_ids:
                raise
        if len(export_ids) == 1:
            logger.warning("export ID rejected by the service", export_id=export_ids[0])
            return {}
        half = len(export_ids) // 2
        return {**self.describe(export_ids[:half]), **self.describe(export_ids[half:])}

    def _describe_all(self, export_ids: Sequence[str], filters: Filters) -> dict[str, Export]:
        found: dict[str, Export] = {}
        for export in self._pages(export_ids, filters):
            other = found.get(export.id)
            if other is None or _rank(export) > _rank(other):
                found[export.id] = export
        if unknown := {export.status for export in found.values()} - set(Status):
            logger.warning(
                "unknown export status, treated as in progress", statuses=sorted(map(redact_message, unknown))
            )
        return found

    def _pages(self, export_ids: Sequence[str], filters: Filters) -> Iterator[Export]:
        request: dict[str, Any] = {}
        if export_ids:
            request["exportIds"] = list(export_ids)
        if filters:
            request["filters"] = [dict(each) for each in filters]
        with aws_call():
            # botocore's paginator raises PaginationError if a token is returned twice.
            pages = self._client.get_paginator("describe_export_tasks").paginate(**request)
            for number, page in enumerate(pages, start=1):
                if number > MAX_PAGES:
                    raise ServiceError("TooManyPages")
                yield from map(_to_export, page.get("exportsInfo") or ())


def _rank(export: Export) -> int:
    return _RANK.get(export.status, 0)


def _to_export(info: Any) -> Export:
    """One ExportInfo. Only the id is required: the other members may be missing."""
    return Export(
        id=info["exportId"],
        status=info.get("exportStatus") or "",
        status_message=info.get("statusMessage") or "",
        requested_at=_utc(info.get("exportRequestTime")) or datetime.fromtimestamp(0, UTC),
        is_truncated=bool(info.get("isTruncated")),
        requested_start=_utc(info.get("requestedStartTime")),
        requested_end=_utc(info.get("requestedEndTime")),
        download_url=info.get("configurationsDownloadUrl") or None,
    )


def _utc(time: datetime | None) -> datetime | None:
    """The time in UTC. A time without a time zone is treated as UTC."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
