"""Exit codes, and what a command reports when it cannot do its work.

A failure is one line: what happened and what to do about it. No message contains a download URL.
"""

import re
from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from discovery_exports.cli.text import printable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from exports.errors import ExportsError


class ExitCode(IntEnum):
    """The last five are those of the AWS CLI: https://docs.aws.amazon.com/cli/latest/topic/return-codes.html"""

    DONE = 0
    NOT_STORED = 1
    USAGE = 2
    PENDING = 3
    INTERRUPTED = 130
    CONFIGURATION = 253
    REFUSED = 254
    DEFECT = 255


class Failure(Exception):
    """A command cannot do its work. The message is one line, and says what to do."""

    exit_code = ExitCode.DEFECT


class NotStored(Failure):
    """What was asked for is not stored, or the stack does not know it."""

    exit_code = ExitCode.NOT_STORED


class Pending(Failure):
    """What was asked for is not done yet."""

    exit_code = ExitCode.PENDING


class Misused(Failure):
    """A value is not valid, or the arguments do not fit together."""

    exit_code = ExitCode.USAGE


class Misconfigured(Failure):
    """No credentials, Region or stack, AWS cannot be reached, or the computer cannot read or write a file."""

    exit_code = ExitCode.CONFIGURATION


class CallRefused(Failure):
    """AWS refused a call."""

    exit_code = ExitCode.REFUSED


class Throttled(CallRefused):
    """AWS refused a call that may succeed later."""


CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""Codes that say that the credentials are missing, wrong or expired, and not that they lack a permission.

https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html, and the same list of S3
"""
DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationErrorException", "403"})
_CLOCK_DIFFERS = re.compile(r"RequestTimeTooSkewed|RequestInTheFuture|.*: Signature (expired|not yet current)")
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""
SIGN_IN = "Sign in again, or choose other credentials with --profile or AWS_PROFILE."
NOT_AWS = "What answered is not AWS. Check AWS_ENDPOINT_URL, HTTPS_PROXY, and the credentials."


def failure_of(error: Exception) -> Failure | None:
    """The failure that an error of boto3, of the functions' code or of the system stands for; None for any other."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    from exports.errors import ExportsError

    match error:
        case Failure():
            return error
        case ExportsError():
            return failure_of(error.__context__) if isinstance(error.__context__, Exception) else None
        case boto.ClientError():
            return _refusal(error)
        case boto.NoRegionError():
            return Misconfigured("There is no Region. Add --region, or set AWS_REGION or the region of your profile.")
        case boto.ProfileNotFound() | boto.ConfigParseError() | boto.ConfigNotFound() | boto.InvalidConfigError():
            return Misconfigured(f"{sentence(error)} Correct --profile, AWS_PROFILE or your AWS configuration files.")
        case boto.ConnectionError() | boto.HTTPClientError():
            return Misconfigured(
                f"There is no connection to {_host(error)}. Check --region, AWS_ENDPOINT_URL, AWS_CA_BUNDLE, "
                "HTTPS_PROXY, and your network."
            )
        case boto.InvalidRetryModeError() | boto.InvalidRetryConfigurationError():
            return Misconfigured(f"{sentence(error)} Correct the AWS_ variables or your AWS configuration files.")
        case boto.InvalidRegionError():
            return Misconfigured(f"{sentence(error)} Correct --region.")
        case boto.BotoCoreError():
            return Misconfigured(f"{sentence(error)} {SIGN_IN}")
        case ResponseParserError():
            return Misconfigured(NOT_AWS)
        case ValueError() if str(error).startswith("Invalid endpoint"):
            return Misconfigured(f"{sentence(error)} Correct AWS_ENDPOINT_URL.")
        case OSError() if error.filename:
            return Misconfigured(f"{one_line(str(error.filename))} cannot be used: {sentence(error.strerror)}")
        case OSError():  # a command writes without a name only to standard output
            return Misconfigured(f"Cannot write the output: {sentence(error.strerror or error)}")
    return None


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a minute later: no connection, throttling, or a fault of AWS or of a proxy."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    if isinstance(error, Throttled | ResponseParserError):
        return True
    if isinstance(error, boto.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return (
            status == 429 or status >= 500 or bool(_THROTTLED.search(error.response.get("Error", {}).get("Code", "")))
        )
    return isinstance(error, boto.ConnectionError | boto.HTTPClientError) and not isinstance(error, boto.SSLError)


_THROTTLED = re.compile("Throttl|TooManyRequests|SlowDown|LimitExceeded|ThroughputExceeded")


def failure_behind(error: "ExportsError") -> Failure:
    """The failure that an error of a call by the functions' code stands for.

    It has only the error code, as a function may log nothing else. What AWS said is in its context. Without one, AWS
    gave an answer that cannot be used.
    """
    return failure_of(error) or Misconfigured(f"{sentence(error)} {NOT_AWS}")


def _refusal(error: "ClientError") -> Failure:
    """The code and the message of AWS, which names the permission that is missing, if one is."""
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "Unknown")), one_line(str(details.get("Message", "")))
    said = f"{code}: {message}" if message else code
    if _CLOCK_DIFFERS.match(said):
        return Misconfigured(f"{sentence(f'AWS does not accept the time: {said}')} Set this computer's clock.")
    if code in CREDENTIAL_CODES:
        return Misconfigured(f"{sentence(f'AWS does not accept the credentials: {said}')} {SIGN_IN}")
    refusal = sentence(f"AWS refused {error.operation_name}: {said}")
    if code in DENIED_CODES:
        refusal = f"{refusal} Ask for this permission, or use another --profile."
    if code == "HomeRegionNotSetException":
        refusal = f"{refusal} Choose the home Region of AWS Migration Hub with --region (docs/accounts.md)."
    return CallRefused(refusal)


def _host(error: Exception) -> str:
    """The scheme, host and port that could not be reached. The rest of the URL may have a password."""
    url = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    host = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{host}" if host else "AWS"


def sentence(text: object) -> str:
    """A text of others with a period at its end, fit for a message."""
    text = one_line(str(text))
    return text if text.endswith((".", "?")) else f"{text}."


def one_line(text: str) -> str:
    """A text of others, fit for a message: on one line, printable, without URLs."""
    from exports.redaction import redact

    return printable(redact(" ".join(text.split())))
