"""Stacks that refer to each other: in one rollout, from any state before, killed anywhere,
no stack refers to one that is not there, and in the end each refers to the other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tapgen import plan
from tapgen.model import AtFirst, Output, Override, StackSet, Target, Value
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Faults, Killed, kill
from tests.unit.rollout.test_kills import observed, resume, run

EXAMPLES = 400 if "TAPGEN_SOAK" in os.environ else 40
THIRD = Target(make.ACCOUNT, "eu-west-1")
OTHER = Target("222222222222", "us-east-1")
OFF = "no"


def part(
    name: str, value: Value, targets: tuple[Target, ...], **more: object
) -> StackSet:
    topic = {
        "TopicName": {"Fn::Sub": f"{name}-${{Text}}"},
        "DisplayName": {"Ref": "Back"},
    }
    resources = {"Topic": {"Type": "AWS::SNS::Topic", "Properties": topic}}
    text = make.template(("Back", "Text"), ("Arn",), resources)
    return make.stack_set(
        name,
        text=text,
        targets=targets,
        parameters={"Back": value, "Text": "x"},
        **more,  # type: ignore[arg-type]
    )


def parts(back: Value, targets: tuple[Target, ...], text: str) -> tuple[StackSet, ...]:
    """`copy` refers back to `data`, which needs it; `mesh` to itself in other regions,
    by values that differ."""
    differing = tuple(
        Override({"Back": f"of {t}"}, t.region, t.account) for t in targets
    )
    first = {"Back": AtFirst(OFF, ("data",))}
    own = {"Back": AtFirst(OFF, ("mesh",))}
    off = back == OFF
    found = (
        part("copy", back, targets, at_first=first),
        part("data", OFF, targets, depends_on=("copy",)),
        part("mesh", back, targets, overrides=() if off else differing, at_first=own),
    )
    return tuple(replace(s, parameters={**s.parameters, "Text": text}) for s in found)


class Aws(Cloud):
    """As S3 does, it refuses to let a stack refer to one that is not there."""

    def refuses(
        self, name: str, target: Target, template: str, values: Mapping[str, str]
    ) -> bool:
        part = name.removeprefix("demo-test-")
        needs = {"copy": "data", "mesh": "mesh"}.get(part)
        if needs is None or values["Back"] == OFF:
            return False
        stack = self.sets[name].instances[target].stack
        if stack and stack[1]["Back"] == values["Back"]:
            return False
        there = self.sets.get(f"demo-test-{needs}")
        if there is None:
            return True
        account = [i for t, i in there.instances.items() if t.account == target.account]
        return not all(i.stack for i in account)


def aws() -> Aws:
    cloud = Aws()
    cloud.failing = cloud.refuses
    return cloud


def deploy(cloud: Cloud, found: tuple[StackSet, ...]) -> None:
    assert run(cloud, plan.make(make.system(*found), observed(cloud))).green


@st.composite
def starts(draw: st.DrawFn) -> tuple[tuple[StackSet, ...], ...]:
    """What is deployed before, in order: nothing, the setting off, or fewer targets."""
    wanted = draw(st.sampled_from([(EAST, WEST), (EAST, WEST, THIRD, OTHER)]))
    back = draw(st.sampled_from(["yes", Output("data", "Arn")]))
    text = draw(st.sampled_from("xy"))
    before = draw(
        st.sampled_from(
            [
                (),
                (parts(OFF, wanted, "x"),),
                (parts(back, wanted[:1], "x"),),
                (parts(OFF, wanted[1:], "x"), parts(back, wanted[1:], "x")),
                (parts(back, wanted, "x")[:1],),
            ]
        )
    )
    return (*before, parts(back, wanted, text))


@settings(max_examples=EXAMPLES)
@given(starts(), st.integers(1, 90), st.booleans(), st.booleans())
def test_each_refers_to_the_other_after_one_rollout(
    found: tuple[tuple[StackSet, ...], ...], number: int, after: bool, back: bool
) -> None:
    *before, wanted = found
    cloud = aws()
    for one in before:
        if len(one) > 1:
            deploy(cloud, one)
        else:  # the other one has gone: as a destroy in another place leaves it
            deploy(cloud, parts(one[0].parameters["Back"], one[0].targets, "x"))
            for name in ("data", "mesh"):
                del cloud.sets[f"demo-test-{name}"]
    the_plan = plan.make(make.system(*wanted), observed(cloud))
    cloud.faults = cloud.bucket.faults = Faults()
    (cloud.faults.after if after else cloud.faults.before)[number] = kill
    killed = False
    try:
        assert run(cloud, the_plan).green
    except Killed:
        killed = True
    cloud.faults.after.clear()
    cloud.faults.before.clear()
    if killed:
        ended = resume(cloud, back=back)
        assert ended is None or ended.green or back, ended
    event(f"killed: {killed}, {len(before)} rollouts before")
    if killed:
        deploy(cloud, wanted)

    final = observed(cloud)
    assert not plan.make(make.system(*wanted), final)
    for s in wanted:
        for target in s.targets:
            value = s.values(target)["Back"]
            arn = (final["demo-test-data"].instances[target].outputs or {})["Arn"]
            now = final[s.name].values(target)["Back"]
            assert now == (arn if isinstance(value, Output) else value), s.name
