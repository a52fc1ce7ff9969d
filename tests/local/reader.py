"""A reader of the tables: a role with exactly the policy of the examples."""

import uuid
from typing import Any

import boto3
from botocore.config import Config

from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.caller import filled, make_role
from tests.local.stack import Stack


class Reader:
    """A session of a role with ``reader.policy.json``. No key is used, so the policy names one that does not exist."""

    def __init__(self, aws: LocalAws, stack: Stack) -> None:
        self._aws = aws
        names = {name: aws.outputs[name] for name in ("WorkGroupName", "DatabaseName")}
        key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/none"
        role = make_role(
            aws, f"reader-{uuid.uuid4().hex[:12]}", policy=filled("reader.policy.json", stack, **names, KeyArn=key)
        )
        sts: Any = aws.client("sts")
        self._credentials = sts.assume_role(RoleArn=role, RoleSessionName="reader")["Credentials"]

    def client(self, service: str) -> Any:
        connect: Any = boto3.client
        return connect(
            service,
            region_name=REGION,
            aws_access_key_id=self._credentials["AccessKeyId"],
            aws_secret_access_key=self._credentials["SecretAccessKey"],
            aws_session_token=self._credentials["SessionToken"],
            endpoint_url=self._aws.instance.endpoint,
            verify=str(self._aws.state.bundle),
            config=Config(proxies={}),
        )
