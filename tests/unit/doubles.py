"""The double of the service on loopback, with a small S3 and a clock that tests control."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import urllib3
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from mypy_boto3_discovery import ApplicationDiscoveryServiceClient

from local.double.client import Double
from local.double.data.data_center import DataCenter
from local.double.downloads import SECRET, UrlSigner
from local.double.export_bucket import ExportBucket
from local.double.scenario import Settings
from local.double.server import Server, serving, tls_context
from local.stack.certificate import make_certificate

START = 1_800_000_000.0
"""Start time of the clock of the double, which only a test advances."""


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


class SmallS3(ThreadingHTTPServer):
    """Stores objects, serves full and ranged GETs, and verifies signatures as S3 does, including the host."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SmallS3Handler)
        self.objects: dict[str, bytes] = {}
        self.accepting = Event()
        """PUT requests wait while it is not set."""
        self.accepting.set()
        self.refusing = False
        self.seen: list[Mapping[str, str]] = []
        self.url = f"http://localhost:{self.server_address[1]}"


class _SmallS3Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallS3

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.accepting.wait(60)
        if self.server.refusing:
            return self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
        self.server.objects[urlsplit(self.path).path] = body
        return self._send(200, b"", {"ETag": '"put"'})

    def do_GET(self) -> None:
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
        body = self.server.objects.get(urlsplit(self.path).path)
        if not self._signed():
            return self._send(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if body is None:
            return self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        etag = f'"{md5(body).hexdigest()}"'
        if self.headers.get("If-Match", etag) != etag:
            return self._send(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        if byte_range := self.headers.get("Range"):
            first, last = (int(number) for number in byte_range.removeprefix("bytes=").split("-"))
            return self._send(
                206, body[first : last + 1], {"ETag": etag, "Content-Range": f"bytes {first}-{last}/{len(body)}"}
            )
        return self._send(200, body, {"ETag": etag})

    do_HEAD = do_GET  # noqa: N815

    def _signed(self) -> bool:
        url, _, signature = f"https://{self.headers['Host']}{self.path}".partition("&X-Amz-Signature=")
        query = parse_qs(urlsplit(url).query)
        if not signature:
            return False
        account, _, region, *_ = query["X-Amz-Credential"][0].split("/")
        auth = S3SigV4QueryAuth(Credentials(account, SECRET), "s3", region)
        request = AWSRequest(self.command, url)
        request.context["timestamp"] = query["X-Amz-Date"][0]
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return bool(signature == auth.signature(text, request))

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass
class Running:
    """A running double, with its clients and its S3."""

    server: Server
    s3: SmallS3
    clock: Clock
    ca: Path
    data_center: DataCenter
    double: Double
    service: ApplicationDiscoveryServiceClient
    http: urllib3.PoolManager
    _clients: list[ApplicationDiscoveryServiceClient] = field(default_factory=list)

    def fresh(self) -> "Running":
        """Reset all state, for the next test."""
        self.double.reset()
        self.clock.now = START
        self.s3.objects.clear()
        self.s3.seen.clear()
        self.s3.refusing = False
        return self

    def start(self, **parameters: Any) -> str:
        return self.service.start_export_task(**parameters)["exportId"]

    def describe(self, *export_ids: str) -> list[dict[str, Any]]:
        return [dict(info) for info in self.service.describe_export_tasks(exportIds=export_ids)["exportsInfo"]]

    def status(self, export_id: str) -> str:
        return str(self.describe(export_id)[0]["exportStatus"])

    def download_url(self, export_id: str) -> str:
        return str(self.describe(export_id)[0]["configurationsDownloadUrl"])

    def open(self, url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
        return self.http.request(method, url, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def client(self, region: str = "us-east-1") -> ApplicationDiscoveryServiceClient:
        self._clients.append(client := discovery_client(self.server.url, self.ca, region))
        return client

    def close(self) -> None:
        self.double.close()
        self.http.clear()
        for client in (self.service, *self._clients):
            client.close()


def discovery_client(url: str, ca: Path | None, region: str) -> ApplicationDiscoveryServiceClient:
    """A boto3 client as in the functions, but without retries. ``ca`` is not needed without TLS."""
    verify = str(ca) if ca else None
    return boto3.Session("test", "test", region_name=region).client(
        "discovery", endpoint_url=url, verify=verify, config=Config(retries={"total_max_attempts": 1}, proxies={})
    )


@contextmanager
def running_double(directory: Path) -> Iterator[Running]:
    """A double with a small S3 on free ports, and its certificate in ``directory``."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    make_certificate(cert, key)
    clock, data_center, s3 = Clock(), DataCenter(), SmallS3()
    server = Server(port=0, tls=tls_context(cert, key), token="0123456789abcdef")
    bucket = ExportBucket(s3.url, UrlSigner(server.origin), data_center)
    server.serve_for(bucket, data_center, Settings(), clock)
    thread = Thread(target=s3.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    running = Running(
        server=server,
        s3=s3,
        clock=clock,
        ca=cert,
        data_center=data_center,
        double=Double(server.url, cert),
        service=discovery_client(server.url, cert, "us-east-1"),
        http=urllib3.PoolManager(ca_certs=str(cert), retries=False),
    )
    try:
        with serving(server):
            yield running
            running.close()
    finally:
        s3.shutdown()
        thread.join()
        s3.server_close()
