"""What a contestant is asked to do."""

import json
from dataclasses import asdict, dataclass
from typing import Self

BUCKET = "bucket"
SIGNATURE = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=5eed"


@dataclass(frozen=True, slots=True)
class Job:
    """Copy each of the files ``names`` from ``source`` to the bucket at ``endpoint``, under its name.

    ``memory`` is where a copy that may be killed keeps what the next process needs to go on. ``pause_seconds`` is the
    base of pauses between tries.
    """

    source: str
    endpoint: str
    certificates: str
    names: tuple[str, ...]
    memory: str = ""
    pause_seconds: float = 0.25

    @classmethod
    def from_text(cls, text: str) -> Self:
        told = json.loads(text)
        return cls(**told | {"names": tuple(told["names"])})

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    def link(self, name: str) -> str:
        """As the service gives it: whoever has it may read, and nothing but GET is signed."""
        return f"{self.source}/{name}?{SIGNATURE}"
