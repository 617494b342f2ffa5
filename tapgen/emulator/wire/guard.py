"""Refuse requests of web pages to the embedded AWS.

Any page in the user's browser can send requests to a port of this machine. There are two
ways, and both are refused here. A page of another origin sends a request directly (a
form, a link, `fetch`); browsers then set `Origin` and `Sec-Fetch-Site`. Or the page's
own host name resolves to 127.0.0.1 (DNS rebinding); `Host` then has that name. Command
line tools and SDKs send neither `Origin` nor `Sec-Fetch-Site`, and the host of their
endpoint. APIs and function URLs that the user has deployed are open to pages at their
paths; their CORS settings decide whether a page may read the answer.

https://fetch.spec.whatwg.org/#origin-header
https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.wire import protocols
from tapgen.emulator.wire.inner import Message, Send

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.apigateway_v1": {"find_domain_scope": ("domain_name",)}
}
"""Names of ministack used here, as `private_names` describes them."""

# This machine, also with the name of a bucket or service before it, as SDKs write the
# host of an endpoint; and AWS's own names, for tools that only connect elsewhere (`curl
# --connect-to`). Nobody else can let any of these resolve to 127.0.0.1.
_HOST = re.compile(
    r"(.+\.)?(127\.0\.0\.1|localhost|\[::1\])\.?"
    r"|.+\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws|on\.aws|cloudfront\.net"
    r"|awsglobalaccelerator\.com)\.?",
    re.IGNORECASE,
)
_PORT = re.compile(r":[0-9]*$")
# Paths at which ministack serves only what was deployed.
_DEPLOYED = re.compile(
    r"/restapis/[^/]+/[^/]+/_user_request_(/.*)?"
    r"|/_aws/execute-api/[^/]+/.*"
    r"|/_aws/lambda-url/[^/]+(/.*)?",
    re.DOTALL,
)


def is_deployed(scope: Any) -> bool:
    """Whether a request is for an API or a function URL rather than for AWS itself."""
    return _DEPLOYED.fullmatch(scope["path"]) is not None


def reason_to_refuse(scope: Any) -> str | None:
    """Return why a request is refused, None when it is not."""
    headers = {
        name.lower().decode("latin-1"): value.decode("latin-1").strip()
        for name, value in scope["headers"]
    }
    host = headers.get("host", "")
    if host and not _is_known(_PORT.sub("", host)):
        return (
            f"the embedded AWS does not answer requests for the host name {host!r}: use "
            "127.0.0.1 or localhost"
        )
    if is_deployed(scope):
        return None
    origin = headers.get("origin")
    own = {f"{scheme}://{host}" for scheme in ("http", "ws")}
    if origin is not None and origin not in own:
        return f"the embedded AWS does not answer requests of web pages ({origin})"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "the embedded AWS does not answer requests of web pages of other sites"
    return None


def _is_known(host: str) -> bool:
    if _HOST.fullmatch(host):
        return True
    # A custom domain of the embedded API Gateway.
    gateway: Any = sys.modules.get("ministack.services.apigateway_v1")
    return gateway is not None and gateway.find_domain_scope(host) is not None


def answer(scope: Any, reason: str) -> protocols.Form:
    """Return status 403 in the protocol of the request; its body is not read."""
    call = protocols.identify(scope, protocols.signature(scope), "", b"")
    denial = protocols.denied(call, "")
    refusal = protocols.Refusal(denial.code, reason, 403)
    return protocols.formed(call, refusal)


def silent(send: Send) -> Send:
    """Return a `send` whose answers no page of another origin may read.

    ministack allows every origin to read every answer.
    """

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (name, value)
                for name, value in message.get("headers", [])
                if not name.lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": headers}
        await send(message)

    return sending
