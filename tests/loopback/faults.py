"""Faults of a source, one for each request."""

import threading

from tests.loopback.server import How
from tests.loopback.source import Fault, Get, Style, well

__all__ = ["Fault", "well"]


def reset_before_headers(exchange: Get) -> None:
    exchange.cut(How.RESET)


def cut_after(count: int, how: How = How.LOST) -> Fault:
    """The declared length is correct, but the body ends after ``count`` bytes."""
    return lambda exchange: exchange.serve(until=exchange.byte_range()[0] + count, how=how)


def reset_after(count: int) -> Fault:
    return cut_after(count, How.RESET)


def chunked(count: int | None = None) -> Fault:
    """The full body in chunks, without ranges; with ``count``, it is cut after ``count`` bytes."""
    return lambda exchange: exchange.serve(Style.CHUNKED, until=count)


def no_length(count: int | None = None) -> Fault:
    """The full body, or ``count`` bytes, ended by the end of the connection as in HTTP/1.0."""

    def fault(exchange: Get) -> None:
        exchange.head(200, Connection="close")
        exchange.send(exchange.body[: len(exchange.body) if count is None else count])
        exchange.cut()

    return fault


def no_ranges(length: int | str | None = None, **headers: str | int) -> Fault:
    """Status 200 to a ranged GET, with the correct length or with ``length``."""

    def fault(exchange: Get) -> None:
        body = exchange.body
        exchange.head(200, Content_Length=len(body) if length is None else length, **headers)
        exchange.send(body[: len(body)])
        exchange.cut()

    return fault


def range_of(length: int, extra: bytes = b"") -> Fault:
    """``length`` bytes of the requested range, then ``extra``, with the Content-Length of both together."""

    def fault(exchange: Get) -> None:
        body = exchange.requested_bytes()[:length] + extra
        exchange.range_head(length=len(body))
        exchange.send(body)

    return fault


def trickle(exchange: Get) -> None:
    """One byte in each TLS record, so that each receive returns one byte. The clock of the test simulates the delay."""
    exchange.range_head()
    for byte in exchange.requested_bytes():
        exchange.send(bytes((byte,)))


def trickling_headers(exchange: Get) -> None:
    exchange.send(b"HTTP/1.1 206 OK\r\n")
    for byte in b"X-Padding: " + b"x" * 60_000 + b"\r\n":
        exchange.send(bytes((byte,)))


def silence(until: threading.Event, *, after: int = 0) -> Fault:
    """Send the headers and ``after`` bytes of the body (-1: no headers either), then nothing until the test ends."""

    def fault(exchange: Get) -> None:
        if after >= 0:
            exchange.range_head()
            exchange.send(exchange.requested_bytes()[:after])
        until.wait(30)
        exchange.cut(How.RESET)

    return fault


def status(code: int, body: bytes = b"", **headers: str | int) -> Fault:
    return lambda exchange: exchange.answer(code, body, **headers)


def raw(answer: bytes) -> Fault:
    """These bytes, and the end of the connection."""

    def fault(exchange: Get) -> None:
        exchange.send(answer)
        exchange.cut(How.CLOSED)

    return fault


def denied(status: int = 403, code: str = "AccessDenied", message: str = "Access Denied") -> Fault:
    """An error document of S3; by default, that for a missing object whose bucket the signer may not list."""
    return lambda exchange: exchange.deny(status, code, message)


expired = denied(message="Request has expired")
"""The signature of the URL has expired."""
session_expired = denied(400, "ExpiredToken", "The provided token has expired.")
"""The session of the signer has expired."""


def changes_to(body: bytes, etag: str) -> Fault:
    """The source changes with this request."""

    def fault(exchange: Get) -> None:
        exchange.changes_to(body, etag)
        exchange.serve()

    return fault


def ignoring_if_match(exchange: Get) -> None:
    exchange.range_head()
    exchange.send(exchange.requested_bytes())
