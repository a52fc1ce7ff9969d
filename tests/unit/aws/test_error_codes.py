"""The table of error codes, tried with every code that botocore names for the services that the functions call.

What botocore itself retries is the second reading: its standard mode, and the policies of its legacy mode.
"""

from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore import xform_name
from botocore.credentials import CredentialResolver, Credentials
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.loaders import Loader
from botocore.model import OperationModel
from botocore.parsers import ResponseParserError
from botocore.retries import standard
from botocore.session import get_session
from botocore.stub import Stubber

from exports.aws.assume_role import AssumedRoleCredentials
from exports.aws.client_errors import aws_call, error_code
from exports.aws.discovery import DiscoveryService
from exports.aws.error_codes import ERROR_CLASSES, Meaning, canonical, meaning, safe_code
from exports.errors import NonRetryableError, ServiceError
from exports.outcomes.catalog import Catalog
from exports.outcomes.events import EventPublisher
from exports.outcomes.outcome import Outcome
from exports.s3.bucket import Bucket
from tests import error_table
from tests.unit.builders import row
from tests.unit.fakes import FakeClock

Error = tuple[str, int]
"""Code and HTTP status."""
SERVICES = {
    "discovery": "DescribeExportTasks",
    "s3": "DeleteObject",
    "dynamodb": "BatchGetItem",
    "events": "PutEvents",
    "sts": "AssumeRole",
}
WAITING_HELPS = {
    ("ExpiredToken", 400),
    ("ExpiredTokenException", 400),
    ("RequestExpired", 400),
    ("RequestInTheFuture", 403),
    ("RequestTimeTooSkewed", 403),
    ("TokenRefreshRequired", 400),
    ("OperationAborted", 409),
    ("TransactionConflictException", 400),
    ("KeyUnavailableException", 400),
    ("DependencyTimeoutException", 400),
    ("KMSInternalException", 400),
    ("InvalidResponse", 403),
    ("AnyOtherCode", 500),
    ("AnyOtherCode", 503),
    ("AnyOtherCode", 599),
    ("AnyOtherCode", 429),
}
"""What botocore does not retry by itself, or not in every mode."""
WAITING_DOES_NOT_HELP = {
    ("SubscriptionRequiredException", 400),
    ("InvalidSignatureException", 400),
    ("MissingAuthenticationTokenException", 400),
    ("MissingAuthenticationToken", 403),
    ("OptInRequired", 403),
    ("IncompleteSignatureException", 400),
    ("SignatureDoesNotMatch", 403),
    ("InvalidAccessKeyId", 403),
    ("UnrecognizedClientException", 400),
    ("InvalidClientTokenId", 403),
    ("AccessDeniedException", 400),
    ("AccessDenied", 403),
    ("KMS.DisabledException", 400),
    ("KMS.KMSInvalidStateException", 400),
    ("KMS.NotFoundException", 400),
    ("AnyOtherCode", 400),
    ("AnyOtherCode", 403),
    ("AnyOtherCode", 404),
    ("AnyOtherCode", 409),
    ("AnyOtherCode", 418),
    ("PermanentRedirect", 301),
}


@cache
def legacy_policies(service: str) -> set[Error]:
    """Codes, with their statuses, that the legacy mode retries for the service."""
    data = Loader().load_data("_retry")
    configs = (data["retry"]["__default__"], data["retry"].get(service, {}).get("__default__", {}))
    found = set()
    for policy in (each for config in configs for each in config.get("policies", {}).values()):
        definition = data["definitions"][policy["$ref"].rpartition(".")[2]] if "$ref" in policy else policy
        response = definition["applies_when"].get("response", {})
        if "service_error_code" in response:
            found.add((response["service_error_code"], response["http_status_code"]))
    return found


@cache
def operation_model(service: str) -> OperationModel:
    return get_session().get_service_model(service).operation_model(SERVICES[service])


@cache
def modelled(service: str) -> set[Error]:
    """The errors in the model of the service; those without a status have that of the protocol."""
    shapes = Loader().load_service_model(service, "service-2")["shapes"]
    found = set()
    for name, shape in shapes.items():
        if shape.get("exception"):
            error = shape.get("error", {})
            found.add((error.get("code", name), error.get("httpStatusCode", 500 if shape.get("fault") else 400)))
    return found


def botocore_retries(service: str, code: str, status: int) -> bool:
    """Whether one of the modes of botocore retries a call after this error."""
    response: Any = SimpleNamespace(status_code=status, headers={})
    context = standard.RetryContext(1, operation_model(service), {"Error": {"Code": code}}, response, None, {})
    legacy_codes = {each for each, _ in legacy_policies(service)}
    return standard.StandardRetryConditions(5).is_retryable(context) or code in legacy_codes


def errors_of(service: str) -> set[Error]:
    """Every error that botocore names for the service, under each of its names, and those in the lists above."""
    transient: Any = standard.TransientRetryableChecker()
    throttled: Any = standard.ThrottledRetryableChecker()
    lists = {(code, 400) for code in (*transient._transient_error_codes, *throttled._throttled_error_codes)}
    named = modelled(service) | legacy_policies(service) | lists | WAITING_HELPS | WAITING_DOES_NOT_HELP
    return named | {(f"{canonical(code)}Exception", status) for code, status in named}


def expected(service: str, code: str, status: int) -> bool:
    """Whether another call may succeed."""
    names = {code, canonical(code), f"{canonical(code)}Exception", f"{canonical(code)}Error"}
    return any(botocore_retries(service, name, status) or (name, status) in WAITING_HELPS for name in names)


@pytest.mark.parametrize("service", SERVICES)
def test_fault_41_every_code_that_botocore_names_is_refused_or_goes_on_as_botocore_says(service: str) -> None:
    tried = errors_of(service)

    wrong = [
        (code, status)
        for code, status in sorted(tried)
        if (meaning(code, status) is not Meaning.REFUSED) != expected(service, code, status)
    ]

    print(f"{service}: {len(tried)} codes")
    assert wrong == []
    assert len(tried) > 80


def adapter(service: str, client: Any) -> Callable[[], object]:
    """A function that calls the adapter of the service once. The adapter of S3 makes up to four attempts."""
    clock = FakeClock()
    match service:
        case "discovery":
            return DiscoveryService(client).describe
        case "s3":
            bucket = Bucket(client, bucket="b", owner="1", retry_policy=clock.retry_policy())
            return lambda: bucket.delete("key")
        case "dynamodb":
            return lambda: Catalog(client, "t", account="1", region="r", clock=clock).rows(["export-1"])
        case "events":
            return lambda: EventPublisher(client, "b", bucket="b", catalog="arn").publish(row(), Outcome.STORED)
        case _:
            return DiscoveryService(with_role(client)).describe


def with_role(sts: Any) -> Any:
    """A client of Application Discovery Service whose credentials come from ``sts``."""
    own: Any = SimpleNamespace(create_client=lambda *_, **__: sts, get_credentials=lambda: Credentials("x", "x"))
    session: Any = get_session()
    provider = AssumedRoleCredentials(own, "arn:aws:iam::111122223333:role/r", RoleSessionName="PlanRun")
    session.register_component("credential_provider", CredentialResolver([provider]))
    return boto3.Session(botocore_session=session).client("discovery", region_name="us-west-2")


@pytest.fixture(params=SERVICES)
def failing(request: pytest.FixtureRequest) -> Iterator[tuple[str, Callable[[str, int], tuple[ServiceError, int]]]]:
    """A service, and a function that calls its adapter, which gets this code and status; returns error and attempts."""
    service: str = request.param
    session: Any = boto3.Session("x", "x", region_name="us-west-2")
    client = session.client(service)
    call = adapter(service, client)
    stubber: Any = Stubber(client)
    with stubber:

        def fail(code: str, status: int) -> tuple[ServiceError, int]:
            for _ in range(4):
                stubber.add_client_error(xform_name(SERVICES[service]), code, "see https://x/s3cr3t", status)
            with pytest.raises(ServiceError) as failed:
                call()
            attempts = 4 - len(stubber._queue)
            stubber._queue.clear()
            return failed.value, attempts

        yield service, fail


def test_fault_41_every_adapter_raises_what_the_table_says_with_the_code_alone(failing: Any) -> None:
    service, fail = failing

    for code, status in sorted(errors_of(service)):
        error, attempts = fail(code, status)
        refused = meaning(code, status) is Meaning.REFUSED

        assert (str(error), isinstance(error, NonRetryableError)) == (code, refused)
        assert attempts == (4 if service == "s3" and not refused else 1), "other clients repeat calls by themselves"


@pytest.mark.parametrize(
    ("code", "message", "found"),
    [
        ("InvalidSignatureException", "Signature expired: 20261129T000000Z is now earlier than …", Meaning.TEMPORARY),
        ("SignatureDoesNotMatch", "Signature not yet current: 20261129T000000Z is still later …", Meaning.TEMPORARY),
        ("InvalidSignatureException", "The request signature we calculated does not match", Meaning.REFUSED),
        ("AccessDeniedException", "Signature expired: 20261129T000000Z", Meaning.REFUSED),
    ],
)
def test_a_signature_is_refused_unless_the_message_says_that_the_clocks_differ(
    code: str, message: str, found: Meaning
) -> None:
    assert meaning(code, 403, message) is found


@pytest.mark.parametrize(
    "names",
    [
        ("ExpiredToken", "ExpiredTokenException"),
        ("Throttling", "ThrottlingException", "KMS.ThrottlingException", "Client.Throttling"),
        ("AccessDenied", "AccessDeniedException", "KMS.AccessDeniedException"),
        ("InternalServerError", "InternalServerException", "InternalServerErrorException"),
        ("ServiceUnavailable", "ServiceUnavailableException", "ServiceUnavailableError"),
        ("RequestTimeout", "RequestTimeoutException"),
        ("KeyUnavailableException", "KMS.KeyUnavailableException"),
    ],
)
def test_several_names_of_an_error_are_treated_alike(names: tuple[str, ...]) -> None:
    assert len({meaning(name, status) for name in names for status in (None, 200, 400)}) == 1


@pytest.mark.parametrize("name", ["KeyUnavailable", "DependencyTimeout", "KMSInternal"])
def test_fault_41_a_fault_of_kms_with_status_400_is_temporary(name: str) -> None:
    """Amazon S3 passes the errors of AWS KMS on, with their status."""
    assert meaning(f"KMS.{name}Exception", 400) is Meaning.TEMPORARY


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("AccessDenied", 403, "AccessDenied"),
        ("KMS.NotFoundException", 400, "KMS.NotFoundException"),
        ("503", 503, "503"),
        ("A" * 450_000, 400, "400"),
        ("https://bucket.s3.amazonaws.com/key?X-Amz-Signature=s3cr3t", 500, "500"),
        ("Access\nDenied", 403, "403"),
        ("Zugriff verweigert", 400, "400"),
        ("f00dface" * 8, 400, "400"),
        ("XAmzSignature.f00d", 403, "403"),
        ("<script>", None, "Unknown"),
        ("", 400, "400"),
        (None, 404, "404"),
        ({"a": 1}, 400, "400"),
        (True, 400, "400"),
    ],
)
def test_bad_input_38_text_in_the_place_of_a_code_is_not_kept(code: object, status: int | None, text: str) -> None:
    error = ClientError(cast(Any, {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}), "x")

    assert safe_code(code, status) == error_code(error) == text


@pytest.mark.parametrize("error", [ConnectTimeoutError(endpoint_url="https://x/s3cr3t"), ResponseParserError("s3cr3t")])
def test_an_error_without_an_answer_is_temporary_and_has_only_its_name(error: Exception) -> None:
    with pytest.raises(ServiceError, match=f"^{type(error).__name__}$") as failed, aws_call():
        raise error

    assert not isinstance(failed.value, NonRetryableError)


def test_codes_of_the_table_are_in_their_shortest_form_and_in_one_row() -> None:
    rows = [(code, each) for each in ERROR_CLASSES for code in each.codes]

    assert [code for code, _ in rows if canonical(code) != code] == []
    assert len({(code, each.messages) for code, each in rows}) == len(rows)


def test_the_page_has_the_table_of_the_code() -> None:
    assert error_table.PAGE.read_text("utf-8") == error_table.page(), "run: python -m tests.error_table"
