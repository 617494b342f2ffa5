"""A changed value of an SSM parameter is the property change that it causes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tapgen import plan
from tapgen.aws import parameter_store as aws_store
from tapgen.aws.session import Aws
from tapgen.aws.stacksets import StackSets
from tapgen.model import Reading, StackSet, Target
from tapgen.report import data, markdown, text
from tapgen.system import parameter_store
from tapgen.template.diff import Verdict
from tests import make
from tests.make import EAST, WEST

LEVEL = "/app/level"


def reader(kind: str = "String", ref: Any = None, **more: Any) -> StackSet:
    """A stack set whose queue has the value of an SSM parameter as its name."""
    body = make.template(
        defaults={"Level": LEVEL},
        resources={
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"QueueName": ref or {"Ref": "Level"}},
            }
        },
    )
    typed = body.replace('"String"', f'"AWS::SSM::Parameter::Value<{kind}>"')
    return make.stack_set("data", text=typed, targets=(EAST, WEST), **more)


def planned(
    s: StackSet, was: str | None, at: dict[Target, dict[str, Any]], **more: Any
) -> plan.Plan:
    found = make.observed(s)
    resolved = {} if was is None else {"Level": was}
    instances = {
        t: replace(i, resolved=resolved, **at.get(t, {}))
        for t, i in found.instances.items()
    }
    found = replace(found, instances=instances, **more)
    return plan.make(make.system(s), {s.name: found})


def test_the_value_of_now_updates_where_it_is_another() -> None:
    the_plan = planned(
        reader(),
        "one",
        {EAST: {"current": {LEVEL: "two"}}, WEST: {"current": {LEVEL: "one"}}},
    )

    (step,) = the_plan.steps
    assert step.targets == (EAST,)
    assert step.reasons == (f"SSM parameter {LEVEL} has another value",)
    (change,) = step.changes[EAST]
    assert change.verdict is Verdict.REPLACES
    assert (change.properties[0].old, change.properties[0].new) == ("one", "two")
    assert plan.refusals(the_plan)
    assert not the_plan.not_known


def test_members_of_a_list_are_compared() -> None:
    s = reader("List<String>", {"Fn::Select": [1, {"Ref": "Level"}]})

    def of(value: str) -> plan.Plan:
        at = {"current": {LEVEL: value}}
        return planned(s, "a,b", {EAST: at, WEST: at})

    assert not of("a,b")
    assert not of("c,b"), "the stack does not use the member that changes"
    assert of("a, c").steps[0].changes[EAST][0].properties[0].new == "c"


@pytest.mark.parametrize("was", ["one", None])
def test_a_value_that_is_not_known_is_no_change_and_said_once(was: str | None) -> None:
    why = "cannot be read (AccessDenied)"
    unread = {"unknown": {LEVEL: why}}

    the_plan = planned(reader(), was, {EAST: unread, WEST: unread})

    assert not the_plan
    assert the_plan.not_known == (("data", LEVEL, why),)
    for shown in (text.plan(the_plan), markdown.plan(the_plan)):
        assert shown.count(LEVEL) == 1 and why in shown
    assert data.plan(the_plan)["not_known"] == [
        {"part": "data", "ssm_parameter": LEVEL, "why": why}
    ]


def test_what_the_stack_has_may_be_unknown() -> None:
    now = {"current": {LEVEL: "two"}}

    ((part, name, why),) = planned(reader(), None, {EAST: now, WEST: now}).not_known

    assert (part, name) == ("data", LEVEL) and "does not return" in why


def test_a_parameter_that_becomes_one_of_systems_manager_keeps_its_value() -> None:
    s = reader()
    body = s.template.replace("AWS::SSM::Parameter::Value<String>", "String")
    now = {"current": {LEVEL: "one"}}

    the_plan = planned(
        s, None, {EAST: now, WEST: now}, template=body, parameters={"Level": "one"}
    )

    assert all(not changes for changes in the_plan.steps[0].changes.values())


def test_a_dynamic_reference_without_a_version_is_not_known_in_an_update() -> None:
    def topic(name: str, shown: str) -> StackSet:
        resource = {
            "Type": "AWS::SNS::Topic",
            "Properties": {"TopicName": name, "DisplayName": shown},
        }
        return make.stack_set("data", text=make.template(resources={"T": resource}))

    latest, fixed = "{{resolve:ssm:/app/x}}", "{{resolve:ssm:/app/x:3}}"

    def known(was: StackSet, s: StackSet) -> Any:
        found = make.observed(was)
        return plan.make(make.system(s), {s.name: found}).not_known

    why = "a dynamic reference without a version"
    assert known(topic("a", latest), topic("b", latest)) == (("data", "/app/x", why),)
    assert not known(topic("a", latest), topic("a", latest)), "nothing reads it again"
    assert not known(topic("a", fixed), topic("b", fixed))
    assert not known(topic("a", "x"), topic("a", latest)), "it is new, and shown"
    secure = latest.replace("ssm", "ssm-secure")
    assert known(topic("a", secure), topic("b", secure))


def test_what_the_plan_itself_changes_is_not_known() -> None:
    def writer(value: str) -> StackSet:
        resource = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": LEVEL, "Type": "String", "Value": value},
        }
        body = make.template(resources={"P": resource})
        return make.stack_set("base", text=body, targets=(EAST, WEST))

    s = reader()
    now = {"current": {LEVEL: "one"}, "resolved": {"Level": "one"}}
    found = make.observed(s)
    instances = {t: replace(i, **now) for t, i in found.instances.items()}

    the_plan = plan.make(
        make.system(writer("two"), s),
        {
            s.name: replace(found, instances=instances),
            writer("one").name: make.observed(writer("one")),
        },
    )

    assert [step.part for step in the_plan.steps] == ["base"]
    ((part, name, why),) = the_plan.not_known
    assert (part, name) == ("data", LEVEL) and "this plan changes it" in why


# Reading -------------------------------------------------------------------------------


class Ssm:
    meta = SimpleNamespace(
        region_name="us-east-1",
        service_model=SimpleNamespace(service_name="ssm"),
        method_to_api_mapping={"get_parameters": "GetParameters"},
    )

    def __init__(self, there: dict[str, tuple[str, str]] | None) -> None:
        self.there = there
        self.asked: list[list[str]] = []

    def client(self, service: str, target: Target) -> Ssm:
        return self

    def get_parameters(self, Names: list[str]) -> Any:
        self.asked.append(Names)
        if self.there is None:
            error = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
            raise ClientError(cast(Any, error), "GetParameters")
        return {
            "Parameters": [
                {
                    "Name": (bare := name.partition(":")[0]),
                    "Selector": name.removeprefix(bare),
                    "Type": self.there[bare][0],
                    "Value": self.there[bare][1],
                }
                for name in Names
                if name.partition(":")[0] in self.there
            ]
        }


def test_values_are_read_in_tens_and_secure_ones_left() -> None:
    many = {f"/p{n}": ("String", str(n)) for n in range(11)}
    ssm = Ssm({**many, "/key": ("SecureString", "cipher"), "/v": ("String", "x")})

    found, unknown = aws_store.values(
        cast(Aws, ssm), EAST, [*many, "/key", "/gone", "/v:3"]
    )

    assert [len(names) for names in ssm.asked] == [10, 4]
    assert found == {**{k: v for k, (_, v) in many.items()}, "/v:3": "x"}
    assert unknown == {"/key": "is secure", "/gone": "does not exist"}


def test_a_refusal_says_its_code() -> None:
    found, unknown = aws_store.values(cast(Aws, Ssm(None)), EAST, ["/a"])

    assert not found and "AccessDenied" in unknown["/a"]


def test_each_place_is_read_once_and_only_where_a_stack_answers() -> None:
    ssm = Ssm({LEVEL: ("String", "two")})
    s, other = reader(), replace(reader(), name="demo-test-more", part="more")
    found = make.observed(s)
    away = replace(found.instances[WEST], reading=Reading.AWAY)
    there = {**found.instances, WEST: away}
    observed = {
        s.name: replace(found, instances=there),
        other.name: replace(found, name=other.name, instances=there),
    }
    sets = cast(StackSets, SimpleNamespace(aws=ssm))

    looked_up = parameter_store.look_up(make.system(s, other), sets, observed)

    assert ssm.asked == [[LEVEL]]
    for o in looked_up.values():
        assert o.instances[EAST].current == {LEVEL: "two"}
        assert not o.instances[WEST].current


def test_templates_that_read_nothing_cost_no_call() -> None:
    s = make.stack_set("data")
    sets = cast(StackSets, SimpleNamespace(aws=None))

    found = parameter_store.look_up(make.system(s), sets, {s.name: make.observed(s)})

    assert found == {s.name: make.observed(s)}
