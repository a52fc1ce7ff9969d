"""What the loopback servers of a benchmark and its competitors share: a folder, a certificate and an environment."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from local.stack.certificate import make_certificate


@dataclass(frozen=True, slots=True)
class Loopback:
    """A temporary folder with the ``certificate`` of servers whose TLS context is ``context``."""

    folder: Path
    certificate: Path
    context: ssl.SSLContext

    def env(self, bucket_endpoint: str) -> dict[str, str]:
        """The environment of a competitor. Only what is needed: no proxy, profile or credentials of the caller."""
        certificates = str(self.certificate)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path.cwd() / "functions")]),
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": bucket_endpoint,
            "AWS_CA_BUNDLE": certificates,
            "REQUESTS_CA_BUNDLE": certificates,
        }


@contextmanager
def loopback() -> Iterator[Loopback]:
    with TemporaryDirectory(prefix="discovery-exports-bench-") as name:
        folder = Path(name)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        make_certificate(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        yield Loopback(folder, certificate, context)
