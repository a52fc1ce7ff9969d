"""What the double was asked for, so that a test can say that nothing was fetched twice."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

MOST_SIGNATURES = 100_000


@dataclass(slots=True)
class ExportCounts:
    """Of one export id. ``gets`` and ``bytes`` are its downloads, whole or in part, refused ones included."""

    starts: int = 0
    describes: int = 0
    heads: int = 0
    gets: int = 0
    bytes: int = 0


class Counts:
    """Counts from the start of the double or the last reset. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._calls: Counter[str] = Counter()
            self._errors: Counter[str] = Counter()
            self._signatures: deque[str] = deque(maxlen=MOST_SIGNATURES)
            self._exports: defaultdict[str, ExportCounts] = defaultdict(ExportCounts)

    def called(self, operation: str, error_code: str = "") -> None:
        """A call of the service was answered, with an error if there is a code."""
        with self._lock:
            self._calls[operation] += 1
            if error_code:
                self._errors[error_code] += 1

    def failed(self, error_code: str) -> None:
        """Something other than a call of the service was answered with an error."""
        with self._lock:
            self._errors[error_code] += 1

    def started(self, export_id: str) -> None:
        with self._lock:
            self._exports[export_id].starts += 1

    def described(self, export_ids: Iterable[str]) -> None:
        """One call of DescribeExportTasks named these ids, or answered with them."""
        with self._lock:
            for export_id in set(export_ids):
                self._exports[export_id].describes += 1

    def signed(self, signature: str) -> None:
        """A link with this signature is being handed out."""
        with self._lock:
            self._signatures.append(signature)

    def signatures(self) -> list[str]:
        """Of every link that was handed out, the newest ones of very many."""
        with self._lock:
            return list(self._signatures)

    def requested(self, export_id: str, method: str) -> None:
        """A link was opened with GET or HEAD."""
        with self._lock:
            if method == "GET":
                self._exports[export_id].gets += 1
            else:
                self._exports[export_id].heads += 1

    def sent(self, export_id: str, size: int) -> None:
        """So many bytes of a body are being sent; counted first, so that whoever has them finds them counted."""
        with self._lock:
            self._exports[export_id].bytes += size

    def to_json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "calls": dict(self._calls),
                "errors": dict(self._errors),
                "exports": {export_id: asdict(counts) for export_id, counts in self._exports.items()},
            }
