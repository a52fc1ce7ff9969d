"""What can go wrong, as one small tree.

ExportsError
├── ServiceError         an AWS call failed; ``str(error)`` is its error code, nothing else
│   └── NonRetryableError      trying again changes nothing: a permission, a key, no home region
├── SourceError          the download failed in a way that may pass; the next round tries again
│   ├── UrlExpired      the link no longer opens (403): describe the export again
│   └── SourceChanged    the source is no longer the one that the copy began with: start anew
├── ClaimLost            the export is another run's now, or settled: leave it to that
└── Rejected             what the service gave cannot be accepted; carries the reason of the outcome

Expected outcomes are returned as data. An exception means that something should be tried again, or, for
``Rejected``, unwinds a transfer that cannot succeed. No message ever holds a URL: the download link is a secret.
"""

from exports.model import Reason


class ExportsError(Exception):
    """Base of every error that this project raises on purpose."""


class ServiceError(ExportsError):
    """An AWS call failed with ``code``, which is also the whole message: it may end up in a workflow's history."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NonRetryableError(ServiceError):
    """A permission is missing, a key or policy forbids the call, or the account has no Migration Hub home region."""


class SourceError(ExportsError):
    """The download broke or was refused for now."""


class UrlExpired(SourceError):
    """The link answers 403: its signature or its signer's credentials have expired."""


class SourceChanged(SourceError):
    """The source's ETag is not the one that the copy began with (412 to If-Match)."""


class ClaimLost(ExportsError):
    """This run's claim to an export has ended: another run has taken it, or it is settled."""


class Rejected(ExportsError):
    """What the service gave cannot be accepted, now or later."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
