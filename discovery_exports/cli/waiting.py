"""The options ``--wait`` and ``--timeout``."""

from datetime import timedelta
from typing import Annotated

import typer

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.times import read_duration

WAIT = Annotated[bool, typer.Option("--wait", help="Wait for the end of the run, and show its progress.")]
TIMEOUT = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Stop waiting after this time, such as 90s, 10m or 2h. The run goes on."),
]


def timeout_of(wait: bool, timeout: str | None) -> timedelta | None:
    """Raises Misused if there is a timeout without a wait."""
    if timeout is not None and not wait:
        raise Misused("--timeout limits --wait. Add --wait.")
    return read_duration(timeout) if timeout is not None else None
