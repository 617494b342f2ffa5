"""Policies that grant more, against an evaluation of every request of a small universe."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.template.grants import widened

Statement = dict[str, Any]

# -- the universe: few requests, and every operator by its definition ------------------

WORDS = ["".join(one) for size in range(4) for one in product("abz", repeat=size)]
PRINCIPALS = ["P", "Q", "other"]
ADDRESSES = ["10.0.0.1", "10.128.0.1", "192.0.2.1", "::1"]
CONTEXTS: Mapping[str, list[str | None]] = {
    "text": [None, "a", "b", "A", "B", "ab", "z", "a*", "?"],
    "number": [None, "-1", "0", "0.5", "1", "1.5", "2", "3"],
    "address": [None, *ADDRESSES],
}


@cache
def like(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\?", ".").replace(r"\*", ".*"))


def matches(pattern: str, word: str) -> bool:
    return bool(like(pattern).fullmatch(word))


OPERATORS = {
    "StringEquals": lambda has, wants: has == wants,
    "StringEqualsIgnoreCase": lambda has, wants: has.lower() == wants.lower(),
    "StringLike": lambda has, wants: matches(wants, has),
    "NumericEquals": lambda has, wants: float(has) == float(wants),
    "NumericLessThan": lambda has, wants: float(has) < float(wants),
    "NumericLessThanEquals": lambda has, wants: float(has) <= float(wants),
    "NumericGreaterThan": lambda has, wants: float(has) > float(wants),
    "NumericGreaterThanEquals": lambda has, wants: float(has) >= float(wants),
    "IpAddress": lambda has, wants: ip_address(has) in ip_network(wants),
}


def passes(operator: str, values: list[str], has: str | None) -> bool:
    """Whether a value of a key, None for a missing one, passes a test."""
    if operator == "Null":
        return any((has is None) == (value == "true") for value in values)
    plain = operator.removesuffix("IfExists")
    base = plain.replace("Not", "")
    if has is None:
        return plain != operator or base != plain
    found = any(OPERATORS[base](has, value) for value in values)
    return found != (base != plain)


def named(one: Statement, name: str, values: list[str]) -> list[bool]:
    """Whether a statement names each of the values."""
    others = f"Not{name}" in one
    wanted = one[f"Not{name}" if others else name]
    return [any(matches(p, has) for p in wanted) != others for has in values]


def outcomes(policy: list[Statement], contexts: list[Any]) -> list[tuple[int, int]]:
    """The contexts, as bits, in which each request is allowed, and denied."""
    found = [(0, 0)] * (len(PRINCIPALS) * len(WORDS) * len(WORDS))
    for one in policy:
        bits = sum(
            1 << n
            for n, context in enumerate(contexts)
            if all(
                passes(operator, values, context[key])
                for operator, keys in one.get("Condition", {}).items()
                for key, values in keys.items()
            )
        )
        effect = (bits, 0) if one["Effect"] == "Allow" else (0, bits)
        parts = (
            named(one, "Principal", PRINCIPALS),
            named(one, "Action", WORDS),
            named(one, "Resource", WORDS),
        )
        for number, applies in enumerate(map(all, product(*parts))):
            if applies:
                allows, denies = found[number]
                found[number] = allows | effect[0], denies | effect[1]
    return [(allows & ~denies, denies) for allows, denies in found]


def grants_more(before: list[Statement], after: list[Statement]) -> bool:
    """Whether a request is newly allowed, or no longer denied."""
    contexts = [
        dict(zip(CONTEXTS, values, strict=True))
        for values in product(*CONTEXTS.values())
    ]
    both = outcomes(before, contexts), outcomes(after, contexts)
    return any(
        allows & ~allowed or denied & ~denies
        for (allowed, denied), (allows, denies) in zip(*both, strict=True)
    )


# -- random policies -------------------------------------------------------------------

patterns = st.lists(
    st.sampled_from(["a", "b", "ab", "?", "*", "a*", "?b", "*b", "??", "a?"]),
    min_size=1,
    max_size=2,
)


def part(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Statement]:
    return st.builds(
        lambda found, others: {f"Not{name}" if others else name: found},
        values,
        st.sampled_from([False, False, True]),
    )


def test_of(
    operators: Iterable[str], values: Iterable[str], key: str
) -> st.SearchStrategy[Statement]:
    listed = st.lists(st.sampled_from(list(values)), min_size=1, max_size=2)
    return st.builds(
        lambda operator, found: {operator: {key: found}},
        st.sampled_from(list(operators)),
        listed,
    )


test_of.__test__ = False  # type: ignore[attr-defined]
TEXT = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"]
NUMBER = [f"Numeric{o}" for o in ("LessThan", "GreaterThanEquals", "NotEquals")]
conditions = st.one_of(
    st.just({}),
    st.just({}),
    test_of([*TEXT, *(f"{o}IfExists" for o in TEXT)], ["a", "b", "a*", "?"], "text"),
    test_of(["StringEqualsIgnoreCase"], ["A", "b"], "text"),
    test_of(["Null"], ["true", "false"], "text"),
    test_of([*NUMBER, "NumericLessThanIfExists"], ["0", "1", "2"], "number"),
    test_of(
        ["IpAddress", "NotIpAddress"],
        ["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "0.0.0.0/0", "::/0"],
        "address",
    ),
)
principals = st.sampled_from([["P"], ["Q"], ["*"], ["P", "Q"]])
statements = st.builds(
    lambda effect, principal, action, resource, condition: {
        "Effect": effect,
        **principal,
        **action,
        **resource,
        **({"Condition": condition} if condition else {}),
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    part("Principal", principals),
    part("Action", patterns),
    part("Resource", patterns),
    conditions,
)
policies = st.lists(statements, min_size=1, max_size=3)


def is_told(before: list[Statement], after: list[Statement]) -> bool:
    return any(widened([{"Statement": before}], [{"Statement": after}]))


# -- properties ------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(before=policies, after=policies)
def test_what_grants_more_is_what_every_request_says(
    before: list[Statement], after: list[Statement]
) -> None:
    assert is_told(before, after) == grants_more(before, after)


@settings(deadline=None)
@given(policy=policies, other=policies)
def test_the_same_policy_in_another_order_grants_no_more(
    policy: list[Statement], other: list[Statement]
) -> None:
    def shuffled(one: Statement) -> Statement:
        return {k: v[::-1] if isinstance(v, list) else v for k, v in one.items()}

    assert not is_told(policy + other, [*map(shuffled, other), *policy[::-1]])


@settings(deadline=None)
@given(one=policies, two=policies, three=policies)
def test_granting_more_is_transitive(
    one: list[Statement], two: list[Statement], three: list[Statement]
) -> None:
    if not is_told(one, two) and not is_told(two, three):
        assert not is_told(one, three)
    # Chains that grant less and less, which random policies seldom are.
    assert not is_told(one + two + three, one + two) or any(
        statement["Effect"] == "Deny" for statement in three
    )


def allow(**more: Any) -> Statement:
    return {"Effect": "Allow", "Action": "a:B", "Resource": "*", **more}


def when(operator: str, *values: Any, key: str = "k") -> Statement:
    return allow(Condition={operator: {key: list(values)}})


@pytest.mark.parametrize(
    ("strict", "loose"),
    [
        (when("IpAddress", "10.1.0.0/16"), when("IpAddress", "10.0.0.0/8")),
        (when("IpAddress", "2001:db8:1::/48"), when("IpAddress", "2001:db8::/32")),
        (when("NotIpAddress", "10.0.0.0/8"), when("NotIpAddress", "10.0.0.0/9")),
        (when("NumericLessThan", 5), when("NumericLessThan", "10")),
        (when("NumericLessThan", 5), when("NumericLessThanEquals", 5)),
        (
            when("DateLessThan", "2026-01-01T00:00:00Z"),
            when("DateLessThan", "2026-06-01T00:00:00Z"),
        ),
        (when("DateGreaterThan", "2026-01-01"), when("DateGreaterThan", "1577836800")),
        (when("StringEquals", "a"), when("StringEqualsIgnoreCase", "A")),
        (when("StringEquals", "a"), when("StringEqualsIfExists", "a")),
        (when("StringEquals", "a"), when("StringLike", "?")),
        (when("ArnEquals", "arn:a:b"), when("ArnLike", "arn:*:b")),
        (when("StringNotEquals", "a", "b"), when("StringNotEquals", "b")),
        (when("StringEquals", "b"), when("StringNotEquals", "a")),
        (when("Bool", True), when("Bool", True, False)),
        (when("StringEquals", "a"), when("Null", False)),
        (
            when("ForAllValues:StringEquals", "a"),
            when("ForAllValues:StringEquals", "a", "b"),
        ),
        (when("ForAnyValue:StringLike", "ab"), when("ForAnyValue:StringLike", "a*")),
        (allow(NotAction="a:*", Action=None), allow(NotAction="a:B*", Action=None)),
        (
            allow(NotPrincipal={"AWS": ["111111111111", "222222222222"]}),
            allow(NotPrincipal={"AWS": "111111111111"}),
        ),
        (allow(Principal={"AWS": "111111111111"}), allow(Principal="*")),
        (allow(Resource="orders-?"), allow(Resource="orders-*")),
        (allow(Action=["a:Get?", "a:Get"]), allow(Action="a:Get*")),
        (allow(Resource="b/${aws:username}"), allow(Resource="b/*")),
    ],
)
def test_a_looser_statement_grants_more_and_a_stricter_one_does_not(
    strict: Statement, loose: Statement
) -> None:
    strict, loose = (
        {name: value for name, value in one.items() if value is not None}
        for one in (strict, loose)
    )
    assert is_told([strict], [loose])
    assert not is_told([loose], [strict])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            allow(Principal={"AWS": "111111111111"}),
            allow(Principal={"AWS": "arn:aws:iam::111111111111:root"}),
        ),
        (allow(Principal="*"), allow(Principal={"AWS": "*"})),
        (when("ArnLike", "arn:*"), when("ArnEquals", "arn:*")),
        (
            when("stringequals", "a", key="aws:X"),
            when("StringEquals", "a", key="AWS:x"),
        ),
        (when("IpAddress", "10.0.0.1"), when("IpAddress", "10.0.0.1/32")),
        (when("NumericEquals", 5), when("NumericEquals", "5.0")),
        (when("Bool", True), when("Bool", "true")),
        (allow(Action="A:b"), allow(Action="a:B")),
        (allow(Resource="a*?"), allow(Resource="a?*")),
        (
            when("DateEquals", "2026-01-01T00:00:00Z"),
            when("DateEquals", "2026-01-01T01:00:00+01:00"),
        ),
    ],
)
def test_other_spellings_of_a_statement_grant_no_more(
    one: Statement, other: Statement
) -> None:
    assert not is_told([one], [other])
    assert not is_told([other], [one])


def test_several_statements_cover_another_together() -> None:
    halves = [when("IpAddress", "10.0.0.0/9"), when("IpAddress", "10.128.0.0/9")]
    assert not is_told(halves, [when("IpAddress", "10.0.0.0/8")])
    but = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    assert not is_told([but, allow(Action="iam:*")], [allow(Action="*")])
    assert is_told([but, allow(Action="iam:Get*")], [allow(Action="*")])
    two = {"Effect": "Allow", "NotAction": "??", "Resource": "*"}
    assert is_told([two], [allow(Action="*")])


def test_a_value_that_only_aws_can_fill_in_equals_itself_or_lies_within_everything() -> (
    None
):
    table = {"Fn::GetAtt": ["Table", "Arn"]}
    inside = {"Fn::Sub": ["${T}/index/*", {"T": table}]}
    around = {"Fn::Join": ["", [table, "/*"]]}
    assert not is_told([allow(Resource=around)], [allow(Resource=inside)])
    assert is_told([allow(Resource=inside)], [allow(Resource=around)])
    cidr = {"Ref": "Cidr"}
    everywhere = when("IpAddress", "0.0.0.0/0", "::/0")
    assert not is_told([everywhere], [when("IpAddress", cidr)])
    assert is_told([when("IpAddress", "10.0.0.0/8")], [when("IpAddress", cidr)])
    assert is_told([when("NotIpAddress", cidr)], [when("IpAddress", cidr)])


def test_what_is_denied_all_the_same_is_no_more() -> None:
    deny = {"Effect": "Deny", "Action": "a:*", "Resource": "*"}

    assert not is_told([deny], [deny, allow()])
    assert is_told([deny], [deny, allow(Action="b:C")])
    assert is_told([deny, allow()], [allow()])
    but = {"Effect": "Deny", "Action": "a:B", "NotResource": "t1"}
    assert not is_told([allow(Resource="t1")], [allow(Resource="t?"), but])
