"""``discovery-exports page``: opens the status page, or prints a link to it."""

import os
import re
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misused, NotStored
from discovery_exports.cli.output import Column, number
from discovery_exports.cli.times import read_duration, short_time
from exports.keys import STATUS_PAGE
from exports.model import utc_text

MEMBERS = ("file", "writtenAt", "opened")
COLUMNS = (
    Column("file", "file", whole=True),
    Column("writtenAt", "written", short_time, whole=True),
    Column("opened", "opened", number),
)
MAX_LINK = timedelta(hours=12)
MAX_BYTES = 1_000_000
BEGINNING = re.compile(
    rb'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    rb'content="default-src &#x27;none&#x27;; style-src &#x27;sha256-[A-Za-z0-9+/=]{44}&#x27;; '
    rb'base-uri &#x27;none&#x27;; form-action &#x27;none&#x27;">'
)
"""With this policy at its beginning, a page runs and loads nothing, whatever follows and whoever has written it.

No policy keeps a page from leading to another one by ``<meta http-equiv="refresh">``.
"""
META = re.compile(rb"<meta", re.IGNORECASE)
NAMED_META = re.compile(rb'<meta name="[a-z-]+" content="[\w=, -]+">')


def register(app: typer.Typer) -> None:
    command(app, "page")(page)


def page(
    context: Context,
    link: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Print a link that opens the page without credentials, for this time, such as 1h; at most 12h.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="Write the page to this new file, and do not open it.")
    ] = None,
) -> None:
    """Open the status page in your browser.

    Each run writes the page when it ends. The command downloads it to a temporary file that only you can read, and
    prints the name of the file. Without a browser, open the file yourself. Whoever has a link (--link) can read the
    page until the link or your credentials expire.

    Exit code: 1 if no run has written the page yet.
    """
    if link is not None:
        if file is not None:
            raise Misused("--link downloads nothing. Leave out --link or --file.")
        _print_link(context, _read_link(link))
        return
    written_at, html = _download(context)
    path = _write_new(file, html) if file else _write_temporary(html)
    opened = file is None and _open(path)
    row = {"file": str(path), "writtenAt": utc_text(written_at), "opened": opened}
    context.output.rows([row], MEMBERS, COLUMNS)
    if file is None and not opened:
        context.say("There is no browser here. Open the file on this computer, or use --link 1h on another one.")


def _read_link(text: str) -> timedelta:
    duration = read_duration(text)
    if not timedelta(seconds=1) <= duration <= MAX_LINK:
        raise Misused(f"A link can last from 1s to {MAX_LINK // timedelta(hours=1)}h, not {text!r}.")
    return duration


def _print_link(context: Context, duration: timedelta) -> None:
    """Raises NotStored if there is no page, because a link to nothing helps nobody."""
    from botocore.config import Config
    from botocore.exceptions import ClientError

    bucket = context.bucket_name
    try:
        context.s3.head_object(Bucket=bucket, Key=STATUS_PAGE)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in {"404", "NoSuchKey"}:
            raise
        raise _no_page(context) from None
    # By default, boto3 signs links with Signature Version 2, which S3 refuses in most Regions and for KMS keys.
    client = context.client("s3", config=Config(signature_version="s3v4"))
    place = {"Bucket": bucket, "Key": STATUS_PAGE}
    url = client.generate_presigned_url("get_object", Params=place, ExpiresIn=int(duration.total_seconds()))
    expires_at = context.now() + duration
    if context.output.is_table:
        context.output.line(url)
    else:
        context.output.rows([{"url": url, "expiresAt": utc_text(expires_at)}], ("url", "expiresAt"))
    context.say(f"Whoever has this link can read the page until {short_time(utc_text(expires_at))} UTC.")
    credentials = context.session.get_credentials()
    if credentials and credentials.token:
        context.say("Your credentials are temporary. If they expire earlier, the link does, too.")


def _download(context: Context) -> tuple[datetime, bytes]:
    """When the page was written, and the page. Raises NotStored if there is none, or another file in its place."""
    try:
        found = context.s3.get_object(Bucket=context.bucket_name, Key=STATUS_PAGE)
    except context.s3.exceptions.NoSuchKey:
        raise _no_page(context) from None
    html = found["Body"].read(MAX_BYTES + 1)
    if len(html) > MAX_BYTES or not _is_status_page(html):
        raise NotStored(
            f"s3://{context.bucket_name}/{STATUS_PAGE} is no status page, so it is not opened: it was changed. "
            "The next run writes it again."
        )
    return found["LastModified"], html


def _is_status_page(html: bytes) -> bool:
    """Whether the browser does nothing but show it. Texts of others cannot have a ``<meta``: they are escaped."""
    beginning = BEGINNING.match(html)
    if not beginning:
        return False
    rest = html[beginning.end() :]
    return len(META.findall(rest)) == len(NAMED_META.findall(rest))


def _no_page(context: Context) -> NotStored:
    return NotStored(
        f"The stack {context.stack} has no status page yet: a run writes it when it ends. "
        "To start one: discovery-exports store --all"
    )


def _write_temporary(html: bytes) -> Path:
    """A file that nobody else can read. It stays, because the browser reads it after the command has ended."""
    descriptor, name = tempfile.mkstemp(prefix="discovery-exports-", suffix=".html")
    with open(descriptor, "wb") as opened:  # noqa: PTH123
        opened.write(html)
    return Path(name)


def _write_new(path: Path, html: bytes) -> Path:
    """Raises Misused if there is anything at the path, a link included."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misused(f"{str(path)!r} exists and is not overwritten. Choose another name.") from None
    with open(descriptor, "wb") as opened:  # noqa: PTH123
        opened.write(html)
    return path


def _open(path: Path) -> bool:
    import webbrowser

    return webbrowser.open(path.as_uri())
