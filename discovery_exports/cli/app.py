"""The command ``discovery-exports`` with all its commands."""

import sys
from io import TextIOWrapper

from discovery_exports.cli import again, doctor, get, list_exports, outputs, query, show, status, store, watch
from discovery_exports.cli.commands import PROGRAM, make_app

app = make_app()
for module in (status, list_exports, show, get, store, watch, again, query, doctor, outputs):
    module.register(app)


def main() -> None:
    """The entry point of the package."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a character shows its escape
            stream.reconfigure(errors="backslashreplace")
    app(prog_name=PROGRAM)
