"""A test double of AWS Application Discovery Service, for tests of programs that start, poll or download exports.

The pytest fixture ``application_discovery`` gives an :class:`ApplicationDiscovery`; `docs/testing.md` describes both.
:func:`running` does the same without pytest. Needs the extra: ``pip install "discovery-exports[testing]"``.
"""

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from .double.in_process import (
    Addition,
    Agent,
    ApplicationDiscovery,
    Container,
    Kind,
    Scenario,
    Settings,
    expired_link,
    failed,
    finished,
    late,
    odd,
    refused,
    running,
    truncated,
)

__all__ = [
    "Addition",
    "Agent",
    "ApplicationDiscovery",
    "Container",
    "Kind",
    "Scenario",
    "Settings",
    "expired_link",
    "failed",
    "finished",
    "late",
    "odd",
    "refused",
    "running",
    "running_for_boto3",
    "truncated",
]

ENDPOINT = "AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE"
IGNORE_ENDPOINTS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
NO_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_SESSION_TOKEN": "testing"}


@contextmanager
def running_for_boto3(environ: MutableMapping[str, str] = os.environ) -> Iterator[ApplicationDiscovery]:
    """A double that every boto3 client for the service uses that is created in the block.

    Sets the endpoint, the Region unless one is set, credentials that are none, and the exception for loopback in
    ``NO_PROXY``. Undoes all of it at the end.
    """
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    no_proxy = ",".join(filter(None, [environ.get("no_proxy") or environ.get("NO_PROXY"), "127.0.0.1"]))
    with running(region=region) as application_discovery:
        changes = {
            **NO_CREDENTIALS,
            "AWS_DEFAULT_REGION": region,
            "NO_PROXY": no_proxy,
            "no_proxy": no_proxy,
            ENDPOINT: application_discovery.url,
            IGNORE_ENDPOINTS: "false",
        }
        before = {name: environ.get(name) for name in changes}
        environ.update(changes)
        try:
            yield application_discovery
        finally:
            for name, value in before.items():
                if value is None:
                    environ.pop(name, None)
                else:
                    environ[name] = value
