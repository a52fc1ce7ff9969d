"""MiniStack's application, for requests whose sender knows a secret of this local AWS. All others are refused.

:mod:`local.stack.ministack` starts it with the Python of MiniStack's environment. It listens on 127.0.0.1, to which
every user of the computer can connect. MiniStack itself accepts a request without a signature, and one with the access
key ``test`` or a number of 12 digits and any signature, as a request of the account's root user, who may create a
function and run any code in it. The credentials of its functions can be computed from the names of functions and roles.

Here, every request has a Signature Version 4, in its header or in the query of a presigned URL, which is verified with
the secret of its access key. Root keys have the random secret in ``AWS_SECRET_ACCESS_KEY``; those of functions depend
on it. What a valid request may do is decided by MiniStack.
"""

import hmac
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

READY = "/_ministack/ready"
"""The only path that needs no signature: whether the server is ready. :mod:`local.stack.servers` asks for it."""
ADVICE = "This local AWS accepts only requests that are signed with its credentials. `. .local/env` sets them."
SIGNED_IN_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SECRET = os.environ["AWS_SECRET_ACCESS_KEY"].encode()

runtime: Any = import_module("ministack.core.lambda_runtime")
# That module uses `hashlib` only to derive the credentials of a function.
runtime.hashlib = SimpleNamespace(sha256=lambda text: hmac.new(SECRET, text, "sha256"))

ministack: Any = import_module("aws_error_names").app
identities: Any = import_module("ministack.core.iam_evaluator")
responses: Any = import_module("ministack.core.responses")
signing: Any = import_module("ministack.core.sigv4")


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """An ASGI application. It ignores websockets, which nothing here uses: the server then refuses them."""
    if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] == READY):
        await ministack(scope, receive, send)
    elif scope["type"] == "http":
        request = Request(scope, receive)
        if await request.is_signed():
            await ministack(scope, request.receive, send)
        else:
            await refuse(request, send)


class Request:
    """A request whose body is read before it is passed on, if the signature depends on it."""

    def __init__(self, scope: Message, receive: Receive) -> None:
        self._method = scope["method"]
        self._path = scope["raw_path"].decode("latin-1")
        self._query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self._headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), signing.decode_header_value(value)
            # A header on several lines is signed with commas between its values.
            self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text
        self._receive = receive
        self._read: list[Message] = []

    @property
    def has_json(self) -> bool:
        """Whether its error is JSON: those of the query protocol and of S3 are XML."""
        return "x-amz-target" in self._headers

    async def receive(self) -> Message:
        """The messages of the server, from the first one on."""
        return self._read.pop(0) if self._read else await self._receive()

    async def is_signed(self) -> bool:
        in_query = "X-Amz-Signature" in self._query
        signature = (
            signing.parse_query_signature(self._query) if in_query else signing.parse_header_signature(self._headers)
        )
        # A tuple is the reason why there is none. Only SigV4a has a set of Regions.
        if isinstance(signature, tuple) or signature.region_set is not None:
            return False
        secret = secret_of(signature.access_key_id)
        if not secret:
            return False
        failure = signing.header_signature_failure(
            signature,
            secret,
            self._method,
            self._path,
            self._query,
            self._headers,
            await self._body(),
            presigned=in_query,
        )
        return failure is None

    async def _body(self) -> bytes:
        """The body; empty if the signature covers another text, such as the body's hash, in the header."""
        if not self._headers.get("x-amz-content-sha256", SIGNED_IN_CHUNKS).startswith(SIGNED_IN_CHUNKS):
            return b""
        more = True
        while more:
            message = await self._receive()
            self._read.append(message)
            more = message["type"] == "http.request" and message.get("more_body", False)
        return b"".join(message.get("body", b"") for message in self._read)


def secret_of(access_key_id: str) -> str | None:
    """The secret of an access key of MiniStack; None if there is no such key, or it has expired."""
    try:
        issued_for = identities.find_iam_access_key_account(access_key_id)
    except identities.AmbiguousAccessKeyError:
        return None
    # The account in the session of a role, that of a user's key, or the number that is a root key.
    account = responses._account_from_sts_session(access_key_id) or issued_for or access_key_id
    credential = identities.resolve_credential(access_key_id, account)
    return getattr(credential, "secret_access_key", None)


async def refuse(request: Request, send: Send) -> None:
    """In the form and with the code of AWS, so that an SDK reads the advice. REST JSON has its code in a header."""
    if request.has_json:
        content_type, code = b"application/x-amz-json-1.1", "InvalidSignatureException"
        body = json.dumps({"__type": code, "message": ADVICE})
    else:
        content_type, code = b"text/xml", "SignatureDoesNotMatch"
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{ADVICE}</Message></Error></ErrorResponse>"
    headers = [(b"content-type", content_type), (b"x-amzn-errortype", code.encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
