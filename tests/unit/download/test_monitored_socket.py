"""A TLS socket that reports what it receives: a receive returns what is there and never waits to fill its buffer."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exports.download.connections import tls_context
from exports.download.throughput import MonitoredSocket, ThroughputMonitor
from local.stack.certificate import make_certificate


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[tuple[MonitoredSocket, ssl.SSLSocket]]:
    """A client as in a download, connected to a server that says nothing by itself."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(certificate, key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    near, far = socket.socketpair()
    near.settimeout(10)
    accepted: list[ssl.SSLSocket] = []
    handshake = threading.Thread(target=lambda: accepted.append(serving.wrap_socket(far, server_side=True)))
    handshake.start()
    client = tls_context(str(certificate)).wrap_socket(near, server_hostname="localhost")
    handshake.join()
    assert isinstance(client, MonitoredSocket)
    with client, accepted[0] as server:
        yield client, server


class RecordingMonitor(ThroughputMonitor):
    """Records the byte counts that a socket reports."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def record(self, count: int, seconds: float) -> None:
        self.counts.append(count)


def test_a_receive_returns_what_is_there_although_its_buffer_has_room(
    sockets: tuple[MonitoredSocket, ssl.SSLSocket],
) -> None:
    """Else a large buffer, such as the 128 KiB of http.client on Python 3.14, makes it wait for a silent server."""
    client, server = sockets
    client.monitor = monitor = RecordingMonitor()
    server.sendall(b"x" * 100)

    received = client.recv_into(bytearray(128 * 1024))

    assert received == 100
    assert monitor.counts == [100]
