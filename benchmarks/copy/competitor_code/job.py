"""The job of a competitor."""

import json
from dataclasses import asdict, dataclass
from typing import Self

BUCKET = "bucket"
SIGNATURE = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=5eed"


@dataclass(frozen=True, slots=True)
class Job:
    """Copy each of the files ``names`` from ``source`` to the bucket at ``endpoint``, under its name.

    A copy that may be killed stores in ``progress_file`` what the next process needs to resume it. ``pause_seconds`` is
    the base of the pauses between attempts.
    """

    source: str
    endpoint: str
    certificates: str
    names: tuple[str, ...]
    progress_file: str = ""
    pause_seconds: float = 0.25

    @classmethod
    def from_text(cls, text: str) -> Self:
        values = json.loads(text)
        return cls(**values | {"names": tuple(values["names"])})

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    def download_url(self, name: str) -> str:
        """A URL as the service returns it: it allows GET without credentials, and nothing else."""
        return f"{self.source}/{name}?{SIGNATURE}"
