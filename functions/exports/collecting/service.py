"""DescribeAgents, ListConfigurations and StartExportTask of Application Discovery Service."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from exports.aws.client_errors import aws_call, error_code, service_error
from exports.aws.error_codes import ERROR_CLASSES, INVALID_REQUEST, INVALID_RESPONSE, Meaning, canonical
from exports.collecting.agents import (
    Agent,
    AlreadyPresent,
    LimitReached,
    OutcomeUnknown,
    Request,
    RequestRefused,
    SlotsTaken,
    StartFailed,
)
from exports.collecting.setting import Kind
from exports.errors import NonRetryableError, ServiceError
from exports.redaction import redact_message
from exports.retry import RetryPolicy
from exports.runs import is_export_id

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

START_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
"""No retries: a StartExportTask call that failed may have started an export, and a second one would start another."""
MAX_PAGES = 10_000
MAX_ENTRIES = 1_000
AGENT_ID = re.compile("[!-~]{1,200}")
_CONCURRENT = re.compile("concurrent exports", re.IGNORECASE)
_PRESENT = re.compile(r"Export ID:\s*(\S+)", re.IGNORECASE)
_REFUSED_CODES = frozenset(
    code for each in ERROR_CLASSES if each.meaning is Meaning.REFUSED and not each.messages for code in each.codes
)


class AgentService:
    """The agents of the account and the start of exports. The client makes a single attempt of each call."""

    def __init__(self, client: "ApplicationDiscoveryServiceClient", retry_policy: RetryPolicy | None = None) -> None:
        self._client = client
        self._retry_policy = retry_policy or RetryPolicy(attempts=4)

    def agents(self, has_time: Callable[[], bool]) -> tuple[Sequence[Agent], bool]:
        """The agents of all pages, connectors and collectors included, and whether all pages were read in time."""
        found: dict[str, Agent] = {}
        for entries in self._pages(self._client.describe_agents, "agentsInfo", {}):
            for entry in entries:
                agent = _agent(entry)
                if agent:
                    found[agent.id] = agent
            if not has_time():
                return list(found.values()), False
        return list(found.values()), True

    def server_agent_ids(self, has_time: Callable[[], bool]) -> tuple[Sequence[str], bool]:
        """The agent ids of all servers, deleted agents among them, and whether all pages were read in time."""
        found: dict[str, None] = {}
        request = {"configurationType": "SERVER"}
        for entries in self._pages(self._client.list_configurations, "configurations", request):
            for entry in entries:
                agent_id = _text(entry, "server.agentId")
                if AGENT_ID.fullmatch(agent_id):
                    found[agent_id] = None
            if not has_time():
                return list(found), False
        return list(found), True

    def start(self, request: Request) -> str:
        """Start an export and return its id. Raises a :class:`StartFailed`, or NonRetryableError without permission."""
        try:
            response = self._client.start_export_task(**_parameters(request))
        except ClientError as error:
            raise _start_failure(error) from None
        except (BotoCoreError, ResponseParserError) as error:
            raise OutcomeUnknown(type(error).__name__) from None
        except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
            raise OutcomeUnknown(INVALID_RESPONSE) from None
        export_id = _text(response, "exportId")
        if not is_export_id(export_id):
            raise OutcomeUnknown(INVALID_RESPONSE)
        return export_id

    def _pages(self, call: Callable[..., Any], member: str, request: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """The entries of each page. Raises ServiceError for a response without a list, or a listing without an end."""
        token: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            more = {"nextToken": token} if token else {}
            response = self._retry_policy.run(partial(_read, call, {**request, "maxResults": 100, **more}))
            entries, token = response.get(member), response.get("nextToken")
            if not isinstance(entries, list) or len(entries) > MAX_ENTRIES or not isinstance(token, str | None):
                raise ServiceError(INVALID_RESPONSE)
            yield entries
            if not token:
                return
            if token in seen:
                break
            seen.add(token)
        raise ServiceError("TooManyPages")


def _read(call: Callable[..., Any], request: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        with aws_call():
            response: Mapping[str, Any] = call(**request)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        raise ServiceError(INVALID_RESPONSE) from None
    return response


def _start_failure(error: ClientError) -> StartFailed | ServiceError:
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message")
    text = message if isinstance(message, str) else ""
    name = canonical(code)
    if name == "OperationNotPermitted":
        present = _PRESENT.search(text)
        export_id = present[1].rstrip(".,;:)'\"") if present else ""
        if is_export_id(export_id):
            return AlreadyPresent(export_id)
        if _CONCURRENT.search(text):
            return SlotsTaken(code)
        return LimitReached(redact_message(text) or code)
    if name in INVALID_REQUEST:
        return RequestRefused(code)
    if name in _REFUSED_CODES:
        refusal = service_error(code, None, text)
        return refusal if isinstance(refusal, NonRetryableError) else OutcomeUnknown(code)
    return OutcomeUnknown(code)


def _parameters(request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"exportDataFormat": ["CSV"]}
    if request.kind is Kind.AGENT:
        filters = [{"name": "agentIds", "condition": "EQUALS", "values": [request.agent_id]}]
        range_ = {"startTime": request.start, "endTime": request.end}
        parameters |= {"filters": filters, **{name: value for name, value in range_.items() if value}}
    if request.kind is Kind.RECOMMENDATIONS:
        preferences = {**(request.preferences or {}), "enabled": True}
        parameters["preferences"] = {"ec2RecommendationsPreferences": preferences}
    return parameters


def _agent(entry: Any) -> Agent | None:
    """The agent of an entry; None without a usable id. An odd member counts as missing."""
    agent_id = _text(entry, "agentId")
    if not AGENT_ID.fullmatch(agent_id):
        return None
    return Agent(
        id=agent_id,
        type=_text(entry, "agentType"),
        host_name=redact_message(_text(entry, "hostName"), 200),
        health=redact_message(_text(entry, "health"), 50),
        collection_status=redact_message(_text(entry, "collectionStatus"), 50),
        registered_at=_time(_text(entry, "registeredTime")),
        last_ping_at=_time(_text(entry, "lastHealthPingTime")),
    )


def _text(entry: Any, name: str) -> str:
    value = entry.get(name) if isinstance(entry, Mapping) else None
    return value if isinstance(value, str) else ""


def _time(text: str) -> datetime | None:
    """A time such as ``2016-12-09T19:05:06Z``; None if it is anything else. Without a zone, it is in UTC."""
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.year > 2000 else None
