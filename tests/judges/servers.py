"""The servers of this suite. Each ends with its block, and with the process of the tests if that is killed."""

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from exports.s3.bucket import s3_client
from local.stack.certificate import ADDRESS
from local.stack.deployment import tail
from local.stack.environment import inherited
from tests.faults.copying import Certificate, session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-judges"
WEED = ENVIRONMENT / "bin" / "weed"
PYTHON = ENVIRONMENT / "bin" / "python"
DYNAMODB = ENVIRONMENT / "dynamodb"
JSONATA = ROOT / "node_modules" / "jsonata"
START_SECONDS = 300
BUCKET = "bucket"

UNTIL_INPUT_ENDS = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -KILL "$server"; } &
reader=$!
wait "$server"
kill "$reader" 2>/dev/null
"""
"""Runs a command, and kills it when standard input ends. It ends with the process that has its other end."""


def need(tool: Path) -> None:
    """Fail in one line if ``tool`` is not installed."""
    if not tool.exists():
        pytest.fail(f"{tool.relative_to(ROOT)} is missing: `make judges` installs it", pytrace=False)


@contextmanager
def running(command: Sequence[str | Path], *, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The command as a process that works in ``folder`` and writes to ``folder/log``."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", UNTIL_INPUT_ENDS, "sh", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**inherited(os.environ), "HOME": str(folder), "TMPDIR": str(folder)},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", *, folder: Path) -> None:
    """Fail with the end of the log if the server ends, or is not ``ready`` within ``START_SECONDS``."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the server is not ready; its log ends with:\n{tail(folder / 'log')}", pytrace=False)
        time.sleep(0.05)


@contextmanager
def seaweedfs(folder: Path, certificate: Certificate) -> Iterator[str]:
    """The URL of SeaweedFS's S3, with an empty bucket; its data is in ``folder``."""
    need(WEED)
    identity = {"name": "tests", "actions": ["Admin"]}
    credentials = [{"accessKey": "key", "secretKey": "secret"}]
    (folder / "s3.json").write_text(json.dumps({"identities": [{**identity, "credentials": credentials}]}))
    # By default it makes seven volumes for a bucket at once.
    (folder / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\n")
    parts = ("master", "volume", "filer", "s3")
    names = [*(f"{part}.port{kind}" for part in parts for kind in ("", ".grpc")), "s3.port.https"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    options: dict[str, str | int | Path] = {
        **ports,
        "ip": ADDRESS,
        "ip.bind": ADDRESS,
        "dir": folder,
        "filer.localSocket": folder / "filer.sock",
        "s3.localSocket": folder / "s3.sock",
        "s3.config": folder / "s3.json",
        "s3.cert.file": certificate.path,
        "s3.key.file": certificate.key,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.volumeSizeLimitMB": 64,
        "volume.max": 100,
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    command: list[str | Path] = [WEED, "-logtostderr", "server", "-filer", "-s3", *arguments]
    try:
        with running(command, folder=folder) as process:
            url = f"https://localhost:{ports['s3.port.https']}"
            client = s3_client_of(url, certificate)
            wait_until(lambda: _stores(client), process, folder=folder)
            yield url
    finally:
        # A killed server leaves its sockets, for which it has no option.
        for part in parts:
            Path(f"/tmp/seaweedfs-{part}-grpc-{ports[f'{part}.port.grpc']}.sock").unlink(missing_ok=True)


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[str]:
    """The URL of DynamoDB Local."""
    need(DYNAMODB / "DynamoDBLocal.jar")
    port_file = folder / "port"
    script = Path(__file__).with_name("dynamodb_local.py")
    with running([PYTHON, script, DYNAMODB, port_file], folder=folder) as process:
        wait_until(port_file.exists, process, folder=folder)
        yield f"http://{ADDRESS}:{port_file.read_text()}"


def s3_client_of(url: str, certificate: Certificate) -> "S3Client":
    """The client of the functions, for the S3 at ``url``."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", url)
        environment.setenv("AWS_CA_BUNDLE", str(certificate.path))
        return s3_client(session())


def _stores(client: "S3Client") -> bool:
    """Whether there is a bucket that takes objects."""
    try:
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="first", Body=b"x")
    except (BotoCoreError, ClientError):
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens, below those that systems give to clients: none of them takes one meanwhile."""
    candidates = random.sample(range(20_000, 32_000), 1_000)
    return list(islice((port for port in candidates if not listens(port)), count))


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((ADDRESS, port)) == 0
