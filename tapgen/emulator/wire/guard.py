"""Keeps web pages away from the embedded AWS.

Whatever page the user's browser shows can send requests to a port of this machine. Two
ways lead from there to a deployed stack, and both end here: a page of another origin
asks directly (a form, a link, `fetch`), which browsers say in `Origin` and
`Sec-Fetch-Site`; or its own name comes to mean 127.0.0.1 (DNS rebinding), which `Host`
shows. Command line tools and SDKs send neither of the first two, and the host that
they were given. What the user has deployed to be called by pages, APIs and function
URLs, is open to them at its path; whether they may read the answer is up to its CORS.

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

# This machine, also below a name of a bucket or a service, as SDKs put it before the
# host of an endpoint; and AWS's own names, which tools keep when they are only sent
# elsewhere (`curl --connect-to`). Nobody else can make any of these mean 127.0.0.1.
_HOST = re.compile(
    r"(.+\.)?(127\.0\.0\.1|localhost|\[::1\])\.?"
    r"|.+\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws|on\.aws|cloudfront\.net"
    r"|awsglobalaccelerator\.com)\.?",
    re.IGNORECASE,
)
_PORT = re.compile(r":[0-9]*$")
# Paths at which ministack serves nothing but what was deployed.
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
    """Why a request must not be answered, None when it may be."""
    headers = {
        name.lower().decode("latin-1"): value.decode("latin-1").strip()
        for name, value in scope["headers"]
    }
    host = headers.get("host", "")
    if host and not _is_known(_PORT.sub("", host)):
        return (
            f"the embedded AWS does not answer to the host name {host!r}: use "
            "127.0.0.1 or localhost"
        )
    if is_deployed(scope):
        return None
    origin = headers.get("origin")
    own = {f"{scheme}://{host}" for scheme in ("http", "ws")}
    if origin is not None and origin not in own:
        return f"the embedded AWS does not answer to web pages, here of {origin!r}"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "the embedded AWS does not answer to web pages of other sites"
    return None


def _is_known(host: str) -> bool:
    if _HOST.fullmatch(host):
        return True
    # A domain of the user's own, made in the embedded API Gateway.
    gateway: Any = sys.modules.get("ministack.services.apigateway_v1")
    return gateway is not None and gateway.find_domain_scope(host) is not None


def answer(scope: Any, reason: str) -> protocols.Form:
    """Status 403 in the protocol of the request; its body is not looked at."""
    call = protocols.identify(scope, protocols.signature(scope), "", b"")
    denial = protocols.denied(call, "")
    refusal = protocols.Refusal(denial.code, reason, 403)
    return protocols.formed(call, refusal)


def silent(send: Send) -> Send:
    """A `send` whose answers no page of another origin may read.

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
