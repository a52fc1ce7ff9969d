"""Odd answers of DescribeExportTasks, as the client of the functions gets them over HTTP."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from exports.aws.discovery import DiscoveryService
from exports.aws.export_info import MAX_BYTES, MAX_VALUES, read_export, read_json
from exports.errors import NonRetryableError, ServiceError
from exports.model import UNKNOWN_TIME, Status
from tests.unit.answers import Answer, answers, listing
from tests.unit.builders import peak_memory

REQUESTED = 1_795_514_400.0
URL = "https://bucket.s3.us-west-2.amazonaws.com/key?X-Amz-Signature=s3cr3t"
GOOD: dict[str, Any] = {
    "exportId": "export-good",
    "exportStatus": "SUCCEEDED",
    "statusMessage": "SUCCEEDED",
    "exportRequestTime": REQUESTED,
    "configurationsDownloadUrl": URL,
    "isTruncated": False,
    "requestedStartTime": REQUESTED - 60,
    "requestedEndTime": REQUESTED,
}
WITH_ID: dict[str, dict[str, Any]] = {
    "time in milliseconds": {"exportRequestTime": REQUESTED * 1000},
    "time in microseconds": {"exportRequestTime": REQUESTED * 10**6},
    "time in nanoseconds": {"exportRequestTime": int(REQUESTED) * 10**9},
    "year 10000": {"exportRequestTime": 253_402_300_800},
    "time before year 1": {"exportRequestTime": -(10**11)},
    "time of 400 digits": {"exportRequestTime": 10**400},
    "text for a time": {"exportRequestTime": "yesterday"},
    "number in text for a time": {"exportRequestTime": "1795514400"},
    "ISO 8601 for a time": {"exportRequestTime": "2026-11-24T09:20:00Z"},
    "a list for a time": {"exportRequestTime": [REQUESTED]},
    "true for a time": {"exportRequestTime": True},
    "an unreadable range": {"requestedStartTime": "?", "requestedEndTime": 10**30},
    "a number for a status": {"exportStatus": 5},
    "an object for a status": {"exportStatus": {"S": "SUCCEEDED"}},
    "a number for a message": {"statusMessage": 7},
    "a list for a message": {"statusMessage": ["a", {"b": None}]},
    "a list for a URL": {"configurationsDownloadUrl": [URL]},
    "text for a flag": {"isTruncated": "maybe"},
    "null everywhere": {name: None for name in GOOD if name != "exportId"},
    "unknown members": {"agentIds": ["a"], "__class__": {"deep": [[[]]]}},
    "half a surrogate pair": {"statusMessage": "\ud83d", "exportStatus": "\udc00"},
    "control characters": {"statusMessage": "a\x00b\x1b[31m\u202ec", "exportStatus": "SUCCEEDED\x00"},
    "450 KB of status": {"exportStatus": "S" * 450_000},
    "450 KB of message": {"statusMessage": "m" * 450_000},
    "a link as status": {"exportStatus": URL},
    "a link as message": {"statusMessage": f"see {URL}"},
}
WITHOUT_ID: dict[str, object] = {
    "no id": {name: value for name, value in GOOD.items() if name != "exportId"},
    "null as id": {**GOOD, "exportId": None},
    "empty id": {**GOOD, "exportId": ""},
    "a list as id": {**GOOD, "exportId": ["export-odd"]},
    "an id that is a path": {**GOOD, "exportId": "../../export"},
    "two dots as id": {**GOOD, "exportId": ".."},
    "an id of 450 KB": {**GOOD, "exportId": "e" * 450_000},
    "a link as id": {**GOOD, "exportId": URL},
    "null": None,
    "a number": 5,
    "text": "export-odd",
    "a list": [GOOD],
    "an empty object": {},
}


IDS = ("export-good", "export-odd", "export-deep", "123456", "../../export", "..", URL)


def described(*bodies: bytes | str | Answer, ids: tuple[str, ...] = IDS) -> Any:
    return DiscoveryService(answers(*bodies).client).describe(ids)


@pytest.mark.parametrize(
    "odd", [{**GOOD, "exportId": "export-odd", **each} for each in WITH_ID.values()], ids=[*WITH_ID]
)
@pytest.mark.parametrize("first", [True, False])
def test_bad_input_37_an_odd_export_is_described_and_its_neighbours_are_unchanged(
    odd: dict[str, Any], first: bool
) -> None:
    infos = [odd, GOOD] if first else [GOOD, odd]

    found = described(listing(*infos))

    assert found["export-good"] == described(listing(GOOD))["export-good"]
    assert len(found["export-odd"].status) <= 100
    assert len(found["export-odd"].status_message) <= 500
    assert "s3cr3t" not in found["export-odd"].status + found["export-odd"].status_message
    json.dumps([found["export-odd"].status, found["export-odd"].status_message], ensure_ascii=False).encode()


@pytest.mark.parametrize("odd", WITHOUT_ID.values(), ids=[*WITHOUT_ID])
def test_bad_input_37_an_entry_without_a_usable_id_is_left_out_and_logged(
    odd: object, caplog: pytest.LogCaptureFixture
) -> None:
    found = described(listing(odd, GOOD, odd))

    assert found == described(listing(GOOD))
    (record,) = [record for record in caplog.records if record.getMessage() == "exports with odd members"]
    assert record.__dict__["number"] == 2
    assert len(str(record.__dict__["exports"])) < 2_000
    assert "s3cr3t" not in str(record.__dict__["exports"])


def test_bad_input_37_an_odd_export_is_logged_with_its_id_and_the_names_of_the_members(
    caplog: pytest.LogCaptureFixture,
) -> None:
    described(listing({**GOOD, "exportId": "export-odd", "exportRequestTime": "soon", "isTruncated": 1}, GOOD))

    (record,) = caplog.records
    assert record.__dict__["exports"] == [{"id": "export-odd", "odd": ["exportRequestTime", "isTruncated"]}]


@pytest.mark.parametrize(
    "status", ["SUCCEEDED ", "SUCCEEDED\x00", "\u202eSUCCEEDED", "succeeded", "FAILED\n", "Failed"]
)
def test_bad_input_37_a_status_that_only_looks_like_a_known_one_is_unknown(status: str) -> None:
    found = described(listing({**GOOD, "exportStatus": status}))["export-good"]

    assert found.status not in set(Status)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "odd",
    [{"configurationsDownloadUrl": None}, {"exportRequestTime": "soon"}, {"exportStatus": None}, {"exportStatus": "?"}],
    ids=str,
)
def test_bad_input_37_an_odd_entry_does_not_replace_a_good_one_of_the_same_export(
    odd: dict[str, Any], first: bool
) -> None:
    entries = [{**GOOD, **odd}, GOOD] if first else [GOOD, {**GOOD, **odd}]

    assert described(listing(*entries)) == described(listing(GOOD))


def test_an_export_with_a_number_as_id_keeps_it() -> None:
    assert described(listing({**GOOD, "exportId": 123456}))["123456"].download_url == URL


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (REQUESTED, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (REQUESTED * 1000 + 5, datetime(2026, 11, 24, 10, 0, 0, 5000, tzinfo=UTC)),
        (REQUESTED * 10**6, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (int(REQUESTED) * 10**9, datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (str(REQUESTED), datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("2026-11-24T10:00:00+02:00", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("2026-11-24 10:00:00", datetime(2026, 11, 24, 10, tzinfo=UTC)),
        (datetime(2026, 11, 24, 10, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 11, 24, 8, tzinfo=UTC)),
        (4_102_444_800, datetime(2100, 1, 1, tzinfo=UTC)),
        (-86_400, datetime(1969, 12, 31, tzinfo=UTC)),
        (253_402_300_799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (253_402_300_800, UNKNOWN_TIME),
        (10**13, UNKNOWN_TIME),
        (float("inf"), UNKNOWN_TIME),
        (float("nan"), UNKNOWN_TIME),
        ("9999-12-31T23:59:59-14:00", UNKNOWN_TIME),
        ("\u0661\u0662", UNKNOWN_TIME),
        (None, UNKNOWN_TIME),
        ({}, UNKNOWN_TIME),
        (False, UNKNOWN_TIME),
    ],
)
def test_bad_input_37_times_in_any_form_are_read_or_unknown(value: object, time: datetime) -> None:
    export, _ = read_export({"exportId": "export-1", "exportRequestTime": value})

    assert export
    assert export.requested_at == time
    assert export.has_request_time == (time is not UNKNOWN_TIME)


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), ("true", True), (1, True), (False, False), ("false", False), (None, False), ([1], False)],
)
def test_a_flag_is_read_in_any_form(value: object, flag: bool) -> None:
    export, _ = read_export({**GOOD, "isTruncated": value})

    assert export
    assert export.is_truncated is flag


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'"exportsInfo"',
        b"<html><body>Sign in</body></html>",
        b"{",
        b'{"exportsInfo": null}',
        b'{"exportsInfo": {}}',
        b'{"exportsInfo": "none"}',
        b'{"exportsInfo": [], "nextToken": {}}',
        b'{"exportsInfo": [], "nextToken": 5}',
        b'{"exportsInfo": [',
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
)
def test_bad_input_39_a_response_without_exports_is_an_error_that_passes(body: bytes) -> None:
    with pytest.raises(ServiceError, match=r"^InvalidResponse$") as failed:
        described(body)

    assert not isinstance(failed.value, NonRetryableError)


def test_bad_input_39_an_empty_list_is_no_error() -> None:
    assert described('{"exportsInfo": []}') == {}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"__type": 5}', "400"),
        (403, b"{}", "403"),
        (302, b"{}", "302"),
        (400, b'{"__type": null, "message": {"a": 1}}', "400"),
        (400, b'{"__type": "com.amazonaws#HomeRegionNotSetException:http://x"}', "HomeRegionNotSetException"),
        (400, json.dumps({"__type": "C" * 450_000}).encode(), "400"),
        (400, json.dumps({"__type": URL}).encode(), "https"),
    ],
)
def test_bad_input_38_an_odd_error_is_refused_with_a_short_code(status: int, body: bytes, code: str) -> None:
    with pytest.raises(NonRetryableError) as failed:
        described((status, body))

    assert str(failed.value) == ("AccessDenied" if code == "403" else code)


def test_bad_input_37_an_answer_that_is_nested_too_deeply_keeps_its_other_exports() -> None:
    deep = (
        '{"exportId": "export-deep", "exportStatus": "SUCCEEDED", "statusMessage": ' + "[" * 10**5 + "]" * 10**5 + "}"
    )
    text = '"statusMessage": "quotes \\" and [[[ {{{ \\\\",'
    good = json.dumps(GOOD).replace('"statusMessage": "SUCCEEDED",', text)

    found = described(f'{{"exportsInfo": [{deep}, {good}]}}', ids=("export-deep", "export-good"))

    assert found["export-good"].status_message == 'quotes " and [[[ {{{ \\'
    assert found["export-deep"].status == "SUCCEEDED"


def test_an_integer_of_any_length_is_read() -> None:
    assert read_json(b"[" + b"9" * 10**6 + b"]") == [float("inf")]


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 10**6, b'"' * 10**6 + b"[" * 10**5, b"[" * 10**6])
def test_text_that_looks_like_deep_json_is_read_in_linear_time(body: bytes) -> None:
    assert read_json(b'{"a": ' + b"[" * 10**5 + body) is None


def test_a_listing_keeps_neither_messages_nor_urls() -> None:
    (export,) = described(listing(GOOD), ids=()).values()

    assert (export.status, export.requested_date) == ("SUCCEEDED", "2026-11-24")
    assert (export.status_message, export.download_url) == ("", None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"exportsInfo": [{"statusMessage": "' + b"x" * MAX_BYTES + b'"}]}',
        b'{"exportsInfo": [' + b"{}," * 1_000 + b"{}]}",
        b'{"exportsInfo": [{"statusMessage": [' + b"0," * MAX_VALUES + b"0]}]}",
        b'{"exportsInfo": [' + b"[" * MAX_VALUES + b"]" * MAX_VALUES + b"]}",
    ],
    ids=["bytes", "entries", "values", "brackets"],
)
def test_bad_input_39_a_response_above_the_limits_is_an_error_that_passes(body: bytes) -> None:
    with pytest.raises(ServiceError, match=r"^InvalidResponse$"):
        described(body)


WORST = {
    "bytes of wide text": '{"exportsInfo": [{"exportId": "a", "statusMessage": "\U0001f600'
    + "x" * (MAX_BYTES - 80)
    + '"}]}',
    "small objects": '{"exportsInfo": [{"exportId": [' + "{}," * (MAX_VALUES // 2 - 5) + "0]}]}",
    "small members": '{"exportsInfo": [{"exportId": [' + '{"":""},' * (MAX_VALUES // 2 - 5) + "0]}]}",
    "members": '{"exportsInfo": [{' + ",".join(f'"{number:x}":1.5' for number in range(MAX_VALUES - 5)) + "}]}",
    "odd exports": listing(*({**GOOD, "exportId": f"export-{number}", "isTruncated": "?"} for number in range(1_000))),
}


@pytest.mark.parametrize("body", WORST.values(), ids=WORST)
def test_bad_input_39_a_response_within_the_limits_needs_limited_memory(body: str) -> None:
    answered = answers(body)

    assert peak_memory(lambda: DiscoveryService(answered.client).describe(IDS)) < 150 << 20


def test_a_listing_has_a_maximum_of_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.aws.discovery.MAX_EXPORTS", 3)
    exports = [{**GOOD, "exportId": f"export-{number}"} for number in range(4)]

    assert len(described(listing(*exports[:3]), ids=())) == 3
    with pytest.raises(ServiceError, match=r"^TooManyExports$"):
        described(listing(*exports), ids=())


def test_exports_that_were_not_asked_for_are_left_out() -> None:
    others = [{**GOOD, "exportId": f"export-{number}"} for number in range(500)]

    assert list(described(listing(GOOD, *others), ids=("export-good",))) == ["export-good"]
