"""``discovery-exports double``: the test double of Application Discovery Service as a server."""

import os
import signal
import sys
from threading import Event
from typing import Annotated

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misconfigured, sentence
from discovery_exports.cli.output import Form


def register(app: typer.Typer) -> None:
    command(app, "double")(serve_double)


def serve_double(
    context: Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on. 0 selects a free port.")] = 0,
) -> None:
    """Run a test double of AWS Application Discovery Service on 127.0.0.1, until Ctrl-C or SIGTERM.

    Prints the line that makes boto3 and the AWS CLI use it. Its exports are in memory. It needs no AWS account and no
    stack. --region is its home Region. docs/testing.md describes how to script it.
    """
    from discovery_exports.testing import ENDPOINT, running

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    environ = os.environ
    region = context.options.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    try:
        with running(port=port, region=region) as application_discovery:
            if context.options.output in {Form.JSON, Form.JSONL}:
                context.output.json({ENDPOINT: application_discovery.url})
            else:  # also in a pipe, for eval
                print(f"export {ENDPOINT}={application_discovery.url}")
            sys.stdout.flush()  # whoever reads a pipe waits for it
            stop.wait()
    except OSError as error:
        if error.filename or not port:
            raise
        raise Misconfigured(f"Port {port} cannot be used: {sentence(error.strerror or error)}") from None
