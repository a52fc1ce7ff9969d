"""A link is found in no text that is written down, in whatever form it came."""

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

from exports import secrecy
from exports.secrecy import clean_message, scrub

PATH = "canary-in-the-path"
QUERY = "canary-in-the-signature"
LINK = (
    f"https://bucket.s3.us-west-2.amazonaws.com/{PATH}/export%20x.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    f"&X-Amz-Credential=ASIA%2F20261123&X-Amz-Security-Token=IQo%2B{QUERY}%3D%3D&X-Amz-Signature={QUERY}"
)
TARGET = LINK.removeprefix("https://bucket.s3.us-west-2.amazonaws.com")
OLD_STYLE = f"https://bucket.s3.amazonaws.com/{PATH}?AWSAccessKeyId=AKIA&Expires=1795445878&Signature={QUERY}"
JSON_ESCAPED = json.dumps({"configurationsDownloadUrl": LINK}).replace("&", "\\u0026").replace("=", "\\u003d")

FORMS = {
    "plain": LINK,
    "in upper case": LINK.replace("https", "HTTPS"),
    "SigV2": OLD_STYLE,
    "percent-encoded": quote(LINK, safe=""),
    "percent-encoded twice": quote(quote(LINK, safe=""), safe=""),
    "percent-encoded twice, unsigned": quote(quote(f"https://host/{PATH}/export.zip", safe=""), safe=""),
    "escaped, without a host": f"/{PATH}/export.zip?X-Amz-Signature\\u003d{QUERY}",
    "JSON": json.dumps({"configurationsDownloadUrl": LINK}),
    "JSON with escapes": JSON_ESCAPED,
    "JSON with escaped slashes": JSON_ESCAPED.replace("/", "\\/"),
    "JSON with everything escaped": JSON_ESCAPED.replace("/", "\\u002f").replace(":", "\\u003a"),
    "JSON in JSON": json.dumps(JSON_ESCAPED),
    "bytes": repr(LINK.encode()),
    "escaped bytes": repr(JSON_ESCAPED.encode()),
    "request line": f'https://bucket.s3.amazonaws.com:443 "GET {TARGET} HTTP/1.1" 206 65536',
    "bare request line": f"b'GET {TARGET} HTTP/1.1\\r\\nHost: x'",
    "request line without a query": f'"GET /{PATH}/export.zip HTTP/1.1" 200 None',
    "path and query": f"fetching {TARGET} now",
    "path in urllib3's words": f"Max retries exceeded with url: /{PATH}/export.zip (Caused by ...)",
    "path as an argument": f"Incremented Retry for (url='/{PATH}/export.zip')",
    "token header": f"'X-Amz-Security-Token': b'{QUERY}', 'Host': 'x'",
    "in markup": f'<a href="{LINK}">',
    "no link where a link should be": json.dumps(
        {"configurationsDownloadUrl": f"{PATH} and {QUERY}", "isTruncated": 1}
    ),
    "no link where a link should be, in JSON": json.dumps(json.dumps({"configurationsDownloadUrl": f"{PATH} {QUERY}"})),
    "no link where a link should be, parsed": repr({"configurationsDownloadUrl": f"{PATH} {QUERY}"}),
    "between words": f"see {LINK}, please",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_link_is_hidden_in_every_form(text: str) -> None:
    shown = scrub(text)

    assert PATH not in shown
    assert QUERY not in shown
    assert secrecy.HIDDEN in shown


def test_what_is_no_link_stays() -> None:
    text = (
        "stored s3://bucket/raw/123456789012/us-west-2/2026-11-23/export-1.zip, crc32 sdAOHQ==, 50% (x-amz-id-2: abc)"
    )

    assert scrub(text) == text


def test_words_around_a_link_stay() -> None:
    assert scrub(f'see "{LINK}" at 10:00') == 'see "<hidden>" at 10:00'


@given(
    st.text(),
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"<>'), min_size=1),
    st.text(),
)
def test_whatever_stands_around_a_link_it_is_hidden(before: str, secret: str, after: str) -> None:
    canary = f"canary{secret}"

    shown = scrub(f"{before}https://host/{canary}?X-Amz-Signature={canary}&x=y {after}")

    assert canary not in shown.replace(after, "")


def test_scrubbing_a_long_text_takes_linear_time() -> None:
    for text in ("a" * 200_000, "x-amz-" * 40_000, "https" * 40_000, "%25" * 60_000, "GET " * 50_000):
        assert scrub(text) == text


def test_bad_input_33_clean_message_is_bounded_and_on_one_line() -> None:
    shown = clean_message(f"failed:\r\n\x00\x1b[31m see {LINK} \u202e" + "x" * 1_000_000)

    assert shown.startswith("failed: [31m see <hidden>")
    assert len(shown) <= secrecy.LONGEST_MESSAGE


def test_clean_message_leaves_an_honest_message() -> None:
    assert clean_message("No data for the requested period: try 72 h") == "No data for the requested period: try 72 h"


@given(st.text())
def test_bad_input_33_clean_message_is_always_json_and_utf_8(text: str) -> None:
    shown = clean_message(text)

    assert json.loads(json.dumps(shown)) == shown
    assert shown.encode("utf-8").decode("utf-8").isprintable() or not shown.isascii()


def assert_clean(text: str) -> None:
    assert text
    assert PATH not in text
    assert QUERY not in text


def test_messages_and_arguments_are_cleaned(logged: io.StringIO) -> None:
    log = logging.getLogger("somebody.elses")

    log.debug("got %s and %r", LINK, LINK.encode())
    log.info(LINK)
    log.warning({"link": LINK, "list": [LINK, (LINK,)]})
    log.error("%(link)s", {"link": LINK})
    log.error(ValueError(LINK))

    assert_clean(logged.getvalue())
    assert logged.getvalue().count("<hidden>") >= 8


def test_percent_signs_survive(logged: io.StringIO) -> None:
    logging.getLogger("x").info("100%% of %s", LINK)
    logging.getLogger("x").info("100% of nothing")

    assert logged.getvalue() == "100% of <hidden>\n100% of nothing\n"


def test_arguments_that_do_not_fit_are_not_quoted(logged: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("x").info("%d", LINK)

    assert_clean(logged.getvalue())
    assert PATH not in capsys.readouterr().err


def connecting() -> None:
    raise ConnectionError(f"no route to {LINK}")


def failing() -> None:
    try:
        connecting()
    except ConnectionError as error:
        raise ValueError("bad") from error


def test_fault_37_exceptions_are_cleaned_with_their_causes(logged: io.StringIO) -> None:
    try:
        failing()
    except ValueError:
        logging.getLogger("x").exception("failed")

    assert_clean(logged.getvalue())
    assert "no route to <hidden>" in logged.getvalue()
    assert "in failing" in logged.getvalue()


def test_honest_exceptions_stay_what_they_are(logged: io.StringIO) -> None:
    try:
        dict[str, str]()["exportId"]
    except KeyError:
        logging.getLogger("x").exception("failed")

    assert "KeyError: 'exportId'" in logged.getvalue()


def test_powertools_logger_is_cleaned(logged: io.StringIO) -> None:
    stream = io.StringIO()
    log = Logger(service="test", stream=stream, level="DEBUG")

    log.info("see %s", LINK)
    log.info({"link": LINK})
    try:
        failing()
    except ValueError:
        log.exception("failed")

    assert_clean(stream.getvalue())
    assert stream.getvalue().count("<hidden>") >= 3


def test_botocore_at_debug_is_cleaned(logged: io.StringIO) -> None:
    model = botocore.session.Session().get_service_model("discovery")
    shape = model.operation_model("DescribeExportTasks").output_shape
    body = json.dumps({"exportsInfo": [{"exportId": "export-1", "configurationsDownloadUrl": LINK}]})
    assert shape is not None
    answer = {"body": body.replace("&", "\\u0026").encode(), "headers": {"x": LINK}, "status_code": 200}

    parsed = botocore.parsers.create_parser("json").parse(answer, shape)

    assert parsed["exportsInfo"][0]["configurationsDownloadUrl"] == LINK
    assert_clean(logged.getvalue())
    assert "Response body" in logged.getvalue()


def test_credentials_of_a_role_are_hidden(logged: io.StringIO) -> None:
    model = botocore.session.Session().get_service_model("sts")
    shape = model.operation_model("AssumeRole").output_shape
    keys = f"<SecretAccessKey>{PATH}</SecretAccessKey><SessionToken>{QUERY}</SessionToken>"
    body = f"<R><AssumeRoleResult><Credentials>{keys}</Credentials></AssumeRoleResult></R>".encode()
    assert shape is not None

    parsed = botocore.parsers.create_parser("query").parse({"body": body, "headers": {}, "status_code": 200}, shape)

    assert parsed["Credentials"]["SessionToken"] == QUERY
    assert_clean(logged.getvalue())
    assert "<SessionToken><hidden></SessionToken>" in logged.getvalue()


def test_urllib3_at_debug_is_cleaned(logged: io.StringIO) -> None:
    pool = urllib3.HTTPSConnectionPool("localhost", 1, retries=urllib3.Retry(1, backoff_factor=0))
    try:
        pool.urlopen("GET", TARGET)
    except urllib3.exceptions.HTTPError:
        logging.getLogger("x").exception("failed")

    assert_clean(logged.getvalue())
    assert "Starting new HTTPS connection" in logged.getvalue()


def test_installing_twice_changes_nothing(logged: io.StringIO) -> None:
    first = logging.getLogRecordFactory()

    secrecy.install()

    assert logging.getLogRecordFactory() is first


def test_a_factory_that_was_there_still_makes_the_records() -> None:
    before = logging.getLogRecordFactory()

    class Marked(logging.LogRecord):
        mark = "theirs"

    try:
        logging.setLogRecordFactory(Marked)
        secrecy.install()
        record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, "see %s", (LINK,), None)
    finally:
        logging.setLogRecordFactory(before)

    assert isinstance(record, Marked)
    assert record.getMessage() == "see <hidden>"


def test_stack_traces_are_cleaned(logged: io.StringIO) -> None:
    logging.getLogger("x").info("where", stack_info=True)

    assert "test_stack_traces_are_cleaned" in logged.getvalue()


def test_stand_in_keeps_the_traceback_as_text() -> None:
    try:
        failing()
    except ValueError:
        info = sys.exc_info()
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), info)

    secrecy._clean_exception(record)

    assert record.exc_info is not None
    assert_clean("".join(traceback.format_exception(*record.exc_info)))
