"""The embedded AWS as one ASGI application: StackSets, control routes, ministack.

StackSets actions go to our engine; everything else passes through to the wrapped
application untouched, bodies unread.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from tapgen.emulator import wire
from tapgen.emulator.inner import Asgi, Inner, Message, Place, Receive, Send, text
from tapgen.emulator.proof import CONTROL, TOKEN_HEADER, proof
from tapgen.emulator.stacksets import Engine
from tapgen.emulator.wire import ServiceError

logger = logging.getLogger("tapgen.local")

DEFAULT_ACCOUNT = "000000000000"
BODY_LIMIT = 8 * 1024 * 1024  # of a CloudFormation request
CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^/,\s]+)/[0-9]{8}/(?P<region>[^/,\s]+)/cloudformation/"
)

STACK_SETS = re.compile(
    "StackSet|StackInstance|OrganizationsAccess|ImportStacksToStackSet"
)


@dataclass
class Embedded:
    """The application; `status` gives what the status route answers."""

    inner: Asgi
    engine: Engine
    token: str
    status: Callable[[], Awaitable[dict[str, Any]]]
    on_started: Callable[[], None] = lambda: None
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(CONTROL):
            await self._control(scope, send)
        elif scope["type"] == "http" and (found := _credential(scope)):
            await self._cloudformation(scope, receive, send, found)
        else:
            await self.inner(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Receive, send: Send) -> None:
        async def announce(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self.on_started()

        await self.inner(scope, receive, announce)

    # StackSets

    async def _cloudformation(
        self, scope: Any, receive: Receive, send: Send, credential: re.Match[str]
    ) -> None:
        try:
            body = await _body(receive)
            if body is None:
                return  # the client has gone; nothing was asked
            given = _fields(scope, body)
        except ServiceError as error:
            await _reply(send, error.status, wire.refusal(error))
            return
        action = given.get("Action", "")
        if action in wire.known_actions() and STACK_SETS.search(action):
            status, answer = await self._answer(scope, credential, action, given)
            await _reply(send, status, answer)
        else:
            await self.inner(scope, _again(body, receive), send)

    async def _answer(
        self, scope: Any, credential: re.Match[str], action: str, given: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            request = wire.parse(action, given)
            if action not in self.engine.actions:
                raise ServiceError(
                    "UnsupportedOperation",
                    f"{action} is not emulated by the embedded AWS",
                )
            caller = await self._caller(scope, credential)
            result = await self.engine.call(action, caller, request)
            return 200, wire.answer(action, result)
        except ServiceError as error:
            return error.status, wire.refusal(error)
        except Exception:
            # The boundary: a defect of ours is AWS's InternalFailure to a client.
            logger.exception("%s", action)
            message = "An internal error has occurred; see the log of the embedded AWS"
            failure = ServiceError("InternalFailure", message, wire.FAULT_STATUS)
            return failure.status, wire.refusal(failure)

    async def _caller(self, scope: Any, credential: re.Match[str]) -> Place:
        """Who calls: a key of twelve digits is the account, others ask STS."""
        key, region = unquote(credential["key"]), credential["region"]
        if re.fullmatch(r"[0-9]{12}", key):
            return Place(key, region)
        account = DEFAULT_ACCOUNT
        if key.startswith("ASIA"):
            inner = Inner(self.inner)
            session = Place(key, region)
            answer = await inner.query(session, "sts", "GetCallerIdentity")
            account = text(answer, "Account")
        return Place(account, region)

    # Control

    async def _control(self, scope: Any, send: Send) -> None:
        route = scope["path"].removeprefix(CONTROL)
        method = scope["method"]
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if (method, route) == ("GET", "identity"):
            nonce = query.get("nonce", [""])[0]
            await _json(send, 200, {"proof": proof(self.token, nonce)})
            return
        sent = dict(scope["headers"]).get(TOKEN_HEADER.encode(), b"").decode("latin-1")
        if not hmac.compare_digest(sent.encode(), self.token.encode()):
            await _json(send, 403, {"error": f"{TOKEN_HEADER} is missing or wrong"})
        elif (method, route) == ("GET", "status"):
            await _json(send, 200, await self.status())
        elif (method, route) == ("POST", "reset"):
            await self.reset()
            await _json(send, 200, {})
        elif (method, route) == ("POST", "shutdown"):
            await _json(send, 200, {})
            self.closing.set()
        else:
            await _json(send, 404, {"error": f"there is no {method} {scope['path']}"})

    async def reset(self) -> None:
        """Empty all state, ours and that of the wrapped application."""
        await self.engine.reset()
        await self.engine.inner.request(
            Place(DEFAULT_ACCOUNT, "us-east-1"),
            "s3",
            "POST",
            "/_ministack/reset",
            b"",
            {},
        )


def _credential(scope: Any) -> re.Match[str] | None:
    """The credential of a request signed for CloudFormation."""
    if scope["method"] not in ("GET", "POST"):
        return None
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            return CREDENTIAL.search(value.decode("latin-1"))
    query = unquote(scope["query_string"].decode("latin-1"))
    return CREDENTIAL.search(query.replace("X-Amz-Credential", "Credential"))


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before it was complete."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise ServiceError(
                "RequestEntityTooLarge",
                f"Request size must be smaller than {BODY_LIMIT} bytes",
                413,
            )
        if not message.get("more_body", False):
            return bytes(body)


def _fields(scope: Any, body: bytes) -> dict[str, str]:
    """The form fields of a request, from its query string or its body.

    Nothing but a form is looked at: ministack answers the JSON protocol.
    """
    headers = dict(scope["headers"])
    form = headers.get(b"content-type", b"").startswith(
        b"application/x-www-form-urlencoded"
    )
    return {
        **wire.fields(scope["query_string"]),
        **(wire.fields(body) if form else {}),
    }


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body already read, then goes on with the client's."""
    waiting: list[Message] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _reply(send: Send, status: int, body: bytes, kind: str = "text/xml") -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _json(send: Send, status: int, answer: Any) -> None:
    await _reply(send, status, json.dumps(answer).encode(), "application/json")
