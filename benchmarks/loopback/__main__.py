"""`python -m benchmarks.loopback source|bucket SEED CERTIFICATE KEY`: one server, led over stdin, ended by its end.

Each line that comes is a JSON document: a plan, or null to be told what happened. Each is answered with one line.
"""

import json
import ssl
import sys
from pathlib import Path

from benchmarks.loopback.bucket import Bucket
from benchmarks.loopback.content import Content
from benchmarks.loopback.exchanges import Server
from benchmarks.loopback.source import Source

KINDS: dict[str, type[Source] | type[Bucket]] = {"source": Source, "bucket": Bucket}


def main(kind: str, seed: str, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(certificate), Path(key))
    answering = KINDS[kind](Content(int(seed)))
    server = Server(context, answer=answering.answer, line=answering.line)
    server.start()
    _say({"port": server.port})
    for line in sys.stdin:
        told = json.loads(line)
        if told is None:
            _say(answering.tell())
        else:
            answering.plan(told)
            _say({})


def _say(document: object) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
