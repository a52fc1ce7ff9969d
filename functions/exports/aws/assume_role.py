"""A session in another account, with a role that is assumed on first use and renewed before it expires."""

from typing import Any

import boto3
import botocore.session
from aws_lambda_powertools import Logger
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import ClientError

from exports.aws.client_errors import error_code

logger = Logger(child=True)


class AssumedRoleCredentials(CredentialProvider):
    """Credentials of ``role``. botocore gets them from STS, and renews them 15 minutes before they expire."""

    METHOD = "assume-role"

    def __init__(self, own: botocore.session.Session, role: str, **args: str) -> None:
        super().__init__(own)
        self._role = role
        self._fetcher = AssumeRoleCredentialFetcher(own.create_client, own.get_credentials(), role, extra_args=args)

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetch, self.METHOD)

    def _fetch(self) -> Any:
        """Fetch credentials. Log a failure, because its error code looks like one of the service."""
        try:
            return self._fetcher.fetch_credentials()
        except ClientError as error:
            logger.warning("AssumeRole failed", role=self._role, operation="AssumeRole", error=error_code(error))
            raise


def session_as(role: str, *, name: str, external_id: str) -> boto3.Session:
    """A session with the credentials of ``role``, the session name ``name`` and, unless empty, the external id.

    STS is called in the function's own Region when a client is first used: that call raises the errors of STS.
    """
    own = botocore.session.get_session()
    own.set_config_variable("sts_regional_endpoints", "regional")
    args = {"RoleSessionName": name, **({"ExternalId": external_id} if external_id else {})}
    session: Any = botocore.session.get_session()
    session.register_component("credential_provider", CredentialResolver([AssumedRoleCredentials(own, role, **args)]))
    return boto3.Session(botocore_session=session)
