"""The status page: what it shows, that it shows any text as text, and how large it can get."""

import base64
import hashlib
import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from exports.model import utc_text
from exports.outcomes.catalog_index import STATUSES
from exports.outcomes.outcome import Outcome
from exports.page.layout import STYLE
from exports.page.markup import MAX_TEXT_BYTES, text
from exports.page.status_page import MAX_LISTED, MAX_NEWEST, render, sections
from exports.text import printable
from tests.status_pages import HOSTILE, NOW, hostile, page_of, usual
from tests.unit.builders import ODD_VALUES

MAX_BYTES = 300_000
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "p", "span", "time"),
    *("dl", "div", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "rect"),
}
VOID = {"meta"}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "id", "class", "scope", "role", "data-name", "datetime"),
    *("aria-labelledby", "aria-hidden", "viewbox", "preserveaspectratio", "width", "height"),
}


class Page(HTMLParser):
    """A page as a browser reads it. Fails on an element that is not closed."""

    def __init__(self, html: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.sections: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.policy = ""
        self.feed(html.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        if tag == "section":
            self.sections[given["id"] or ""] = []
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
            if "section" in self.open and data.strip():
                list(self.sections.values())[-1].append(data)

    @property
    def text(self) -> str:
        return " ".join(each for each in self.texts if each.strip())


def item(export_id: str = "export-1", status: str = "STORED", *, hours: float = 1, **attributes: Any) -> dict[str, Any]:
    time = utc_text(NOW - timedelta(hours=hours))
    return {
        "exportId": export_id,
        "status": status,
        "firstSeenAt": time,
        "exportRequestTime": time,
        "settledAt": time,
        **attributes,
    }


def shown(*items: dict[str, Any]) -> Page:
    return Page(render(page_of(items)))


def section(page: Page, name: str) -> str:
    """The text of the section with this ID, without its heading."""
    return " ".join(page.sections[name][1:])


def test_the_page_says_which_stack_it_is_of_and_when_it_was_written() -> None:
    page = shown(item())

    assert page.text.startswith("Discovery Exports: DiscoveryExports, 111122223333, eu-central-1")
    for fact in (
        "Stack DiscoveryExports",
        "Account 111122223333",
        "Region eu-central-1",
        "Written 2026-11-29 12:00 UTC",
    ):
        assert fact in page.text


def test_every_status_is_counted_and_explained() -> None:
    page = shown(*(item(f"{status}-{number}", str(status)) for status in STATUSES for number in range(3)))

    assert set(re.findall(r"[A-Z]{2,}[A-Z_]{4,}", section(page, "outcomes"))) == {str(status) for status in STATUSES}
    assert re.search(r"STORED 3 complete and verified", section(page, "outcomes"))
    assert "Stored 6 In progress 3 Not stored 15 Late now 0" in page.text


def test_exports_that_were_first_seen_more_than_30_days_ago_are_listed_and_not_counted() -> None:
    page = shown(item("export-new"), item("export-old", "FAILED", hours=31 * 24))

    assert "Stored 1 In progress 0 Not stored 0" in page.text
    assert "export-old" in section(page, "newest")
    assert "export-old" not in section(page, "not-stored")


def test_late_exports_are_listed_with_their_age_the_oldest_first() -> None:
    page = shown(
        item("export-new", "IN_PROGRESS", hours=23),
        item("export-late", "IN_PROGRESS", hours=25, exportStatus="IN_PROGRESS"),
        item("export-later", "TIMED_OUT", hours=24 * 50, reason="SlowDown"),
        item("export-settled", "FAILED", hours=25),
    )

    listed = section(page, "late")
    assert re.findall(r"export-\S+", listed) == ["export-later", "export-late"]
    assert "50 d" in listed
    assert "1 d 1 h" in listed
    assert "in progress in the service" in listed
    assert "Late now 2" in page.text


def test_what_is_not_stored_is_listed_with_the_reason() -> None:
    page = shown(
        item("export-1", "FAILED", statusMessage="no agents"),
        item("export-2", "REJECTED", reason="CORRUPT"),
        item("export-3", "NOT_STORED", reason="AccessDenied"),
        item("export-4", "NOT_FOUND"),
        item("export-5", "STORED"),
    )

    listed = section(page, "not-stored")
    for expected in ("no agents FAILED 1", "export-1 FAILED 2026-11-29 11:00 no agents", "CORRUPT", "AccessDenied"):
        assert expected in listed
    assert "export-5" not in listed


def test_durations_are_those_from_request_to_stored() -> None:
    items = [
        item(f"export-{minutes}", hours=10, settledAt=utc_text(NOW - timedelta(hours=10) + timedelta(minutes=minutes)))
        for minutes in range(1, 101)
    ]

    listed = section(shown(*items), "durations")

    assert listed.startswith("Median 50 min 95th percentile 1 h 35 min Longest 1 h 40 min")
    assert "under 5 min 4 5 to 15 min 10 15 to 60 min 45 1 to 4 h 41 4 to 24 h 0 1 d or more 0" in listed


def test_a_catalog_without_exports_has_a_page() -> None:
    page = shown()

    assert "The catalog has no exports yet." in page.text
    assert page.elements["section"] == 6


def test_numbers_that_are_not_exact_are_marked() -> None:
    page = page_of(usual(10_000))
    object.__setattr__(page.statuses["STORED"], "recent_is_exact", False)

    made = Page(render(page))

    assert re.search(r"Stored [\d,]+\+ ", made.text)
    assert "+ means: at least this many." in made.text


def test_the_newest_exports_are_listed_once() -> None:
    page = shown(*usual(1_000), item("export-moved", "IN_PROGRESS"), item("export-moved", "STORED"))

    ids = re.findall(r"export-\S+", section(page, "newest"))
    assert len(ids) == len(set(ids)) == MAX_NEWEST
    assert "export-moved STORED" in section(page, "newest")


def test_a_page_of_10_000_exports_has_less_than_300_kb() -> None:
    html = render(page_of(usual(10_000)))

    print(len(html))
    assert len(html) < MAX_BYTES


def test_a_page_of_the_longest_texts_has_less_than_300_kb() -> None:
    """Each list is as long as it can be, and a quotation mark is six bytes of HTML."""
    texts = dict.fromkeys(("reason", "statusMessage", "lastError", "claimedBy"), "'" * 500)
    items = [
        item(f"{chr(39) * 200}{number}", str(status), hours=30 + number / 1_000, **texts)
        for number in range(500)
        for status in STATUSES
    ]

    html = render(page_of(items))

    print(len(html))
    assert 190_000 < len(html) < MAX_BYTES


def test_bad_input_48_hostile_text_is_shown_as_text() -> None:
    html = render(page_of(hostile()))
    page = Page(html)

    assert set(page.elements) == ELEMENTS
    assert page.attributes == ATTRIBUTES
    assert page.elements["h1"] == page.elements["style"] == 1
    assert len(html) < MAX_BYTES
    for expected in (
        "<script>alert(1)</script>",
        "</td></tr></table><h1>owned</h1>",
        r"\u202egnp.exe\u202c",
        r"\x1b[31m",
    ):
        assert expected in page.text


def test_bad_input_48_nothing_on_the_page_is_a_link_or_a_character_that_is_not_shown() -> None:
    for html in (render(page_of(hostile())), render(page_of(usual()))):
        body = html.decode().partition("</style>")[2]
        assert printable(body, keep="\n") == body
        assert not re.search(
            r"https?:|://[a-z]+\.s3|\b(href|src|action|on\w+|style)=", re.sub(r"&[^;]+;[^<]*", "", body)
        )
        assert "X-Amz-Signature" not in body


def test_bad_input_48_the_browser_runs_and_loads_nothing() -> None:
    page = Page(render(page_of(usual(10))))

    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "</style" not in STYLE
    assert "url(" not in STYLE
    assert "@import" not in STYLE


@settings(max_examples=300)
@given(st.text() | st.sampled_from(HOSTILE).flatmap(lambda each: st.text().map(lambda more: each + more)))
def test_bad_input_48_any_text_stays_text_and_is_cut(value: str) -> None:
    html = text(value)

    assert len(html.encode()) <= MAX_TEXT_BYTES
    assert "<" not in html
    assert '"' not in html
    assert printable(html) == html


def test_bad_input_48_items_that_were_edited_by_hand_have_a_page() -> None:
    names = ("kind", "bytes", "rows", "reason", "statusMessage", "lastError", "claimedBy", "exportStatus")
    times = ("exportRequestTime", "settledAt", "announcedAt")
    items = [
        item(f"{name}-{status}-{number}", str(status), **{name: value})
        for name in (*names, *times)
        for status in STATUSES
        for number, value in enumerate(ODD_VALUES)
    ]

    html = render(page_of(items))

    assert len(html) < MAX_BYTES
    assert Page(html).elements["h1"] == 1


def test_tables_have_captions_headers_and_sections_have_headings() -> None:
    page = shown(*usual(200))

    assert page.elements["table"] == page.elements["caption"] == page.elements["thead"] == 6
    assert page.elements["section"] == page.elements["h2"] == 6
    assert len(page.ids) == len(set(page.ids))


def test_at_most_50_late_exports_and_50_that_are_not_stored_are_listed() -> None:
    items = [item(f"export-{number}", "NOT_STORED", hours=48 + number, reason="x") for number in range(400)]

    page = shown(*items)

    assert "50 of 400 requested more than 1 d ago" in page.text
    assert "50 of 400 of the last 30 days" in page.text
    assert len(re.findall(r"export-\d+", section(page, "late"))) == MAX_LISTED


def test_sections_are_made_by_functions_of_the_page() -> None:
    made = sections(page_of(usual(50)))

    assert [each.id for each in made] == ["overview", "outcomes", "durations", "late", "not-stored", "newest"]


def test_every_outcome_has_a_meaning() -> None:
    assert {str(outcome) for outcome in Outcome} <= set(re.findall(r"[A-Z_]{5,}", section(shown(), "outcomes")))
