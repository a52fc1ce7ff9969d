"""Bad input in downloads: the rows of docs/reliability.md about the bytes and the headers of a response."""

import gzip
import io
import zipfile

import pytest

from exports.errors import SourceError
from exports.model import Reason
from tests.faults.copying import Copying
from tests.loopback import faults
from tests.loopback.source import Fault, Get

HTML = b"\n  <!DOCTYPE html><html><body>Sorry, try again later</body></html>"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>'


def test_bad_input_16_allowed_host_with_any_port_and_sigv2_is_stored(copying: Copying) -> None:
    url = f"https://localhost:{copying.server.server_port}/export.zip?AWSAccessKeyId=AKIA&Expires=1&Signature=canary"

    copying.assert_stored(copying.run(download_url=url), copying.server.body)


def test_bad_input_16_port_that_is_not_allowed_is_rejected(copying: Copying) -> None:
    assert copying.rejected(hosts=("localhost:8443",)) is Reason.URL_REFUSED
    assert not copying.server.requests


@pytest.mark.parametrize("answer", [faults.well, faults.no_ranges(), faults.chunked(), faults.no_length()])
def test_bad_input_19_empty_body_is_corrupt(copying: Copying, answer: Fault) -> None:
    copying.server.body = b""
    copying.server.always = answer

    assert copying.rejected() is Reason.CORRUPT


def test_bad_input_19_empty_zip_is_stored(copying: Copying) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    copying.server.body = empty.getvalue()

    result = copying.run()

    copying.assert_stored(result, copying.server.body)
    assert list(copying.bucket.objects) == ["raw/export.zip"]


@pytest.mark.parametrize("body", [HTML, XML, b"\xef\xbb\xbf" + HTML, b"<html>" + b" " * 200_000])
def test_bad_input_20_error_page_with_status_200_is_corrupt(copying: Copying, body: bytes) -> None:
    copying.server.always = faults.status(200, body, Content_Type="application/zip")

    assert copying.rejected() is Reason.CORRUPT


@pytest.mark.parametrize("size", [1_000, 300_000])
def test_bad_input_27_gzip_content_encoding_is_stored_as_received(copying: Copying, size: int) -> None:
    copying.server.body = gzip.compress(copying.server.body[:size], compresslevel=1)
    copying.server.always = faults.no_ranges(Content_Encoding="gzip")

    result = copying.run()

    copying.assert_stored(result, copying.server.body)
    assert list(copying.bucket.objects) == ["raw/export.csv.gz"]
    assert {request.headers["Accept-Encoding"] for request in copying.server.requests} == {"identity"}


def test_bad_input_28_content_type_and_file_name_are_ignored(copying: Copying) -> None:
    copying.server.always = faults.no_ranges(
        Content_Type="application/x-msdownload", Content_Disposition='attachment; filename="../../manifests/x.json"'
    )

    result = copying.run()

    copying.assert_stored(result, copying.server.body)
    assert list(copying.bucket.objects) == ["raw/export.csv"]


def test_bad_input_28_contradictory_range_headers_are_an_error(copying: Copying) -> None:
    def contradict(exchange: Get) -> None:
        exchange.head(206, Content_Length=5, Content_Range="bytes 7-3/-1", ETag='"v1"')
        exchange.send(b"hello")

    copying.server.always = contradict

    with pytest.raises(Exception, match="range"):
        copying.run()

    copying.assert_nothing_visible()


@pytest.mark.parametrize("code", [206, 416])
def test_bad_input_28_unexpected_status_is_an_error(copying: Copying, code: int) -> None:
    copying.server.faults.append(faults.no_ranges())
    copying.server.always = faults.status(code, b"<Error>InvalidRange</Error>")

    with pytest.raises(SourceError, match=str(code)):
        copying.run()

    copying.assert_nothing_visible()


def test_download_larger_than_the_limit_is_rejected(copying: Copying) -> None:
    assert copying.rejected(max_bytes=99_999) is Reason.TOO_LARGE
    assert len(copying.server.requests) == 1


def test_download_without_length_stops_at_the_limit(copying: Copying) -> None:
    copying.server.always = faults.chunked()

    assert copying.rejected(max_bytes=99_999) is Reason.TOO_LARGE
