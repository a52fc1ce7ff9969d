"""``discovery-exports page``: a file for the browser, or a link."""

import re
import stat
import webbrowser
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials

from discovery_exports.cli.context import Context
from exports.keys import STATUS_PAGE
from exports.model import utc_text
from exports.page.status_page import render
from tests.status_pages import hostile, page_of
from tests.unit.builders import SESSION
from tests.unit.cli.stack import BUCKET, FakeStack, run

HTML = render(page_of(hostile(20)))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the browser opens; temporary files are in the folder of the test."""
    urls: list[str] = []

    def open_url(url: str) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_url)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return urls


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_page_is_opened_from_a_file_that_only_the_caller_can_read(stack: FakeStack, opened: list[str]) -> None:
    stack.puts(STATUS_PAGE, HTML)

    answer = run("page")

    (row,) = answer.json
    path = Path(row["file"])
    assert opened == [path.as_uri()]
    assert (path.read_bytes(), mode(path), path.suffix) == (HTML, 0o600, ".html")
    assert (row["opened"], answer.code, answer.err) == (True, 0, "")


def test_without_a_browser_the_file_is_named(
    stack: FakeStack, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.puts(STATUS_PAGE, HTML)
    monkeypatch.setattr(webbrowser, "open", lambda url: False)

    answer = run("page")

    assert Path(answer.json[0]["file"]).read_bytes() == HTML
    assert answer.json[0]["opened"] is False
    assert "There is no browser here." in answer.err


def test_the_page_can_be_written_to_a_file_of_another_name(stack: FakeStack, opened: list[str], tmp_path: Path) -> None:
    stack.puts(STATUS_PAGE, HTML)
    path = tmp_path / "status.html"

    answer = run("page", "--file", str(path))

    assert (answer.code, opened, path.read_bytes(), mode(path)) == (0, [], HTML, 0o600)


@pytest.mark.parametrize("is_link", [False, True])
def test_no_file_is_overwritten_and_no_link_is_followed(
    stack: FakeStack, opened: list[str], tmp_path: Path, is_link: bool
) -> None:
    stack.puts(STATUS_PAGE, HTML)
    path, other = tmp_path / "status.html", tmp_path / "other"
    other.write_text("mine")
    if is_link:
        path.symlink_to(other)
    else:
        path.write_text("mine")

    answer = run("page", "--file", str(path))

    assert (answer.code, other.read_text()) == (2, "mine")
    assert "exists and is not overwritten" in answer.err


@pytest.mark.parametrize(
    "body",
    [
        b"<script>alert(1)</script>",
        HTML.replace(b"default-src", b"img-src", 1),
        b"<script>alert(1)</script>" + HTML,
        HTML + b" " * 1_000_000,
        HTML.replace(
            b'<meta name="robots" content="noindex">', b'<META http-equiv=refresh content="0;url=//a.example">'
        ),
    ],
    ids=["another page", "another policy", "a script before the policy", "too large", "a way to another page"],
)
def test_bad_input_48_a_page_that_could_run_scripts_is_not_opened(
    stack: FakeStack, opened: list[str], tmp_path: Path, body: bytes
) -> None:
    stack.puts(STATUS_PAGE, body)

    answer = run("page")

    assert answer.code == 1
    assert "is no status page" in answer.err
    assert opened == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["--link", "1h"]])
def test_a_stack_without_runs_has_no_page(stack: FakeStack, opened: list[str], arguments: list[str]) -> None:
    answer = run("page", *arguments)

    assert (answer.code, opened) == (1, [])
    assert "has no status page yet" in answer.err


@pytest.mark.parametrize(("text", "seconds"), [("1h", 3600), ("12h", 43_200), ("1s", 1), ("90m", 5400)])
def test_a_link_lasts_as_long_as_asked(
    stack: FakeStack, opened: list[str], monkeypatch: pytest.MonkeyPatch, text: str, seconds: int
) -> None:
    monkeypatch.setattr(Context, "session", SESSION)
    stack.puts(STATUS_PAGE, HTML)

    answer = run("page", "--link", text)

    (row,) = answer.json
    url = urlsplit(row["url"])
    query = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert url.path == f"/{STATUS_PAGE}"
    assert url.hostname
    assert url.hostname.startswith(f"{BUCKET}.s3")
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Expires"] == str(seconds)
    assert row["expiresAt"] == utc_text(stack.now + timedelta(seconds=seconds))
    assert "can read the page until" in answer.err
    assert "temporary" not in answer.err
    assert opened == []


def test_a_link_in_a_table_is_bare_text(stack: FakeStack, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "session", SESSION)
    stack.puts(STATUS_PAGE, HTML)

    assert re.fullmatch(r"https://\S+\n", run("page", "--link", "1h", "-o", "table").out)


def test_a_link_of_temporary_credentials_says_that_it_may_end_earlier(
    stack: FakeStack, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Session:
        @staticmethod
        def get_credentials() -> Credentials:
            return Credentials("key", "secret", "token")

    monkeypatch.setattr(Context, "session", Session)
    stack.puts(STATUS_PAGE, HTML)

    assert "Your credentials are temporary" in run("page", "--link", "1h").err


@pytest.mark.parametrize("text", ["13h", "0s", "1", "-1h", "", "1d", "12h1s"])
def test_a_link_of_another_duration_is_refused_before_any_call(stack: FakeStack, text: str) -> None:
    answer = run("page", f"--link={text}")

    assert (answer.code, answer.out) == (2, "")
    assert stack.cloudformation.names == []
    assert "link" in answer.err or "is not a duration" in answer.err


def test_a_link_is_not_written_to_a_file(stack: FakeStack, tmp_path: Path) -> None:
    assert run("page", "--link", "1h", "--file", str(tmp_path / "x")).code == 2
