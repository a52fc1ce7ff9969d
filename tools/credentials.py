"""Checks AWS credentials before a deployment: the CDK would fail without them, but only after half a minute."""

import argparse

import boto3
from botocore.exceptions import BotoCoreError, ClientError

FALLBACK_REGION = "us-east-1"
"""STS Region if none is configured; the response is the same in all Regions of the partition."""


def main() -> None:
    """Exit with a one-line message unless STS accepts the credentials. Uses only ``--profile`` of the ``cdk`` flags."""
    parser = argparse.ArgumentParser(prog="python -m tools.credentials", description=__doc__, allow_abbrev=False)
    parser.add_argument("--profile")
    flags, _ = parser.parse_known_args()
    try:
        session = boto3.Session(profile_name=flags.profile)
        session.client("sts", region_name=session.region_name or FALLBACK_REGION).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"Nothing was done, because the AWS credentials could not be validated: {error}") from None


if __name__ == "__main__":
    main()
