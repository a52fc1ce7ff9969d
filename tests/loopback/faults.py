"""What may be wrong with a source, one fault a request."""

import threading

from tests.loopback.server import How
from tests.loopback.source import Fault, Get, Style, well

__all__ = ["Fault", "well"]


def reset_before_headers(exchange: Get) -> None:
    exchange.cut(How.RESET)


def cut_after(count: int, how: How = How.LOST) -> Fault:
    """The declared length is true, but only ``count`` bytes come."""
    return lambda exchange: exchange.serve(until=exchange.span()[0] + count, how=how)


def reset_after(count: int) -> Fault:
    return cut_after(count, How.RESET)


def chunked(count: int | None = None) -> Fault:
    """All of it in chunks and without ranges; with ``count``, cut after so many bytes."""
    return lambda exchange: exchange.serve(Style.CHUNKED, until=count)


def no_length(count: int | None = None) -> Fault:
    """All of it, or ``count`` bytes, and then the connection closes: HTTP/1.0's way of saying that this was it."""

    def fault(exchange: Get) -> None:
        exchange.head(200, Connection="close")
        exchange.send(exchange.body[: len(exchange.body) if count is None else count])
        exchange.cut()

    return fault


def no_ranges(length: int | None = None, **headers: str | int) -> Fault:
    """200 to a ranged GET, with a true length, or with another ``length`` than the body has."""

    def fault(exchange: Get) -> None:
        body = exchange.body
        exchange.head(200, Content_Length=len(body) if length is None else length, **headers)
        exchange.send(body[: len(body)])
        exchange.cut()

    return fault


def range_of(length: int, extra: bytes = b"") -> Fault:
    """A range that is ``length`` bytes of what was asked for and ``extra`` ones, and says no more than that."""

    def fault(exchange: Get) -> None:
        body = exchange.wanted()[:length] + extra
        exchange.range_head(length=len(body))
        exchange.send(body)

    return fault


def trickle(exchange: Get) -> None:
    """One byte in each TLS record, so that each receive gets one; no waiting: the test's clock does that."""
    exchange.range_head()
    for byte in exchange.wanted():
        exchange.send(bytes((byte,)))


def trickling_headers(exchange: Get) -> None:
    exchange.send(b"HTTP/1.1 206 OK\r\n")
    for byte in b"X-Padding: " + b"x" * 60_000 + b"\r\n":
        exchange.send(bytes((byte,)))


def silence(until: threading.Event, *, after: int = 0) -> Fault:
    """Headers, ``after`` bytes of the body (-1: not even headers) and then nothing, until the test is over."""

    def fault(exchange: Get) -> None:
        if after >= 0:
            exchange.range_head()
            exchange.send(exchange.wanted()[:after])
        until.wait(30)
        exchange.cut(How.RESET)

    return fault


def status(code: int, body: bytes = b"", **headers: str | int) -> Fault:
    return lambda exchange: exchange.answer(code, body, **headers)


def changes_to(body: bytes, etag: str) -> Fault:
    """From this request on the source is another one."""

    def fault(exchange: Get) -> None:
        exchange.changes_to(body, etag)
        exchange.serve()

    return fault


def ignoring_if_match(exchange: Get) -> None:
    exchange.range_head()
    exchange.send(exchange.wanted())
