"""Writes the table of docs/errors.md from the code: ``python -m tests.error_table``."""

from pathlib import Path

from exports.aws.error_codes import ERROR_CLASSES, ErrorClass

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
START, END = "<!-- table -->\n\n", "\n<!-- end of table -->"


def page() -> str:
    """The text of docs/errors.md with the table of the code."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    return f"{before}{START}{_table()}\n{END}{rest.partition(END)[2]}"


def _table() -> str:
    rows = [f"| {each.what} | {_codes(each)} | {each.meaning} | {each.source} |" for each in ERROR_CLASSES]
    return "\n".join(["| error | code or HTTP status | meaning | source |", "| --- | --- | --- | --- |", *rows])


def _codes(row: ErrorClass) -> str:
    codes = ", ".join(f"`{code}`" for code in row.codes)
    if row.messages:
        codes += f", if the message begins with {' or '.join(f'`{text}`' for text in row.messages)}"
    statuses = ", ".join(_status(each) for each in row.statuses)
    return "; ".join(each for each in (codes, statuses and f"any other code with {statuses}") if each)


def _status(statuses: range) -> str:
    return str(statuses[0]) if len(statuses) == 1 else f"{statuses[0]} to {statuses[-1]}"


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
