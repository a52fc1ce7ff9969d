"""Export tasks, as Application Discovery Service describes them."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.config import Config

from exports.aws.client_errors import aws_call
from exports.aws.error_codes import INVALID_REQUEST, INVALID_RESPONSE, LISTING_TOOK_TOO_LONG, canonical
from exports.aws.export_info import read_export, read_json
from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Status
from exports.runs import Described, Filters

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

logger = Logger(child=True)

DISCOVERY_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=15)
"""For DescribeExportTasks. If the last attempt fails, the next poll of the batch tries again.

A call that is never answered takes 87 seconds. After MAX_SEARCH_SECONDS, it ends before Lambda ends CheckExports.
"""
MAX_PAGES = 10_000
"""More pages than this are treated as a listing that never ends. For given ids, two pages for each are the maximum."""
MAX_ENTRIES = 1_000
"""Entries of a page that are read; the service lists at most 100."""
MAX_EXPORTS = 500_000
"""More exports than this do not fit into the memory of a function."""
MAX_SEARCH_SECONDS = 20
"""Time since the first call after which a search for refused ids makes no other. The next poll continues."""
MAX_LOGGED = 100
_RANK: dict[str, int] = {Status.SUCCEEDED: 2, Status.FAILED: 1}


def discovery_client(session: "Session", region: str) -> "ApplicationDiscoveryServiceClient":
    """A client whose responses hold the JSON of the service as it is, so that odd members are found and left out."""
    client: ApplicationDiscoveryServiceClient = session.client("discovery", region_name=region, config=DISCOVERY_CONFIG)
    client.meta.events.register("before-parse.discovery.DescribeExportTasks", parse_leniently)
    return client


def parse_leniently(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Replace botocore's parsing of a response. Handles ``before-parse``.

    The parsed response has ``exportsInfo`` and ``nextToken`` as they are in the JSON, or no member at all if the first
    is no list or the second no text.

    botocore raises ValueError, RuntimeError, AttributeError, TypeError or UnicodeDecodeError for the whole response if
    one time, type, member or byte in it is odd. It reads a body that is no JSON, such as an HTML page, as ``{}``.

    An error below 500 without a JSON object gets the code INVALID_RESPONSE: a proxy has refused the call, not AWS. AWS
    writes the message as ``message`` or ``Message``; botocore ignores the second one if the first one is there.
    """
    found = read_json(response_dict["body"] or b"")
    document = found if isinstance(found, dict) else {}
    if response_dict["status_code"] < 300:
        entries, token = document.get("exportsInfo"), document.get("nextToken")
        if isinstance(entries, list) and len(entries) <= MAX_ENTRIES and isinstance(token, str | None):
            customized_response_dict |= {"exportsInfo": entries, "nextToken": token}
        response_dict["body"] = b"{}"
        return
    text = {name: value for name, value in document.items() if isinstance(value, str)}
    text["message"] = text.get("message") or text.get("Message", "")
    if not isinstance(found, dict) and response_dict["status_code"] < 500:
        text["__type"] = INVALID_RESPONSE
    response_dict["body"] = json.dumps(text).encode()


class DiscoveryService:
    """DescribeExportTasks with all pages. The client must be in the account's Migration Hub home Region."""

    def __init__(
        self, client: "ApplicationDiscoveryServiceClient", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._clock = clock

    def describe(
        self, export_ids: Sequence[str] = (), filters: Filters = (), has_time: Callable[[], bool] = lambda: True
    ) -> Described:
        """Exports by id, at most 100 ids per call; without ids and filters, all exports of the service.

        Without ids, the exports have neither message nor download URL. Ids that the service does not know are absent.
        If it refuses the call because of some ids, those are ``refused`` in the result, and the others are described.
        If an id appears twice, the most advanced status wins, so that the result does not depend on the order of pages.
        Raises ServiceError if there is no time left after a page and before the next one.
        """
        ends_at = self._clock() + MAX_SEARCH_SECONDS
        try:
            return Described(self._describe(export_ids, filters, has_time))
        except NonRetryableError as error:
            if canonical(error.code) not in INVALID_REQUEST or not export_ids or (filters and len(export_ids) == 1):
                raise
            search = _Search(
                lambda ids: self._describe(ids, filters, has_time), error.code, lambda: self._clock() < ends_at
            )
        described = search.run(export_ids)
        if filters and len(described.refused) == len(export_ids):
            raise NonRetryableError(search.code)  # the service refuses the filters
        return described

    def _describe(self, export_ids: Sequence[str], filters: Filters, has_time: Callable[[], bool]) -> dict[str, Export]:
        asked = frozenset(export_ids)
        found: dict[str, Export] = {}
        odd: list[dict[str, Any]] = []
        odd_number = 0
        for info in self._pages(export_ids, filters, has_time):
            export, oddities = read_export(info)
            if oddities:
                odd_number += 1
                odd = [*odd, oddities][:MAX_LOGGED]
            if export is None or (asked and export.id not in asked):
                continue
            other = found.get(export.id)
            if other is None or _rank(export) > _rank(other):
                # A listing may be long, so it keeps only what a plan needs.
                found[export.id] = export if asked else replace(export, status_message="", download_url=None)
            if len(found) > MAX_EXPORTS:
                raise ServiceError("TooManyExports")
        if odd:
            logger.warning("exports with odd members", number=odd_number, exports=odd)
        if unknown := {export.status for export in found.values()} - set(Status):
            logger.warning("unknown export status, treated as in progress", statuses=sorted(unknown)[:MAX_LOGGED])
        return found

    def _pages(self, export_ids: Sequence[str], filters: Filters, has_time: Callable[[], bool]) -> Iterator[Any]:
        """The entries of all pages. Raises ServiceError for a response without a list of exports."""
        request: dict[str, Any] = {}
        if export_ids:
            request["exportIds"] = list(export_ids)
        if filters:
            request["filters"] = [dict(each) for each in filters]
        max_pages = 2 * len(export_ids) or MAX_PAGES
        with aws_call():
            # botocore's paginator raises PaginationError if a token is returned twice.
            pages: Any = self._client.get_paginator("describe_export_tasks").paginate(**request)
            for number, page in enumerate(pages, start=1):
                if number > max_pages:
                    raise ServiceError("TooManyPages")
                if page.get("exportsInfo") is None:
                    raise ServiceError(INVALID_RESPONSE)
                yield from page["exportsInfo"]
                if page.get("nextToken") and not has_time():
                    raise ServiceError(LISTING_TOOK_TOO_LONG)


class _Search:
    """Finds the ids because of which the service refuses a call, with at most three calls more than there are ids.

    The ids are halved while one half is accepted. Where both are refused, there may be many, so each id is tried alone.
    A search that the service or the time ends has found what it has found; the other ids are ``unanswered``.
    """

    def __init__(
        self, describe: Callable[[Sequence[str]], dict[str, Export]], code: str, has_time: Callable[[], bool]
    ) -> None:
        self.code = code
        self._describe = describe
        self._has_time = has_time
        self._found: dict[str, Export] = {}
        self._refused: dict[str, str] = {}
        self._answered: set[str] = set()

    def run(self, export_ids: Sequence[str]) -> Described:
        try:
            self._search(export_ids)
        except NonRetryableError:
            raise
        except ServiceError:
            if not self._answered:
                raise
        logger.warning("export IDs refused by the service", export_ids=list(self._refused), error=self.code)
        return Described(self._found, refused=self._refused, unanswered=set(export_ids) - self._answered)

    def _search(self, group: Sequence[str]) -> None:
        """``group`` is refused as a whole."""
        self._note_refused(group)
        while len(group) > 1:
            half = len(group) // 2
            refused = [part for part in (group[:half], group[half:]) if self._is_refused(part)]
            if len(refused) == 1:
                (group,) = refused
                continue
            for export_id in group:
                if export_id not in self._answered:
                    self._is_refused([export_id])
            return

    def _is_refused(self, group: Sequence[str]) -> bool:
        if not self._has_time():
            raise ServiceError("SearchTimedOut")
        try:
            self._found |= self._describe(group)
        except NonRetryableError as error:
            if canonical(error.code) not in INVALID_REQUEST:
                raise
            self._note_refused(group)
            return True
        self._answered.update(group)
        return False

    def _note_refused(self, group: Sequence[str]) -> None:
        if len(group) == 1:
            self._refused[group[0]] = self.code
            self._answered.update(group)


def _rank(export: Export) -> tuple[int, bool, bool]:
    """The higher, the more is known. A second, odd entry of an export does not replace the first one."""
    return _RANK.get(export.status, 0), bool(export.download_url), export.has_request_time
