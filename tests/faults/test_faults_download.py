"""Faults of the download: the rows of docs/reliability.md that a download URL or its server can cause."""

import io
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from exports.download.throughput import ThroughputMonitor
from exports.errors import NonRetryableError, SourceDenied, SourceError, UrlExpired
from exports.model import Reason
from exports.runs import Unfinished
from tests.faults.copying import MIB, Certificate, Copying, assert_no_secret, csv_bytes
from tests.loopback import faults
from tests.loopback.server import How
from tests.loopback.source import Fault, Get
from tests.unit.builders import countdown, zipped


def zip_bytes(size: int) -> bytes:
    """A complete zip file of about ``size`` bytes."""
    return zipped({"123456789012_osInfo.csv": csv_bytes(size)})


def test_fault_01_connection_refused(copying: Copying) -> None:
    copying.server.shutdown()
    copying.server.server_close()

    with pytest.raises(SourceError):
        copying.run()

    assert len(copying.pauses) == 3
    copying.assert_nothing_visible()


@pytest.mark.parametrize("breaks", [1, 3])
def test_fault_01_reset_before_headers_is_retried(copying: Copying, breaks: int) -> None:
    copying.server.faults.extend([faults.reset_before_headers] * breaks)

    result = copying.run()

    copying.assert_stored(result, copying.server.body)
    assert len(copying.pauses) == breaks


def test_fault_01_reset_before_headers_at_each_attempt_is_an_error(copying: Copying) -> None:
    copying.server.always = faults.reset_before_headers

    with pytest.raises(SourceError):
        copying.run()

    assert copying.pauses == [0.5, 1.0, 2.0]
    copying.assert_nothing_visible()


@pytest.mark.parametrize("cut", [faults.cut_after, faults.reset_after])
@pytest.mark.parametrize("count", [0, 1, 20_000])
def test_fault_02_body_cut_with_content_length_resumes_at_the_cut(copying: Copying, cut: Any, count: int) -> None:
    copying.server.faults.extend([faults.well, cut(count)])

    result = copying.run()

    copying.assert_stored(result, copying.server.body)
    assert {request.headers["If-Match"] for request in copying.server.requests} == {None, '"v1"'}
    if cut is faults.cut_after:
        assert copying.server.requests[-1].headers["Range"] == f"bytes={65536 + count}-99999"


def test_fault_02_body_cut_at_each_attempt_is_an_error(copying: Copying) -> None:
    copying.server.faults.append(faults.well)
    copying.server.always = faults.cut_after(0)

    with pytest.raises(SourceError):
        copying.run()

    copying.assert_nothing_visible()


def test_fault_02_body_cut_in_parts_of_a_large_file_resumes(copying: Copying) -> None:
    copying.server.body = csv_bytes(40 * MIB)
    copying.server.faults.extend(
        [faults.well, *(faults.reset_after(n) for n in (0, 700_000, 3 * MIB)), *[faults.well] * 2]
    )

    result = copying.run()

    copying.assert_stored(result, copying.server.body)
    parts = (each for each in copying.bucket.requests if each.operation == "PUT?uploadId")
    assert sum(int(part.headers["X-Amz-Decoded-Content-Length"]) for part in parts) == 40 * MIB


def test_fault_03_chunked_body_that_ends_early_is_downloaded_again(copying: Copying) -> None:
    copying.server.faults.extend([faults.chunked(), faults.chunked(30_000), faults.chunked(99_999)])
    copying.server.always = faults.chunked()

    result = copying.run()

    copying.assert_stored(result, copying.server.body)


def test_fault_03_chunked_body_that_ends_early_each_time_is_an_error(copying: Copying) -> None:
    copying.server.always = faults.chunked(70_000)

    with pytest.raises(SourceError):
        copying.run()

    copying.assert_nothing_visible()


def test_fault_04_complete_zip_without_length_is_stored(copying: Copying) -> None:
    copying.server.body = zip_bytes(200_000)
    copying.server.always = faults.no_length()

    copying.assert_stored(copying.run(), copying.server.body)


@pytest.mark.parametrize("missing", [1, 22, 100_000])
def test_fault_04_incomplete_zip_without_length_is_corrupt(copying: Copying, missing: int) -> None:
    copying.server.body = zip_bytes(200_000)
    copying.server.always = faults.no_length(len(copying.server.body) - missing)

    assert copying.rejected() is Reason.CORRUPT


def test_fault_04_zip_without_length_cut_once_is_downloaded_again(copying: Copying) -> None:
    copying.server.body = zip_bytes(200_000)
    copying.server.faults.extend([faults.no_length(), faults.no_length(100_000)])
    copying.server.always = faults.no_length()

    copying.assert_stored(copying.run(), copying.server.body)


def test_fault_04_csv_without_length_is_corrupt(copying: Copying) -> None:
    copying.server.always = faults.no_length()

    assert copying.rejected() is Reason.CORRUPT


def test_fault_05_content_length_too_low_is_corrupt(copying: Copying) -> None:
    copying.server.body = zip_bytes(200_000)
    copying.server.always = faults.no_ranges(length=150_000)

    assert copying.rejected() is Reason.CORRUPT


def test_fault_05_range_with_extra_bytes_is_stored_without_them(copying: Copying) -> None:
    copying.server.always = faults.range_of(100_000, b"x" * 500)

    copying.assert_stored(copying.run(), copying.server.body)


@pytest.mark.parametrize("range_by_range", [False, True])
def test_fault_05_range_shorter_than_requested_is_read_again(copying: Copying, range_by_range: bool) -> None:
    """The response is valid HTTP. Only the number of requested bytes shows that bytes are missing."""
    copying.server.faults.append(faults.well)
    copying.server.body = csv_bytes(20 * MIB if range_by_range else 100_000)
    copying.server.faults.extend([faults.range_of(1_000)] * 3)

    copying.assert_stored(copying.run(), copying.server.body)


def test_fault_05_read_of_a_short_range_is_an_error(copying: Copying) -> None:
    """``read`` checks the length itself; a copy counts the bytes, too."""
    copying.server.body = csv_bytes(100_000)
    download = copying.download()
    etag = download.probe().etag
    copying.server.faults.append(faults.range_of(1_000))

    with pytest.raises(SourceError, match="ended too early"):
        list(download.read(0, 99_999, etag))


def test_fault_05_content_length_too_high_is_an_error(copying: Copying) -> None:
    copying.server.always = faults.no_ranges(length=150_000)

    with pytest.raises(SourceError):
        copying.run()

    copying.assert_nothing_visible()


def ticking_clock(start: float = 0.0, step: float = 1.0) -> Iterator[float]:
    """A clock that advances by ``step`` seconds at each call."""
    return itertools.count(start, step)


@pytest.mark.parametrize("fault", [faults.trickle, faults.trickling_headers])
def test_fault_06_slow_source_is_an_error(copying: Copying, fault: Fault) -> None:
    copying.monitor = lambda: ThroughputMonitor(clock=ticking_clock().__next__)
    copying.server.always = fault

    with pytest.raises(SourceError, match="too slowly"):
        copying.run()

    assert len(copying.pauses) == 3
    copying.assert_nothing_visible()


def test_fault_06_throughput_is_checked_within_1000_bytes(copying: Copying) -> None:
    counts: list[int] = []

    class RecordingMonitor(ThroughputMonitor):
        def record(self, count: int, seconds: float) -> None:
            counts.append(count)
            super().record(count, seconds)

    copying.monitor = lambda: RecordingMonitor(clock=ticking_clock().__next__)
    copying.server.always = faults.trickle

    with pytest.raises(SourceError, match="too slowly"):
        copying.run()

    assert max(counts) < 1000


def test_fault_06_download_that_is_slow_once_resumes(copying: Copying) -> None:
    copying.monitor = lambda: ThroughputMonitor(clock=ticking_clock().__next__)
    copying.server.faults.extend([faults.well, faults.trickle])

    copying.assert_stored(copying.run(), copying.server.body)


def test_fault_06_slow_source_stops_at_the_end_of_the_time_budget(copying: Copying) -> None:
    left = ticking_clock(100.0, -1.0)
    copying.time_left = left.__next__
    copying.server.always = faults.trickle

    assert copying.run() == Unfinished()
    assert next(left) > -10
    copying.assert_nothing_visible()


@pytest.mark.parametrize("after", [-1, 0, 30_000])
def test_fault_06_silent_source_times_out(copying: Copying, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    monkeypatch.setattr("exports.download.connections.READ_SECONDS", 0.05)
    over = threading.Event()
    copying.server.always = faults.silence(over, after=after)

    with pytest.raises(SourceError):
        copying.run()

    over.set()
    copying.assert_nothing_visible()


@pytest.mark.parametrize(
    "fault",
    [
        faults.expired,
        faults.session_expired,
        faults.denied(403, "ExpiredToken"),
        faults.denied(400, "ExpiredTokenException"),
        faults.denied(),
    ],
)
def test_fault_07_expired_or_denied_url_is_requested_again(copying: Copying, fault: Fault) -> None:
    copying.server.faults.append(fault)

    copying.assert_stored(copying.run(), copying.server.body)
    assert copying.refreshes == 1
    assert not copying.pauses


@pytest.mark.parametrize(
    ("fault", "error"),
    [(faults.expired, UrlExpired), (faults.session_expired, UrlExpired), (faults.denied(), SourceDenied)],
)
def test_fault_07_url_that_stays_expired_or_denied_is_requested_twice(
    copying: Copying, fault: Fault, error: type[SourceError]
) -> None:
    copying.server.always = fault

    with pytest.raises(error) as caught:
        copying.run()

    assert caught.type is error
    assert copying.refreshes == 2
    assert not copying.pauses
    copying.assert_nothing_visible()


def test_denial_by_the_policy_of_a_vpc_endpoint_is_not_the_fault_of_the_source(copying: Copying) -> None:
    copying.server.always = faults.denied(message="… because no VPC endpoint policy allows the s3:GetObject action")

    with pytest.raises(NonRetryableError, match="AccessDenied"):
        copying.run()

    assert copying.refreshes == 0
    copying.assert_nothing_visible()


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(401),
        faults.status(403),
        faults.status(403, b"<html>" + b"x" * 100_000),
        faults.denied(403, "SignatureDoesNotMatch"),
        faults.denied(400, "AuthorizationQueryParametersError"),
    ],
)
def test_other_refusals_are_retried_with_the_same_url(copying: Copying, fault: Fault) -> None:
    copying.server.faults.append(fault)

    copying.assert_stored(copying.run(), copying.server.body)
    assert copying.refreshes == 0
    assert len(copying.pauses) == 1


def test_error_of_a_refusal_has_its_code_and_nothing_else_of_its_document(copying: Copying) -> None:
    copying.server.always = faults.denied(403, "SignatureDoesNotMatch", "canary")

    with pytest.raises(SourceError, match=r"^the source answered 403 SignatureDoesNotMatch$"):
        copying.run()


def test_only_the_start_of_an_error_document_is_read(copying: Copying) -> None:
    sent: list[int] = []

    def endless(exchange: Get) -> None:
        exchange.head(403, Content_Length=1 << 40)
        for _ in range(1_000):
            exchange.send(b"x" * 100_000)
            sent.append(100_000)

    copying.server.always = endless

    with pytest.raises(SourceError, match=r"^the source answered 403$"):
        copying.run()

    assert sum(sent) < 100_000_000 * copying.attempts


def test_fault_08_url_that_expires_during_the_download_is_requested_again(copying: Copying) -> None:
    copying.server.body = csv_bytes(40 * MIB)
    copying.server.faults.extend([faults.well, faults.well, faults.reset_after(100_000), faults.expired])

    copying.assert_stored(copying.run(workers=1), copying.server.body)
    assert copying.refreshes == 1


def test_fault_08_workers_request_a_new_url_once(copying: Copying) -> None:
    copying.server.body = csv_bytes(40 * MIB)
    copying.urls = [copying.server.download_url.replace("export.zip", "fresh.zip")]
    together = threading.Barrier(4, timeout=10)

    def answer(exchange: Get) -> None:
        if "fresh" in exchange.path:
            faults.well(exchange)
        else:
            together.wait()
            faults.expired(exchange)

    copying.server.faults.append(faults.well)
    copying.server.always = answer

    copying.assert_stored(copying.run(workers=4), copying.server.body)
    assert copying.refreshes == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_fault_09_busy_source_is_retried(copying: Copying, code: int) -> None:
    copying.server.faults.extend([faults.status(code)] * 2)

    copying.assert_stored(copying.run(), copying.server.body)
    assert copying.pauses == [0.5, 1.0]


def test_fault_09_retry_after_is_obeyed(copying: Copying) -> None:
    copying.server.faults.append(faults.status(503, Retry_After=7))

    copying.assert_stored(copying.run(), copying.server.body)
    assert copying.pauses == [7.0]


def test_fault_09_retry_after_as_a_date(copying: Copying) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)
    copying.server.faults.append(faults.status(503, Retry_After=date))

    copying.assert_stored(copying.run(), copying.server.body)
    assert 3500 < copying.pauses[0] <= 3600


def test_fault_09_retry_after_beyond_the_time_left_is_an_error(copying: Copying) -> None:
    copying.time_left = lambda: 60.0
    copying.server.always = faults.status(503, Retry_After=3600)

    with pytest.raises(SourceError):
        copying.run()

    assert not copying.pauses
    copying.assert_nothing_visible()


@pytest.mark.parametrize("code", [404, 410])
def test_fault_10_deleted_export_is_gone(copying: Copying, code: int) -> None:
    copying.server.always = faults.status(code)

    assert copying.rejected() is Reason.GONE
    assert len(copying.server.requests) == 1


ELSEWHERE = ["https://localhost:{}/other", "http://169.254.169.254/latest/meta-data/", "/other", "9" * 5000]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("code", [300, 301, 303, 308, 399])
def test_fault_11_redirect_is_not_followed(copying: Copying, elsewhere: str, code: int) -> None:
    copying.server.faults.append(faults.status(code, Location=elsewhere.format(copying.server.server_port)))

    assert copying.rejected() is Reason.URL_REFUSED
    assert len(copying.server.requests) == 1


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("code", [302, 307])
def test_fault_11_45_temporary_redirect_is_not_followed_but_tried_again(
    copying: Copying, elsewhere: str, code: int
) -> None:
    redirect = faults.status(code, Location=elsewhere.format(copying.server.server_port))
    copying.server.faults.extend([redirect, faults.well, redirect])

    copying.assert_stored(copying.run(), copying.server.body)
    assert {each.path for each in copying.server.requests} == {copying.server.requests[0].path}
    assert copying.pauses == [0.5, 0.5]


def test_fault_11_45_temporary_redirect_that_stays_is_left_to_a_later_poll(copying: Copying) -> None:
    copying.server.always = faults.status(307, Location="/other", Retry_After=7)

    with pytest.raises(SourceError, match="307"):
        copying.run()

    assert copying.pauses == [7.0, 7.0, 7.0]
    copying.assert_nothing_visible()


HEAD = b'HTTP/1.1 206 OK\r\nETag: "v1"\r\n'
RANGE = b"Content-Range: bytes 0-65535/100000\r\n"
DIGITS = b"9" * 5000
ODD_RESPONSES = {
    "status that is no number": b"HTTP/1.1 abc\r\n\r\n",
    "status of 5,000 digits": b"HTTP/1.1 " + DIGITS + b"\r\n\r\n",
    "no status": b"\x00\xff\r\n\r\n",
    "header without a colon": HEAD + b"no colon\r\n\r\n",
    "too many headers": HEAD + b"A: b\r\n" * 200 + b"\r\n",
    "header too long": HEAD + b"A: " + b"b" * 70_000 + b"\r\n\r\n",
    "Content-Range of 5,000 digits": HEAD + b"Content-Range: bytes 0-65535/" + DIGITS + b"\r\n\r\n",
    "Content-Range from 5,000 digits": HEAD + b"Content-Range: bytes " + DIGITS + b"-65535/100000\r\n\r\n",
    "Content-Range that is negative": HEAD + b"Content-Range: bytes -5--1/-1\r\n\r\n",
    "Content-Range that is not ASCII": HEAD + "Content-Range: bytes 0-\u0663/\u0663\r\n\r\n".encode(),
    "two values of Content-Length": HEAD + RANGE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "chunk of a negative size": HEAD + RANGE + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc",
    "chunk without a size": HEAD + RANGE + b"Transfer-Encoding: chunked\r\n\r\n\r\nabc",
    "chunk of no number": HEAD + RANGE + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
    "chunk of 5,000 digits": HEAD + RANGE + b"Transfer-Encoding: chunked\r\n\r\n" + DIGITS + b"\r\nabc",
    "Retry-After of 5,000 digits": b"HTTP/1.1 503 x\r\nRetry-After: " + DIGITS + b"\r\n\r\n",
    "Retry-After in no zone": b"HTTP/1.1 503 x\r\nRetry-After: Mon, 23 Nov 2026 10:00:00 +99999999999999\r\n\r\n",
    "Retry-After after the year 9999": b"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 -2359\r\n\r\n",
    "error document that is no XML": b"HTTP/1.1 403 x\r\nContent-Length: 9\r\n\r\n<Code>\xff\x00<",
    "error document of a negative chunk": b"HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc",
    "error document with 5,000 characters of a code": b"HTTP/1.1 400 x\r\n\r\n<Code>" + b"A" * 5000 + b"</Code>",
}


@pytest.mark.parametrize("answer", ODD_RESPONSES.values(), ids=ODD_RESPONSES.keys())
def test_bad_input_40_response_that_cannot_be_read_is_tried_again(copying: Copying, answer: bytes) -> None:
    copying.attempts = 2
    copying.server.faults.append(faults.raw(answer))

    copying.assert_stored(copying.run(), copying.server.body)
    assert len(copying.pauses) == 1


@pytest.mark.parametrize("answer", ODD_RESPONSES.values(), ids=ODD_RESPONSES.keys())
def test_bad_input_40_response_that_can_never_be_read_is_left_to_a_later_poll(copying: Copying, answer: bytes) -> None:
    copying.server.always = faults.raw(answer)

    with pytest.raises(SourceError):
        copying.run()

    copying.assert_nothing_visible()


def test_bad_input_40_chunk_of_a_negative_size_does_not_fill_the_memory(copying: Copying) -> None:
    """http.client reads all that follows, as after -1 in read()."""
    sent = []

    def endless(exchange: Get) -> None:
        exchange.head(200, Transfer_Encoding="chunked")
        exchange.send(b"-1\r\n")
        for _ in range(1024):
            exchange.send(b"x" * MIB)
            sent.append(MIB)

    copying.server.always = endless

    with pytest.raises(SourceError):
        copying.download().probe()

    assert sum(sent) < 64 * MIB


ENDLESS = {
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", b"A: b\r\n"),
    "chunks of a byte": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"abc"),
    "error document": (b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
}


@pytest.mark.parametrize(("head", "piece"), ENDLESS.values(), ids=ENDLESS.keys())
def test_bad_input_40_response_without_an_end_ends_with_the_time(copying: Copying, head: bytes, piece: bytes) -> None:
    def endless(exchange: Get) -> None:
        exchange.send(head)
        while True:
            exchange.send(piece * (64 * 1024 // len(piece)))

    copying.server.always = endless
    copying.time_left = countdown(200)

    with suppress(SourceError):  # an error document is read in part, and then an answer like any other
        assert copying.run(max_bytes=1024 * MIB) == Unfinished()

    copying.assert_nothing_visible()


@pytest.mark.parametrize("length", ["9" * 5000, "9" * 16, "-1", "5_0", "+5", "0x5", "\xb2", "5, 5"])
def test_bad_input_40_length_that_is_no_number_is_tried_again(copying: Copying, length: str) -> None:
    copying.server.body = zip_bytes(200_000)
    copying.server.faults.append(faults.no_ranges(length))

    copying.assert_stored(copying.run(), copying.server.body)
    assert len(copying.pauses) == 1


@pytest.mark.parametrize("coding", ["gzip, chunked", "xchunked", "chunked, chunked"])
def test_bad_input_40_body_that_only_looks_chunked_is_not_accepted_without_its_end(
    copying: Copying, coding: str
) -> None:
    def fault(exchange: Get) -> None:
        exchange.head(200, Transfer_Encoding=coding)
        exchange.send(exchange.body[:50_000])
        exchange.cut(How.CLOSED)

    copying.server.always = fault

    assert copying.rejected() is Reason.CORRUPT


@pytest.mark.parametrize("etag", ['"a b"', '"' + "x" * 5000 + '"', '"\xe9"', 'W/"v1"', ""])
def test_bad_input_40_etag_that_cannot_be_sent_back_is_not_used(copying: Copying, etag: str) -> None:
    copying.server.body = zip_bytes(20 * MIB)
    copying.server.etag = etag

    copying.assert_stored(copying.run(), copying.server.body)
    assert not any("If-Match" in request.headers for request in copying.server.requests)


def test_fault_12_private_address_of_an_allowed_host_is_rejected(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(host: str, port: int, **_: Any) -> list[Any]:
        return [(None, None, None, "", (address, port)) for address in ("52.216.0.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answer)

    assert copying.rejected(download_url="https://bucket.s3.amazonaws.com/key") is Reason.URL_REFUSED
    assert not copying.server.requests


def test_fault_13_untrusted_certificate_is_rejected(copying: Copying, other_certificate: Certificate) -> None:
    copying.certificate = other_certificate

    assert copying.rejected() is Reason.URL_REFUSED
    assert not copying.pauses
    assert not copying.server.requests


def test_fault_13_certificate_of_another_host_is_rejected(copying: Copying, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **more: resolve("127.0.0.1", *args, **more))
    elsewhere = copying.server.download_url.replace("localhost", "elsewhere.example")

    assert copying.rejected(download_url=elsewhere, hosts=("elsewhere.example:*",)) is Reason.URL_REFUSED
    assert not copying.server.requests


def test_fault_13_no_fallback_to_plain_http(copying: Copying) -> None:
    received = []
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def listen() -> None:
            for _ in range(copying.attempts):
                connection, _ = plain.accept()
                received.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                connection.close()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        with pytest.raises(SourceError):
            copying.run(download_url=f"https://localhost:{plain.getsockname()[1]}/export.zip")
        listener.join(10)

    assert len(received) == copying.attempts
    assert not any(b"GET" in data for data in received)


def test_fault_14_etag_change_between_parts_starts_again(copying: Copying) -> None:
    copying.server.body = csv_bytes(40 * MIB, seed=1)
    new = csv_bytes(30 * MIB, seed=2)
    copying.server.faults.extend([faults.well, faults.well, faults.changes_to(new, '"v2"')])

    result = copying.run(workers=1)

    copying.assert_stored(result, new)
    assert [upload.etag for upload in copying.saved] == ['"v1"', '"v2"', '"v2"']


def test_fault_14_etag_change_is_detected_without_if_match(copying: Copying) -> None:
    new = csv_bytes(100_000, seed=2)

    def change(exchange: Get) -> None:
        exchange.changes_to(new, '"v2"')
        faults.ignoring_if_match(exchange)

    copying.server.faults.extend([faults.well, faults.cut_after(10_000), change])

    copying.assert_stored(copying.run(), new)


def test_fault_14_etag_change_between_invocations_starts_again(copying: Copying) -> None:
    copying.server.body = csv_bytes(40 * MIB, seed=1)
    copying.time_left = countdown(20)
    assert copying.run(workers=1) == Unfinished()
    stale = copying.saved[-1]
    copying.time_left = lambda: 1000.0
    copying.server.body, copying.server.etag = csv_bytes(40 * MIB, seed=2), '"v2"'

    result = copying.run(known=stale)

    copying.assert_stored(result, copying.server.body)


def test_fault_14_source_that_keeps_changing_is_an_error(copying: Copying) -> None:
    count = itertools.count()

    def change(exchange: Get) -> None:
        exchange.changes_to(exchange.body, f'"v{next(count)}"')
        faults.well(exchange)

    copying.server.always = change

    with pytest.raises(SourceError):
        copying.run()

    copying.assert_nothing_visible()
    assert not copying.bucket.uploads


def test_fault_37_log_of_requests_hides_the_url(copying: Copying, logged: io.StringIO) -> None:
    copying.server.faults.append(faults.status(503))

    copying.run()

    assert 'GET <hidden> HTTP/1.1" 503' in logged.getvalue()
    assert 'GET <hidden> HTTP/1.1" 206' in logged.getvalue()


def test_fault_37_repr_of_a_download_hides_the_url(copying: Copying) -> None:
    download = copying.download()

    assert_no_secret(f"{download!r} {download.probe()!r} {vars(download)}")
