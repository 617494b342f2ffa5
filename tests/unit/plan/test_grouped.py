"""Targets that come to the same are compared once, and each still gets its own changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tapgen import plan
from tapgen.model import NO_STACK, InstanceStatus, StackSet, Target
from tapgen.plan import values
from tapgen.template import diff
from tests import make

PLACES = [Target(f"{n}" * 12, "u") for n in range(1, 5)] + [Target("1" * 12, "v")]
NAMES = st.sampled_from(
    [
        {"Ref": "Text"},
        {"Fn::Sub": "${AWS::AccountId}-x"},
        {"Fn::Sub": "${AWS::Region}-x"},
        {"Fn::Sub": "fixed"},
    ]
)
FIELDS = ("status", "overrides", "resolved", "current", "template", "parameters")
SSM = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "a"}


def part(name: Any, ssm: bool) -> StackSet:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": name}}
    text = make.template(("Text",), ("Arn",), {"Topic": topic}, output_value=make.NAME)
    if ssm:
        text = text.replace('{"Type": "String"}', str(SSM).replace("'", '"'))
    return make.stack_set(targets=PLACES, parameters={"Text": "a"}, text=text)


def instance(draw: Any, *texts: str) -> Any:
    text = draw(st.sampled_from([None, *texts, NO_STACK]))
    return make.instance(
        draw(st.sampled_from([InstanceStatus.CURRENT, InstanceStatus.OUTDATED])),
        overrides=draw(st.sampled_from([{}, {"Text": "b"}])),
        resolved=draw(st.sampled_from([{}, {"Text": "x"}, {"Text": "y"}])),
        current=draw(st.sampled_from([{}, {"a": "x"}, {"a": "y"}])),
        template=text,
        parameters=draw(st.sampled_from([None, {"Text": "a"}, {"Text": "b"}])),
    )


def nearly_alike(draw: Any, *texts: str) -> Any:
    """Instances, some of which differ from the others in one thing."""
    one, other = instance(draw, *texts), instance(draw, *texts)
    name = draw(st.sampled_from(FIELDS))
    for target in PLACES:
        mine = draw(st.booleans())
        yield target, one if mine else replace(one, **{name: getattr(other, name)})


@given(st.data(), NAMES, NAMES, st.booleans())
def test_each_target_gets_the_changes_of_its_own_comparison(
    data: st.DataObject, new: Any, old: Any, ssm: bool
) -> None:
    wanted, before = part(new, ssm), part(old, ssm)
    texts = wanted.template, part({"Ref": "Text"}, ssm).template
    instances = dict(nearly_alike(data.draw, *texts))
    found = make.observed(before, instances=instances)

    steps = plan.make(make.system(wanted), {wanted.name: found}).steps

    for step in steps:
        moving = values.changing_outputs(wanted, found, [step])
        for target in step.targets:
            alone = replace(step, targets=(target,))
            sides = values.evaluated_sides(found, wanted, target, step.values)
            assert step.changes[target] == diff.compare(*sides)
            one = values.changing_outputs(wanted, found, [alone])
            assert moving[target] == one[target]
