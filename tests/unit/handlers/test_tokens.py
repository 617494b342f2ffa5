"""The authorizer: who gets in with a token, and who does not.

The keys are those of the examples in RFC 7515 (A.2 and A.3), whose signatures were made by
somebody else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.handlers import signatures, tokens

MODULUS = (
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
    "PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0"
    "LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD"
    "Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"
    "PAcDTW9gb54h4FRWyuXpoQ"
)
PRIVATE = (
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9S"
    "E-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVd"
    "xzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQ"
    "UShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjn"
    "czT0QU91p1DhOVRuOopznQ"
)
RSA = {"kty": "RSA", "kid": "one", "use": "sig", "n": MODULUS, "e": "AQAB"}
EC = {
    **{"kty": "EC", "kid": "two", "crv": "P-256"},
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
EC_PRIVATE = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
CLAIMED = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y"
    "b290Ijp0cnVlfQ"
)
SIGNED = (
    (
        *("RS256", RSA, f"eyJhbGciOiJSUzI1NiJ9.{CLAIMED}"),
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF"
        "5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK"
        "5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt"
        "FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
        "p0igcN_IoypGlUPQGe77Rw",
    ),
    (
        *("ES256", EC, f"eyJhbGciOiJFUzI1NiJ9.{CLAIMED}"),
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-K"
        "g6NU1Q",
    ),
)
"""Algorithm, key, what is signed, and its signature."""

ISSUER = "https://login.example.com/"
SETTINGS = {
    "ISSUER": ISSUER,
    "AUDIENCES": "items,https://api.example.com",
    "ALGORITHMS": "RS256,ES256",
    "CLOCK_SKEW": "60",
}
NOW = 1_800_000_000
GOOD = {"iss": ISSUER, "sub": "ann", "aud": "items", "iat": NOW - 5, "exp": NOW + 300}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")


def rs256(text: bytes) -> bytes:
    """Sign as RFC 8017 (8.2.1) says."""
    told = bytes.fromhex("3031300d060960864801650304020105000420")
    told += hashlib.sha256(text).digest()
    padded = b"\x00\x01" + b"\xff" * (253 - len(told)) + b"\x00" + told
    opened = int.from_bytes(padded, "big")
    return pow(opened, number(PRIVATE), number(MODULUS)).to_bytes(256, "big")


def es256(text: bytes) -> bytes:
    """Sign as FIPS 186-4 says, with the base point itself: only fit for tests."""
    order, r = signatures._N, signatures._BASE[0]
    digest = int.from_bytes(hashlib.sha256(text).digest(), "big")
    s = (digest + r * number(EC_PRIVATE)) % order
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def token(claims: Any = None, **header: Any) -> str:
    """A token, by default a good one, signed as its header says."""
    header = {"alg": "RS256", "kid": "one", **header}
    parts = (json.dumps(each).encode() for each in (header, claims or GOOD))
    text = ".".join(encoded(part) for part in parts)
    sign = es256 if header["alg"] == "ES256" else rs256
    return f"{text}.{encoded(sign(text.encode()))}"


class Issuer:
    """Documents of an issuer, which may not answer; counts how often it is asked."""

    def __init__(self, *published: Mapping[str, Any]) -> None:
        self.published = list(published)
        self.answers = True
        self.asked = 0

    def __call__(self, address: str) -> Any:
        self.asked += 1
        if not self.answers:
            raise OSError("nobody is there")
        if address == "https://keys.example.com/all":
            return {"keys": self.published}
        assert address == "https://login.example.com/.well-known/openid-configuration"
        return {"issuer": ISSUER, "jwks_uri": "https://keys.example.com/all"}


def ask(
    text: Any, issuer: Issuer | tokens.Keys | None = None, now: float = NOW, **more: str
) -> dict[str, Any]:
    keys = issuer if isinstance(issuer, tokens.Keys) else None
    keys = keys or tokens.Keys(ISSUER, issuer or Issuer(RSA, EC))  # type: ignore[arg-type]
    event = {"type": "TOKEN", "authorizationToken": text, "methodArn": "arn:one"}
    return tokens.authorize(event, {**SETTINGS, **more}, keys, now)


def why(caplog: pytest.LogCaptureFixture, text: Any, *given: Any, **more: Any) -> str:
    """Why a token is refused, as the log has it."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        # API Gateway answers with 401 for this word, and with 500 for others.
        with pytest.raises(Exception, match="^Unauthorized$"):
            ask(text, *given, **more)
    (record,) = caplog.records
    return record.getMessage().removeprefix("refused: ")


@pytest.mark.parametrize(("algorithm", "key", "text", "signature"), SIGNED)
def test_signatures_of_others_are_verified(
    algorithm: str, key: Mapping[str, Any], text: str, signature: str
) -> None:
    raw = signatures.decoded(signature)
    assert signatures.verify(algorithm, key, text.encode(), raw)
    assert not signatures.verify(algorithm, key, text.encode() + b"x", raw)
    assert not signatures.verify(algorithm, key, text.encode(), raw + b"\x00")
    assert not signatures.verify(algorithm, key, text.encode(), b"\x00" * len(raw))


def test_a_good_token_lets_this_request_through_and_no_other() -> None:
    for text in (token(), f"Bearer {token(alg='ES256', kid='two')}"):
        answer = ask(text)
        assert answer["principalId"] == "ann"
        (statement,) = answer["policyDocument"]["Statement"]
        assert (statement["Effect"], statement["Resource"]) == ("Allow", "arn:one")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://login.example.com"}, "another issuer"),
        ({"aud": "orders"}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": None, "client_id": "items"}, "another audience"),
        ({"exp": NOW - 60}, "the token has expired"),
        ({"exp": "never"}, "exp is missing, or not a time"),
        ({"exp": True}, "exp is missing, or not a time"),
        ({"exp": float("inf")}, "exp is not a time"),
        ({"cnf": {"jkt": "a proof"}}, "the token is for something else"),
        ({"sub": None}, "sub is no name"),
        ({"nbf": NOW + 61}, "the time of the token has not come"),
        ({"iat": NOW + 61}, "the time of the token has not come"),
    ],
)
def test_a_token_for_others_or_of_another_time_is_refused(
    caplog: pytest.LogCaptureFixture, changes: dict[str, Any], reason: str
) -> None:
    assert why(caplog, token({**GOOD, **changes})) == reason


def test_clocks_may_differ_a_little_and_audiences_be_several() -> None:
    late = {"exp": NOW - 59, "nbf": NOW + 60, "aud": ["a", "https://api.example.com"]}
    assert ask(token({**GOOD, **late}))
    # Access tokens of Cognito name a client instead.
    client = {k: v for k, v in GOOD.items() if k != "aud"}
    assert ask(token({**client, "client_id": "items"}))
    with pytest.raises(Exception, match="^Unauthorized$"):
        ask(token({**GOOD, "exp": NOW - 1}), CLOCK_SKEW="0")


def test_only_the_algorithms_that_are_allowed_are_verified(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = "the algorithm is not allowed"
    header, claims, _ = token(alg="none").split(".")
    assert why(caplog, f"{header}.{claims}.") == refused
    assert why(caplog, token(alg="ES256", kid="two"), ALGORITHMS="RS256") == refused
    assert why(caplog, token(alg=["RS256"])) == refused
    # The public key as the secret of an HMAC.
    assert why(caplog, token(alg="HS256"), ALGORITHMS="RS256,HS256") == refused
    # A key of one kind with an algorithm of the other.
    for alg, kid in (("RS256", "two"), ("ES256", "one")):
        assert why(caplog, token(alg=alg, kid=kid)) == "the key is not for this"
    assert why(caplog, token(crit=["exp"])) == "an extension is not known"
    assert why(caplog, token(kid=None)) == "the token names no key"


def test_keys_for_other_things_and_weak_ones_sign_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    not_signed = "the signature is not the issuer's"
    other = Issuer({**RSA, "use": "enc"})
    assert why(caplog, token(), other) == "the key is not known"
    for more in ({"alg": "RS512"}, {"key_ops": ["encrypt"]}):
        assert why(caplog, token(), Issuer({**RSA, **more})) == not_signed
    for weak in ({"n": encoded(b"\x01" * 128)}, {"e": "AQ"}, {"n": None}):
        assert (
            why(caplog, token(), Issuer({**RSA, **weak})) == "the key is not for this"
        )
    text = token(alg="ES256", kid="two")
    for weak in ({"crv": "P-384"}, {"y": EC["x"]}):
        assert why(caplog, text, Issuer({**EC, **weak})) == "the key is not for this"


KEYS = tokens.Keys(ISSUER, Issuer(RSA, EC))
GOOD_TOKENS = (token(), token(alg="ES256", kid="two"))


@given(st.sampled_from(GOOD_TOKENS), st.data())
def test_no_changed_token_is_good(good: str, data: st.DataObject) -> None:
    """Nor one with the same meaning that is written otherwise."""
    at = data.draw(st.integers(0, len(good) - 1))
    with_ = data.draw(st.sampled_from("AQz09-_.=+ \n\u00e9"))
    changed = data.draw(
        st.sampled_from(
            [good[:at] + with_ + good[at + 1 :], good[:at] + good[at + 1 :]]
        )
    )
    # A space divides a scheme from its token.
    if changed == good or changed.rpartition(" ")[2].strip() == good:
        return
    with pytest.raises(Exception, match="^Unauthorized$"):
        ask(changed, KEYS)


@pytest.mark.parametrize("good", GOOD_TOKENS)
def test_a_signature_is_written_in_one_way(good: str) -> None:
    """The last sign has bits that stand for nothing."""
    assert ask(good, KEYS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(good[-1]) ^ 1]
    assert base64.urlsafe_b64decode(good[-4:-1] + other + "==")
    for same in (good[:-1] + other, good + "=", good.translate({45: 43, 95: 47})):
        with pytest.raises(Exception, match="^Unauthorized$"):
            ask(same, KEYS)


@given(st.one_of(st.text(), st.none(), st.just("." * 9000), st.just("e30.e30.e30")))
def test_what_is_no_token_is_refused(text: Any) -> None:
    with pytest.raises(Exception, match="^Unauthorized$"):
        ask(text, KEYS)


def test_keys_are_kept_and_a_new_one_is_found_without_asking_for_each_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    issuer = Issuer(RSA)
    keys = tokens.Keys(ISSUER, issuer)
    for _ in range(3):
        ask(token(), keys)
    assert issuer.asked == 2  # where its keys are, and the keys

    rotated = token({**GOOD, "exp": NOW + 9000}, alg="ES256", kid="two")
    issuer.published = [EC]
    for second in (1, 30, 59):  # invented names do not reach the issuer
        assert why(caplog, rotated, keys, NOW + second) == "the key is not known"
    assert issuer.asked == 2
    assert ask(rotated, keys, NOW + 61)
    assert issuer.asked == 4
    # What the issuer has taken back is good no more.
    assert why(caplog, token(), keys, NOW + 62) == "the key is not known"


def test_known_keys_are_good_while_the_issuer_does_not_answer_but_not_for_ever() -> (
    None
):
    issuer = Issuer(RSA)
    keys = tokens.Keys(ISSUER, issuer)
    long_ = token({**GOOD, "exp": NOW + 10**6})
    ask(long_, keys)
    issuer.answers = False
    ask(long_, keys, NOW + tokens.FRESH + 1)
    ask(long_, keys, NOW + tokens.STALE)
    # Nobody can say whether it is good: that is no refusal.
    for text, now in ((token(kid="new"), NOW + 61), (long_, NOW + tokens.STALE + 1)):
        with pytest.raises(tokens.Unknown):
            ask(text, keys, now)
    issuer.answers = True
    assert ask(long_, keys, NOW + tokens.STALE + tokens.AGAIN)


def test_an_issuer_that_never_ends_to_answer_holds_few_requests() -> None:
    issuer, over = Issuer(RSA), threading.Event()
    held: list[str] = []

    def fetch(address: str) -> Any:
        if issuer.asked >= 2:
            held.append(address)
            over.wait()
        return issuer(address)

    keys = tokens.Keys(ISSUER, fetch, seconds=2)
    long_ = token({**GOOD, "exp": NOW + 10**6})
    ask(long_, keys)
    for second in (1, tokens.RETRY):  # the second one does not wait
        assert ask(long_, keys, NOW + tokens.FRESH + second)
    assert len(held) == 1
    over.set()


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "id", 7])
def test_other_tokens_of_the_issuer_let_nobody_in(
    caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    assert why(caplog, token(typ=kind)) == "the token is for something else"
    for good in ("JWT", "at+jwt", "application/at+jwt"):
        assert ask(f"Bearer  {token(typ=good)}")


def test_keys_beside_others_of_the_same_name_are_found() -> None:
    odd: Any = [
        None,
        "x",
        {**EC, "kid": "one", "use": "enc"},
        {"kty": "oct", "kid": "one"},
    ]
    assert ask(token(), Issuer(*odd, RSA, {**RSA, "n": "AQAB"}))


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": "https://keys.example.com/all"},
        {"issuer": ISSUER},
        [],
    ],
)
def test_an_issuer_that_says_something_else_gives_no_keys(document: Any) -> None:
    with pytest.raises(tokens.Unknown):
        ask(token(), tokens.Keys(ISSUER, lambda address: document))


def test_documents_are_read_over_https_only() -> None:
    for address in ("http://login.example.com/keys", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="not over HTTPS"):
            tokens.fetch(address)
