"""CDK app: reads the settings from ``cdk.json`` and the command line, and creates one stack."""

import sys
from pathlib import Path

from aws_cdk import App

from infra.lambda_files import NotOfTheCode, PackagesDiffer
from infra.settings.rules import SettingsError, check_names_are_unique
from infra.settings.settings import Deployment
from infra.stack import DiscoveryExportsStack


def main() -> None:
    app = App()
    try:
        check_names_are_unique(Path(__file__).parent / "cdk.json")
        deployment = Deployment.from_context(app.node.get_all_context())
        DiscoveryExportsStack(app, deployment.stack_id, settings=deployment, existing=deployment)
    except (SettingsError, PackagesDiffer, NotOfTheCode) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
