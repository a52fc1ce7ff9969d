"""Deploys the unchanged app to the local AWS with the CDK CLI."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.stack.environment import ACCOUNT, REGION
from local.stack.errors import LocalAwsFailed

CONTEXT = {
    "architecture": {"aarch64": "arm64"}.get(platform.machine(), platform.machine()),
    "waitFloorSeconds": "1",
    "waitCeilingSeconds": "2",
    "notFoundGraceSeconds": "3",
    "downloadHosts": "localhost:*,127.0.0.1:*",
    "namedQueries": "false",
}
"""All differences from a deployment to AWS: this machine's processor, short waits, downloads from this machine, and no
named queries. Linux and Lambda have different names for Arm processors."""

DEPLOYED = (
    "app.py",
    "cdk.json",
    "requirements.txt",
    "package-lock.json",
    "discovery_exports/__init__.py",
    "discovery_exports/locations.py",
    "infra",
    "functions",
)
"""The sources of the template and the Lambda functions."""

CDK_ENVIRONMENT = {"CDK_DISABLE_CLI_TELEMETRY": "true", "NODE_NO_WARNINGS": "1", "CDK_VALIDATION": "false"}
"""Template validation takes most of the synthesis. A deployment to AWS validates; here cfn-lint does."""

LOG_TAIL_LINES = 40


class Cdk:
    """The CDK CLI, configured for the local AWS."""

    def __init__(self, program: Path, app: Path, *, env: Mapping[str, str], work: Path) -> None:
        self._program = program
        self._app = app
        self._env = {**env, **CDK_ENVIRONMENT}
        self._work = work

    def bootstrap(self) -> None:
        """Prepare the account for deployments. Runs outside the app folder, so that the app is not synthesized."""
        self._run(self._work, "bootstrap", f"aws://{ACCOUNT}/{REGION}")

    def deploy(self, context: Mapping[str, str], outputs: Path) -> None:
        """Synthesize and deploy. Has no effect if nothing has changed."""
        target: list[str | Path] = ["--output", self._work / "cdk.out", "--outputs-file", outputs]
        self._run(self._app, "deploy", "--all", "--require-approval", "never", *target, *_values(context))

    def destroy(self, context: Mapping[str, str]) -> None:
        """Destroy the stack. Retained resources stay."""
        target: list[str | Path] = ["--output", self._work / "cdk.out"]
        self._run(self._app, "destroy", "--all", "--force", *target, *_values(context))

    def _run(self, cwd: Path, *arguments: str | Path) -> None:
        log = self._work / f"cdk-{arguments[0]}.log"
        with log.open("wb") as output:
            command = [self._program, "--no-notices", "--no-color", "--ci", *arguments]
            done = subprocess.run(
                command, cwd=cwd, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
            )
        if done.returncode:
            raise LocalAwsFailed(f"cdk {arguments[0]} failed; {log} ends with:\n{tail(log)}")


def _values(context: Mapping[str, str]) -> list[str]:
    return [part for name, value in context.items() for part in ("--context", f"{name}={value}")]


def fingerprint(app: Path, context: Mapping[str, str]) -> str:
    """A hash of all sources and context values of a deployment."""
    digest = hashlib.sha256(json.dumps(context, sort_keys=True).encode())
    for file in _sources(app):
        digest.update(f"\0{file.relative_to(app)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _sources(app: Path) -> Iterator[Path]:
    for name in DEPLOYED:
        inside = sorted((app / name).rglob("*")) if (app / name).is_dir() else [app / name]
        yield from (file for file in inside if file.is_file() and "__pycache__" not in file.parts)


def tail(log: Path) -> str:
    """The last lines of a log, for error messages."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])
