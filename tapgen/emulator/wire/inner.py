"""Call the wrapped emulator, in process, as one account in one region.

Only its ASGI application is used, as a client would use it. Any emulator that takes the
account from the access key could be wrapped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode
from xml.etree import ElementTree

from tapgen.emulator.wire.query_protocol import ServiceError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Any, Receive, Send], Awaitable[None]]

VERSIONS = {
    "cloudformation": "2010-05-15",
    "iam": "2010-05-08",
    "sts": "2011-06-15",
}


@dataclass(frozen=True, order=True)
class Place:
    """An account and a region."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"


@dataclass(frozen=True)
class Response:
    """What the wrapped emulator answered."""

    status: int
    body: bytes

    def xml(self) -> ElementTree.Element:
        """The body as XML; ServiceError when it carries an error or is no XML."""
        try:
            root = ElementTree.fromstring(self.body)
        except ElementTree.ParseError:
            if self.status < 400:
                raise ServiceError(
                    "InternalFailure", "the answer is not XML", 500
                ) from None
            raise ServiceError(
                "InternalFailure", self.body[:200].decode(errors="replace"), 500
            ) from None
        if self.status >= 400:
            raise ServiceError(text(root, "Code"), text(root, "Message"), self.status)
        return root


class Inner:
    """The wrapped emulator.

    `refuses` returns why a service cannot be reached at a place, None when it can.
    """

    def __init__(
        self, app: Asgi, refuses: Callable[[Place, str], str | None] | None = None
    ) -> None:
        self.app = app
        self.refuses = refuses

    @property
    def unhindered(self) -> Inner:
        """The same one, which reaches every service at every place."""
        return Inner(self.app)

    async def query(
        self, place: Place, service: str, action: str, **parameters: Any
    ) -> ElementTree.Element:
        """Call an action of a query-protocol service; ServiceError when refused.

        Lists and mappings among the parameters are sent as the protocol does.
        """
        sent = {"Action": action, "Version": VERSIONS[service]}
        sent.update(_flat(parameters))
        if service == "cloudformation":
            # Templates are long: as a form they take a third of the time of a stack.
            response = await self._target(
                place, service, f"CloudFormation_20100515.{action}", sent
            )
            return response.xml()
        response = await self.request(
            place,
            service,
            "POST",
            "/",
            urlencode(sent).encode(),
            {"content-type": "application/x-www-form-urlencoded"},
        )
        return response.xml()

    async def target(
        self, place: Place, service: str, target: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Call an action of a JSON service by its `X-Amz-Target`."""
        response = await self._target(place, service, target, body)
        answer: dict[str, Any] = json.loads(response.body or b"{}")
        if response.status >= 400:
            code = str(answer.get("__type", "InternalFailure")).rpartition("#")[2]
            message = answer.get("message") or answer.get("Message") or code
            raise ServiceError(code, message, response.status)
        return answer

    async def _target(
        self, place: Place, service: str, target: str, body: Mapping[str, Any]
    ) -> Response:
        return await self.request(
            place,
            service,
            "POST",
            "/",
            json.dumps(body).encode(),
            {"content-type": "application/x-amz-json-1.1", "x-amz-target": target},
        )

    async def get_object(self, place: Place, bucket: str, key: str) -> bytes:
        """The content of an S3 object; ServiceError when there is none."""
        path = f"/{quote(bucket)}/{quote(key)}"
        response = await self.request(place, "s3", "GET", path, b"", {})
        if response.status >= 400:
            response.xml()
        return response.body

    async def request(
        self,
        place: Place,
        service: str,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Response:
        """One HTTP request, as if signed by `place.account` for `place.region`.

        ServiceError when the service cannot be reached there.
        """
        reason = self.refuses(place, service) if self.refuses else None
        if reason is not None:
            raise ServiceError("ServiceUnavailable", reason, 503)
        scope = f"{place.account}/20260101/{place.region}/{service}/aws4_request"
        sent = {
            "host": "127.0.0.1",
            "content-length": str(len(body)),
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, "
            "SignedHeaders=host, Signature=embedded",
            **headers,
        }
        return await exchange(self.app, method, path, body, sent)


async def exchange(
    app: Asgi, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> Response:
    """Send one request to an ASGI application and gather its whole answer."""
    route, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(route),
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers.items()],
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    status = 0
    chunks: list[bytes] = []

    async def receive() -> Message:
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()  # the client stays until it is answered
            raise AssertionError
        return dict(message)

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    # A task of its own: the wrapped emulator has the caller's account and region in
    # context variables, which must not leak from one call into the next.
    await asyncio.create_task(_run(app, scope, receive, send))
    return Response(status, b"".join(chunks))


async def _run(app: Asgi, scope: Any, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        flat.update(_flat_value(f"{prefix}{name}", value))
    return flat


def _flat_value(name: str, value: Any) -> Mapping[str, str]:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return _flat(value, f"{name}.")
    if isinstance(value, (list, tuple)):
        if not value:
            return {name: ""}
        flat: dict[str, str] = {}
        for index, member in enumerate(value, 1):
            flat.update(_flat_value(f"{name}.member.{index}", member))
        return flat
    if isinstance(value, bool):
        return {name: "true" if value else "false"}
    return {name: str(value)}


def text(element: ElementTree.Element, tag: str) -> str:
    """The text of the first element of that name below, `` when there is none."""
    return element.findtext(f".//{{*}}{tag}") or ""


def members(element: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    """The members of the first list of that name below."""
    found = element.find(f".//{{*}}{tag}")
    return iter(()) if found is None else iter(found)
