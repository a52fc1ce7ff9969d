"""The test double of Application Discovery Service as a command: ``python -m local.double``."""

import os
import signal
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from threading import Event

from .agents import Agent
from .data.data_center import DataCenter
from .downloads import ACCOUNT, BUCKET, REGION, SECRET, UrlSigner
from .export_bucket import ExportBucket
from .protocol import OPERATIONS
from .scenario import Addition, Scenario, Settings
from .server import TOKEN, Server, serving, tls_context

EPILOG = f"""
requests, below the printed URL, except downloads (see docs/local-aws.md):
  POST   /                      service calls, JSON 1.1: {", ".join(OPERATIONS)}
  GET, HEAD /BUCKET/KEY?X-Amz-… a download, which is counted and forwarded to --s3
  GET    /_double/counts        numbers of calls, errors and downloads; DELETE sets them to zero
  GET    /_double/signatures    signatures of all download URLs
  PUT    /_double/scenarios     {{"next": [SCENARIO, …], "default": SCENARIO}}: for the next exports; see also GET
  PATCH  /_double/settings      SETTINGS: the behavior of the service; see also GET
  POST   /_double/exports       {{"exports": [ADDITION, …]}} or {{"count": N, "each": ADDITION}}: adds exports
  GET    /_double/exports       what was requested, and the status of each
  PUT    /_double/agents        {{"agents": [AGENT, …]}}: replaces all agents; GET returns their ids
  POST   /_double/rows          {{"agent_id": …, "start": …, "end": …}}: all rows of an agent with sample_seconds
  POST   /_double/reset         removes exports, scenarios and counts; resets agents and settings except home_region

SCENARIO: {Scenario.__doc__}
SETTINGS: {Settings.__doc__}
ADDITION: {Addition.__doc__}
AGENT: {Agent.__doc__}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Prints one line, the URL, when the double is ready."""
    options = _options(arguments)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    token = os.environ.get(TOKEN) or token_hex(16)
    server = Server(port=options.port, tls=tls_context(options.cert, options.key), token=token)
    signer = UrlSigner(
        origin=server.origin,
        account=options.account,
        bucket=options.bucket,
        region=options.region,
        secret=os.environ.get("AWS_SECRET_ACCESS_KEY", SECRET),
    )
    data_center = DataCenter(seed=options.seed, size=options.servers, account=options.customer)
    ca = str(options.ca) if options.ca else os.environ.get("AWS_CA_BUNDLE")
    bucket = ExportBucket(options.s3, signer, data_center, ca)
    server.serve_for(bucket, data_center, Settings(home_region=options.region))
    with serving(server):
        print(server.url, flush=True)
        stop.wait()


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python -m local.double",
        description="A test double of AWS Application Discovery Service on 127.0.0.1, with TLS.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cert", required=True, type=_file, help="TLS certificate for localhost (PEM)")
    add("--key", required=True, type=_file, help="private key of the certificate (PEM)")
    add("--s3", required=True, metavar="URL", help="S3 endpoint for the exports, for example https://localhost:4566")
    add("--port", type=int, default=0, help="port to listen on (default: a free port)")
    add(
        "--ca",
        metavar="FILE",
        type=_file,
        help="CA certificates to trust for --s3 (default: AWS_CA_BUNDLE, or the public ones)",
    )
    add("--account", default=ACCOUNT, help="account that owns the bucket of the exports (default: %(default)s)")
    add(
        "--customer", metavar="ACCOUNT", default=DataCenter().account, help="account in the data (default: %(default)s)"
    )
    add("--bucket", default=BUCKET, help="bucket of the exports (default: %(default)s)")
    add("--region", default=REGION, help="home Region of the service (default: %(default)s)")
    add("--seed", type=int, default=DataCenter().seed, help="seed of the generated servers (default: %(default)s)")
    add("--servers", type=int, default=DataCenter().size, help="number of generated servers (default: %(default)s)")
    return parser.parse_args(arguments)


def _file(name: str) -> Path:
    if not Path(name).is_file():
        raise ArgumentTypeError(f"there is no file {name}")
    return Path(name)


if __name__ == "__main__":
    main()
