"""Clients that callers of many accounts share: one for each service and region.

A client costs 3 to 90 ms and up to 9 MiB, most of it for AWS's description of the service;
what differs between accounts is only who signs a request. So the client is shared, and
each request is signed by whoever makes it: botocore's signer takes `request_credentials`
from the context of a request, which handlers of `before-sign` may write
(botocore/signers.py, RequestSigner.sign).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import field
from typing import Any

from tapgen.aws.pace import Pace
from tapgen.frozen import dataclass

AT_ONCE = 8
"""Threads that make calls at the same time, and connections of a client."""

# Codes of a service that asks to slow down ("Common Errors" of the API references; EC2,
# "Request throttling"; S3, "Error responses").
THROTTLED = {
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
"""Codes of errors that say to ask again later."""

THROTTLES = 10
"""How often a call is tried that is throttled, also by a client that gives up sooner: who
asks for fewer calls is there."""


@dataclass(frozen=True)
class Caller:
    """Who makes calls, and how fast: `credentials` of None are those of the session, and
    `place` says for messages who it is, and where."""

    credentials: Any = None
    place: str = ""
    pace: Pace = field(default_factory=Pace)


_calling: ContextVar[Caller] = ContextVar("calling", default=Caller())


class Client:
    """A shared client as one caller uses it: its calls are made and paced for the caller.

    Other attributes are those of the client. Safe in several threads.
    """

    __slots__ = ("_shared", "_caller", "meta", "tapgen_place")

    def __init__(self, shared: Any, caller: Caller) -> None:
        self._shared, self._caller = shared, caller
        self.meta, self.tapgen_place = shared.meta, caller.place

    @property
    def throttled(self) -> int:
        """How many calls of this caller were throttled."""
        return self._caller.pace.throttled

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._shared, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            token = _calling.set(self._caller)
            try:
                return found(*given, **named)
            finally:
                _calling.reset(token)

        return call


@dataclass
class Clients:
    """The shared clients of one session; `make(service, region, attempts)` makes one."""

    make: Callable[[str, str, int], Any]
    lock: Any = field(default_factory=threading.RLock)
    _shared: dict[tuple[str, str, int], Any] = field(default_factory=dict)

    def get(self, service: str, region: str, attempts: int, caller: Caller) -> Client:
        """Return the client of a service and region as a caller uses it; a call without
        an answer fails after `attempts`."""
        key = (service, region, attempts)
        shared = self._shared.get(key)
        if shared is None:
            with self.lock:  # making clients of one session is not thread-safe
                shared = self._shared.get(key)
                if shared is None:
                    shared = self._shared[key] = self.make(*key)
                    _listen(shared)
        return Client(shared, caller)


def _listen(client: Any) -> None:
    """Let a client sign and pace each request for the one who makes it.

    botocore counts retries and adapts its rate for each client, so for all accounts
    together: throttling is answered here instead, so that nobody waits, or gives up, for
    what others were told.
    """

    def before_sign(request: Any, **_: Any) -> None:
        credentials = _calling.get().credentials
        if credentials is not None:
            request.context.setdefault("signing", {})[
                "request_credentials"
            ] = credentials

    def before_send(**_: Any) -> None:
        _calling.get().pace.wait()

    def needs_retry(number: int, response: Any) -> float | None:
        pace = _calling.get().pace
        if not _is_throttled(response):
            pace.quicken()
            return None
        pace.slow_down()
        # The pause is in before_send, for this and all other calls of this caller.
        return 0.0 if number < THROTTLES else None

    events = client.meta.events
    events.register("before-sign", before_sign)
    events.register("before-send", before_send)
    service = client.meta.service_model.service_id.hyphenize()
    # Before botocore's own, whose answer the first one replaces.
    events.register_first(
        f"needs-retry.{service}",
        lambda attempts, response, **_: needs_retry(attempts, response),
    )


def _is_throttled(response: Any) -> bool:
    """Whether AWS has asked to slow down; `response` is None where there was none."""
    if response is None:
        return False
    return response[1].get("Error", {}).get("Code") in THROTTLED
