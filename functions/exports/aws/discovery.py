"""Export tasks as Application Discovery Service reports them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from exports.aws.client_errors import aws_call
from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Status
from exports.redaction import redact_message
from exports.runs import Filters

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

logger = Logger(child=True)

MAX_PAGES = 10_000
"""A listing that goes on beyond this is taken for one that never ends."""
INVALID = frozenset({"InvalidParameterException", "InvalidParameterValueException"})
"""Something that was asked for is none: an id, or a filter's value."""
_RANK: dict[str, int] = {Status.SUCCEEDED: 2, Status.FAILED: 1}


class DiscoveryService:
    """DescribeExportTasks, every page of it. The client must belong to the account's Migration Hub home region."""

    def __init__(self, client: "ApplicationDiscoveryServiceClient") -> None:
        self._client = client

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> dict[str, Export]:
        """Exports by id, at most 100 ids a call; with neither ids nor filters, every export that the service has.

        An id that the service does not know is absent, and so is one that it takes for no id: the others of such a call
        are asked for without it. If an id comes twice, the most advanced status wins, so that the answer does not
        depend on the order of pages.
        """
        try:
            return self._described(export_ids, filters)
        except NonRetryableError as refused:
            if refused.code not in INVALID or filters or not export_ids:
                raise
        if len(export_ids) == 1:
            logger.warning("export ID rejected by the service", export_id=export_ids[0])
            return {}
        half = len(export_ids) // 2
        return {**self.describe(export_ids[:half]), **self.describe(export_ids[half:])}

    def _described(self, export_ids: Sequence[str], filters: Filters) -> dict[str, Export]:
        found: dict[str, Export] = {}
        for export in self._pages(export_ids, filters):
            other = found.get(export.id)
            if other is None or _rank(export) > _rank(other):
                found[export.id] = export
        if odd := {export.status for export in found.values()} - set(Status):
            logger.warning(
                "unknown export status, treated as in progress", statuses=sorted(redact_message(each) for each in odd)
            )
        return found

    def _pages(self, export_ids: Sequence[str], filters: Filters) -> Iterator[Export]:
        asked: dict[str, Any] = {}
        if export_ids:
            asked["exportIds"] = list(export_ids)
        if filters:
            asked["filters"] = [dict(each) for each in filters]
        with aws_call():
            # botocore's paginator raises PaginationError when a token comes back twice.
            pages = self._client.get_paginator("describe_export_tasks").paginate(**asked)
            for number, page in enumerate(pages, start=1):
                if number > MAX_PAGES:
                    raise ServiceError("TooManyPages")
                yield from map(_to_export, page.get("exportsInfo") or ())


def _rank(export: Export) -> int:
    return _RANK.get(export.status, 0)


def _to_export(info: Any) -> Export:
    """One ExportInfo. Only the id is relied on: the rest may be missing from an answer and still be usable."""
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


def _utc(moment: datetime | None) -> datetime | None:
    """A time without a zone is taken for UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
