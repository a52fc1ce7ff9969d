"""Turns failures of AWS calls into errors that contain only the error code."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from exports.aws.error_codes import Meaning, meaning, safe_code
from exports.errors import NonRetryableError, ServiceError
from exports.redaction import redact_message


def error_code(error: ClientError) -> str:
    """The error code of the response; the HTTP status as text if it has none, as a HEAD, whose response has no body."""
    return safe_code(error.response.get("Error", {}).get("Code"), _status(error))


def service_error(code: object, status: int | None = None, message: object = "") -> ServiceError:
    """The error to raise after a response with this code, HTTP status and message, which it does not keep."""
    text = safe_code(code, status)
    refused = meaning(text, status, str(message)) is Meaning.REFUSED
    # The response to a HEAD has no error code, only its status.
    text = "AccessDenied" if text == "403" else text
    return NonRetryableError(text) if refused else ServiceError(text)


def client_error(error: ClientError) -> ServiceError:
    details = error.response.get("Error", {})
    return service_error(details.get("Code"), _status(error), details.get("Message"))


@contextmanager
def aws_call() -> Iterator[None]:
    """Raise exceptions of botocore as :class:`ServiceError`, without their message: it may quote a request or URL.

    While a body is read, botocore lets some exceptions of urllib3 pass, such as SSLError.
    """
    try:
        yield
    except ClientError as error:
        raise client_error(error) from None
    except (BotoCoreError, ResponseParserError, HTTPError) as error:
        raise ServiceError(type(error).__name__) from None


def aws_message(error: ServiceError) -> str:
    """What AWS or botocore said of an error of :func:`aws_call`, redacted. Empty if neither did."""
    match error.__context__:
        case ClientError() as cause:
            return redact_message(str(cause.response.get("Error", {}).get("Message", "")))
        case BotoCoreError() as cause:
            return redact_message(str(cause))
    return ""


def _status(error: ClientError) -> int | None:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
