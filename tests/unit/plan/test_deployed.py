"""The plan compares with what each instance runs, not with what its stack set says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tapgen import plan
from tapgen.model import (
    NO_STACK,
    InstanceDetailedStatus,
    InstanceStatus,
    ObservedInstance,
    StackSet,
)
from tapgen.plan import allowances
from tapgen.report import data, markdown, text
from tapgen.template.diff import Verb, Verdict
from tests import make
from tests.make import EAST, WEST


def queue(name: str = "orders", **more: Any) -> StackSet:
    resource = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}
    body = make.template(
        resources={"Orders": resource}, outputs=("Url",), output_value={"Ref": "Orders"}
    )
    return make.stack_set("orders", text=body, targets=(EAST, WEST), **more)


def failed(**more: Any) -> ObservedInstance:
    return replace(
        make.instance(InstanceStatus.OUTDATED, outputs={"Url": "old"}),
        detailed_status=InstanceDetailedStatus.FAILED,
        **more,
    )


def half(**more: Any) -> plan.Plan:
    """After a rollout that failed in us-east-1: the stack set is new already."""
    s = queue("new")
    found = make.observed(s)
    instances = {**found.instances, EAST: failed(**more)}
    return plan.make(make.system(s), {s.name: replace(found, instances=instances)})


def test_a_failed_instance_is_compared_with_what_its_stack_runs() -> None:
    the_plan = half(template=queue("old").template, parameters={})

    (step,) = the_plan.steps
    assert step.targets == (EAST,)
    (change,) = step.changes[EAST]
    assert (change.logical_id, change.verdict) == ("Orders", Verdict.REPLACES)
    (refused,) = plan.refusals(the_plan)
    assert "--allow-replacement orders.Orders" in refused
    assert not plan.refusals(the_plan, allowances.exact(the_plan, ["Orders"])[0])
    assert "is replaced by an empty resource" in text.plan(the_plan)


def test_an_instance_that_was_never_made_is_a_creation_with_its_resources() -> None:
    the_plan = half(template=NO_STACK, parameters={}, stack_id=None)

    (step,) = the_plan.steps
    assert [c.verb for c in step.changes[EAST]] == [Verb.ADD]
    assert plan.refusals(the_plan) == []
    shown = text.plan(the_plan)
    assert "+[/] create [bold]demo-test-orders" in shown
    assert "OUTDATED (FAILED), it has no stack yet" in shown
    assert "+ create demo-test-orders" in markdown.plan(the_plan)
    assert "+[/] Orders" in shown
    assert "1 stack instance to create, in 1 wave" in shown
    (resources,) = data.plan(the_plan)["waves"][0][0]["resources"]
    assert resources["new"]


def test_an_instance_that_cannot_be_read_is_said_to_be_so() -> None:
    assert "what it runs could not be read" in text.plan(half())


def test_a_current_instance_that_runs_something_else_is_updated() -> None:
    """As after somebody else's operation, or one on the stack itself."""
    s = queue()
    found = make.observed(s)
    other = make.instance(template=queue("by-hand").template, parameters={}, outputs={})
    found = replace(found, instances={**found.instances, WEST: other})

    the_plan = plan.make(make.system(s), {s.name: found})

    (step,) = the_plan.steps
    assert step.targets == (WEST,) and step.reasons == (
        "its stack runs another template",
    )
    assert step.changes[WEST][0].verdict is Verdict.REPLACES


def test_a_parameter_of_the_stack_itself_counts() -> None:
    body = make.template(
        ("Size",),
        resources={
            "T": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"DisplayName": {"Ref": "Size"}},
            }
        },
    )
    s = make.stack_set("data", text=body, parameters={"Size": "1"})
    own = make.instance(template=body, parameters={"Size": "2"}, outputs={})
    found = make.observed(s, instances={EAST: own})

    (step,) = plan.make(make.system(s), {s.name: found}).steps

    assert step.reasons == ("parameter Size differs",)
    (change,) = step.changes[EAST]
    assert (change.properties[0].old, change.properties[0].new) == ("2", "1")


def test_consumers_wait_for_outputs_that_a_failed_instance_will_change() -> None:
    from tapgen.model import Output

    s = queue("new")
    found = make.observed(
        s,
        instances={
            t: failed(template=queue("old").template, parameters={}) for t in s.targets
        },
    )
    user = make.stack_set(
        "user",
        parameters={"Url": Output("orders", "Url")},
        text=make.template(("Url",), ("Arn",)),
    )
    known = make.observed(user, parameters={"Url": "old"})

    the_plan = plan.make(make.system(s, user), {s.name: found, user.name: known})

    step = the_plan.steps[-1]
    assert step.part == "user" and not step.conditional
    assert step.reasons == ("orders.Url will change",)


def test_a_template_that_takes_no_effect_is_recorded_with_the_next_change() -> None:
    s = queue()
    words = json.dumps({**json.loads(s.template), "Description": "words"})
    found = make.observed(s, template=words)

    the_plan = plan.make(make.system(s), {s.name: found})

    assert not the_plan
    assert the_plan.recorded_later == (("orders", ("Description",)),)
    assert "recorded with the next change: orders (Description)" in text.plan(the_plan)
    assert data.plan(the_plan)["recorded_later"] == [
        {"part": "orders", "sections": ["Description"]}
    ]


def test_the_next_change_records_it() -> None:
    body = make.template(("Size",))
    s = make.stack_set("data", text=body, parameters={"Size": "2"})
    words = json.dumps({**json.loads(body), "Description": "words"})
    found = make.observed(s, template=words, parameters={"Size": "1"})

    the_plan = plan.make(make.system(s), {s.name: found})

    (step,) = the_plan.steps
    assert step.reasons == ("parameter Size differs",)
    assert the_plan.recorded_later == ()
