"""The authorizer of an API: lets in who has a token of one issuer of OpenID Connect.

API Gateway calls it with the token of a request before the request goes on
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html).
A token is good if the issuer has signed it with one of its published keys, for one of
`AUDIENCES` (commas between), and its time has come and is not over. `ISSUER`, `ALGORITHMS`
and `CLOCK_SKEW` (seconds) come from the environment, too.

    401  the token is not good, or is none
    500  the keys of the issuer cannot be read, so that nobody can say

Keys are kept for an hour in each instance of the function. A token with an unknown key has
them read again, at most once a minute: so a new key works soon, and invented keys do not
send requests to the issuer. While the issuer does not answer, known keys are good for a day,
and it is asked every half minute: so that few requests wait for it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from tapgen.handlers.signatures import ALGORITHMS, decoded, verify

log = logging.getLogger()
log.setLevel(logging.INFO)

LONGEST_TOKEN = 8192
LARGEST_DOCUMENT = 2**18
"""Bytes of a document of the issuer that are read at most."""
PATIENCE = 2
"""Seconds that the issuer has for each answer on the way to a document."""
LONGEST = 4
"""Seconds that it has for all of it, names and two documents: less than the function has,
whose instance, and the keys in it, would else be lost."""

FRESH = 3600
STALE = 24 * 3600
"""Seconds for which keys are taken as they are, and while the issuer does not answer."""
AGAIN, RETRY = 60, 30
"""Seconds that go by before the issuer is asked again, once it has answered or not."""

Claims = Mapping[str, Any]
Fetch = Callable[[str], Any]


class Refused(Exception):
    """A token is not good; says why, and nothing that the token says."""


class Unknown(Exception):
    """Nobody can say whether a token is good: there are no keys."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point that Lambda calls."""
    return authorize(event, os.environ, keys(), time.time())


def authorize(
    event: Mapping[str, Any], settings: Mapping[str, str], keys: Keys, now: float
) -> dict[str, Any]:
    """The policy that lets a request through. Raises what API Gateway answers with 401,
    or any other error for 500.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
    """
    try:
        claims = verified(event.get("authorizationToken"), settings, keys, now)
    except Refused as refusal:
        log.info("refused: %s", refusal)
        # API Gateway knows this word.
        raise Exception("Unauthorized") from None
    allow = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow",
        # This request alone: the answer is not kept for another one.
        "Resource": event["methodArn"],
    }
    return {
        "principalId": claims.get("sub", "unknown"),
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow]},
    }


def verified(given: Any, settings: Mapping[str, str], keys: Keys, now: float) -> Claims:
    """What a good token claims. Raises Refused for another one, Unknown without keys."""
    token = _token(given)
    header, claims = token.header, token.claims
    algorithm, name = header.get("alg"), header.get("kid")
    allowed = settings["ALGORITHMS"].split(",")
    if algorithm not in allowed or algorithm not in ALGORITHMS:
        raise Refused("the algorithm is not allowed")
    if "crit" in header:
        # What must be understood, and is not (RFC 7515, 4.1.11).
        raise Refused("an extension is not known")
    if not isinstance(name, str):
        raise Refused("the token names no key")
    if _kind(header) not in _ACCESS or "cnf" in claims:
        # Other tokens of an issuer, and those that are good together with a proof only.
        raise Refused("the token is for something else")
    # The issuer is compared first, so that a token of another one asks for no keys.
    if claims.get("iss") != settings["ISSUER"]:
        raise Refused("another issuer")
    key = keys.find(name, now)
    if key is None:
        raise Refused("the key is not known")
    if not _signed_by(key, algorithm, token):
        raise Refused("the signature is not the issuer's")
    _check(claims, settings, now)
    return claims


_ACCESS = ("", "jwt", "at+jwt")
"""What the type of a token may be (RFC 8725, 3.11; RFC 9068, 2.1)."""


def _kind(header: Claims) -> str:
    return str(header.get("typ", "")).lower().removeprefix("application/")


class Token(NamedTuple):
    """A token that can be read, good or not."""

    header: Claims
    claims: Claims
    signed: bytes
    signature: bytes


def _token(given: Any) -> Token:
    """Read a token, with or without its scheme."""
    scheme, _, text = str(given or "").strip().rpartition(" ")
    if scheme.strip().lower() not in ("", "bearer"):
        raise Refused("another scheme than Bearer")
    if len(text) > LONGEST_TOKEN:
        raise Refused("the token is too long")
    try:
        signed, _, signature = text.rpartition(".")
        header, claims = signed.split(".")
        return Token(
            _object(header), _object(claims), signed.encode(), decoded(signature)
        )
    except (ValueError, RecursionError):
        raise Refused("not a token") from None


def _signed_by(key: Claims, algorithm: str, token: Token) -> bool:
    """Whether a key is for signatures of this algorithm, and has signed a token."""
    try:
        for_this = (
            key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and "verify" in key.get("key_ops", ["verify"])
        )
        return for_this and verify(algorithm, key, token.signed, token.signature)
    except (ValueError, KeyError, TypeError):
        raise Refused("the key is not for this") from None


def _object(text: str) -> Claims:
    found = json.loads(decoded(text))
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _check(claims: Claims, settings: Mapping[str, str], now: float) -> None:
    """Refuse a token for others, or of another time (RFC 7519, 4.1)."""
    # As API Gateway's own authorizers of tokens: access tokens of Cognito name no audience.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
    audience = claims.get("aud", claims.get("client_id"))
    named = audience if isinstance(audience, list) else [audience]
    if not any(one in settings["AUDIENCES"].split(",") for one in named if one):
        raise Refused("another audience")
    skew = int(settings["CLOCK_SKEW"])
    if _time(claims, "exp", needed=True) + skew <= now:
        raise Refused("the token has expired")
    if max(_time(claims, "nbf"), _time(claims, "iat")) - skew > now:
        raise Refused("the time of the token has not come")
    if "sub" in claims and not (claims["sub"] and isinstance(claims["sub"], str)):
        raise Refused("sub is no name")


def _time(claims: Claims, name: str, *, needed: bool = False) -> float:
    given = claims.get(name, None if needed else 0)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Refused(f"{name} is missing, or not a time")
    if isinstance(given, float) and not math.isfinite(given):
        raise Refused(f"{name} is not a time")
    return given


class Keys:
    """The published keys of an issuer, as they were read last; `fetch` reads a document, and
    the issuer has so many seconds for all of them."""

    def __init__(self, issuer: str, fetch: Fetch, seconds: float = LONGEST) -> None:
        self._issuer = issuer
        self._seconds = seconds
        self._fetch = fetch
        self._known: Mapping[str, Claims] = {}
        self._read = self._next = -math.inf
        self._answers = True

    def find(self, name: str, now: float) -> Claims | None:
        """The key of a name; None if the issuer has none. Raises Unknown where it does
        not answer, and no key is known that can still be taken."""
        due = now - self._read > FRESH or name not in self._known
        if due and now >= self._next:
            self._answers = self._ask(now)
            self._next = now + (AGAIN if self._answers else RETRY)
        known = self._known if now - self._read <= STALE else {}
        if name not in known and not self._answers:
            raise Unknown("the keys of the issuer cannot be read")
        return known.get(name)

    def _ask(self, now: float) -> bool:
        """Read the keys again; say whether that was possible."""
        try:
            self._known, self._read = _in_time(self._published, self._seconds), now
        except Exception as error:
            log.error("the issuer gives no keys: %s", type(error).__name__)
            return False
        return True

    def _published(self) -> dict[str, Claims]:
        """https://openid.net/specs/openid-connect-discovery-1_0.html"""
        place = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = self._fetch(place)
        if found["issuer"] != self._issuer:
            raise ValueError("the issuer has another name")
        listed = self._fetch(found["jwks_uri"])["keys"]
        keys: dict[str, Claims] = {}
        for one in listed:
            # Keys for encryption may have the same name.
            if isinstance(one, dict) and one.get("use", "sig") == "sig":
                if one.get("kty") in ("RSA", "EC") and isinstance(one.get("kid"), str):
                    keys.setdefault(one["kid"], one)
        return keys


def _in_time(
    work: Callable[[], dict[str, Claims]], seconds: float
) -> dict[str, Claims]:
    """What some work gives within some seconds, whatever it waits for: limits of a
    connection hold for each address and each answer, and for no name."""
    found: list[dict[str, Claims] | Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


@cache
def keys() -> Keys:
    """The keys of the issuer, kept for each instance of the function."""
    return Keys(os.environ["ISSUER"], fetch)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Who redirects could send the question to somebody else."""

    def redirect_request(self, *given: Any) -> None:
        return None


def fetch(address: str) -> Any:
    """The document at an address, over HTTPS only."""
    if not address.startswith("https://"):
        raise ValueError("not over HTTPS")
    opener = urllib.request.build_opener(_NoRedirects)
    # Some issuers answer scripts that do not say what they are with 403.
    opener.addheaders = [("User-Agent", "tapgen"), ("Accept", "application/json")]
    with opener.open(address, timeout=PATIENCE) as answer:
        text = answer.read(LARGEST_DOCUMENT + 1)
    if len(text) > LARGEST_DOCUMENT:
        raise ValueError("the document is too large")
    return json.loads(text)
