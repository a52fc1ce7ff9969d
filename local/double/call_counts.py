"""Counts of the double's calls and downloads. Tests use them to verify that nothing is downloaded twice."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from threading import Lock
from typing import Any, Literal

MAX_SIGNATURES = 100_000
CallCounter = Literal["starts", "describes", "heads", "gets", "bytes"]
"""Counters of one export id. ``gets`` and ``bytes`` include partial downloads, ``gets`` also refused ones."""


class Counts:
    """Counts since the start of the double or the last reset. Thread-safe."""

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
        """Count a call of the service, successful or not."""
        with self._lock:
            self._calls[operation] += 1

    def failed(self, error_code: str) -> None:
        """Count an error response to a call of the service or to a download."""
        with self._lock:
            self._errors[error_code] += 1

    def count(self, counter: CallCounter, export_ids: Iterable[str], by: int = 1) -> None:
        """Add ``by`` to a counter of each export, once for an id that occurs twice."""
        with self._lock:
            for export_id in set(export_ids):
                self._exports[export_id][counter] += by

    def signed(self, signature: str) -> None:
        """Record the signature of a download URL that is returned."""
        with self._lock:
            self._signatures.append(signature)

    def signatures(self) -> list[str]:
        """The signatures of the returned download URLs, at most the newest ``MAX_SIGNATURES``."""
        with self._lock:
            return list(self._signatures)

    def to_json(self) -> dict[str, Any]:
        with self._lock:
            exports = {export_id: dict(counts) for export_id, counts in self._exports.items()}
            return {"calls": dict(self._calls), "errors": dict(self._errors), "exports": exports}
