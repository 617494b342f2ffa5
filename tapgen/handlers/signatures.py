"""Verifies signatures of tokens: RS256 and ES256 of RFC 7518, and no other algorithm.

Lambda's Python has no library for public keys. Verifying needs no secret, so nothing here
has to hide how long it takes. Where a signature is not exactly what the algorithm makes,
it is refused: the whole padding is compared, and an encoding has one form only.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

ALGORITHMS: Mapping[str, str] = {"RS256": "RSA", "ES256": "EC"}
"""Algorithm → the only kind of key that it is verified with (`kty`)."""

# RFC 7518 (3.3) wants at least 2048 bits; more than 8192 would only take time.
_RSA_BITS = range(2048, 8193)
_LARGEST_EXPONENT = 2**33
# DER of the beginning of a DigestInfo for SHA-256 (RFC 8017, 9.2, note 1).
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")

# P-256 (FIPS 186-4, D.1.2.3): y² = x³ - 3x + B modulo P, with a base point of order N.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_Point = tuple[int, int, int]
"""A point in Jacobian coordinates; the last is 0 for the point at infinity."""


def decoded(text: str) -> bytes:
    """The bytes of base64url without padding. Raises ValueError for any other text,
    and for a second way to write the same bytes."""
    found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != text:
        raise ValueError("not base64url")
    return found


def verify(
    algorithm: str, key: Mapping[str, Any], signed: bytes, signature: bytes
) -> bool:
    """Whether the signature of some bytes is that of a key (a JWK, RFC 7517).

    Raises ValueError or KeyError for a key that is none of the algorithm's.
    """
    if ALGORITHMS.get(algorithm) != key["kty"]:
        raise ValueError("the key is of another algorithm")
    verified = _rs256 if algorithm == "RS256" else _es256
    return verified(key, hashlib.sha256(signed).digest(), signature)


def _number(key: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(decoded(key[name]), "big")


def _rs256(key: Mapping[str, Any], digest: bytes, signature: bytes) -> bool:
    """RSASSA-PKCS1-v1_5: the signature opens to exactly one text (RFC 8017, 8.2.2)."""
    modulus, exponent = _number(key, "n"), _number(key, "e")
    if modulus.bit_length() not in _RSA_BITS:
        raise ValueError("the key has fewer than 2048 bits, or more than 8192")
    if not (3 <= exponent < _LARGEST_EXPONENT and exponent % 2):
        raise ValueError("the exponent of the key is none")
    size = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature, "big")
    if len(signature) != size or number >= modulus:
        return False
    told = _SHA256 + digest
    wanted = b"\x00\x01" + b"\xff" * (size - len(told) - 3) + b"\x00" + told
    return pow(number, exponent, modulus).to_bytes(size, "big") == wanted


def _es256(key: Mapping[str, Any], digest: bytes, signature: bytes) -> bool:
    """ECDSA with P-256: r and s of 32 bytes each (RFC 7518, 3.4; FIPS 186-4, 6.4)."""
    if key["crv"] != "P-256":
        raise ValueError("the key is of another curve")
    x, y = _number(key, "x"), _number(key, "y")
    if not (x < _P and y < _P and (y * y - x**3 + 3 * x - _B) % _P == 0):
        raise ValueError("the key is no point of the curve")
    if len(signature) != 64:
        return False
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    if not (0 < r < _N and 0 < s < _N):
        return False
    inverse = pow(s, -1, _N)
    told = int.from_bytes(digest, "big")
    point = _add(
        _times(told * inverse % _N, (*_BASE, 1)), _times(r * inverse % _N, (x, y, 1))
    )
    if point[2] == 0:
        return False
    return point[0] * pow(point[2], -2, _P) % _P % _N == r


def _times(number: int, point: _Point) -> _Point:
    found: _Point = (0, 1, 0)
    for bit in f"{number:b}":
        found = _double(found)
        if bit == "1":
            found = _add(found, point)
    return found


def _double(point: _Point) -> _Point:
    """https://hyperelliptic.org/EFD/g1p/auto-shortw-jacobian-3.html, dbl-2001-b"""
    x, y, z = point
    delta, gamma = z * z % _P, y * y % _P
    beta = x * gamma % _P
    alpha = 3 * (x - delta) * (x + delta) % _P
    across = (alpha * alpha - 8 * beta) % _P
    deep = ((y + z) ** 2 - gamma - delta) % _P
    return across, (alpha * (4 * beta - across) - 8 * gamma * gamma) % _P, deep


def _add(one: _Point, other: _Point) -> _Point:
    """The same page, add-1998-cmo-2."""
    (x1, y1, z1), (x2, y2, z2) = one, other
    if z1 == 0:
        return other
    if z2 == 0:
        return one
    square1, square2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * square2 % _P, x2 * square1 % _P
    s1, s2 = y1 * square2 * z2 % _P, y2 * square1 * z1 % _P
    if u1 == u2:
        return _double(one) if s1 == s2 else (0, 1, 0)
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    squared, v = h * h % _P, u1 * h * h % _P
    x = (r * r - squared * h - 2 * v) % _P
    return x, (r * (v - x) - s1 * squared * h) % _P, h * z1 * z2 % _P
