"""What the errors of AWS calls mean: the only table of error codes, for every service that the functions call."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from exports.redaction import redact_message

CODE = r"[A-Za-z0-9_.]{1,80}"
"""The form of an error code. Text in any other form is no code and is kept nowhere."""

BOTOCORE = "botocore `retries/standard.py`, `data/_retry.json`"
COMMON = "https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html"
CLOCK = "`CLOCK_SKEW_ERROR_CODES` of the AWS SDK for JavaScript (`packages/service-error-classification`)"
S3 = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"


class Meaning(StrEnum):
    """What to do after an error."""

    REFUSED = "refused"
    """A repeated call fails as well, until a policy, a key, a setting or the request is corrected."""
    THROTTLED = "throttled"
    """As TEMPORARY. The metric ``DescribeThrottles`` counts these errors of Application Discovery Service."""
    TEMPORARY = "temporary"
    """A fault of the service or the network, an expired session, or clocks that differ: a later call may succeed."""


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """A row of the table: the errors with one of ``codes``, or with one of ``statuses`` if no row has their code.

    Codes are in the form of :func:`canonical`. ``messages``: the row is only for errors whose message begins so.
    """

    what: str
    meaning: Meaning
    codes: Sequence[str] = ()
    statuses: Sequence[range] = ()
    messages: Sequence[str] = ()
    source: str = ""

    def has_code(self, code: str, message: str) -> bool:
        return canonical(code) in self.codes and (not self.messages or message.startswith(tuple(self.messages)))

    def has_status(self, status: int) -> bool:
        return any(status in each for each in self.statuses)


INVALID_REQUEST = ("InvalidInput", "InvalidParameter", "InvalidParameterValue", "Serialization", "Validation")
"""Codes for a member of the request that the service does not accept."""
INVALID_RESPONSE = "InvalidResponse"
"""The code of this project for a response that is not one of AWS."""
LISTING_TOOK_TOO_LONG = "ListingTookTooLong"
"""The code of this project for a listing that was ended because the invocation has no time left."""
KMS = "https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html#API_GenerateDataKey_Errors"

ERROR_CLASSES = (
    ErrorClass(
        "Too many requests",
        Meaning.THROTTLED,
        codes=(
            "BandwidthLimitExceeded",
            "EC2Throttled",
            "LimitExceeded",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceeded",
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttled",
            "Throttling",
            "TooManyRequests",
            "TransactionInProgress",
        ),
        statuses=(range(429, 430), range(509, 510)),
        source=BOTOCORE,
    ),
    ErrorClass(
        "The session has expired",
        Meaning.TEMPORARY,
        codes=("ExpiredToken", "TokenRefreshRequired"),
        source=f"{COMMON}, {S3}",
    ),
    ErrorClass(
        "The clock of the caller differs",
        Meaning.TEMPORARY,
        codes=("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"),
        source=f"{CLOCK}, {COMMON}",
    ),
    ErrorClass(
        "The clock of the caller differs, by the message of the error",
        Meaning.TEMPORARY,
        codes=("AuthFailure", "InvalidSignature", "SignatureDoesNotMatch"),
        messages=("Signature expired", "Signature not yet current"),
        source=f"{CLOCK}, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html",
    ),
    ErrorClass(
        "A fault or a conflict that passes",
        Meaning.TEMPORARY,
        codes=(
            "BadDigest",
            "ConditionalRequestConflict",
            "IDPCommunication",
            "IncompleteBody",
            "Internal",
            "InternalFailure",
            "InternalServer",
            "InternalService",
            "OperationAborted",
            "Redirect",
            "ReplicatedWriteConflict",
            "RequestTimeout",
            "ServerInternal",
            "ServiceUnavailable",
            "TemporaryRedirect",
            "TransactionConflict",
            "XAmzContentChecksumMismatch",
            "XAmzContentSHA256Mismatch",
        ),
        source=f"{BOTOCORE}, {COMMON}, {S3}",
    ),
    ErrorClass(
        "A fault of AWS KMS, or of the key store of the key",
        Meaning.TEMPORARY,
        codes=("DependencyTimeout", "KMSInternal", "KeyUnavailable"),
        source=KMS,
    ),
    ErrorClass(
        "The response is not one of AWS, such as the HTML page of a proxy",
        Meaning.TEMPORARY,
        codes=(INVALID_RESPONSE,),
        source="`exports/aws/discovery.py`",
    ),
    ErrorClass(
        "A permission, a policy or the account forbids the call",
        Meaning.REFUSED,
        codes=(
            "AccessDenied",
            "AccountProblem",
            "AllAccessDisabled",
            "Authorization",
            "KMSAccessDenied",
            "NotAuthorized",
            "OptInRequired",
            "SubscriptionRequired",
            "Unauthorized",
            "UnauthorizedAccess",
            "UnauthorizedOperation",
        ),
        source=f"{COMMON}, {S3}",
    ),
    ErrorClass(
        "The credentials or the signature are invalid",
        Meaning.REFUSED,
        codes=(
            "AuthFailure",
            "AuthorizationHeaderMalformed",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignature",
            "InvalidToken",
            "MissingAuthenticationToken",
            "MissingSecurityHeader",
            "SignatureDoesNotMatch",
            "UnrecognizedClient",
        ),
        source=f"{COMMON}, {S3}",
    ),
    ErrorClass(
        "The KMS key cannot be used",
        Meaning.REFUSED,
        codes=("Disabled", "InvalidKeyUsage", "KMSInvalidState", "NotFound"),
        source=KMS,
    ),
    ErrorClass(
        "A setting names something that does not exist, or the wrong Region",
        Meaning.REFUSED,
        codes=(
            "HomeRegionNotSet",
            "IllegalLocationConstraint",
            "NoSuchBucket",
            "PermanentRedirect",
            "RegionDisabled",
            "ResourceNotFound",
        ),
        source=f"botocore `service-2.json` of each service, {S3}",
    ),
    ErrorClass(
        "The request is invalid",
        Meaning.REFUSED,
        codes=INVALID_REQUEST,
        source=f"botocore `service-2.json` of each service, {COMMON}",
    ),
    ErrorClass("The request took too long", Meaning.TEMPORARY, statuses=(range(408, 409),), source=S3),
    ErrorClass("A fault of the service", Meaning.TEMPORARY, statuses=(range(500, 600),), source=BOTOCORE),
    ErrorClass("A temporary redirect", Meaning.TEMPORARY, statuses=(range(307, 308),), source=S3),
    ErrorClass("Anything else", Meaning.REFUSED, statuses=(range(300, 500),), source=COMMON),
)
"""A code takes precedence over a status, and an earlier row over a later one. An error with neither is temporary."""

_PREFIX = re.compile(r"^(?:KMS|Client|Server)\.")
_SUFFIX = re.compile(r"(?:Exception|Error|Fault)+$")


def canonical(code: str) -> str:
    """One name for all names of an error: ``ExpiredToken`` for ``ExpiredTokenException``, and so on.

    Services name the same error with and without ``Exception``, ``Error`` or ``Fault`` at the end. S3 puts ``KMS.``
    before the errors of AWS KMS, and services with the query protocol ``Client.`` or ``Server.`` before theirs.
    """
    return _SUFFIX.sub("", _PREFIX.sub("", code))


def meaning(code: str, status: int | None = None, message: str = "") -> Meaning:
    """What the error ``code`` means in a response with the HTTP ``status``, which is None if there was none."""
    if status is None and code.isdecimal():
        status = int(code)
    by_code = (each for each in ERROR_CLASSES if each.has_code(code, message))
    by_status = (each for each in ERROR_CLASSES if status is not None and each.has_status(status))
    found = next(by_code, None) or next(by_status, None)
    return found.meaning if found else Meaning.TEMPORARY


def safe_code(code: object, status: int | None = None) -> str:
    """The code, if it has the form of one and hides no secret; else the HTTP status as text, or ``Unknown``.

    A response decides the text of a code, so it may be as long as the response, or a URL.
    """
    if isinstance(code, str) and re.fullmatch(CODE, code) and redact_message(code) == code:
        return code
    return str(status) if status else "Unknown"
