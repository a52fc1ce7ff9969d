"""The client of the functions, with given HTTP responses of Application Discovery Service."""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse

from exports.aws.discovery import discovery_client

if TYPE_CHECKING:
    from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

Answer = tuple[int, bytes]
"""HTTP status and body."""


class AnsweredClient:
    """``client`` gets the answers of ``respond``, which takes the parameters of a request. Records the requests.

    There is one client, whose creation takes longer than a test, so a new instance replaces the one before.
    """

    def __init__(self, respond: Callable[[Mapping[str, Any]], Answer]) -> None:
        self.client = _client()
        self.requests: list[Mapping[str, Any]] = []
        self._respond = respond
        _current[:] = [self]

    def answer(self, parameters: Mapping[str, Any]) -> Answer:
        self.requests.append(parameters)
        return self._respond(parameters)


_current: list[AnsweredClient] = []


@cache
def _client() -> "ApplicationDiscoveryServiceClient":
    client = discovery_client(boto3.Session("test", "test", region_name="us-west-2"), "us-west-2")
    events: Any = client.meta.events
    events.register("before-send.discovery.DescribeExportTasks", _send)
    # botocore's retries, which would wait:
    service = "application-discovery-service"
    events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    return client


def _send(request: Any, **_: object) -> AWSResponse:
    status, body = _current[0].answer(json.loads(request.body))
    return AWSResponse(request.url, status, {"content-length": str(len(body))}, _Raw(body))  # type: ignore[arg-type]  # what it needs of a response of urllib3


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> Iterable[bytes]:
        return iter([self.read()])


def answers(*bodies: bytes | str | Answer) -> AnsweredClient:
    """A client that gets these bodies, one after another, with status 200 unless given."""
    rest = iter(bodies)

    def respond(_: Mapping[str, Any]) -> Answer:
        body = next(rest)
        if isinstance(body, tuple):
            return body
        return 200, body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body

    return AnsweredClient(respond)


def listing(*infos: object, **more: object) -> str:
    return json.dumps({"exportsInfo": infos, **more})
