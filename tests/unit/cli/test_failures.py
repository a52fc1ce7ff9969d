"""The line and the exit code of each error."""

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from discovery_exports.cli.failures import (
    CallRefused,
    ExitCode,
    NotStored,
    Throttled,
    failure_of,
    is_transient,
    one_line,
)
from tests.unit.cli.stack import client_error

URL = "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=s3cr3t"


@pytest.mark.parametrize(
    "error",
    [
        boto.NoCredentialsError(),
        boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        boto.CredentialRetrievalError(provider="sso", error_msg="expired"),
        boto.UnauthorizedSSOTokenError(),
        boto.TokenRetrievalError(provider="sso", error_msg="expired"),
        boto.NoRegionError(),
        boto.InvalidRegionError(region_name="us east"),
        boto.InvalidRetryModeError(provided_retry_mode="x", valid_modes="standard"),
        boto.ProfileNotFound(profile="none"),
        boto.ConfigParseError(path="config"),
        boto.EndpointConnectionError(endpoint_url=URL),
        boto.SSLError(endpoint_url=URL, error=OSError("self-signed")),
        boto.ConnectTimeoutError(endpoint_url=URL),
        boto.ReadTimeoutError(endpoint_url=URL),
        boto.ProxyConnectionError(proxy_url="http://user:password@proxy"),
        ValueError("Invalid endpoint: nonsense"),
        ResponseParserError("Unable to parse response (not well-formed), invalid XML received: <html>"),
        OSError(28, "No space left on device"),
        PermissionError(13, "Permission denied", "/home/me/.aws/config"),
        boto.EndpointConnectionError(endpoint_url="https://user:password@host:8080/path"),
        *(client_error(code) for code in ("ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch")),
    ],
    ids=lambda error: f"{type(error).__name__}-{error}"[:40],
)
def test_configuration_credentials_and_connection_have_one_exit_code(error: Exception) -> None:
    failure = failure_of(error)

    assert failure
    assert failure.exit_code is ExitCode.CONFIGURATION
    assert "s3cr3t" not in str(failure)
    assert "password" not in str(failure)
    assert len(str(failure).splitlines()) == 1


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ThrottlingException", "ResourceNotFoundException", "Unknown"]
)
def test_a_refused_call_names_the_call_the_code_and_the_message(code: str) -> None:
    failure = failure_of(client_error(code, "not authorized to perform: dynamodb:Query", "Query"))

    assert failure
    assert failure.exit_code is ExitCode.REFUSED
    assert f"AWS refused Query: {code}: not authorized to perform: dynamodb:Query" in str(failure)


def test_a_message_of_aws_is_one_printable_line_without_urls() -> None:
    failure = failure_of(client_error("Odd", f"line 1\nline 2\x1b[31m {URL}"))

    assert str(failure).endswith(r"line 1 line 2\x1b[31m <hidden>.")


def test_the_host_and_port_of_an_endpoint_are_named_without_credentials() -> None:
    failure = failure_of(boto.EndpointConnectionError(endpoint_url="https://user:password@host:8080/path"))

    assert "There is no connection to https://host:8080. " in str(failure)


@pytest.mark.parametrize(
    "error",
    [
        Throttled("x"),
        ResponseParserError("x"),
        client_error("ThrottlingException"),
        boto.ProxyConnectionError(proxy_url="x"),
    ],
    ids=repr,
)
def test_what_may_pass_is_transient(error: Exception) -> None:
    assert is_transient(error)


def test_a_refusal_and_a_defect_are_not_transient() -> None:
    assert not any(map(is_transient, (CallRefused("x"), client_error("AccessDenied"), KeyError("x"))))


def test_advice_fits_the_error() -> None:
    home, retry = (
        client_error("HomeRegionNotSetException", "none"),
        boto.InvalidRetryModeError(provided_retry_mode="x", valid_modes="standard"),
    )

    assert "Choose the home Region of AWS Migration Hub with --region" in str(failure_of(home))
    assert "Sign in" not in str(failure_of(retry))


def test_an_own_failure_stays_and_another_error_is_none() -> None:
    own = NotStored("no")

    assert failure_of(own) is own
    assert failure_of(KeyError("x")) is None
    assert failure_of(ValueError("x")) is None


def test_a_line_has_no_line_breaks_of_any_kind() -> None:
    assert one_line(" a\r\nb\x85c\u2028d ") == "a b c d"
