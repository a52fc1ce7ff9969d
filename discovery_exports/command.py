"""The program ``discovery-exports`` of the installed package. What it imports is installed by the extra ``cli``."""

import sys

EXTRA = 'discovery-exports needs more packages. This installs them: pip install "discovery-exports[cli]"'
NOT_CONFIGURED = 253
"""The exit code for what the user's computer lacks; ``cli.failures`` has all of them, and needs the extra."""
INTERRUPTED = 130


def main() -> None:
    try:
        try:
            from discovery_exports.cli.app import main as run
        except ModuleNotFoundError as error:
            if (error.name or "").startswith(("discovery_exports", "exports")):
                raise
            print(EXTRA, file=sys.stderr)
            sys.exit(NOT_CONFIGURED)
        run()
    except KeyboardInterrupt:  # while it imports
        sys.exit(INTERRUPTED)
