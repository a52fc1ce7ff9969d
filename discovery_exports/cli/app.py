"""The command ``discovery-exports`` with all its commands."""

from discovery_exports.cli import again, list_exports, outputs, show, status, store, watch
from discovery_exports.cli.commands import make_app

app = make_app()
for module in (status, list_exports, show, store, watch, again, outputs):
    module.register(app)


def main() -> None:
    """The entry point of the package."""
    app()
