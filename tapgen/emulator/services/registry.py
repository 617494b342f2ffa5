"""Services that ministack lacks, registered as its own are.

A service here stores what it is given and refuses what AWS refuses. It does nothing by
itself: no experiment runs, nothing is billed. It stores its records in `Tracked`
dictionaries, in variables of its module: `tracked.added_stores` finds them there, and
so they are saved, restored and reset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.app": {
        "SERVICE_HANDLERS": None,
        "SERVICE_REGISTRY": None,
        "_lazy_handler": ("module_name",),
        "_loaded_modules": None,
    },
    "ministack.core.router": {"SERVICE_PATTERNS": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


class Refusal(Exception):
    """A request that the service refuses, with AWS's code."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def place() -> tuple[str, str]:
    """Account and region of the request."""
    responses = import_module("ministack.core.responses")
    return str(responses.get_account_id()), str(responses.get_region())


@dataclass(frozen=True)
class Service:
    """A service by its name in requests, and what answers them.

    `answer` takes the operation (JSON services) or method and path (REST services), and
    the parameters of body and query. It raises Refusal.
    """

    name: str
    answer: Callable[[str, Record], Record]
    target_prefix: str = ""

    def install(self) -> None:
        """Register it with ministack; a second call changes nothing."""
        patterns = (
            {"target_prefixes": [self.target_prefix]} if self.target_prefix else {}
        )
        import_module("ministack.core.router").SERVICE_PATTERNS[self.name] = patterns
        app = import_module("ministack.app")
        app.SERVICE_REGISTRY[self.name] = {"module": self.name}
        app._loaded_modules[self.name] = self
        app.SERVICE_HANDLERS[self.name] = app._lazy_handler(self.name)

    async def handle_request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Any,
    ) -> Response:
        """Answer a request, with the signature of ministack's services."""
        target = headers.get("x-amz-target", "").partition(".")[2]
        return self.respond(target or f"{method} {path}", body, query or {})

    def respond(
        self,
        operation: str,
        body: bytes,
        query: Mapping[str, Any] = MappingProxyType({}),
    ) -> Response:
        """The answer to an operation, as the wire has it."""
        kind = {"Content-Type": "application/x-amz-json-1.1"}
        try:
            given = {**query, **json.loads(body or b"{}")}
            answer = self.answer(operation, given)
        except Refusal as refusal:
            error = {"__type": refusal.code, "message": str(refusal)}
            kind["x-amzn-ErrorType"] = refusal.code
            return refusal.status, kind, json.dumps(error).encode()
        return 200, kind, json.dumps(answer).encode()


def unknown(operation: str) -> Refusal:
    """Return the refusal of an operation that is not emulated."""
    return Refusal("UnknownOperationException", f"{operation} is not emulated")
