"""What is the same at many targets is told once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import Output, Target
from tapgen.report import data, grouping, markdown, text
from tapgen.template import diff, risk
from tests import make

ACCOUNTS = [f"{n:012}" for n in range(100000000001, 100000000041)]
REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1"]
FLEET = tuple(Target(a, r) for a in ACCOUNTS for r in REGIONS)
NAME = {"Fn::Sub": "jobs-${AWS::AccountId}-${AWS::Region}"}


def queue(**properties: Any) -> str:
    resource = {"Type": "AWS::SQS::Queue", "Properties": properties}
    return make.template(resources={"Jobs": resource})


def planned(old: str, new: str, targets: Iterable[Target] = FLEET) -> plan.Plan:
    wanted = make.stack_set(targets=targets, text=new)
    found = make.observed(wanted, template=old)
    return plan.make(make.system(wanted), {wanted.name: found})


def changes(old: str, new: str, targets: Iterable[Target]) -> list[grouping.Group]:
    return grouping.groups({t: diff.templates(old, new, t) for t in targets})


def test_own_accounts_and_regions_in_names_make_no_difference() -> None:
    arn = {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:dead"}
    new = queue(QueueName=NAME, RedrivePolicy={"deadLetterTargetArn": arn})
    the_plan = planned(queue(QueueName="jobs"), new)

    for form in (text.plan(the_plan), markdown.plan(the_plan)):
        assert form.count("Jobs") <= 5 and len(form) < 2000
        assert "jobs → jobs-${AWS::AccountId}-${AWS::Region}" in form
        assert "arn:aws:sqs:${AWS::Region}:${AWS::" in form
        assert "40 accounts in us-" in form or "40 accounts in ap-" in form
    step = data.plan(the_plan)["waves"][0][0]
    assert len(step["resources"]) == 200, "the data keeps all"
    assert "jobs-100000000001-us-east-1" in json.dumps(step)


def test_the_other_targets_show_only_what_differs() -> None:
    size = {"Fn::If": ["Big", 20, 10]}
    big = {"Big": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}}
    body = json.loads(queue(QueueName="a", DelaySeconds=size))
    old = make.template(resources={k: body["Resources"]["Jobs"] for k in ("A", "B")})
    one = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": NAME}}
    other = {
        "Type": "AWS::SQS::Queue",
        "Properties": {"QueueName": "a", "DelaySeconds": size},
    }
    new = json.dumps({"Conditions": big, "Resources": {"A": one, "B": other}})

    first, second = changes(old, new, FLEET)

    assert len(first.targets) == 160 and len(second.targets) == 40
    assert [c.logical_id for c in first.changes] == ["A", "B"]
    assert [c.logical_id for c in second.changes] == ["B"] and second.shared == 1
    shown = text.differences([("data", t, diff.templates(old, new, t)) for t in FLEET])
    assert shown.count("A [dim]") == 1 and shown.count("B [dim]") == 2
    assert "otherwise the same" in shown


def test_a_value_that_is_one_everywhere_is_shown_as_it_is() -> None:
    (group,) = changes(queue(QueueName="a"), queue(QueueName="b-us-east-1"), FLEET)
    assert group.changes[0].properties[0].new == "b-us-east-1"


def test_one_target_is_shown_as_it_is() -> None:
    (group,) = changes(queue(QueueName="a"), queue(QueueName=NAME), FLEET[:1])
    new = group.changes[0].properties[0].new
    assert new == "jobs-100000000001-us-east-1"


def test_what_differs_only_where_it_is_cut_is_not_grouped() -> None:
    long = {"Fn::Sub": "x" * 80 + "${AWS::Region}"}
    odd = {"Fn::If": ["Odd", {"Fn::Sub": ["${L}!", {"L": long}]}, long]}
    odd_one = {"Odd": {"Fn::Equals": [{"Ref": "AWS::AccountId"}, ACCOUNTS[3]]}}
    new = json.loads(queue(QueueName=odd)) | {"Conditions": odd_one}
    assert len(changes(queue(), json.dumps(new), FLEET)) == 2


def test_items_that_stay_make_no_difference() -> None:
    subnet = {"Fn::Sub": "subnet-${AWS::Region}"}
    fixed = {"Fn::If": ["Odd", "a", "b"]}
    odd = {"Odd": {"Fn::Equals": [{"Ref": "AWS::AccountId"}, ACCOUNTS[3]]}}

    def group(*names: Any) -> str:
        kind = "AWS::AutoScaling::AutoScalingGroup"
        resource = {"Type": kind, "Properties": {"LoadBalancerNames": [*names]}}
        return json.dumps({"Conditions": odd, "Resources": {"G": resource}})

    (found,) = changes(group(fixed), group(fixed, subnet), FLEET)
    assert len(found.targets) == 200


@pytest.mark.parametrize(
    "value, shown",
    [
        ("x-us-east-1a", "x-${AWS::Region}a"),
        ("us-east-10", "us-east-10"),
        ("1111111111111", "1111111111111"),
        ({"111111111111": ["us-east-1"]}, {"${AWS::AccountId}": ["${AWS::Region}"]}),
    ],
)
def test_only_the_whole_account_and_region_are_replaced(value: Any, shown: Any) -> None:
    assert grouping.here(value, [make.EAST]) == shown


def test_risks_that_differ_by_region_alone_are_listed_once() -> None:
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:jobs"},
    }
    policy = {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {"Queues": ["q"], "PolicyDocument": {"Statement": [statement]}},
    }
    old, new = queue(), make.template(resources={"Open": policy})

    (places,) = text.risks(planned(old, new))[next(iter(risk.Kind)).PUBLIC].values()
    shown = text.differences([("", t, diff.templates(old, new, t)) for t in FLEET])

    assert len(places) == 200
    assert shown.count("[red]![/] Open (AWS::SQS::QueuePolicy)") == 1
    assert shown.startswith("[bold red]"), "no empty line first"
    assert shown.index("public exposure") < shown.index("[bold]template")


def test_the_odd_resource_of_new_stacks_is_named() -> None:
    only = {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-west-2"]}
    topic = {"Type": "AWS::SNS::Topic"}
    here_only = {**topic, "Condition": "Only"}
    body = {"A": topic, "B": here_only, "C": {**topic, "Condition": "Not"}}
    conditions = {"Only": only, "Not": {"Fn::Not": [only]}}
    wanted = make.stack_set(
        targets=FLEET, text=json.dumps({"Conditions": conditions, "Resources": body})
    )
    shown = text.plan(plan.make(make.system(wanted), {}))

    assert "2 resources\n" in shown
    assert "2 resources, with B, without C" in shown


def fleet_of_consumers(size: int) -> plan.Plan:
    network = make.stack_set("network", targets=FLEET[:size])
    value = Output("network", "Arn", region="same", account="same")
    app = make.stack_set("app", targets=FLEET[:size], parameters={"Topic": value})
    return plan.make(make.system(network, app, order=tuple(REGIONS)), {})


def test_many_waves_that_do_the_same_are_shown_as_one() -> None:
    the_plan = fleet_of_consumers(200)
    assert len(the_plan.waves) == 201

    for form in (text.plan(the_plan), markdown.plan(the_plan)):
        assert "waves 2–201, one after the other" in form
        assert form.count("demo-test-app") == 1
        assert (
            "Topic = network.Arn of ${AWS::AccountId}/${AWS::Region} "
            "(known after wave 1)" in form
        )
    assert len(data.plan(the_plan)["waves"]) == 201, "the data keeps all"


def test_few_waves_are_shown_one_by_one() -> None:
    shown = text.plan(fleet_of_consumers(3))
    assert "wave 4" in shown and "–" not in shown


def test_a_default_that_differs_is_shown_with_the_old_value() -> None:
    wanted = make.stack_set(text=make.template(defaults={"Open": "0.0.0.0/1"}))
    found = make.observed(wanted, template=make.template())
    the_plan = plan.make(make.system(wanted), {wanted.name: found})

    line = "Open: (absent) → 0.0.0.0/1 (default)"
    assert line in text.plan(the_plan) and line in markdown.plan(the_plan)
    (step,) = data.plan(the_plan)["waves"][0]
    assert step["parameter_changes"] == [
        {"name": "Open", "old": [None], "new": "0.0.0.0/1", "default": True}
    ]


def test_a_hidden_value_is_not_shown_with_the_old_value() -> None:
    body = json.loads(make.template(parameters=["Password"], defaults={"Size": "1"}))
    body["Parameters"]["Password"]["NoEcho"] = True
    secret = "{{resolve:secretsmanager:password}}"
    wanted = make.stack_set(parameters={"Password": secret}, text=json.dumps(body))
    old = make.template(parameters=["Password"])
    found = make.observed(wanted, template=old, parameters={"Password": "hunter2"})
    the_plan = plan.make(make.system(wanted), {wanted.name: found})

    assert "hunter2" not in text.plan(the_plan, details=True) + json.dumps(
        data.plan(the_plan)
    )


def test_an_update_of_outputs_alone_says_that_no_resource_changes() -> None:
    body = json.loads(queue())
    new = json.dumps({**body, "Outputs": {"Word": {"Value": "other words"}}})
    the_plan = planned(queue(), new)

    assert "no resource changes" in text.plan(the_plan)
    assert "no resource changes" in markdown.plan(the_plan)
    assert "no resource changes" not in text.plan(
        planned(queue(), queue(DelaySeconds=5))
    )
