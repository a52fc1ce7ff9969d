"""docs/cli.md is written from the help of the commands."""

from tools.command_page import PAGE, renewed


def test_the_page_of_the_command_is_current() -> None:
    page = PAGE.read_text("utf-8")

    assert page == renewed(page), "run: .venv/bin/python -m tools.command_page"


def test_the_page_has_every_exit_code_of_the_help() -> None:
    from discovery_exports.cli.failures import ExitCode

    page = PAGE.read_text("utf-8")

    assert all(f"\n| {code.value} |" in page for code in ExitCode)
