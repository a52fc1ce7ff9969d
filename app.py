"""CDK app: reads the settings from ``cdk.json`` and the command line, and creates one stack."""

import sys

from aws_cdk import App

from infra.lambda_files import NotOfTheCode, PackagesDiffer
from infra.settings.rules import SettingsError
from infra.settings.settings import Deployment
from infra.stack import DiscoveryExportsStack


def main() -> None:
    app = App()
    try:
        deployment = Deployment.from_context(app.node.get_all_context())
        DiscoveryExportsStack(app, deployment.stack_id, settings=deployment, existing=deployment)
    except (SettingsError, PackagesDiffer, NotOfTheCode) as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
