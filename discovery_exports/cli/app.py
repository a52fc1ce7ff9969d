"""The command ``discovery-exports`` with all its commands."""

from discovery_exports.cli import outputs
from discovery_exports.cli.commands import make_app

app = make_app()
for module in (outputs,):
    module.register(app)


def main() -> None:
    """The entry point of the package."""
    app()
