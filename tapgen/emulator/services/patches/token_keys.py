"""Tokens of user pools at a REST API: their keys are those of this process.

ministack asks for the keys at its own default address, and verifies signatures with the
package `cryptography`, without which its Cognito cannot sign either. Where that is not
installed, a token counts by its issuer and its times: a rehearsal, no protection.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.apigateway_v1": {
        "_fetch_jwks": ("url",),
        "_verify_rs256_signature": ("token", "jwk"),
    },
    "ministack.services.cognito": {"well_known_jwks": ("pool_id",)},
}
"""Private names of ministack used here, as `private_names` describes them."""

_KEYS = "/.well-known/jwks.json"


def apply() -> None:
    """Read the keys of user pools where they are."""
    gateway: Any = import_module("ministack.services.apigateway_v1")
    original = gateway._fetch_jwks

    async def fetch(url: str) -> Any:
        pool = url.removesuffix(_KEYS).rpartition("/")[2]
        if url.startswith("http://") and url.endswith(_KEYS):
            cognito: Any = import_module("ministack.services.cognito")
            return json.loads(cognito.well_known_jwks(pool)[2])
        return await original(url)

    gateway._fetch_jwks = fetch
    if find_spec("cryptography") is None:
        gateway._verify_rs256_signature = _counts


def _counts(token: str, jwk: Any) -> bool:
    return True
