"""Who would hear an alarm, from the templates of a whole system."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tapgen.model import Output, StackSet, Target
from tapgen.plan.unheard import unheard
from tests import make
from tests.make import EAST, WEST

TOPIC = {"Type": "AWS::SNS::Topic"}
MAIL = {"Protocol": "email", "Endpoint": "a@example.com"}
HEARD = {
    "Type": "AWS::SNS::Subscription",
    "Properties": {"TopicArn": {"Ref": "T"}} | MAIL,
}


def alarm(*actions: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"AlarmActions": [*actions]},
    }


def part(name: str, resources: Any, *targets: Target, **more: Any) -> StackSet:
    body = {
        "Parameters": {"Arn": {"Type": "String", "Default": "none"}},
        "Conditions": {"IsWest": {"Fn::Equals": [{"Ref": "AWS::Region"}, WEST.region]}},
        "Resources": resources,
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["T", "TopicArn"]}}},
    }
    made = make.stack_set(name, targets=targets or (EAST,), **more)
    return replace(made, template=json.dumps(body))


def watching(region: str = "same", *targets: Target) -> StackSet:
    """A part whose alarm notifies what another part hands on."""
    value = {"Arn": Output("base", "Arn", region=region)}
    return part("app", {"A": alarm({"Ref": "Arn"})}, *targets, parameters=value)


def said(*stack_sets: StackSet) -> str | None:
    return unheard(make.system(*stack_sets))


NOBODY = (
    "nobody is told of 1 of the alarms: no subscription of base.T in us-east-1; "
    "subscribe somebody"
)


@pytest.mark.parametrize("action", [{"Ref": "T"}, {"Fn::GetAtt": ["T", "TopicArn"]}])
def test_an_alarm_of_a_topic_without_subscription_is_named(action: Any) -> None:
    assert said(part("base", {"T": TOPIC, "A": alarm(action)})) == NOBODY
    assert said(part("base", {"T": TOPIC, "A": alarm(action), "S": HEARD})) is None
    inside = {**TOPIC, "Properties": {"Subscription": [MAIL]}}
    assert said(part("base", {"T": inside, "A": alarm(action)})) is None


def test_what_is_handed_on_is_followed_to_its_topic_and_place() -> None:
    base = part("base", {"T": TOPIC, "S": {**HEARD, "Condition": "IsWest"}}, EAST, WEST)

    assert said(base, watching("same", EAST)) == NOBODY
    assert said(base, watching("same", WEST)) is None
    assert said(base, watching("us-west-2", EAST)) is None
    subscribed = part(
        "mail",
        {"S": {**HEARD, "Properties": {"TopicArn": {"Ref": "Arn"}} | MAIL}},
        parameters={"Arn": Output("base", "Arn")},
    )
    assert said(base, watching("same", EAST), subscribed) is None


def test_nothing_is_said_of_topics_elsewhere_and_of_alarms_for_others() -> None:
    arn = "arn:aws:sns:us-east-1:111111111111:desk"

    assert said(part("base", {"A": alarm(arn), "B": alarm()})) is None
    assert said(part("base", {"T": TOPIC, "A": alarm({"Ref": "T"}, arn)})) is None
    two = {"T": TOPIC, "U": TOPIC, "S": HEARD}
    assert said(part("base", {**two, "A": alarm({"Ref": "U"}, {"Ref": "T"})})) is None
    assert said(part("base", {"T": TOPIC})) is None


def test_the_alarms_of_accounts_that_are_alike_count_for_each() -> None:
    more = [Target(str(n) * 12, EAST.region) for n in (2, 3)]
    base = part("base", {"T": TOPIC, "A": alarm({"Ref": "T"})}, EAST, *more)

    assert said(base) == NOBODY.replace("1 of", "3 of")
