"""Environment variables: what the local AWS reads from the caller, and what it sets for its users."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.stack.certificate import ADDRESS
from local.stack.errors import LocalAwsFailed

REGION = "us-east-1"
ACCOUNT = "000000000000"
ACCESS_KEY = "test"
"""The root key of ``ACCOUNT``. Its secret is another one at each start."""
DISCOVERY = "AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE"
OWN_DOUBLE = "DISCOVERY_EXPORTS_DOUBLE"
"""Set in our own file, to the URL of our double. Another value of ``DISCOVERY`` is a service of the caller."""

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
"""The only variables that our processes inherit: no profile, proxy or Python path can change their behavior."""


@dataclass(frozen=True, slots=True)
class CallerEnvironment:
    """What the caller has set: a service to use instead of our double, and certificates to trust."""

    service: str | None = None
    certificates: tuple[Path, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "CallerEnvironment":
        """Read the caller's environment. The caller may have sourced our own file, which may be outdated.

        Raises LocalAwsFailed if the caller's CA bundle does not exist.
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
    """The part of the caller's environment that our processes inherit."""
    return {name: environ[name] for name in INHERITED if name in environ}


def client_environment(
    endpoint: str, discovery: str, *, secret: str, bundle: Path, own_double: bool, environ: Mapping[str, str]
) -> dict[str, str]:
    """Variables that make the AWS CLI, the SDKs and the CDK use the local AWS, without the caller's proxy."""
    no_proxy = ",".join(dict.fromkeys([*filter(None, environ.get("NO_PROXY", "").split(",")), "localhost", ADDRESS]))
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        DISCOVERY: discovery,
        **({OWN_DOUBLE: discovery} if own_double else {}),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": str(bundle),
        "NODE_EXTRA_CA_CERTS": str(bundle),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }


def env_file(values: Mapping[str, str]) -> str:
    """The lines of ``.local/env``, for any shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
