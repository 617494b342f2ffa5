"""What an undecided condition may open or grant."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.template.choices import decided
from tapgen.template.risk import Kind
from tests.unit.template.test_risk import allow, found, policy

NOTHING = {"Ref": "AWS::NoValue"}
WIDE = allow("s3:*", "*")
NARROW = allow("s3:Get", "*")
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}


def choice(yes: Any, no: Any = NOTHING, name: str = "Open") -> Any:
    """An `Fn::If` on a condition that only AWS can decide."""
    return {"Fn::If": [name, yes, no]}


def test_a_rule_and_a_statement_under_a_condition_may_apply() -> None:
    rules = {"SecurityGroupIngress": [choice(SSH)]}
    assert found("AWS::EC2::SecurityGroup", {}, rules) == {
        Kind.PUBLIC: [
            "may apply: tcp 22 is open to the whole internet"
            " (if the condition Open is true)"
        ]
    }
    after = policy(NARROW, choice(WIDE))
    assert found("AWS::IAM::ManagedPolicy", policy(NARROW), after) == {
        Kind.IAM: ["may apply: newly allows s3:* on * (if the condition Open is true)"]
    }


@pytest.mark.parametrize(
    "after",
    [
        policy(choice(WIDE, NARROW)),
        policy(allow(choice("s3:*", "s3:Get"), "*")),
        policy(allow(["s3:Get", choice("s3:*")], "*")),
        {
            "PolicyDocument": choice(
                *(policy(s)["PolicyDocument"] for s in (WIDE, NARROW))
            )
        },
        policy(choice(choice(WIDE, NARROW, "Other"), NARROW)),
        policy(choice(NARROW, choice(WIDE, name="Open")))
        | policy(choice(WIDE, NARROW)),
    ],
)
def test_every_place_of_a_choice_is_read(after: dict[str, Any]) -> None:
    kind = "AWS::IAM::ManagedPolicy"
    (words,) = found(kind, policy(NARROW), after)[Kind.IAM]
    assert words.startswith("may apply: newly allows s3:* on *")
    assert found(kind, after, after) == {}
    assert found(kind, policy(WIDE), after) == {}


def test_what_both_sides_grant_is_certain() -> None:
    after = policy(choice(WIDE, allow("s3:*", "*", Sid="other")))
    assert found("AWS::IAM::ManagedPolicy", policy(NARROW), after) == {
        Kind.IAM: ["newly allows s3:* on *"]
    }


def test_a_switch_and_a_guard_under_a_condition_may_change() -> None:
    database = "AWS::RDS::DBInstance"
    public = {"PubliclyAccessible": choice(True, False)}
    assert found(database, {"PubliclyAccessible": False}, public)[Kind.PUBLIC] == [
        "may apply: PubliclyAccessible becomes true, it was false"
        " (if the condition Open is true)"
    ]
    weaker = {"DeletionProtection": choice(True, False)}
    assert found(database, {"DeletionProtection": True}, weaker)[Kind.PROTECTION] == [
        "may apply: DeletionProtection is turned off (if the condition Open is false)"
    ]


def test_a_decided_value_has_no_choice_left() -> None:
    node = {"A": choice(1, 2), "B": [choice("x"), "y"], "C": choice(NOTHING, 3)}
    assert decided(node, {"Open": True}) == {"A": 1, "B": ["x", "y"]}
    assert decided(node, {"Open": False}) == {"A": 2, "B": ["y"], "C": 3}
    assert decided(choice(1), {"Open": False}) is None
    assert decided(node, {}) == node
