"""Connections of a download: to the checked address, verified for the host name of the URL."""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exports.download.connections import CheckedConnection, connect, tls_context
from exports.download.download import Download, parse_retry_after
from exports.download.throughput import ThroughputMonitor
from exports.download.url_policy import Target
from exports.errors import Rejected, SourceError, UrlExpired
from tests.unit.fakes import FakeClock

NOW = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)
HOST = "bucket.s3.amazonaws.com"


class Network:
    """Fakes DNS and TCP connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.down: set[str] = set()
        self._answers = list(answers)
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)
        monkeypatch.setattr("exports.download.connections.connection.create_connection", self._connect)

    def _resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        self.resolved.append(host)
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if not addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    def _connect(self, address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        self.connected.append(address)
        if address[0] in self.down:
            raise ConnectionRefusedError
        return socket.socket()


def new_connection(*, host: str = HOST, allowlisted: bool = False) -> CheckedConnection:
    connection = CheckedConnection(host, 443, allowlisted=allowlisted, monitor=ThroughputMonitor)
    connection._new_conn().close()
    return connection


def test_fault_12_connection_uses_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, ["52.216.0.1"], ["127.0.0.1"])

    connection = new_connection()

    assert network.resolved == [HOST]
    assert network.connected == [("52.216.0.1", 443)]
    assert connection.host == HOST


def test_fault_12_address_of_the_second_connection_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, ["52.216.0.1"], ["127.0.0.1"])
    new_connection()

    with pytest.raises(Rejected):
        new_connection()

    assert network.connected == [("52.216.0.1", 443)]


def test_next_address_is_tried_when_one_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, ["52.216.0.1", "52.216.0.2"])
    network.down = {"52.216.0.1"}

    new_connection()

    assert [address for address, _ in network.connected] == ["52.216.0.1", "52.216.0.2"]


def test_at_most_three_addresses_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, [f"52.216.0.{n}" for n in range(1, 9)])
    network.down = {f"52.216.0.{n}" for n in range(1, 9)}

    with pytest.raises(ConnectionRefusedError):
        new_connection()

    assert len(network.connected) == 3


V4, V6 = [f"52.216.0.{n}" for n in range(1, 9)], [f"2600:1fa0::{n}" for n in range(1, 9)]


@pytest.mark.parametrize(
    ("addresses", "tried"),
    [
        ([*V6, *V4], [V6[0], V4[0], V6[1]]),
        ([*V4, *V6], [V4[0], V6[0], V4[1]]),
        ([*V6, V4[0]], [V6[0], V4[0], V6[1]]),
        ([V6[0], *V4], [V6[0], V4[0], V4[1]]),
        ([*V6], V6[:3]),
        ([V6[0], V4[0]], [V6[0], V4[0]]),
    ],
)
@pytest.mark.parametrize("allowlisted", [False, True])
def test_fault_44_an_address_of_each_family_is_tried(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str], tried: list[str], allowlisted: bool
) -> None:
    network = Network(monkeypatch, addresses)
    network.down = {*addresses}

    with pytest.raises(ConnectionRefusedError):
        new_connection(allowlisted=allowlisted)

    assert [address for address, _ in network.connected] == tried


def test_fault_44_source_without_a_route_for_ipv6_is_read_over_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, [*V6, V4[0]])
    network.down = {*V6}

    new_connection()

    assert network.connected[-1] == (V4[0], 443)


@pytest.mark.parametrize("private", ["10.0.0.1", "fd00:ec2::254", "64:ff9b:1::1"])
def test_fault_12_44_every_address_is_checked_although_few_are_tried(
    monkeypatch: pytest.MonkeyPatch, private: str
) -> None:
    network = Network(monkeypatch, [*V6, *V4, private])

    with pytest.raises(Rejected):
        new_connection()

    assert not network.connected


def test_allowed_host_may_have_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, ["127.0.0.1"])

    new_connection(host="localhost", allowlisted=True)

    assert network.connected == [("127.0.0.1", 443)]


def test_tls_is_verified_for_the_host_name_of_the_url() -> None:
    context = tls_context()
    endpoint = connect(Target(HOST, 443, "/"), context=context, connections=2, monitor=ThroughputMonitor)

    connection = endpoint.pool._new_conn()

    assert isinstance(connection, CheckedConnection)
    assert connection.host == HOST
    assert connection.assert_hostname is None
    assert connection.ssl_context is context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_tls_context_is_cached_and_reads_the_bundle(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context(str(tmp_path / "missing.pem"))

    assert tls_context() is tls_context()


def test_url_that_is_not_allowed_is_rejected_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, ["52.216.0.1"])

    with pytest.raises(Rejected):
        Download("http://canary/", refresh_url=lambda: None, hosts=(), context=tls_context(), connections=1)

    assert not network.resolved


def test_refreshed_url_is_checked_by_the_same_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    Network(monkeypatch, ["52.216.0.1"])
    download = Download(
        f"https://{HOST}/key",
        refresh_url=lambda: "https://evil.example/",
        hosts=(),
        context=tls_context(),
        connections=1,
    )

    with pytest.raises(Rejected):
        download._refresh_url(download._endpoint, UrlExpired("expired"))


def test_name_that_does_not_resolve_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(monkeypatch, [])
    retry_policy = FakeClock().retry_policy(3)
    download = Download(
        f"https://{HOST}/key",
        refresh_url=lambda: None,
        hosts=(),
        context=tls_context(),
        connections=1,
        retry_policy=retry_policy,
    )

    with pytest.raises(SourceError):
        download.probe()

    assert len(network.resolved) == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Mon, 23 Nov 2026 10:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("1e9", 0.0),
        ("٣", 0.0),
        ("9" * 15, 1e9),
        ("9" * 5000, 0.0),
        ("Mon, 23 Nov 2026 10:01:30 +99999999999999", 0.0),
        ("Mon, 23 Nov 2026 10:01:30 -2359", 0.0),
        ("Mon, 23 Nov 2026 10:01:61 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 10:01:30 GMT", 0.0),
        ("Mon, 23 Nov 2026 10:01:30 GMT, Mon, 23 Nov 2026 10:01:30 GMT", 0.0),
    ],
)
def test_bad_input_40_retry_after_formats(value: str, seconds: float) -> None:
    assert parse_retry_after(value, NOW) == seconds
