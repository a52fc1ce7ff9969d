"""The status page in Chromium: what it loads and runs, how it looks, and whether a screen reader can read it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exports.page.status_page import render
from tests.browser.chromium import site, visit
from tests.status_pages import agents, hostile, hostile_agents, page_of, usual

SCRIPT = b"""<script>window.ran = true</script><script src=/x.js></script><img src=/x.png onerror="window.ran = true">
<link rel=stylesheet href=/x.css><svg onload="window.ran = true"></svg>"""
USUAL, HOSTILE = render(page_of(usual(60))), render(page_of(hostile(60)))
PAGES = {
    "usual": USUAL,
    "many": render(page_of(usual(10_000))),
    "collecting": render(page_of(usual(60), collected=agents())),
    "hostile_agents": render(page_of([], collected=hostile_agents())),
    "empty": render(page_of([])),
    "hostile": HOSTILE,
    "script": USUAL.replace(b"<main>", SCRIPT + b"<main>"),
}
VISITS: Mapping[str, Mapping[str, Any]] = {
    "light": {"page": "usual", "check": True},
    "dark": {"page": "usual", "scheme": "dark", "check": True},
    "narrow": {"page": "usual", "width": 320, "check": True},
    "print": {"page": "usual", "width": 700, "media": "print", "scheme": "dark"},
    "tablet": {"page": "usual", "width": 768},
    "laptop": {"page": "usual", "width": 1024},
    "many": {"page": "many"},
    "many narrow": {"page": "many", "width": 320},
    "collecting": {"page": "collecting", "check": True},
    "collecting dark": {"page": "collecting", "scheme": "dark", "check": True},
    "collecting narrow": {"page": "collecting", "width": 320, "check": True},
    "hostile agents": {"page": "hostile_agents", "check": True},
    "empty": {"page": "empty", "check": True},
    "hostile": {"page": "hostile", "check": True},
    "hostile narrow": {"page": "hostile", "width": 320},
    "script": {"page": "script"},
}
Seen = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def requests() -> list[str]:
    """Paths that the server of the pages was asked for."""
    return []


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, requests: list[str]) -> Seen:
    """What Chromium saw, by visit: each page from loopback, and one from a file, as the command opens it."""
    folder = tmp_path_factory.mktemp("screenshots")
    file = folder / "page.html"
    file.write_bytes(USUAL)
    with site(PAGES) as pages:
        visits: list[dict[str, Any]] = [
            {**each, "url": f"{pages.url}/{each['page']}", "screenshot": str(folder / f"{name}.png")}
            for name, each in VISITS.items()
        ]
        found = visit(*visits, {"url": file.as_uri()})
        requests += pages.requests
    print(f"Screenshots: {folder}")
    return dict(zip([*VISITS, "file"], found, strict=True))


REAL = [name for name in [*VISITS, "file"] if name != "script"]


@pytest.mark.parametrize("name", REAL)
def test_the_console_is_empty_and_nothing_runs(seen: Seen, name: str) -> None:
    assert (seen[name]["console"], seen[name]["errors"], seen[name]["dialogs"]) == ([], [], 0)
    assert not seen[name]["ran"]


@pytest.mark.parametrize("name", REAL)
def test_the_page_is_the_only_request(seen: Seen, name: str) -> None:
    (request,) = seen[name]["requests"]

    assert re.fullmatch(r"file:///.*/page\.html|http://127\.0\.0\.1:\d+/\w+", request)


def test_the_server_was_asked_for_the_pages_only(seen: Seen, requests: list[str]) -> None:
    assert sorted(requests) == sorted(f"/{each['page']}" for each in VISITS.values())


def test_the_policy_of_the_page_stops_scripts_and_requests(seen: Seen) -> None:
    """A script, a picture and a style that somebody has put into the page. The server was asked for none of them."""
    assert not seen["script"]["ran"]
    assert any("Content Security Policy" in message for message in seen["script"]["console"])


def test_bad_input_48_hostile_text_is_text_in_a_browser(seen: Seen) -> None:
    page = seen["hostile"]

    assert set(page["elements"]) == set(seen["light"]["elements"])
    assert not {"script", "img", "a", "link", "iframe"} & set(page["elements"])
    for text in (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        r"\u202egnp.exe\u202c",
        "</style><style>",
    ):
        assert text in page["text"]


@pytest.mark.parametrize("name", [name for name, each in VISITS.items() if each.get("check")])
def test_axe_finds_nothing(seen: Seen, name: str) -> None:
    assert seen[name]["violations"] == []
    assert seen[name]["passes"] > 20


@pytest.mark.parametrize("name", REAL)
def test_nothing_is_wider_than_the_screen(seen: Seen, name: str) -> None:
    assert seen[name]["overflow"] == 0


def test_the_page_is_light_or_dark_as_the_reader_prefers_and_light_on_paper(seen: Seen) -> None:
    assert seen["light"]["background"] == "rgb(246, 247, 249)"
    assert seen["dark"]["background"] == "rgb(15, 21, 28)"
    assert seen["print"]["background"] == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["light", "narrow", "print"])
def test_every_width_shows_each_export(seen: Seen, name: str) -> None:
    text = re.sub(r"\s", "", seen[name]["text"])

    assert text.count("export-") >= 60
    assert len(set(re.findall(r"export-[0-9a-f]{8}-[0-9a-f-]{27}", text))) == 60


def test_the_picture_in_the_readme_is_small() -> None:
    picture = Path(__file__).parents[2] / "docs" / "status-page.png"

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 150_000
