"""How the embedded AWS shows that it is this project's own, without sending the token."""

from __future__ import annotations

import hmac

CONTROL = "/_tapgen/"
"""Where the control routes are."""
TOKEN_HEADER = "x-tapgen-token"
"""The header that carries the token to all control routes but `identity`."""


def proof(token: str, nonce: str) -> str:
    """Return the answer to a nonce that only a listener with the token can give."""
    return hmac.new(token.encode(), nonce.encode(), "sha256").hexdigest()


INSTANCE_HEADER = "x-tapgen-instance"
"""The header by which client and server of one project know each other: a request that
has another project's is refused, and every answer to one that has it shows it."""


def instance(token: str) -> str:
    """Return what identifies an embedded AWS to whoever knows its token."""
    return proof(token, "instance")
