"""Refuse at once what the CDK would refuse after half a minute: a deployment without valid AWS credentials."""

import argparse

import boto3
from botocore.exceptions import BotoCoreError, ClientError

FALLBACK_REGION = "us-east-1"
"""Where STS is asked when no region is configured: the answer is the same everywhere in the partition."""


def main() -> None:
    """Exit with one line unless STS knows the caller. Of the flags of ``cdk`` only ``--profile`` matters."""
    parser = argparse.ArgumentParser(prog="python -m tools.credentials", description=__doc__, allow_abbrev=False)
    parser.add_argument("--profile")
    flags, _ = parser.parse_known_args()
    try:
        session = boto3.Session(profile_name=flags.profile)
        session.client("sts", region_name=session.region_name or FALLBACK_REGION).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"Nothing was done, since AWS was not reached with valid credentials: {error}") from None


if __name__ == "__main__":
    main()
