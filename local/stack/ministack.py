"""MiniStack as the local AWS: over TLS, with IAM and signatures enforced, on loopback only."""

import socket
from collections.abc import Mapping
from pathlib import Path

from local.stack.certificate import ADDRESS
from local.stack.environment import DISCOVERY, REGION

SETTINGS = {
    "AUTH": "true",
    "USE_SSL": "1",
    "BIND_HOST": ADDRESS,
    "MINISTACK_REGION": REGION,
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "DOCKER_HOST": "unix:///nonexistent",  # no access to the caller's containers
}


APPLICATION = Path(__file__).parents[1] / "emulator" / "signed_requests.py"
"""In a folder of its own, which becomes a folder of modules for MiniStack."""


def command(python: Path, port: int, certificate: Path, key: Path) -> list[str | Path]:
    """Run its ASGI application: its own command also opens port 443 when run as root."""
    server: list[str | Path] = [python, "-m", "hypercorn", f"{APPLICATION}:app", "--workers", "0"]
    return [*server, "--bind", f"{ADDRESS}:{port}", "--certfile", certificate, "--keyfile", key, "--keep-alive", "75"]


def environment(
    base: Mapping[str, str],
    port: int,
    *,
    secret: str,
    discovery: str,
    certificate: Path,
    key: Path,
    bundle: Path,
    home: Path,
    lambda_quota: int | None = None,
) -> dict[str, str]:
    """Its environment. Its functions inherit it, with the endpoint of the service and the trusted certificates.

    ``secret`` is that of all root keys. Functions get the credentials of their roles instead.

    ``home`` is the folder for temporary files. It also hides the caller's ``~/.aws`` from the functions.
    ``lambda_quota`` is the number of concurrent invocations of all functions; by default, the memory limits it.
    """
    return {
        **base,
        **SETTINGS,
        "GATEWAY_PORT": str(port),
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_ENDPOINT_URL": f"https://{ADDRESS}:{port}",
        "AWS_SECRET_ACCESS_KEY": secret,
        DISCOVERY: discovery,
        "AWS_CA_BUNDLE": str(bundle),
        **({"LAMBDA_ACCOUNT_CONCURRENCY": str(lambda_quota)} if lambda_quota else {}),
    }


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback interface, all different."""
    sockets = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    try:
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
