"""The double as one HTTP or HTTPS server on loopback: service calls, downloads and control requests."""

import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

from .agents import Agents
from .call_counts import Counts
from .control_api import Control
from .data.data_center import DataCenter
from .dataclass_json import InvalidControlRequest
from .downloads import Answer, DownloadFailed, Place
from .protocol import CONTENT_TYPE, ServiceException, WrongAnswer
from .scenario import Settings
from .service import Service
from .tasks import Clock, Task

CONTROL = "/_double/"
TOKEN = "DISCOVERY_EXPORTS_DOUBLE_TOKEN"  # noqa: S105
"""The environment variable with the token."""
CHUNK_BYTES = 256 << 10
MAX_REFUSED = 64 << 10
"""Bytes of a refused body that are read. With unread bytes, a connection may close before the client has the answer."""
IDLE_SECONDS = 120
CONNECTION_HEADERS = {"connection", "date", "keep-alive", "server", "transfer-encoding"}
EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ExpiredToken</Code>'
    b"<Message>The provided token has expired.</Message></Error>"
)
"""The response of S3 to a URL if the credentials of its signer have expired."""
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1, with a thread for each connection. ``port`` 0 selects a free port.

    Every user of the computer can connect. The path of service calls and control requests begins with the secret
    ``token``, so that only those who know the URL can make them. Downloads have a signature instead.
    Without ``tls`` the server has HTTP.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, port: int, tls: ssl.SSLContext | None, token: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._tls = tls
        self._token = token
        self.origin = f"{'https://localhost' if tls else 'http://127.0.0.1'}:{self.server_address[1]}"
        self.url = f"{self.origin}/{token}"

    def serve_for(self, place: Place, data_center: DataCenter, settings: Settings, clock: Clock = time) -> None:
        """Create what the server serves, with the files of exports in the place. Call this before it serves."""
        self.counts = Counts()
        self.place = place
        self.service = Service(
            clock=clock,
            counts=self.counts,
            agents=Agents(data_center),
            download_url=place.download_url,
            make=self._generate_large,
        )
        self.service.configure(settings)
        self.control = Control(self.service, self.counts, data_center)

    def below_token(self, path: str) -> str | None:
        """``/_double/counts`` for the path of a control request; None if the path has no token or another one."""
        token, slash, rest = path.removeprefix("/").partition("/")
        return f"{slash}{rest}" if compare_digest(token.encode(), self._token.encode()) else None

    def get_request(self) -> tuple[Any, Any]:
        """Leave the TLS handshake to the thread of the connection, so that a slow client does not block others."""
        connection, address = super().get_request()
        connection.settimeout(IDLE_SECONDS)
        if self._tls is None:
            return connection, address
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect. Any other error is a bug of the double and is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)

    def _generate_large(self, task: Task) -> None:
        self.place.generate_async(task, self.service.settings.marker)


class Handler(BaseHTTPRequestHandler):
    """One connection. Nothing is logged, because download URLs are secrets."""

    protocol_version = "HTTP/1.1"
    server_version = "Double"
    wbufsize = CHUNK_BYTES
    server: Server

    def do_POST(self) -> None:
        path = self.server.below_token(self.path)
        if path is None:
            self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_REFUSED))
            headers = {"Content-Type": "text/plain", "Connection": "close"}
            self._send(403, b"The URL has no token, or that of an earlier start.", headers)
        elif path.startswith(CONTROL):
            self._control(path)
        else:
            self._call()

    def do_GET(self) -> None:
        path = self.server.below_token(self.path) or ""
        if path.startswith(CONTROL):
            self._control(path)
        else:
            self._download()

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815  # names that http.server requires
    do_HEAD = do_GET  # noqa: N815  # as above

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _call(self) -> None:
        target, authorization = self.headers.get("X-Amz-Target", ""), self.headers.get("Authorization")
        try:
            answer = self.server.service.call(target, authorization, self._body())
        except ServiceException as error:
            self._send_json(error.status, error.body, {"x-amzn-ErrorType": error.code})
        except WrongAnswer as bug:
            self._send_json(500, {"__type": "InternalFailure", "message": str(bug)})
        else:
            scripted = self.server.service.settings.body
            self._send(200, scripted.encode(), {"Content-Type": "text/html"}) if scripted else self._send_json(
                200, answer
            )

    def _control(self, path: str) -> None:
        try:
            document = json.loads(self._body() or b"{}")
            answer = self.server.control.answer(self.command, path.removeprefix(CONTROL), document)
        except (InvalidControlRequest, json.JSONDecodeError) as error:
            self._send_json(400, {"error": str(error)})
        else:
            self._send_json(200, answer)

    def _download(self) -> None:
        place = self.server.place
        requested = place.export_of(self.path)
        task = self.server.service.tasks.get(requested[0]) if requested else None
        if not requested or not task:
            self._send(404, b"", {})
            return
        self.server.counts.count("gets" if self.command == "GET" else "heads", [task.id])
        if self.command == "GET" and task.refuse_get():
            self._send(403, EXPIRED, {"Content-Type": "application/xml"})
            return
        if self.command == "GET" and self.server.service.is_busy():
            self._send(503, SLOW_DOWN, {"Content-Type": "application/xml"})
            return
        headers = dict(self.headers.items())
        try:
            with place.answer(self.command, self.path, headers, task=task, key=requested[1]) as answer:
                self._forward(answer, task)
        except DownloadFailed as error:
            self._send(503, str(error).encode(), {"Content-Type": "text/plain"})

    def _forward(self, answer: Answer, task: Task) -> None:
        """Stream the response to the client. If its body ends early, so does this one."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in CONNECTION_HEADERS:
                self.send_header(name, value)
        if "content-length" not in {name.lower() for name in answer.headers}:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            for chunk in answer.body:
                # Counted before it is sent, so that the counts include everything that a client has received.
                self.server.counts.count("bytes", [task.id], len(chunk))
                self.wfile.write(chunk)
        except DownloadFailed:
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
    """Serve in the background until the end of the block."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="double")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.place.close()
