"""Context from ``cdk.json`` and the command line -> typed settings -> one stack."""

import sys

from aws_cdk import App

from infra.settings import Existing, Settings, SettingsError, read_stack_id
from infra.stack import DiscoveryExportsStack


def main() -> None:
    app = App()
    context = app.node.get_all_context()
    try:
        settings, existing = Settings.from_context(context), Existing.from_context(context)
        DiscoveryExportsStack(app, read_stack_id(context), settings=settings, existing=existing)
    except SettingsError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
