"""HTTPS connections of downloads: to a checked address, with verified certificates and timeouts, no redirects."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPResponse
from pathlib import Path
from ssl import CERT_REQUIRED, SSLContext
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.util import Timeout, connection
from urllib3.util.ssl_ import create_urllib3_context

from exports.download.throughput import MonitoredSocket, ThroughputMonitor
from exports.download.url_policy import Target, public_addresses, resolve

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
"""Longest wait for the next byte. :class:`~exports.download.throughput.ThroughputMonitor` handles slow sources."""
MAX_ADDRESSES = 3
USER_AGENT = "discovery-exports"


@cache
def tls_context(ca_bundle: str = "") -> SSLContext:
    """A context that trusts the system's certificates and those of ``ca_bundle`` (a file or directory), if given."""
    context = create_urllib3_context(cert_reqs=CERT_REQUIRED)
    context.check_hostname = True
    context.load_default_certs()
    if ca_bundle:
        kind = "capath" if Path(ca_bundle).is_dir() else "cafile"
        context.load_verify_locations(**{kind: ca_bundle})
    context.sslsocket_class = MonitoredSocket
    return context


class CheckedResponse(HTTPResponse):
    """Rejects a negative chunk size. http.client would read the rest of the connection into memory."""

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]  # private, but alike in Python 3.11 to 3.14
        if size < 0:
            raise ValueError
        return size


class CheckedConnection(HTTPSConnection):
    """Resolves its host, checks the addresses, and connects to a checked address.

    Host header and SNI stay those of the URL. A host that is ``allowlisted`` may have any address.
    """

    response_class = CheckedResponse

    def __init__(self, *args: Any, allowlisted: bool, monitor: Callable[[], ThroughputMonitor], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allowlisted = allowlisted
        self._monitor = monitor

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, MonitoredSocket):
            self.sock.monitor = self._monitor()

    def _new_conn(self) -> socket.socket:
        find = resolve if self._allowlisted else public_addresses
        failure: OSError = OSError("no address")
        for address in find(self.host, self.port)[:MAX_ADDRESSES]:
            try:
                return connection.create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                failure = error
        raise failure


class _Pool(HTTPSConnectionPool):
    ConnectionCls = CheckedConnection


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A download URL that passed the checks, and the connections to its host."""

    target: Target
    pool: HTTPSConnectionPool = field(repr=False)

    def get(self, headers: Mapping[str, str]) -> "BaseHTTPResponse":
        """The response to a GET, its body not read and not decoded. Raises the exceptions of urllib3."""
        return self.pool.urlopen(
            "GET",
            self.target.path,
            headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )


def connect(
    target: Target, *, context: SSLContext, connections: int, monitor: Callable[[], ThroughputMonitor]
) -> Endpoint:
    pool = _Pool(
        target.host,
        target.port,
        maxsize=connections,
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        ssl_context=context,
        allowlisted=target.allowlisted,
        monitor=monitor,
    )
    return Endpoint(target, pool)
