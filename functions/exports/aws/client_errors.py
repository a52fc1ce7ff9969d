"""Turns failures of AWS calls into errors that contain only the error code."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from exports.errors import NonRetryableError, ServiceError

NON_RETRYABLE_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationErrorException",
        "ExpiredToken",
        "ExpiredTokenException",
        "HomeRegionNotSetException",
        "InvalidClientTokenId",
        "InvalidParameterException",
        "InvalidParameterValueException",
        "KMS.AccessDeniedException",
        "KMS.DisabledException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "KMSAccessDeniedException",
        "NoSuchBucket",
        "ResourceNotFoundException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
"""Codes after which a retry cannot succeed until a policy, a key, a setting or the request is corrected."""


def error_code(error: ClientError) -> str:
    """The error code of the response; for a HEAD, whose response has no body, the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


@contextmanager
def aws_call() -> Iterator[None]:
    """Raise exceptions of botocore as :class:`ServiceError`, without their message: it may quote a request or URL."""
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        # The response to a HEAD has no error code, only its status.
        code = "AccessDenied" if code == "403" else code
        raise (NonRetryableError if code in NON_RETRYABLE_CODES else ServiceError)(code) from None
    except BotoCoreError as error:
        raise ServiceError(type(error).__name__) from None
