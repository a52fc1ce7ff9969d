"""The exceptions of this project.

ExportsError
├── ServiceError             an AWS call failed; ``str(error)`` is its error code, nothing else
│   └── NonRetryableError    a retry cannot succeed: a permission, a key, no home Region
├── SourceError              the download failed and may succeed later; the next poll retries
│   ├── UrlExpired           the download URL is no longer valid: describe the export again
│   ├── SourceDenied         S3 denies access, to a new URL too: gone if that lasts longer than the grace period
│   └── SourceChanged        the source has changed since the copy started: start again
├── ClaimLost                another run has claimed the export, or it is settled: leave it
└── Rejected                 the service's data cannot be accepted; holds the reason of the outcome

Expected outcomes are returned as data. An exception means that something should be retried, or, for ``Rejected``,
ends a transfer that cannot succeed. No message contains a URL: the download URL is a secret.
"""

from exports.model import Reason


class ExportsError(Exception):
    """Base class of every error that this project raises on purpose."""


class ServiceError(ExportsError):
    """An AWS call failed with ``code``, which is the whole message: a workflow's history may show it."""

    retryable = True
    """Whether a retry of this call in this invocation may succeed. The workflow retries all but NonRetryableError."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NonRetryableError(ServiceError):
    """The call is refused, and would be again: see :data:`exports.aws.error_codes.ERROR_CLASSES`."""

    retryable = False


class SourceError(ExportsError):
    """The download failed and may succeed later."""


class UrlExpired(SourceError):
    """The signature of the download URL or the credentials of its signer have expired."""


class SourceDenied(SourceError):
    """S3 answers AccessDenied to a new download URL.

    A missing object has this answer, too, if the signer of the URL may not list the bucket; so does an object whose
    permissions have just changed. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """


class SourceChanged(SourceError):
    """The source's ETag is not the one that the copy started with (412 to If-Match)."""


class ClaimLost(ExportsError):
    """This run no longer holds its claim to an export: another run has claimed it, or it is settled."""


class Rejected(ExportsError):
    """The service's data cannot be accepted, now or later."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
