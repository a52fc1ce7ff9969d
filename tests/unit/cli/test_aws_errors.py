"""The exit code and the line of errors as AWS sends them: bodies in the protocol of the service, read by botocore."""

import io
import json
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from discovery_exports.cli.failures import ExitCode, failure_of
from tests.unit.builders import SESSION

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "cloudformation": ("describe_stacks", {}),
    "dynamodb": ("get_item", {"TableName": "catalog", "Key": {"exportId": {"S": "export-1"}}}),
    "stepfunctions": ("start_execution", {"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:x"}),
    "s3": ("get_object", {"Bucket": "bucket", "Key": "key"}),
    "lambda": ("get_account_settings", {}),
    "discovery": ("describe_export_tasks", {}),
}
CREDENTIALS = [
    ("cloudformation", 403, "SignatureDoesNotMatch", "The request signature we calculated does not match"),
    ("cloudformation", 403, "InvalidClientTokenId", "The security token included in the request is invalid."),
    ("cloudformation", 403, "ExpiredToken", "The security token included in the request is expired"),
    ("cloudformation", 403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    ("dynamodb", 400, "InvalidSignatureException", "The request signature we calculated does not match"),
    ("dynamodb", 400, "UnrecognizedClientException", "The security token included in the request is invalid."),
    ("dynamodb", 400, "ExpiredTokenException", "The security token included in the request is expired"),
    ("dynamodb", 400, "MissingAuthenticationTokenException", "Request is missing Authentication Token"),
    ("stepfunctions", 400, "IncompleteSignatureException", "Authorization header requires 'Credential' parameter."),
    ("discovery", 400, "UnrecognizedClientException", "The security token included in the request is invalid."),
    ("lambda", 403, "UnrecognizedClientException", "The security token included in the request is invalid."),
    ("lambda", 403, "ExpiredTokenException", "The security token included in the request is expired"),
    ("s3", 403, "SignatureDoesNotMatch", "The request signature we calculated does not match"),
    ("s3", 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    ("s3", 400, "ExpiredToken", "The provided token has expired."),
    ("s3", 400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    ("s3", 400, "TokenRefreshRequired", "The provided token must be refreshed."),
]
CLOCK = [
    (
        "cloudformation",
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20261129T000000Z is now earlier than 20261129",
    ),
    (
        "dynamodb",
        400,
        "InvalidSignatureException",
        "Signature not yet current: 20261129T000000Z is still later than 20",
    ),
    ("s3", 403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
]
REFUSALS = [
    ("cloudformation", 403, "AccessDenied", "User: x is not authorized to perform: cloudformation:DescribeStacks"),
    ("cloudformation", 403, "OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
    ("dynamodb", 400, "AccessDeniedException", "User: x is not authorized to perform: dynamodb:GetItem"),
    ("dynamodb", 400, "ResourceNotFoundException", "Requested resource not found"),
    ("stepfunctions", 400, "ExecutionLimitExceeded", "The maximum number of running executions has been reached"),
    ("discovery", 400, "AuthorizationErrorException", "x is not authorized to perform: discovery:DescribeExportTasks"),
    ("lambda", 403, "AccessDeniedException", "User: x is not authorized to perform: lambda:GetAccountSettings"),
    ("s3", 403, "AccessDenied", "User: x is not authorized to perform: s3:GetObject"),
    ("s3", 400, "KMS.DisabledException", "arn:aws:kms:us-east-1:123456789012:key/x is disabled."),
]


def line_of(service: str, status: int, code: str, message: str) -> tuple[ExitCode, str]:
    """The exit code and the line for a call that AWS answers with this error."""
    client: Any = SESSION.client(service, endpoint_url="https://127.0.0.1:9")  # type: ignore[call-overload]
    headers, body = answer(service, code, message)
    client.meta.events.register(
        "before-send",
        lambda request, **_: AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), Raw(body.encode())),
    )
    operation, arguments = CALLS[service]
    with pytest.raises(Exception) as raised:  # noqa: PT011  # of any class: failure_of says whether it is known
        getattr(client, operation)(**arguments)
    failure = failure_of(raised.value)
    assert failure, raised.value
    return failure.exit_code, str(failure)


def answer(service: str, code: str, message: str) -> tuple[dict[str, str], str]:
    """Headers and body, as AWS sends them in the protocol of the service."""
    match service:
        case "cloudformation":
            inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            namespace = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
            return {"content-type": "text/xml"}, (
                f'<ErrorResponse xmlns="{namespace}">{inner}<RequestId>1</RequestId></ErrorResponse>'
            )
        case "s3":
            xml = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>"
            return {"content-type": "application/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}'
        case "lambda":
            return {"content-type": "application/json", "x-amzn-errortype": code}, json.dumps({"message": message})
    prefix = "com.amazon.coral.service#"
    return {"content-type": "application/x-amz-json-1.0"}, json.dumps({"__type": prefix + code, "message": message})


class Raw(io.BytesIO):
    """The body as urllib3 hands it to botocore."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@pytest.mark.parametrize(("service", "status", "code", "message"), CREDENTIALS)
def test_credentials_that_aws_does_not_accept_are_configuration(
    service: str, status: int, code: str, message: str
) -> None:
    assert line_of(service, status, code, message) == (
        ExitCode.CONFIGURATION,
        f"AWS does not accept the credentials: {code}: {message.rstrip('.')}. "
        "Sign in again, or choose other credentials with --profile or AWS_PROFILE.",
    )


@pytest.mark.parametrize(("service", "status", "code", "message"), CLOCK)
def test_a_wrong_clock_is_configuration_and_no_reason_to_sign_in(
    service: str, status: int, code: str, message: str
) -> None:
    assert line_of(service, status, code, message) == (
        ExitCode.CONFIGURATION,
        f"AWS does not accept the time: {code}: {message.rstrip('.')}. Set this computer's clock.",
    )


@pytest.mark.parametrize(("service", "status", "code", "message"), REFUSALS)
def test_a_call_that_aws_refuses_names_the_call_and_has_the_text_of_aws(
    service: str, status: int, code: str, message: str
) -> None:
    exit_code, line = line_of(service, status, code, message)

    operation = "".join(word.capitalize() for word in CALLS[service][0].split("_"))
    assert exit_code is ExitCode.REFUSED
    assert line.startswith(f"AWS refused {operation}: {code}: ")
    assert ("Ask for this permission" in line) == ("not authorized" in message)
