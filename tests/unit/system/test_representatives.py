"""Accounts that come to the same are checked once, and all others are checked."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen import rules
from tapgen.accounts import roles
from tapgen.model import SELF, Output, Override, System, Target
from tapgen.rules import system_view, view
from tapgen.system import checks, representatives, templates_out
from tests import make
from tests.unit.template.test_evaluate import NODES

ACCOUNTS = ["1" * 12, "2" * 12, "3" * 12, "4" * 12, "5" * 12]
REGIONS = ["us-east-1", "eu-west-1"]
OWN = {"Ref": "AWS::AccountId"}


def everywhere(accounts: list[str]) -> tuple[Target, ...]:
    return tuple(Target(a, r) for a in accounts for r in REGIONS)


def stack_set(part: str, text: dict[str, Any], *targets: Target, **more: Any) -> Any:
    text = {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, **text}
    targets = targets or everywhere(ACCOUNTS)
    return make.stack_set(part, text=json.dumps(text), targets=targets, **more)


def groups(*stack_sets: Any) -> list[tuple[str, ...]]:
    return sorted(representatives.of(make.system(*stack_sets)).values())


@pytest.mark.parametrize(
    "named",
    [
        "222222222222",
        "arn:aws:iam::222222222222:role/x",
        {"Fn::Equals": [OWN, {"Fn::Join": ["", ["2222", "22222222"]]}]},
        {"Fn::Sub": ["${A}222222", {"A": {"Fn::Select": [0, ["222222"]]}}]},
    ],
)
def test_an_account_that_a_template_names_stands_for_itself(named: Any) -> None:
    used = {"Metadata": {"Account": OWN, "Named": named}}
    alone = {("1" * 12,), ("2" * 12,), ("3" * 12, "4" * 12, "5" * 12)}
    assert groups(stack_set("a", used)) == sorted(alone)


def test_an_account_that_a_value_names_stands_for_itself() -> None:
    body = {"Parameters": {"X": {"Type": "String", "Default": ""}}}
    given = stack_set("a", body, parameters={"X": f"id-{'3' * 12}"})
    assert ("3" * 12,) in groups(given)
    taken = Output("b", "O", account="4" * 12)
    assert ("4" * 12,) in groups(stack_set("a", body, parameters={"X": taken}))


def test_accounts_with_the_same_overrides_and_targets_come_to_the_same() -> None:
    body = {"Parameters": {"X": {"Type": "String", "Default": ""}}}
    overrides = tuple(
        Override({"X": value}, account=account)
        for account, value in zip(ACCOUNTS[1:], "abba", strict=True)
    )
    other = stack_set("b", {}, *everywhere(ACCOUNTS[:4]))
    assert groups(stack_set("a", body, overrides=overrides), other) == [
        ("1" * 12,),
        ("2" * 12,),
        ("3" * 12, "4" * 12),
        ("5" * 12,),
    ]


def test_the_own_account_and_units_stand_for_themselves() -> None:
    targets = [Target(a, "us-east-1") for a in (SELF, "ou-1", "ou-2", *ACCOUNTS[1:])]
    found = groups(stack_set("a", {}, *targets))
    assert found == [tuple(ACCOUNTS[1:]), ("ou-1",), ("ou-2",), (SELF,)]


def picky(accounts: list[str], *, output: bool) -> dict[str, Any]:
    """A template that accepts some accounts, and has an output in some."""
    equal = [{"Fn::Equals": [OWN, account]} for account in accounts]
    some: Any = {"Fn::Or": equal} if len(equal) > 1 else equal[0]
    shown = {"Value": "x", **({"Condition": "Some"} if output else {})}
    return {
        "Conditions": {"Some": some},
        "Rules": {"Known": {"Assertions": [{"Assert": some}]}},
        "Mappings": {"Names": {account: {"Name": "x"} for account in accounts}},
        "Outputs": {"O": shown, "P": {"Value": {"Fn::Sub": "p-${AWS::AccountId}"}}},
    }


def test_an_assertion_that_fails_in_some_accounts_is_reported_with_these() -> None:
    producer = stack_set("data", picky(["1" * 12], output=True))
    body = {"Parameters": {"X": {"Type": "String"}}}
    consumer = stack_set("user", body, parameters={"X": Output("data", "O")})

    found = checks.wiring(make.system(producer, consumer))

    places = [f"{'2' * 12}/{region} and 3 more accounts" for region in REGIONS]
    assert found == [
        f"data: Rules.Known: an assertion fails (in {', '.join(places)})",
        *(
            f"user.X: data.O does not exist in {place}: its condition is false there"
            for place in places
        ),
    ]


def test_the_outputs_of_all_accounts_are_joined_as_they_are() -> None:
    producer = stack_set("data", picky(ACCOUNTS, output=False))
    pattern = "|".join(f"p-{account}" for account in ACCOUNTS[:-1])
    parameter = {"Type": "CommaDelimitedList", "AllowedPattern": pattern}
    value = Output("data", "P", all=True)
    consumer = stack_set(
        "user", {"Parameters": {"X": parameter}}, parameters={"X": value}
    )

    found = checks.wiring(make.system(producer, consumer))
    assert found == [f"user.X: 'p-{'5' * 12}' does not match {pattern}"]


TEMPLATES = st.builds(
    picky,
    st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=2),
    output=st.booleans(),
)


@st.composite
def systems(draw: st.DrawFn) -> System:
    accounts = st.lists(st.sampled_from(ACCOUNTS), min_size=1, unique=True)
    found = []
    for number, part in enumerate(("one", "two", "three")):
        body = draw(TEMPLATES)
        body["Parameters"] = {
            "X": {
                "Type": "String",
                "Default": "",
                "AllowedPattern": "(p-[1-3]*|[a-z]*)",
            }
        }
        value: Any = draw(st.sampled_from(["", "b", "9", f"p-{'2' * 12}"]))
        if number and draw(st.booleans()):
            value = Output(found[-1].part, draw(st.sampled_from("OP")))
        looked_up = {"Fn::FindInMap": ["Names", OWN, "Name"]}
        body["Resources"] = {
            "Q": {
                "Type": "AWS::SQS::Queue",
                "Condition": draw(st.sampled_from(["Some", "All"])),
                "Properties": {"QueueName": draw(st.sampled_from(["q", looked_up]))},
            },
            "R": {
                "Type": "AWS::IAM::Role",
                "Properties": {"RoleName": draw(st.sampled_from(["r", {"Ref": "X"}]))},
            },
        }
        body["Conditions"]["All"] = {"Fn::Equals": ["a", "a"]}
        body["Outputs"]["E"] = {
            "Value": "x",
            "Export": {"Name": draw(st.sampled_from(["e", {"Ref": "X"}]))},
        }
        overrides = draw(st.lists(st.sampled_from(ACCOUNTS), max_size=2, unique=True))
        found.append(
            make.stack_set(
                part,
                text=json.dumps(body),
                targets=everywhere(draw(accounts)),
                parameters={"X": value},
                overrides=tuple(
                    Override({"X": draw(st.sampled_from(["c", "8"]))}, account=a)
                    for a in overrides
                ),
            )
        )
    return make.system(*found)


def neutral(lines: list[str]) -> set[str]:
    """Lines without account numbers, and without the places after them."""
    found = (re.sub(r" \(in .*\)| and \d+ more accounts?", "", one) for one in lines)
    return {re.sub(r"\d{12}", "<account>", one) for one in found}


def one_by_one(system: System) -> dict[str, tuple[str, ...]]:
    accounts = {t.account for s in system.stack_sets for t in s.targets}
    return {account: (account,) for account in sorted(accounts)}


@given(systems())
@settings(max_examples=40, deadline=None)
def test_what_is_found_is_what_all_accounts_one_by_one_have(system: System) -> None:
    everyone = one_by_one(system)
    assert neutral(checks.wiring(system)) == neutral(checks.wiring(system, everyone))
    assert neutral(checks.unmapped(system)) == neutral(
        checks.unmapped(system, everyone)
    )
    checked = [r() for r in rules.ALL if issubclass(r, system_view.SystemRule)]
    some, all_of_them = (
        [f"{f.rule} {f.stack_set} {f.path} {f.message}" for f in found]
        for found in (
            system_view.findings(system_view.SystemView(system), checked),
            system_view.findings(system_view.SystemView(system, everyone), checked),
        )
    )
    assert neutral(some) == neutral(all_of_them)


@given(TEMPLATES, st.lists(st.sampled_from(ACCOUNTS), min_size=1, unique=True))
@settings(max_examples=30, deadline=None)
def test_a_single_template_is_seen_at_every_kind_of_account(
    body: dict[str, Any], accounts: list[str]
) -> None:
    topic = {"Type": "AWS::SNS::Topic", "Condition": "Some"}
    body = {**body, "Resources": {"T": topic}}
    targets = [{"account": a, "region": "us-east-1"} for a in accounts]
    seen = view.View(body, ({"name": "s", "targets": targets},)).places
    named = {account for account in accounts if account in json.dumps(body)}
    found = [place.account for place in seen]

    assert named <= {*found}
    assert len({*found} - named) == min(2, len({*accounts} - named))
    made = {a for p in seen for r in p.of() for a in [p.account] if r.certain}
    assert made == named & set(body["Mappings"]["Names"])


def test_of_many_accounts_that_come_to_the_same_two_are_evaluated() -> None:
    accounts = [f"{number:012}" for number in range(1, 2001)]
    body = picky(accounts[:1], output=True)
    one = stack_set("one", body, *everywhere(accounts))
    it = system_view.SystemView(make.system(one))
    seen = {place.account for _, place in it.places}
    assert len(it.places) == len(seen) * len(REGIONS)
    assert seen == {accounts[0], *accounts[1:3]}


@given(NODES, NODES, NODES)
@settings(max_examples=40, deadline=None)
def test_values_of_any_shape_break_nothing(a: Any, b: Any, c: Any) -> None:
    trusted = {"Statement": [{"Principal": {"Service": c}}, b]}
    properties = {
        "AWS::CloudWatch::Alarm": {"AlarmName": c},
        "AWS::IAM::Role": {
            "RoleName": a,
            "Path": b,
            "AssumeRolePolicyDocument": trusted,
        },
        "AWS::Lambda::Permission": {"FunctionName": a},
        "AWS::SNS::Subscription": {"TopicArn": c},
        "AWS::SNS::TopicPolicy": {"Topics": b},
        "AWS::SQS::QueuePolicy": {"Queues": [a]},
    }
    body = {
        "Parameters": {"A": {"Type": "String", "Default": "x"}},
        "Mappings": {"M": {"A": {"A": "x"}}},
        "Conditions": {"A": a if isinstance(a, dict) else {"Fn::Equals": [a, b]}},
        "Rules": {"R": {"Assertions": [{"Assert": b}]}},
        "Resources": {
            kind.rpartition(":")[2]: {"Type": kind, "Properties": own, "Condition": "A"}
            for kind, own in properties.items()
        },
        "Outputs": {"A": {"Value": a}, "B": {"Value": b, "Export": {"Name": c}}},
    }
    taking = {**body, "Parameters": {"A": {"Type": "List<Number>"}}}
    value = Output("one", "A", all=True)
    system = make.system(
        stack_set("one", body, *everywhere(ACCOUNTS[:2])),
        stack_set("two", taking, *everywhere(ACCOUNTS[:1]), parameters={"A": value}),
    )

    checks.problems(system)
    rules.system(system)
    templates_out.manifest(system)
    roles.files(system, "")
