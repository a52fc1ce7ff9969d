"""``discovery-exports double``: a server that prints its endpoint and ends without a trace."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.doubles import discovery_client

ROOT = Path(__file__).parents[3]
EXPORT = "export AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE="


@contextmanager
def serving(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "discovery_exports.cli", "double", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_endpoint_serves_and_ends_cleanly(end: signal.Signals) -> None:
    with serving("--region", "eu-west-1") as process:
        line = first_line(process)
        client = discovery_client(line.removeprefix(EXPORT), None, "eu-west-1")
        started = client.start_export_task()
        client.close()
        process.send_signal(end)
        rest, errors = process.communicate(timeout=30)

    assert line.startswith(f"{EXPORT}http://127.0.0.1:")
    assert started["exportId"].startswith("export-")
    assert (process.returncode, rest, errors) == (0, "", "")


def test_it_prints_json_and_listens_on_the_given_port() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with serving("--port", str(port), "-o", "json") as process:
        assert process.stdout
        document = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    (url,) = document.values()
    assert url.startswith(f"http://127.0.0.1:{port}/")


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with serving("--port", str(port)) as process:
            output, errors = process.communicate(timeout=30)

    assert (process.returncode, output) == (253, "")
    assert errors == f"discovery-exports: Port {port} cannot be used: Address already in use.\n"
