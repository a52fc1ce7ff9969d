"""A session in another account: by a role there, taken when it is first needed and renewed before it ends."""

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
    """Credentials of ``role``; botocore calls STS for them, and calls again a quarter of an hour before they end."""

    METHOD = "assume-role"

    def __init__(self, own: botocore.session.Session, role: str, **asked: str) -> None:
        super().__init__(own)
        self._role = role
        self._fetcher = AssumeRoleCredentialFetcher(own.create_client, own.get_credentials(), role, extra_args=asked)

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetch, self.METHOD)

    def _fetch(self) -> Any:
        """The code of a refusal looks like that of the service, so the log says whose it is."""
        try:
            return self._fetcher.fetch_credentials()
        except ClientError as error:
            logger.warning("AssumeRole failed", role=self._role, operation="AssumeRole", error=error_code(error))
            raise


def session_as(role: str, *, name: str, external_id: str) -> boto3.Session:
    """A session whose clients act as ``role``, under the session name ``name``, with the external id unless empty.

    STS is asked in the function's own region, and only once a client is used: what it refuses, that call raises.
    """
    own = botocore.session.get_session()
    own.set_config_variable("sts_regional_endpoints", "regional")
    asked = {"RoleSessionName": name, **({"ExternalId": external_id} if external_id else {})}
    theirs: Any = botocore.session.get_session()
    theirs.register_component("credential_provider", CredentialResolver([AssumedRoleCredentials(own, role, **asked)]))
    return boto3.Session(botocore_session=theirs)
