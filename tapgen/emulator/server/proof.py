"""How the embedded AWS shows that it is this project's own, without telling the token."""

from __future__ import annotations

import hmac

CONTROL = "/_tapgen/"
"""Where the control routes are."""
TOKEN_HEADER = "x-tapgen-token"
"""The header that carries the token to all control routes but `identity`."""


def proof(token: str, nonce: str) -> str:
    """What only a listener that knows the token can answer to a nonce."""
    return hmac.new(token.encode(), nonce.encode(), "sha256").hexdigest()
