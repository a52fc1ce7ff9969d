"""What the local AWS takes from the caller's environment, and what it gives to those who use it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.stack.certificate import ADDRESS
from local.stack.errors import LocalAwsFailed

REGION = "us-east-1"
ACCOUNT = "000000000000"
SECRET = "test"  # noqa: S105  # every key of the local AWS has it
DISCOVERY = "AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE"
OWN_DOUBLE = "DISCOVERY_EXPORTS_DOUBLE"
"""Beside ``DISCOVERY`` in our own file: tells our double, maybe long gone, from a service that the caller chose."""

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
"""All that our processes see of the caller's environment: no profile, proxy or Python path may change what they do."""


@dataclass(frozen=True, slots=True)
class CallerEnvironment:
    """What the caller set beforehand: a service to use in place of our double, and certificates to trust."""

    service: str | None = None
    certificates: tuple[Path, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "CallerEnvironment":
        """Read it from the caller's environment, where our own file, by now outdated, may have been sourced.

        LocalAwsFailed: the caller's CA bundle does not exist.
        """
        service, trust = environ.get(DISCOVERY), environ.get("AWS_CA_BUNDLE")
        if trust and not Path(trust).exists():
            if OWN_DOUBLE not in environ:
                raise LocalAwsFailed(f"AWS_CA_BUNDLE names {trust}, which does not exist.")
            trust = None
        return cls(
            service=service if service and service != environ.get(OWN_DOUBLE) else None,
            certificates=(Path(trust).absolute(),) if trust else (),
        )


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the caller's environment that our processes see."""
    return {name: environ[name] for name in INHERITED if name in environ}


def client_environment(
    endpoint: str, discovery: str, *, bundle: Path, own_double: bool, environ: Mapping[str, str]
) -> dict[str, str]:
    """What makes the AWS CLI, the SDKs and the CDK talk to the local AWS, and past the caller's proxy to it."""
    no_proxy = ",".join(dict.fromkeys([*filter(None, environ.get("NO_PROXY", "").split(",")), "localhost", ADDRESS]))
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        DISCOVERY: discovery,
        **({OWN_DOUBLE: discovery} if own_double else {}),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": str(bundle),
        "NODE_EXTRA_CA_CERTS": str(bundle),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def env_file(values: Mapping[str, str]) -> str:
    """Lines for ``. .local/env`` in any shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
