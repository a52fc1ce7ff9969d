"""Download URLs are redacted from every text, in every encoding."""

import io
import json
import logging
import sys
import traceback
from urllib.parse import quote

import botocore.parsers
import botocore.session
import pytest
import urllib3
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from exports import redaction
from exports.redaction import redact, redact_message

PATH = "canary-in-the-path"
QUERY = "canary-in-the-signature"
URL = (
    f"https://bucket.s3.us-west-2.amazonaws.com/{PATH}/export%20x.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    f"&X-Amz-Credential=ASIA%2F20261123&X-Amz-Security-Token=IQo%2B{QUERY}%3D%3D&X-Amz-Signature={QUERY}"
)
TARGET = URL.removeprefix("https://bucket.s3.us-west-2.amazonaws.com")
SIGV2_URL = f"https://bucket.s3.amazonaws.com/{PATH}?AWSAccessKeyId=AKIA&Expires=1795445878&Signature={QUERY}"
JSON_ESCAPED = json.dumps({"configurationsDownloadUrl": URL}).replace("&", "\\u0026").replace("=", "\\u003d")

FORMS = {
    "plain": URL,
    "in upper case": URL.replace("https", "HTTPS"),
    "SigV2": SIGV2_URL,
    "percent-encoded": quote(URL, safe=""),
    "percent-encoded twice": quote(quote(URL, safe=""), safe=""),
    "percent-encoded twice, unsigned": quote(quote(f"https://host/{PATH}/export.zip", safe=""), safe=""),
    "escaped, without a host": f"/{PATH}/export.zip?X-Amz-Signature\\u003d{QUERY}",
    "JSON": json.dumps({"configurationsDownloadUrl": URL}),
    "JSON with escapes": JSON_ESCAPED,
    "JSON with escaped slashes": JSON_ESCAPED.replace("/", "\\/"),
    "JSON with everything escaped": JSON_ESCAPED.replace("/", "\\u002f").replace(":", "\\u003a"),
    "JSON in JSON": json.dumps(JSON_ESCAPED),
    "bytes": repr(URL.encode()),
    "escaped bytes": repr(JSON_ESCAPED.encode()),
    "request line": f'https://bucket.s3.amazonaws.com:443 "GET {TARGET} HTTP/1.1" 206 65536',
    "bare request line": f"b'GET {TARGET} HTTP/1.1\\r\\nHost: x'",
    "request line without a query": f'"GET /{PATH}/export.zip HTTP/1.1" 200 None',
    "path and query": f"fetching {TARGET} now",
    "path in urllib3's words": f"Max retries exceeded with url: /{PATH}/export.zip (Caused by ...)",
    "path as an argument": f"Incremented Retry for (url='/{PATH}/export.zip')",
    "token header": f"'X-Amz-Security-Token': b'{QUERY}', 'Host': 'x'",
    "in markup": f'<a href="{URL}">',
    "no URL where a URL should be": json.dumps({"configurationsDownloadUrl": f"{PATH} and {QUERY}", "isTruncated": 1}),
    "no URL where a URL should be, in JSON": json.dumps(json.dumps({"configurationsDownloadUrl": f"{PATH} {QUERY}"})),
    "no URL where a URL should be, parsed": repr({"configurationsDownloadUrl": f"{PATH} {QUERY}"}),
    "between words": f"see {URL}, please",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_url_is_redacted_in_every_form(text: str) -> None:
    shown = redact(text)

    assert PATH not in shown
    assert QUERY not in shown
    assert redaction.REDACTED in shown


def test_other_text_is_unchanged() -> None:
    text = (
        "stored s3://bucket/raw/123456789012/us-west-2/2026-11-23/export-1.zip, crc32 sdAOHQ==, 50% (x-amz-id-2: abc)"
    )

    assert redact(text) == text


def test_text_around_a_url_is_unchanged() -> None:
    assert redact(f'see "{URL}" at 10:00') == 'see "<hidden>" at 10:00'


@given(
    st.text(),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"<>'), min_size=1),
    st.text(),
)
def test_url_is_redacted_in_any_text(before: str, secret: str, after: str) -> None:
    canary = f"canary{secret}"

    shown = redact(f"{before}https://host/{canary}?X-Amz-Signature={canary}&x=y {after}")

    assert canary not in shown.replace(after, "")


def test_redaction_takes_linear_time() -> None:
    for text in ("a" * 200_000, "x-amz-" * 40_000, "https" * 40_000, "%25" * 60_000, "GET " * 50_000):
        assert redact(text) == text


def test_bad_input_33_redacted_message_is_short_and_in_one_line() -> None:
    shown = redact_message(f"failed:\r\n\x00\x1b[31m see {URL} \u202e" + "x" * 1_000_000)

    assert shown.startswith("failed: [31m see <hidden>")
    assert len(shown) <= redaction.MAX_MESSAGE_LENGTH


def test_other_message_is_unchanged() -> None:
    assert redact_message("No data for the requested period: try 72 h") == "No data for the requested period: try 72 h"


@given(st.text())
def test_bad_input_33_redacted_message_is_always_valid_json_and_utf_8(text: str) -> None:
    shown = redact_message(text)

    assert json.loads(json.dumps(shown)) == shown
    assert shown.encode("utf-8").decode("utf-8").isprintable() or not shown.isascii()


def assert_redacted(text: str) -> None:
    assert text
    assert PATH not in text
    assert QUERY not in text


def test_log_messages_and_arguments_are_redacted(logged: io.StringIO) -> None:
    log = logging.getLogger("another.library")

    log.debug("got %s and %r", URL, URL.encode())
    log.info(URL)
    log.warning({"url": URL, "list": [URL, (URL,)]})
    log.error("%(url)s", {"url": URL})
    log.error(ValueError(URL))

    assert_redacted(logged.getvalue())
    assert logged.getvalue().count("<hidden>") >= 8


def test_percent_signs_are_unchanged(logged: io.StringIO) -> None:
    logging.getLogger("x").info("100%% of %s", URL)
    logging.getLogger("x").info("100% of nothing")

    assert logged.getvalue() == "100% of <hidden>\n100% of nothing\n"


def test_arguments_that_do_not_match_the_format_are_not_logged(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("x").info("%d", URL)

    assert_redacted(logged.getvalue())
    assert PATH not in capsys.readouterr().err


def connecting() -> None:
    raise ConnectionError(f"no route to {URL}")


def failing() -> None:
    try:
        connecting()
    except ConnectionError as error:
        raise ValueError("bad") from error


def test_fault_37_exceptions_are_redacted_with_their_causes(logged: io.StringIO) -> None:
    try:
        failing()
    except ValueError:
        logging.getLogger("x").exception("failed")

    assert_redacted(logged.getvalue())
    assert "no route to <hidden>" in logged.getvalue()
    assert "in failing" in logged.getvalue()


def test_other_exceptions_are_unchanged(logged: io.StringIO) -> None:
    try:
        dict[str, str]()["exportId"]
    except KeyError:
        logging.getLogger("x").exception("failed")

    assert "KeyError: 'exportId'" in logged.getvalue()


def test_powertools_logger_is_redacted(logged: io.StringIO) -> None:
    stream = io.StringIO()
    log = Logger(service="test", stream=stream, level="DEBUG")

    log.info("see %s", URL)
    log.info({"url": URL})
    try:
        failing()
    except ValueError:
        log.exception("failed")

    assert_redacted(stream.getvalue())
    assert stream.getvalue().count("<hidden>") >= 3


def test_debug_logs_of_botocore_are_redacted(logged: io.StringIO) -> None:
    model = botocore.session.Session().get_service_model("discovery")
    shape = model.operation_model("DescribeExportTasks").output_shape
    body = json.dumps({"exportsInfo": [{"exportId": "export-1", "configurationsDownloadUrl": URL}]})
    assert shape is not None
    answer = {"body": body.replace("&", "\\u0026").encode(), "headers": {"x": URL}, "status_code": 200}

    parsed = botocore.parsers.create_parser("json").parse(answer, shape)

    assert parsed["exportsInfo"][0]["configurationsDownloadUrl"] == URL
    assert_redacted(logged.getvalue())
    assert "Response body" in logged.getvalue()


def test_credentials_of_a_role_are_redacted(logged: io.StringIO) -> None:
    model = botocore.session.Session().get_service_model("sts")
    shape = model.operation_model("AssumeRole").output_shape
    keys = f"<SecretAccessKey>{PATH}</SecretAccessKey><SessionToken>{QUERY}</SessionToken>"
    body = f"<R><AssumeRoleResult><Credentials>{keys}</Credentials></AssumeRoleResult></R>".encode()
    assert shape is not None

    parsed = botocore.parsers.create_parser("query").parse({"body": body, "headers": {}, "status_code": 200}, shape)

    assert parsed["Credentials"]["SessionToken"] == QUERY
    assert_redacted(logged.getvalue())
    assert "<SessionToken><hidden></SessionToken>" in logged.getvalue()


def test_debug_logs_of_urllib3_are_redacted(logged: io.StringIO) -> None:
    pool = urllib3.HTTPSConnectionPool("localhost", 1, retries=urllib3.Retry(1, backoff_factor=0))
    try:
        pool.urlopen("GET", TARGET)
    except urllib3.exceptions.HTTPError:
        logging.getLogger("x").exception("failed")

    assert_redacted(logged.getvalue())
    assert "Starting new HTTPS connection" in logged.getvalue()


def test_the_log_filter_is_installed_once(logged: io.StringIO) -> None:
    first = logging.getLogRecordFactory()

    redaction.install_log_filter()

    assert logging.getLogRecordFactory() is first


def test_an_existing_log_record_factory_is_still_used() -> None:
    before = logging.getLogRecordFactory()

    class CustomRecord(logging.LogRecord):
        custom = True

    try:
        logging.setLogRecordFactory(CustomRecord)
        redaction.install_log_filter()
        record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, "see %s", (URL,), None)
    finally:
        logging.setLogRecordFactory(before)

    assert isinstance(record, CustomRecord)
    assert record.getMessage() == "see <hidden>"


def test_stack_traces_are_logged(logged: io.StringIO) -> None:
    logging.getLogger("x").info("where", stack_info=True)

    assert "test_stack_traces_are_logged" in logged.getvalue()


def test_redacted_exception_has_the_traceback_as_text() -> None:
    try:
        failing()
    except ValueError:
        info = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), info)

    redaction._redact_exception(record)

    assert record.exc_info is not None
    assert_redacted("".join(traceback.format_exception(*record.exc_info)))
