"""The same as the command: ``python -m discovery_exports.cli``."""

from discovery_exports.command import main

main()
