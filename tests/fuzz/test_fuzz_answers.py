"""Answers of DescribeExportTasks, built from the model of botocore and then changed in every way, over HTTP."""

import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, Shape, StringShape, StructureShape
from hypothesis import given, settings
from hypothesis import strategies as st

from exports.aws.discovery import DiscoveryService
from exports.aws.error_codes import CODE, Meaning, meaning
from exports.aws.export_info import MAX_BYTES, MAX_VALUES
from exports.errors import NonRetryableError, ServiceError
from exports.model import Export
from exports.runs import EXPORT_ID
from exports.workflow.batch_state import Pending
from exports.workflow.checking import BatchPoll
from tests.unit.answers import Answer, answers
from tests.unit.builders import NOW, batch, peak_memory
from tests.unit.fakes import FakeRecords
from tests.unit.workflow.test_checking import SETTINGS

SECRET = "f00dfacef00dfacef00dfacef00dfacef00dfacef00dfacef00dfacef00dface"
URL = f"https://bucket.s3.us-west-2.amazonaws.com/key.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET}"
KNOWN_ERRORS = {"InvalidResponse", "PaginationError", "TooManyPages"}
OUTPUT: Any = (
    ServiceModel(Loader().load_service_model("discovery", "service-2")).operation_model("DescribeExportTasks")
).output_shape
TOO_DEEP, TOO_LONG = "\N{WHITE CHESS KING}", "\N{BLACK CHESS KING}"
"""Placeholders for JSON that Python does not write."""


def of_shape(shape: Shape, path: str = "") -> st.SearchStrategy[Any]:
    """Values that the model allows. Optional members may be missing."""
    match shape:
        case StructureShape():
            required = {name: of_shape(each, name) for name, each in shape.members.items()}
            optional = {name: required.pop(name) for name in set(required) - set(shape.required_members)}
            return st.fixed_dictionaries(required, optional=optional)
        case ListShape():
            return st.lists(of_shape(shape.member, path), max_size=4)
        case StringShape() if shape.enum:
            return st.sampled_from(shape.enum)
        case StringShape() if path == "nextToken":
            return st.text("ab", min_size=1, max_size=3)
        case StringShape() if path == "configurationsDownloadUrl":
            return st.just(URL)
        case StringShape() if path == "exportId":
            return st.integers(0, 99).map("export-{}".format)
        case StringShape():
            return st.text(max_size=20)
        case _ if shape.type_name == "boolean":
            return st.booleans()
        case _:
            return st.integers(1_400_000_000, 2_000_000_000) | st.floats(1.4e9, 2e9)


ODD_TEXTS = st.sampled_from(
    ["", " ", "\x00", "\ud800", "\u202e", "..", "../..", "SUCCEEDED ", "succeeded", "true", "null", "1795514400",
     "2026-11-24", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59", TOO_DEEP, TOO_LONG, URL,
     f"see {URL}", "x" * 5_000, "e" * 201]
)  # fmt: skip
ODD_NUMBERS = st.sampled_from(
    [0, -1, True, 2**31, 10**11, 10**12, 10**13, 1_795_514_400_000, 253_402_300_799, 253_402_300_800, -62_135_596_801,
     2**63, 10**80, float("nan"), float("inf"), -0.0, 1e308, 5e-324]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | ODD_TEXTS | ODD_NUMBERS | st.text(max_size=5) | st.floats() | st.integers(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=5,
)
ENTRY = of_shape(OUTPUT.members["exportsInfo"].member)


@st.composite
def odd_entries(draw: st.DrawFn) -> Any:
    """An entry with one to four members removed or replaced, or anything else in its place."""
    if draw(st.integers(0, 4)) == 0:
        return draw(JUNK)
    entry = draw(ENTRY)
    names = st.sampled_from(sorted(OUTPUT.members["exportsInfo"].member.members))
    for name in draw(st.lists(names, min_size=1, max_size=4)):
        if draw(st.booleans()):
            entry[name] = draw(JUNK)
        else:
            entry.pop(name, None)
    return entry


@st.composite
def good_entries(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to three entries that are as the service describes them, with ids that no other entry has."""
    entries = [deepcopy(each) for each in draw(st.lists(ENTRY, min_size=1, max_size=3))]
    return [{**entry, "exportId": f"good-{number}"} for number, entry in enumerate(entries)]


@st.composite
def mixed(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[Any]]:
    """Good entries, and the same with odd ones at any places between them."""
    good, odd = draw(good_entries()), draw(st.lists(odd_entries(), min_size=1, max_size=4))
    entries: list[Any] = list(good)
    for each in odd:
        entries.insert(draw(st.integers(0, len(entries))), each)
    return good, entries


def body(document: Any) -> bytes:
    text = json.dumps(document)
    for placeholder, raw in ((TOO_DEEP, "[" * 20_000 + "]" * 20_000), (TOO_LONG, "9" * 5_000)):
        text = text.replace(json.dumps(placeholder), raw)
    return text.encode()


def described(*of: bytes | Answer, ids: Sequence[str] = ()) -> Mapping[str, Export]:
    return DiscoveryService(answers(*of).client).describe(ids)


def described_or_error(*of: bytes | Answer) -> Mapping[str, Export] | ServiceError:
    try:
        return described(*of)
    except ServiceError as error:
        return error


@given(mixed())
def test_bad_input_37_neighbours_of_any_odd_exports_are_unchanged(
    entries: tuple[list[dict[str, Any]], list[Any]],
) -> None:
    good, all_of_them = entries

    ids = [f"good-{number}" for number in range(3)] + [f"export-{number}" for number in range(100)]

    found = described(body({"exportsInfo": all_of_them}), ids=ids)

    alone = described(body({"exportsInfo": good}), ids=ids)
    assert {name: found[name] for name in alone} == alone
    assert alone.keys() == {entry["exportId"] for entry in good}
    for export in found.values():
        assert_is_limited(export)


@given(mixed())
def test_bad_input_37_a_poll_with_any_odd_exports_ends_in_a_state_that_is_json(
    entries: tuple[list[dict[str, Any]], list[Any]],
) -> None:
    good, all_of_them = entries
    ids = {str(entry["exportId"]) for entry in all_of_them if isinstance(entry, dict) and "exportId" in entry}
    batch_of_them = batch(*(each for each in sorted(ids) if EXPORT_ID.fullmatch(each)))
    client, records = answers(body({"exportsInfo": all_of_them})).client, FakeRecords()

    poll = BatchPoll(batch_of_them, DiscoveryService(client), records, SETTINGS, NOW, 0.5, lambda *_: None)
    pending = poll.next_state(poll.first_state())

    state = pending.to_json()
    assert Pending.from_json(json.loads(json.dumps(state))).to_json() == state
    ready = {item.export_id for item in pending.ready}
    for entry in good:
        finished = entry["exportStatus"] == "SUCCEEDED" and "configurationsDownloadUrl" in entry
        assert (entry["exportId"] in ready) == finished


@given(of_shape(OUTPUT) | JUNK, st.data())
def test_bad_input_39_any_answer_is_read_or_an_error_that_passes(answer: Any, data: st.DataObject) -> None:
    """With bytes removed and added, and any member of the answer replaced."""
    if isinstance(answer, dict) and data.draw(st.booleans()):
        answer[data.draw(st.sampled_from(["exportsInfo", "nextToken"]))] = data.draw(JUNK)
    text = body(answer)
    if data.draw(st.booleans()):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 20))
        text = text[:at] + data.draw(st.binary(max_size=5)) + text[at + length :]

    found = described_or_error(*[text] * 3)

    if isinstance(found, ServiceError):
        assert found.code in KNOWN_ERRORS
        assert not isinstance(found, NonRetryableError)
    else:
        for export in found.values():
            assert_is_limited(export)


@st.composite
def bombs(draw: st.DrawFn) -> bytes:
    """A few bytes, repeated up to the limits and above, in a member of an export or in the place of exports."""
    before, piece, after = draw(
        st.sampled_from(
            [
                ('"', "x", '"'),
                ('"\N{GRINNING FACE}', "x", '"'),
                ('"', r"\u00e9", '"'),
                ('"', "\N{LATIN SMALL LETTER E WITH ACUTE}", '"'),
                ("[", "0,", "0]"),
                ("[", "1.5,", "0]"),
                ("[", '"ab",', "0]"),
                ("[", "{},", "0]"),
                ("[", "[],", "0]"),
                ("[", '{"":""},', "0]"),
                ("[", '{"a":{"b":[{}]}},', "0]"),
            ]
        )
    )
    limit = draw(st.sampled_from([1_000, MAX_VALUES // 6, MAX_VALUES, MAX_BYTES // len(piece.encode())]))
    value = before + piece * (limit * draw(st.integers(1, 11)) // 10) + after
    inside = f'[{{"exportId": "export-1", "exportStatus": "SUCCEEDED", "statusMessage": {value}}}]'
    return f'{{"exportsInfo": {inside if draw(st.booleans()) else value}}}'.encode()


@settings(max_examples=max(10, settings().max_examples // 50))
@given(bombs())
def test_memory_for_any_response_is_limited(answer: bytes) -> None:
    found: list[object] = []

    assert peak_memory(lambda: found.append(described_or_error(answer))) < 150 << 20
    assert isinstance(found[0], ServiceError) or found[0].keys() <= {"export-1"}  # type: ignore[attr-defined]


ERRORS = st.fixed_dictionaries(
    {},
    optional={
        "__type": JUNK | st.from_regex(r"\A[A-Za-z.#:/]{1,100}\Z") | st.just("com.amazonaws#ThrottlingException"),
        "message": JUNK,
        "Message": JUNK,
        "code": JUNK,
    },
)


@given(st.integers(300, 599), (ERRORS | JUNK).map(body) | st.binary(max_size=20))
def test_bad_input_38_any_error_has_a_short_code_and_is_sorted_by_the_table(status: int, answer: bytes) -> None:
    error = described_or_error((status, answer))

    assert isinstance(error, ServiceError)
    assert re.fullmatch(CODE, error.code)
    assert SECRET not in error.code
    assert isinstance(error, NonRetryableError) == (meaning(error.code, status) is Meaning.REFUSED)


def assert_is_limited(export: Export) -> None:
    assert EXPORT_ID.fullmatch(export.id)
    assert len(export.status) <= 100
    assert len(export.status_message) <= 500
    texts = {each.name: getattr(export, each.name) for each in fields(export) if each.name != "download_url"}
    assert SECRET not in str(texts)
    str(texts).encode()
