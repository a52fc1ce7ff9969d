"""Odd answers of a source, built from pieces: a download ends with its bytes, or with an error of this project."""

import io
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exports.download.download import HEAD, Download
from exports.download.throughput import ThroughputMonitor
from exports.errors import ExportsError
from exports.retry import RetryPolicy
from tests.faults.copying import Certificate, assert_no_secret, assert_no_url_in_error
from tests.loopback import faults
from tests.loopback.server import serving
from tests.loopback.source import SourceServer

numbers = st.one_of(
    st.integers(-5, 200_000).map(str),
    st.sampled_from(
        ("", "*", "9" * 18, "9" * 5000, "0" * 5000, "1_0", "+5", "0x5", "\xb2", "1e3", "5, 5", "5, 6", " 7 ")
    ),
)
etags = st.sampled_from(('"v1"', "v1", 'W/"v1"', '""', '"a b"', '"' + "x" * 9000 + '"', '"\xe9"', '"\r\n folded"'))
dates = st.builds(
    lambda *pieces: " ".join(pieces),
    st.sampled_from(("Mon,", "", "Xyz,")),
    st.sampled_from(("23", "0", "99", "9" * 5000)),
    st.sampled_from(("Nov", "Foo", "11")),
    st.sampled_from(("2026", "0000", "9999", "10000", "1", "9" * 5000)),
    st.sampled_from(("10:00:00", "25:61:61", "23:59:60", "10")),
    st.sampled_from(("GMT", "UTC", "+2500", "-9999", "+99999999999999", "", "9" * 5000)),
)
codes = st.sampled_from(("AccessDenied", "ExpiredToken", "A" * 5000, "</Code>", "&#x0;", "\x00", "é", "x y"))
headers = st.one_of(
    st.builds("Content-Length: {}".format, numbers),
    st.builds("Content-Range: bytes {}-{}/{}".format, numbers, numbers, numbers),
    st.sampled_from(("Content-Range: bytes */5", "Content-Range: bytes 0-4/5", "Content-Range: lines 0-4/5")),
    st.builds("ETag: {}".format, etags),
    st.builds("Retry-After: {}".format, st.one_of(numbers, dates)),
    st.sampled_from(("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: CHUNKED")),
    st.sampled_from(("Location: https://localhost/", "Content-Encoding: gzip", "Connection: close", "Upgrade: h2c")),
    st.builds("{}: {}".format, st.text("aZ-\x00 é", max_size=5), st.text("xy\t\x01é", max_size=10)),
    st.sampled_from(("no colon", ": empty", "A: " + "b" * 70_000, "A: b\r\n" * 120, "\x00")),
)
statuses = st.one_of(
    st.sampled_from(("200", "206", "416", "412", "400", "403", "404", "302", "307", "503", "100", "204", "304")),
    st.sampled_from(("", "abc", "-1", "99", "1000", "2 6", "9" * 5000)),
)
sizes = st.one_of(
    st.integers(0, 40).map(lambda size: f"{size:x}"), st.sampled_from(("-1", "-5", "", "zz", "+5", "0x5", "f" * 5000))
)
chunks = st.lists(st.builds("{}\r\n{}\r\n".format, sizes, st.text("ab", max_size=40)), max_size=4).map("".join)
bodies = st.one_of(
    st.text("ab", max_size=100),
    chunks,
    chunks.map("{}0\r\n\r\n".format),
    st.builds("<Error><Code>{}</Code><Message>{}</Message></Error>".format, codes, codes),
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    version = draw(st.sampled_from(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/3", "ICY", "")))
    lines = [f"{version} {draw(statuses)} {draw(st.sampled_from(('OK', '', 'x' * 70_000)))}"]
    lines += draw(st.lists(headers, max_size=5))
    return ("\r\n".join(lines) + "\r\n\r\n" + draw(bodies)).encode("latin-1", "replace")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SourceServer, Certificate]]:
    certificate = Certificate.made_in(tmp_path_factory.mktemp("tls"))
    server = SourceServer(certificate.serving)
    with serving(server):
        yield server, certificate


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(answers())
@example(b"HTTP/1.1 206 x\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 0-2/3\r\n\r\n-1\r\nabc")
@example(b"HTTP/1.1 200 x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc")
@example(b"HTTP/1.1 503 x\r\nRetry-After: Mon, 23 Nov 2026 10:00:00 +99999999999999\r\n\r\n")
def test_bad_input_40_any_answer_gives_bytes_or_an_error_of_the_project(
    source: tuple[SourceServer, Certificate], logged: io.StringIO, answer: bytes
) -> None:
    server, certificate = source
    server.always = faults.raw(answer)
    download = Download(
        server.download_url,
        refresh_url=lambda: server.download_url,
        hosts=("localhost:*",),
        context=certificate.trusting,
        retry_policy=RetryPolicy(attempts=1, time_left=lambda: 60.0),
        connections=1,
        monitor=ThroughputMonitor,
    )

    for read in (probed, ranged, streamed):
        try:
            read(download, answer)
        except ExportsError as error:
            assert_no_url_in_error(error)
    assert_no_secret(logged.getvalue())


def probed(download: Download, answer: bytes) -> None:
    probe = download.probe()
    assert len(probe.head) <= HEAD
    assert probe.head in answer or b"chunked" in answer.lower()
    assert len(probe.etag) <= 200


def ranged(download: Download, answer: bytes) -> None:
    assert sum(map(len, download.read(0, 4, '"v1"'))) == 5


def streamed(download: Download, answer: bytes) -> None:
    with download.full_body() as body:
        received = sum(map(len, body.chunks))
        assert received <= len(answer)
        assert body.size in {None, received}
