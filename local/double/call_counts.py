"""What the double was asked for, so that a test can say that nothing was fetched twice."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from threading import Lock
from typing import Any, Literal

MAX_SIGNATURES = 100_000
CallCounter = Literal["starts", "describes", "heads", "gets", "bytes"]
"""What is counted of an export id. ``gets`` and ``bytes`` are of its downloads, whole or in part, refused ones too."""


class Counts:
    """Counts from the start of the double or the last reset. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._errors: Counter[str] = Counter()
            self._signatures: deque[str] = deque(maxlen=MAX_SIGNATURES)
            self._exports: defaultdict[str, Counter[str]] = defaultdict(
                lambda: Counter(starts=0, describes=0, heads=0, gets=0, bytes=0)
            )

    def called(self, operation: str) -> None:
        """A call of the service was answered, with success or an error."""
        with self._lock:
            self._calls[operation] += 1

    def failed(self, error_code: str) -> None:
        """A call of the service or a download was answered with an error."""
        with self._lock:
            self._errors[error_code] += 1

    def count(self, what: CallCounter, export_ids: Iterable[str], by: int = 1) -> None:
        """Add to a number of each of these exports, once for an id that is there twice."""
        with self._lock:
            for export_id in set(export_ids):
                self._exports[export_id][what] += by

    def signed(self, signature: str) -> None:
        """A link with this signature is being handed out."""
        with self._lock:
            self._signatures.append(signature)

    def signatures(self) -> list[str]:
        """Of every link that was handed out, the newest ones of very many."""
        with self._lock:
            return list(self._signatures)

    def to_json(self) -> dict[str, Any]:
        with self._lock:
            exports = {export_id: dict(counts) for export_id, counts in self._exports.items()}
            return {"calls": dict(self._calls), "errors": dict(self._errors), "exports": exports}
