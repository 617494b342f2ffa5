"""The embedded AWS as one ASGI application: guard, faults, StackSets, control, ministack.

StackSets actions go to our engine; everything else passes through to the wrapped
application untouched, bodies unread, unless faults are set.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from tapgen.emulator.faults.active import Faults
from tapgen.emulator.faults.model import LOOK, Fault, FaultError
from tapgen.emulator.faults.parsing import parse_all
from tapgen.emulator.permissions import callers, stack_roles
from tapgen.emulator.permissions.enforcing import ENFORCEMENT, Actor, acting
from tapgen.emulator.server.proof import (
    CONTROL,
    INSTANCE_HEADER,
    TOKEN_HEADER,
    instance,
    proof,
)
from tapgen.emulator.services import clock
from tapgen.emulator.services.patches import function_processes
from tapgen.emulator.stacksets.actions import Engine
from tapgen.emulator.state import tracked
from tapgen.emulator.wire import connection, guard, protocols, query_protocol
from tapgen.emulator.wire.inner import Asgi, Inner, Message, Place, Receive, Send, text
from tapgen.emulator.wire.protocols import Call, Refusal, Signature
from tapgen.emulator.wire.query_protocol import ServiceError

logger = logging.getLogger("tapgen.local")

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

STACK_SETS = re.compile(
    "StackSet|StackInstance|OrganizationsAccess|ImportStacksToStackSet"
)


@dataclass
class Embedded:
    """The application; `status` returns the answer of the status route.

    `is_action` knows the actions of IAM; without it, sessions of roles are not checked.
    `before_answer` is called at the beginning of each request and returns what to call
    before its answer: by then the state must be saved. `empty` runs after a reset.
    """

    inner: Asgi
    engine: Engine
    token: str
    status: Callable[[], Awaitable[dict[str, Any]]]
    on_started: Callable[[], None] = lambda: None
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    faults: Faults = field(default_factory=Faults)
    before_answer: Callable[[], Callable[[], None]] | None = None
    is_action: callers.IsAction | None = None
    empty: Callable[[], None] = lambda: None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if scope["type"] == "http":
            most = connection.limit(protocols.signature(scope).service)
            receive, send = connection.after_request(receive, send, most)
            if int(_header(scope, "content-length") or 0) > most:
                await _send(send, *_too_large(scope, most))
                return
        reason = guard.reason_to_refuse(scope)
        if reason is not None:
            await _turn_away(scope, send, reason)
        elif scope["type"] != "http":
            await self.inner(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(CONTROL):
            await self._control(scope, receive, send)
        elif (named := _header(scope, INSTANCE_HEADER)) not in ("", self._instance):
            await _turn_away_foreign(scope, send)
        else:
            send = _showing(self._instance, send) if named else send
            if self.before_answer is not None:
                send = _saving(self.before_answer(), send)
            if not guard.is_deployed(scope):
                send = guard.silent(send)
            if self.faults:
                await self._serve_with_faults(scope, receive, send)
            else:
                await self._serve(scope, receive, send)

    @cached_property
    def _instance(self) -> str:
        return instance(self.token)

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        # A path that is open to web pages must reach only what was deployed.
        if guard.is_deployed(scope):
            await self.inner(scope, receive, send)
            return
        signed = protocols.signature(scope)
        actor = await self._actor(signed)
        if actor is not None:
            checked = await self._checked(scope, receive, send, signed, actor)
            if checked is None:
                return
            receive = checked
        if scope["method"] in ("GET", "POST") and signed.service == "cloudformation":
            await self._cloudformation(scope, receive, send, signed, actor)
        else:
            await self.inner(scope, receive, send)

    # Permissions

    async def _actor(self, signed: Signature) -> Actor | None:
        """The session of a role that calls, where permissions are checked."""
        if not (self.is_action and ENFORCEMENT.checks and signed.key[:4] == "ASIA"):
            return None
        if signed.key not in self._sessions:
            try:
                arn = text(await self._identity(signed), "Arn")
            except ServiceError:
                return None  # the service says what is wrong with the credentials
            kind, *names = arn.split(":")[5].split("/")
            if kind != "assumed-role":
                return None
            account = arn.split(":")[4]
            self._sessions[signed.key] = Actor(account, names[0], names[-1], via="")
        actor = self._sessions[signed.key]
        # ministack lets everybody assume a role that does not exist.
        return actor if ENFORCEMENT.roles.exists(actor.account, actor.role) else None

    @cached_property
    def _sessions(self) -> dict[str, Actor]:
        return {}

    async def _checked(
        self,
        scope: Any,
        receive: Receive,
        send: Send,
        signed: Signature,
        actor: Actor,
    ) -> Receive | None:
        """Refuse what the session of a role may not call; None when it was refused or
        has gone."""
        body = b""
        if protocols.is_form(scope):
            try:
                found = await _body(receive)
            except ServiceError as error:
                await _reply(send, error.status, query_protocol.refusal(error))
                return None
            if found is None:
                return None
            body, receive = found, _again(found, receive)
        call = protocols.identify(scope, signed, actor.account, body)
        given = _fields(scope, body)
        place = (actor.account, signed.region)
        assert self.is_action is not None
        found_calls = callers.calls(
            *(signed.service, call.action, place, scope["path"], given),
            self.is_action,
        )
        with acting(actor):
            refused = ENFORCEMENT.refusal(found_calls, place)
        if refused is None:
            return receive
        denied = protocols.denied(call, actor.arn)
        message = denied.message if signed.service == "ec2" else refused[1]
        await _send(send, *protocols.formed(call, replace(denied, message=message)))
        return None

    async def _lifespan(self, scope: Any, receive: Receive, send: Send) -> None:
        async def announce(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self.on_started()

        await self.inner(scope, receive, announce)

    # StackSets

    async def _cloudformation(
        self,
        scope: Any,
        receive: Receive,
        send: Send,
        signed: Signature,
        actor: Actor | None,
    ) -> None:
        try:
            body = await _body(receive)
            if body is None:
                return  # the client has gone before its request was complete
            given = _fields(scope, body)
        except ServiceError as error:
            await _reply(send, error.status, query_protocol.refusal(error))
            return
        action = given.get("Action", "")
        if action in query_protocol.known_actions() and STACK_SETS.search(action):
            status, answer = await self._answer(signed, action, given)
            await _reply(send, status, answer)
            return
        if action not in stack_roles.WORK or not ENFORCEMENT.checks:
            await self.inner(scope, _again(body, receive), send)
            return
        account = actor.account if actor else await self._account(signed)
        place = (account, signed.region)
        try:
            worker = stack_roles.worker(place, given, actor)
        except stack_roles.RoleError as error:
            refused = query_protocol.invalid(str(error))
            await _reply(send, refused.status, query_protocol.refusal(refused))
            return
        with acting(worker):
            await self.inner(scope, _again(body, receive), send)
        stack_roles.remember(place, given)

    async def _answer(
        self, signed: Signature, action: str, given: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            request = query_protocol.parse(action, given)
            if action not in self.engine.actions:
                raise ServiceError(
                    "UnsupportedOperation",
                    f"{action} is not emulated by the embedded AWS",
                )
            caller = Place(await self._account(signed), signed.region)
            result = await self.engine.call(action, caller, request)
            return 200, query_protocol.answer(action, result)
        except ServiceError as error:
            return error.status, query_protocol.refusal(error)
        except Exception:
            # The boundary: a client gets a defect of ours as AWS's InternalFailure.
            logger.exception("%s", action)
            message = "An internal error has occurred; see the log of the embedded AWS"
            failure = ServiceError(
                "InternalFailure", message, query_protocol.FAULT_STATUS
            )
            return failure.status, query_protocol.refusal(failure)

    async def _account(self, signed: Signature) -> str:
        """The caller's account: an access key of twelve digits, or what STS answers."""
        if re.fullmatch(r"[0-9]{12}", signed.key):
            return signed.key
        if not signed.key.startswith("ASIA"):
            return DEFAULT_ACCOUNT
        return text(await self._identity(signed), "Account")

    async def _identity(self, signed: Signature) -> Any:
        session = Place(signed.key, signed.region)
        return await Inner(self.inner).query(session, "sts", "GetCallerIdentity")

    # Faults

    async def _serve_with_faults(
        self, scope: Any, receive: Receive, send: Send
    ) -> None:
        """Answer a request, with the faults that match it."""
        signed = protocols.signature(scope)
        body = b""
        if protocols.is_form(scope):
            try:
                found = await _body(receive)
            except ServiceError as error:
                await _reply(send, error.status, query_protocol.refusal(error))
                return
            if found is None:
                return
            body, receive = found, _again(found, receive)
        call = protocols.identify(scope, signed, await self._account(signed), body)
        of_function = function_processes.is_function(signed.key)
        for fault in self.faults.on_call(call, of_function=of_function):
            if fault.effect == "delay":
                await self._delay(fault)
            elif fault.effect in ("cut", "kill"):
                if fault.when == "after":
                    await self._serve(scope, receive, _nowhere)
                if fault.effect == "kill":
                    function_processes.kill(signed.key, fault.reason)
                connection.cut()
                return
            else:
                refusal = await self._refusal(fault, call, signed)
                await _send(send, *protocols.formed(call, refusal))
                return
        await self._serve(scope, receive, send)

    async def _delay(self, fault: Fault) -> None:
        """Wait as long as a fault says, and no longer than it is set."""
        end = time.monotonic() + (fault.seconds or 0)
        while (left := end - time.monotonic()) > 0 and self.faults.is_set(fault):
            await asyncio.sleep(min(left, LOOK))

    async def _refusal(self, fault: Fault, call: Call, signed: Signature) -> Refusal:
        if fault.effect == "denied":
            refusal = protocols.denied(call, await self._caller_arn(call, signed))
        elif fault.effect == "error" and fault.code:
            message = "An error occurred"
            refusal = Refusal(fault.code, message, fault.status or 400)
        else:
            make = _REFUSALS[fault.effect, fault.status]
            refusal = make(call)
        return replace(refusal, message=fault.reason) if fault.reason else refusal

    async def _caller_arn(self, call: Call, signed: Signature) -> str:
        if signed.key.startswith("ASIA"):
            return text(await self._identity(signed), "Arn")
        return f"arn:aws:iam::{call.account}:user/local"

    # Control

    async def _control(self, scope: Any, receive: Receive, send: Send) -> None:
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
        elif route == "faults":
            given = await _body(receive)
            await _json(send, *await self._set_faults(method, query, given or b""))
        elif (method, route) == ("POST", "settings"):
            await _json(send, *self._configure(await _body(receive) or b""))
        elif (method, route) == ("POST", "clock"):
            await _json(send, *_move_clock(await _body(receive) or b""))
        elif (method, route) == ("POST", "shutdown"):
            await _json(send, 200, {})
            self.closing.set()
        else:
            await _json(send, 404, {"error": f"there is no {method} {scope['path']}"})

    async def reset(self) -> None:
        """Empty all state, ours and that of the wrapped application."""
        self.faults.clear()
        clock.real()
        await self.engine.reset()
        await self.engine.inner.request(
            Place(DEFAULT_ACCOUNT, "us-east-1"),
            "s3",
            "POST",
            "/_ministack/reset",
            b"",
            {},
        )
        tracked.reset_added_stores()
        self.empty()

    def _configure(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer the settings route: status and body."""
        try:
            return 200, self.engine.configure(json.loads(body))
        except ValueError as error:
            return 400, {"error": str(error)}

    async def _set_faults(
        self, method: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        """Answer the faults route: status and body."""
        try:
            if method == "POST":
                # An unknown action is searched for in many models.
                given = await asyncio.to_thread(_parsed_faults, body)
                self.faults.add(given)
            elif method == "DELETE":
                removed = self.faults.clear(query.get("id", [None])[0])
                clock.tick()  # what could not be done may be possible again
                return 200, {"removed": removed}
            elif method != "GET":
                return 405, {"error": f"faults takes GET, POST, DELETE, not {method}"}
        except FaultError as error:
            return 400, {"error": str(error)}
        return 200, {"faults": self.faults.shown()}


_REFUSALS: dict[tuple[str, int | None], Callable[[Call], Refusal]] = {
    ("throttle", None): protocols.throttled,
    ("error", 500): protocols.failed,
    ("error", 503): protocols.unavailable,
    ("unavailable", None): protocols.unavailable,
    ("expired", None): protocols.expired,
}


def _move_clock(body: bytes) -> tuple[int, dict[str, Any]]:
    """Answer the clock route, `{"forward": SECONDS}` or `{"real": true}`: status and body."""
    try:
        given = json.loads(body)
        if given == {"real": True}:
            clock.real()
        else:
            clock.forward(float(given["forward"]))
    except (ValueError, TypeError, LookupError) as error:
        return 400, {"error": f"the clock takes forward or real: {error}"}
    return 200, {"clock": clock.shown(), "stands": clock.stands()}


def _parsed_faults(body: bytes) -> list[Fault]:
    try:
        given = json.loads(body)
    except ValueError as error:
        raise FaultError(f"the body is not JSON: {error}") from None
    return parse_all(given)


def _saving(save: Callable[[], None], send: Send) -> Send:
    """Return a `send` that saves the state before an answer begins."""
    failed = False

    async def saving(message: Message) -> None:
        nonlocal failed
        if message["type"] == "http.response.start":
            try:
                save()
            except OSError as error:
                # The work is done, but it would not survive a kill.
                logger.error("%s", error)
                failed = True
                refusal = ServiceError(
                    "InternalFailure", str(error), query_protocol.FAULT_STATUS
                )
                await _reply(send, refusal.status, query_protocol.refusal(refusal))
        if not failed:
            await send(message)

    return saving


async def _nowhere(message: Message) -> None:
    """Drop an answer."""


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before it was complete."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(scope: Any, most: int) -> protocols.Form:
    text = f"Request size must be smaller than {most} bytes"
    call = protocols.identify(scope, protocols.signature(scope), "", b"")
    return protocols.formed(call, Refusal("RequestEntityTooLarge", text, 413))


def _fields(scope: Any, body: bytes) -> dict[str, str]:
    """The form fields of a request, from its query string or its body.

    Only forms are read: ministack answers the JSON protocol.
    """
    headers = dict(scope["headers"])
    form = headers.get(b"content-type", b"").startswith(
        b"application/x-www-form-urlencoded"
    )
    return {
        **query_protocol.fields(scope["query_string"]),
        **(query_protocol.fields(body) if form else {}),
    }


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` with a body already read, then the client's messages."""
    waiting: list[Message] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _header(scope: Any, name: str) -> str:
    sent = dict(scope["headers"]).get(name.encode(), b"")
    return str(sent, "latin-1")


def _showing(instance_: str, send: Send) -> Send:
    """A `send` whose answer shows which embedded AWS it comes from."""

    async def shown(message: Message) -> None:
        if message["type"] == "http.response.start":
            header = (INSTANCE_HEADER.encode(), instance_.encode())
            message = {**message, "headers": [*message["headers"], header]}
        await send(message)

    return shown


async def _turn_away_foreign(scope: Any, send: Send) -> None:
    """Answer a client that looks for another project's embedded AWS (RFC 9110, 421)."""
    logger.warning("refused %s: it is for another project", scope["path"])
    await _json(send, 421, {"message": "this is another project's embedded AWS"})


async def _turn_away(scope: Any, send: Send, reason: str) -> None:
    logger.warning("refused %s: %s", scope["path"], reason)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _send(send, *guard.answer(scope, reason))


async def _reply(send: Send, status: int, body: bytes, kind: str = "text/xml") -> None:
    await _send(send, status, {"content-type": kind}, body)


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    sent = {**headers, "content-length": str(len(body))}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _json(send: Send, status: int, answer: Any) -> None:
    await _reply(send, status, json.dumps(answer).encode(), "application/json")
