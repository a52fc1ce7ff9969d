"""The double as one HTTPS server on loopback: the service, the downloads, the control requests."""

import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from local.double.call_counts import Counts
from local.double.control_api import Control
from local.double.data.data_center import DataCenter
from local.double.dataclass_json import InvalidControlRequest
from local.double.export_bucket import ExportBucket, Location
from local.double.protocol import CONTENT_TYPE, ServiceException, WrongAnswer
from local.double.scenario import Settings
from local.double.service import Service
from local.double.tasks import Clock, Task

CONTROL = "/_double/"
CHUNK_BYTES = 256 << 10
IDLE_SECONDS = 120
OF_THE_CONNECTION = {"connection", "date", "keep-alive", "server", "transfer-encoding"}
EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ExpiredToken</Code>'
    b"<Message>The provided token has expired.</Message></Error>"
)
"""S3's answer to a link whose signer's credentials have expired."""
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1, with a thread for each connection. ``port`` 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, port: int, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._tls = tls
        self.url = f"https://localhost:{self.server_address[1]}"

    def serve_for(self, place: Location, data_center: DataCenter, settings: Settings, clock: Clock = time) -> None:
        """Say what is behind the server; to be called before it serves."""
        self.counts = Counts()
        self.bucket = ExportBucket(place, data_center)
        self.service = Service(
            clock=clock, counts=self.counts, download_url=self.bucket.download_url, make=self._make_large
        )
        self.service.configure(settings)
        self.control = Control(self.service, self.counts, data_center)

    def get_request(self) -> tuple[Any, Any]:
        """Leave the TLS handshake to the connection's own thread, so that a slow client holds nobody up."""
        connection, address = super().get_request()
        connection.settimeout(IDLE_SECONDS)
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go when they like; anything else is a slip of the double and is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)

    def _make_large(self, task: Task) -> None:
        self.bucket.generate_async(task, self.service.settings.marker)


class Handler(BaseHTTPRequestHandler):
    """One connection. Nothing is logged: links are secrets, here as elsewhere."""

    protocol_version = "HTTP/1.1"
    server_version = "Double"
    wbufsize = CHUNK_BYTES
    server: Server

    def do_POST(self) -> None:
        if self.path.startswith(CONTROL):
            self._control()
        else:
            self._call()

    def do_GET(self) -> None:
        if self.path.startswith(CONTROL):
            self._control()
        else:
            self._download()

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815  # http.server wants these names
    do_HEAD = do_GET  # noqa: N815  # and this one

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _call(self) -> None:
        target, authorization = self.headers.get("X-Amz-Target", ""), self.headers.get("Authorization")
        try:
            answer = self.server.service.call(target, authorization, self._body())
        except ServiceException as refused:
            self._send_json(refused.status, refused.body, {"x-amzn-ErrorType": refused.code})
        except WrongAnswer as slip:
            self._send_json(500, {"__type": "InternalFailure", "message": str(slip)})
        else:
            self._send_json(200, answer)

    def _control(self) -> None:
        try:
            document = json.loads(self._body() or b"{}")
            answer = self.server.control.answer(self.command, self.path.removeprefix(CONTROL), document)
        except (InvalidControlRequest, json.JSONDecodeError) as error:
            self._send_json(400, {"error": str(error)})
        else:
            self._send_json(200, answer)

    def _download(self) -> None:
        bucket = self.server.bucket
        wanted = bucket.export_of(self.path)
        task = self.server.service.tasks.get(wanted[0]) if wanted else None
        if not wanted or not task:
            self._send(404, b"", {})
            return
        self.server.counts.count("gets" if self.command == "GET" else "heads", [task.id])
        if self.command == "GET" and task.refuse_get():
            self._send(403, EXPIRED, {"Content-Type": "application/xml"})
            return
        if self.command == "GET" and self.server.service.is_busy():
            self._send(503, SLOW_DOWN, {"Content-Type": "application/xml"})
            return
        try:
            bucket.make(task, wanted[1])
            answer = bucket.fetch(self.command, self.path, dict(self.headers.items()))
        except (ClientError, BotoCoreError, urllib3.exceptions.HTTPError) as error:
            self._send(503, type(error).__name__.encode(), {"Content-Type": "text/plain"})
            return
        with answer:
            self._pass_on(answer, task)

    def _pass_on(self, answer: urllib3.BaseHTTPResponse, task: Task) -> None:
        """Stream S3's answer to the client; a body that breaks off there breaks off here."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in OF_THE_CONNECTION:
                self.send_header(name, value)
        if "content-length" not in answer.headers:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            for chunk in answer.stream(CHUNK_BYTES, decode_content=False):
                # Counted before it is sent, so that whoever has it finds it counted.
                self.server.counts.count("bytes", [task.id], len(chunk))
                self.wfile.write(chunk)
        except urllib3.exceptions.HTTPError:
            self.close_connection = True

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send_json(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self._send(status, body, {"Content-Type": CONTENT_TYPE, **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def tls_context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve in the background until the block is left."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="double")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.bucket.close()
