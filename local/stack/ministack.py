"""MiniStack as the local AWS: over TLS, with IAM enforced, on loopback only."""

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
    "DOCKER_HOST": "unix:///nonexistent",  # it must not look into the caller's containers
}


def command(python: Path, port: int, certificate: Path, key: Path) -> list[str | Path]:
    """Serve it by its ASGI application: its own command also takes port 443 when run as root."""
    server: list[str | Path] = [python, "-m", "hypercorn", "ministack.app:app", "--workers", "0"]
    return [*server, "--bind", f"{ADDRESS}:{port}", "--certfile", certificate, "--keyfile", key, "--keep-alive", "75"]


def environment(
    base: Mapping[str, str], port: int, *, discovery: str, certificate: Path, key: Path, bundle: Path, home: Path
) -> dict[str, str]:
    """What it runs with; its Lambdas inherit it, so the service's endpoint and the trusted certificates are here.

    ``home`` is where its temporary files go, and keeps the caller's ``~/.aws`` from the Lambdas.
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
        DISCOVERY: discovery,
        "AWS_CA_BUNDLE": str(bundle),
    }


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on, all different."""
    sockets = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    try:
        return [int(listening.getsockname()[1]) for listening in sockets]
    finally:
        for listening in sockets:
            listening.close()
