"""Download URLs are redacted from every text, in every encoding."""

import base64
import functools
import html
import io
import json
import logging
import quopri
import re
import string
import sys
import textwrap
import traceback
from pathlib import Path
from random import Random
from urllib.parse import parse_qs, quote

import botocore.parsers
import botocore.session
import pytest
import urllib3
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from exports import redaction
from exports.redaction import redact, redact_message

PINNED_NAMES = Path(__file__).parents[1] / "infra" / "pinned_names.json"
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


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "x-amz-",
        "https",
        "%25",
        "GET ",
        "&amp;",
        "\\",
        " ",
        "\n",
        "=\n",
        "\\u00",
        "url: ",
        "\u200b",
        "&#",
        "&#1",
        "\\0",
        "\\u{",
        "a1",
        "\uff41",
    ],
)
def test_bad_input_33_redaction_of_a_megabyte_takes_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))

    assert redact(text) == text
    assert len(redact_message(text)) <= redaction.MAX_MESSAGE_LENGTH


SPLIT_FORMS = {
    "split by line breaks": "\n".join(URL[at : at + 7] for at in range(0, len(URL), 7)),
    "split by spaces": " ".join(URL[at : at + 7] for at in range(0, len(URL), 7)),
    "split by zero-width spaces": "\u200b".join(URL),
    "split by bidirectional controls": "\u202e\u202c".join(URL[at : at + 5] for at in range(0, len(URL), 5)),
    "split by NUL": "\x00".join(URL),
    "wrapped": textwrap.fill(URL, 76),
    "wrapped and indented": textwrap.fill(URL, 40, subsequent_indent="    "),
    "wrapped and quoted": textwrap.fill(URL, 76, subsequent_indent="> "),
    "percent-encoded and wrapped": textwrap.fill(quote(URL, safe=""), 76),
    "percent-encoded, all of it": "".join(f"%{byte:02X}" for byte in URL.encode()),
    "its query as a dict": str(parse_qs(TARGET.partition("?")[2])),
    "its query as JSON": json.dumps(parse_qs(TARGET.partition("?")[2])),
    "its query as indented JSON": json.dumps(parse_qs(SIGV2_URL.partition("?")[2]), indent=1),
    "its parameters one by one": TARGET.replace("&", "\n").replace("=", " = "),
    "HTML": html.escape(URL).replace("=", "&#61;").replace(":", "&colon;").replace("/", "&#x2F;"),
    "HTML, all of it": "".join(f"&#{ord(each)};" for each in URL),
    "HTML in JSON": json.dumps({"message": "".join(f"&#x{ord(each):x};" for each in URL)}),
    "quoted-printable": quopri.encodestring(URL.encode()).decode(),
    "full-width": "".join(chr(ord(each) + 0xFEE0) for each in URL),
    "full-width, after other scripts": "失敗é\N{GRINNING FACE}" + "".join(chr(ord(each) + 0xFEE0) for each in URL),
    "one full-width letter": URL.replace("https://", "失敗\N{FULLWIDTH LATIN SMALL LETTER H}ttps://").replace(
        "X-Amz-", ""
    ),
    "HTML without semicolons": "".join(f"&#{ord(each)}" for each in URL),
    "HTML without semicolons, hexadecimal": "".join(f"&#x{ord(each):x}" for each in URL),
    "octal": "".join(f"\\{ord(each):03o}" for each in URL),
    "octal signs": URL.replace(":", "\\072").replace("/", "\\057").replace("=", "\\075"),
    "in braces": "".join(f"\\u{{{ord(each):x}}}" for each in URL),
    "in braces, in JSON": json.dumps({"message": "".join(f"\\u{{{ord(each):04X}}}" for each in URL)}),
    "CSS": "".join(f"\\{ord(each):x} " for each in URL),
    "CSS with zeros": "".join(f"\\{ord(each):06x}" for each in URL),
    "hexadecimal": URL.encode().hex(),
    "hexadecimal in pieces": " ".join(textwrap.wrap(URL.encode().hex(), 8)),
    "base64": base64.b64encode(URL.encode()).decode(),
    "base64 in pieces": " ".join(textwrap.wrap(base64.b64encode(URL.encode()).decode(), 20)),
    "base64 of a path in pieces": " ".join(textwrap.wrap(base64.b64encode(TARGET.encode()).decode(), 20)),
    "base64 in pieces, from the second byte on": "\n".join(
        textwrap.wrap(base64.b64encode(f"({URL}".encode()).decode(), 7)
    ),
    "base64 in pieces, from the third byte on": "\n".join(
        textwrap.wrap(base64.b64encode(f"'({URL}".encode()).decode(), 7)
    ),
    "base64, wrapped": base64.encodebytes(URL.encode()).decode(),
    "base64 in JSON": json.dumps({"link": base64.encodebytes(URL.encode()).decode()}),
    "encoded more often than is read": functools.reduce(
        lambda text, _: html.escape(f"%{text}%26".replace("%", "%25")), range(20), URL
    ),
}


@pytest.mark.parametrize("text", SPLIT_FORMS.values(), ids=SPLIT_FORMS.keys())
def test_bad_input_33_url_is_hidden_in_a_message_however_it_is_split_or_encoded(text: str) -> None:
    shown = redact_message(f"Could not write to {text}, and more")

    assert re.fullmatch(r'(Could not write to )?({ *"(link": "|message": ")?)?<hidden>', shown)


@pytest.mark.parametrize(
    "form",
    [
        "wrapped",
        "wrapped and indented",
        "percent-encoded and wrapped",
        "its query as a dict",
        "its query as JSON",
        "HTML",
        "HTML without semicolons",
        "octal",
        "in braces",
        "CSS",
        "CSS with zeros",
        "hexadecimal",
        "base64",
        "base64 in pieces",
        "base64 in pieces, from the third byte on",
    ],
)
def test_bad_input_33_url_is_hidden_in_a_log_however_it_is_encoded(logged: io.StringIO, form: str) -> None:
    logging.getLogger("x").info("answer: %s", SPLIT_FORMS[form])

    assert_redacted(logged.getvalue())
    assert logged.getvalue().startswith("answer: ")
    assert "<hidden>" in logged.getvalue()


@pytest.mark.parametrize(
    "name", ["X-Amz-Signature", "x-amz-security-token", "Signature", "AWSAccessKeyId", "configurationsDownloadUrl"]
)
def test_bad_input_33_value_of_a_secret_member_is_hidden(logged: io.StringIO, name: str) -> None:
    logging.getLogger("x").info({"exportId": "export-1", name: [QUERY]})

    assert QUERY not in logged.getvalue()
    assert "'exportId': 'export-1'" in logged.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "The signature does not match. Check your key and signing method",
        "Export export-0f9d31b8-8a2e-4c57-9f3e-1d2c3b4a5e6f of agent o-abc123 failed: 50% of 1,000,000 rows",
        "No data from 2024-01-03T00:00:00Z to 2024-01-04T00:00:00Z (72 h); 3 &lt; 4, a = b, C:\\new",
        "arn:aws:discovery:us-west-2:123456789012:agent/o-1 is not authorized to perform discovery:StartExportTask",
        "キャンセルされました, überprüfen",
        "The AWS Access Key Id you provided does not exist in our records.",
        "arn:aws:iam::123456789012:role/service-role/AWSApplicationDiscoveryServiceContinuousExport2 lacks s3:Put",
        "Internal error at com/amazonaws/discovery/export/v2/ExportTaskHandler line 5",
        "C:\\2024\\backup\\068 is full &#8211 try again",
        "The export could not be written because the agent with the number 17 has sent no data for 3 days and the "
        "other 12 agents have sent data for less than 24 hours so that no file could be made",
    ],
)
def test_message_without_a_url_is_unchanged(text: str) -> None:
    assert redact_message(text) == text


@pytest.mark.parametrize("stack", ["DiscoveryExports", "Collecting", "Exports", "MigrationExportsProd", "exports-2026"])
def test_a_message_about_a_denied_call_has_the_role_and_the_action_whatever_cloudformation_named_them(
    stack: str,
) -> None:
    """The names begin with those of the stack and the logical ID, and have at most 64 characters."""
    random = Random(stack)
    logical_ids = re.findall(r'"(\w+) AWS::(?:Lambda::Function|IAM::Role)"', PINNED_NAMES.read_text("utf-8"))
    assert len(logical_ids) >= 10

    for logical_id in logical_ids * 20:
        end = "".join(random.choices(string.ascii_letters + string.digits, k=12))
        name = f"{stack}-{logical_id}"[: 64 - 13] + f"-{end}"
        text = (
            f"User: arn:aws:sts::123456789012:assumed-role/{name}/{name} is not authorized to perform: "
            "discovery:DescribeAgents because no identity-based policy allows the discovery:DescribeAgents action"
        )
        assert redact_message(text) == text


def test_bad_input_33_what_stands_beside_a_role_is_redacted() -> None:
    role = "arn:aws:iam::123456789012:role/reader"
    signature = "d1a7f0c42b9e8d3c6f5a1b0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a39281706"

    assert redact_message(f"{role} used {signature}") == f"{role} used <hidden>"
    assert redact_message(f"{signature} of {role}") == "<hidden>"
    assert redact_message(f"{role}: {URL}") == f"{role}: <hidden>"


def test_bad_input_33_redacted_message_is_short_and_in_one_line() -> None:
    shown = redact_message(f"failed:\r\n\x00\x1b[31m see {URL} \u202e" + "x" * 1_000_000)

    assert shown.startswith("failed: [31m see <hidden>")
    assert len(shown) <= redaction.MAX_MESSAGE_LENGTH


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
