"""Starts the servers of a local AWS, so that they can be stopped later, and waits until they answer."""

import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from local.double.server import TOKEN
from local.stack import ministack
from local.stack.deployment import tail
from local.stack.environment import ACCOUNT, inherited
from local.stack.errors import LocalAwsFailed
from local.stack.processes import GatedProcess, Process
from local.stack.state import Instance, State

ROOT = Path(__file__).parents[2]
MINISTACK_PYTHON = ROOT / ".venv-ministack" / "bin" / "python"
START_SECONDS = 60


def start_ministack(state: State, instance: Instance, *, lambda_quota: int | None = None) -> Instance:
    """Start MiniStack and wait until it is ready."""
    home = state.work / "ministack"
    home.mkdir()
    env = ministack.environment(
        inherited(os.environ),
        instance.port,
        secret=instance.secret,
        discovery=instance.discovery,
        certificate=state.certificate,
        key=state.key,
        bundle=state.bundle,
        home=home,
        lambda_quota=lambda_quota,
    )
    command = ministack.command(MINISTACK_PYTHON, instance.port, state.certificate, state.key)
    instance = _launch(
        state, instance, GatedProcess("ministack", command, env=env, cwd=home, log=state.log("ministack"))
    )
    _await(state, instance.processes[-1], _ready_url(instance))
    return instance


def start_double(state: State, instance: Instance, port: int, client_env: Mapping[str, str]) -> Instance:
    """Start the double of Application Discovery Service, which stores its exports in the S3 of the local AWS."""
    options: list[str | Path] = ["--port", str(port), "--s3", instance.endpoint, "--customer", ACCOUNT]
    command = [sys.executable, "-m", "local.double", *options, "--cert", state.certificate, "--key", state.key]
    home = state.work / "discovery"
    home.mkdir()
    env = {**inherited(os.environ), **client_env, "TMPDIR": str(home), TOKEN: instance.discovery.rpartition("/")[2]}
    instance = _launch(
        state, instance, GatedProcess("discovery", command, env=env, cwd=ROOT, log=state.log("discovery"))
    )
    _await(state, instance.processes[-1], instance.discovery)
    return instance


def is_healthy(state: State, instance: Instance) -> bool:
    """Whether every process is alive and every server answers."""
    urls = [_ready_url(instance), *([instance.discovery] if instance.own_double else [])]
    alive = all(process.alive for process in instance.processes)
    return alive and all(_answers(url, state.certificate) for url in urls)


def _ready_url(instance: Instance) -> str:
    return f"{instance.endpoint}/_ministack/ready"


def _launch(state: State, instance: Instance, gate: GatedProcess) -> Instance:
    """Save the process id, and only then let the process run."""
    instance = state.save(instance.with_process(gate.process))
    gate.open()
    return instance


def _await(state: State, process: Process, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url, state.certificate):
        if not process.alive or time.monotonic() > deadline:
            log = state.log(process.name)
            reason = f"did not answer within {START_SECONDS} s" if process.alive else "has ended"
            raise LocalAwsFailed(f"{process.name} {reason}; {log} ends with:\n{tail(log)}")
        time.sleep(0.05)


def _answers(url: str, certificate: Path) -> bool:
    """Whether an HTTP server with this certificate answers, with any status except 503."""
    try:
        trust = ssl.create_default_context(cafile=certificate)
        no_proxies = urllib.request.ProxyHandler({})
        urllib.request.build_opener(no_proxies, urllib.request.HTTPSHandler(context=trust)).open(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code != 503
    except OSError:
        return False
    return True
