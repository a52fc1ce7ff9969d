"""The job of a competitor, passed to its process as JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Self

BUCKET = "bucket"
SIGNATURE = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=5eed"


@dataclass(frozen=True, slots=True)
class Job:
    """Work for each of ``names``. ``source`` serves a download for each, and ``endpoint`` is S3's, both over TLS."""

    names: tuple[str, ...]
    source: str
    endpoint: str
    certificates: str

    @classmethod
    def from_text(cls, text: str) -> Self:
        values = json.loads(text)
        return cls(**values | {"names": tuple(values["names"])})

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    def download_url(self, name: str) -> str:
        """A URL as the service returns it: it allows GET without credentials, and nothing else."""
        return f"{self.source}/{name}?{SIGNATURE}"
