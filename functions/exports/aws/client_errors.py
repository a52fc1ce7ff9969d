"""AWS calls whose failures carry their error code and nothing else."""

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
"""Codes after which a retry changes nothing until somebody mends a policy, a key, a setting or what is asked for."""


def error_code(error: ClientError) -> str:
    """The code that the service answered with; for a HEAD, whose answer has no body, the HTTP status as text."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


@contextmanager
def aws_call() -> Iterator[None]:
    """Turn what botocore raises into :class:`ServiceError`, without its message: that may quote a request or a URL."""
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        # A HEAD is refused without a word; its status is all there is.
        code = "AccessDenied" if code == "403" else code
        raise (NonRetryableError if code in NON_RETRYABLE_CODES else ServiceError)(code) from None
    except BotoCoreError as error:
        raise ServiceError(type(error).__name__) from None
