"""Names of resources, and how far each is exclusive."""

from __future__ import annotations

from typing import Any

from tapgen.knowledge.names import ACCOUNT_WIDE, IAM, REGIONAL, WORLD
from tapgen.system import names


def _named(kind: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path in names.paths_of(kind):
        *above, last = path.split("/")
        place = made
        for key in above:
            place = place.setdefault(key, {})
        place[last] = "x"
    return made


def test_a_name_is_exclusive_exactly_where_it_says() -> None:
    places = [(a, r) for a in ("111111111111", "2" * 12) for r in ("us-east-1", "eu-1")]
    found = 0
    for kind in {**IAM, **ACCOUNT_WIDE, **WORLD, **REGIONAL}:
        for here in places:
            one = names.exclusive(kind, _named(kind), *here)
            if one is None:
                continue
            found += 1
            for there in places:
                other = names.exclusive(kind, _named(kind), *there)
                assert other
                size = len(one[2])
                assert one[2] == here[:size]
                assert (other[1] == one[1]) is (there[:size] == here[:size]), kind
    assert found > 100
