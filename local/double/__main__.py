"""The double of Application Discovery Service, started with ``python -m local.double``."""

import os
import signal
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from local.double.data.data_center import DataCenter
from local.double.export_bucket import ACCOUNT, BUCKET, REGION, Location
from local.double.scenario import Addition, Scenario, Settings
from local.double.server import Server, serving, tls_context
from local.stack.environment import ACCOUNT as CUSTOMER_ACCOUNT

EPILOG = f"""
requests (docs/local-aws.md describes every member):
  POST   /                      the service, JSON 1.1: StartExportTask, DescribeExportTasks
  GET, HEAD /BUCKET/KEY?X-Amz-… a download URL; the request is counted and forwarded to --s3
  GET    /_double/counts        the number of calls, errors and downloads; DELETE sets it to zero
  GET    /_double/signatures    the signatures of all download URLs
  PUT    /_double/scenarios     {{"next": [SCENARIO, …], "default": SCENARIO}}: scenarios of the next exports; GET shows them
  PATCH  /_double/settings      SETTINGS: the behavior of the service; GET shows it
  POST   /_double/exports       {{"exports": [ADDITION, …]}} or {{"count": N, "each": ADDITION}}: adds exports
  GET    /_double/agents        the agents of the servers
  POST   /_double/reset         removes exports, scenarios, settings and counts

SCENARIO: {Scenario.__doc__}
SETTINGS: {Settings.__doc__}
ADDITION: every member of SCENARIO (export_id also as id) and more: {Addition.__doc__}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; one line with the URL says that the double is ready."""
    options = _options(arguments)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = Server(port=options.port, tls=tls_context(options.cert, options.key))
    place = Location(
        s3_url=options.s3,
        public_url=server.url,
        account=options.account,
        bucket=options.bucket,
        region=options.region,
        ca=str(options.ca) if options.ca else os.environ.get("AWS_CA_BUNDLE"),
    )
    data_center = DataCenter(seed=options.seed, size=options.servers, account=CUSTOMER_ACCOUNT)
    server.serve_for(place, data_center, Settings(home_region=options.region))
    with serving(server):
        print(server.url, flush=True)
        stop.wait()


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python -m local.double",
        description="A double of AWS Application Discovery Service on 127.0.0.1, over TLS.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cert", required=True, type=_file, help="certificate for localhost, PEM")
    add("--key", required=True, type=_file, help="its key, PEM")
    add("--s3", required=True, metavar="URL", help="the S3 that holds the exports, such as https://localhost:4566")
    add("--port", type=int, default=0, help="port to listen on (default: a free one)")
    add(
        "--ca",
        metavar="FILE",
        type=_file,
        help="certificates to trust for --s3 (default: AWS_CA_BUNDLE, or the public ones)",
    )
    add("--account", default=ACCOUNT, help="who owns the exports' bucket (default: %(default)s)")
    add("--bucket", default=BUCKET, help="the exports' bucket (default: %(default)s)")
    add("--region", default=REGION, help="home region of the service (default: %(default)s)")
    add("--seed", type=int, default=DataCenter().seed, help="what the fleet grows from (default: %(default)s)")
    add("--servers", type=int, default=DataCenter().size, help="size of the fleet (default: %(default)s)")
    return parser.parse_args(arguments)


def _file(name: str) -> Path:
    if not Path(name).is_file():
        raise ArgumentTypeError(f"there is no file {name}")
    return Path(name)


if __name__ == "__main__":
    main()
