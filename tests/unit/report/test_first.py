"""What a plan names before its waves."""

from __future__ import annotations

from tapgen import plan
from tapgen.report import markdown, text
from tapgen.template.risk import Kind
from tests import make
from tests.make import EAST, WEST


def network(cidr: str) -> str:
    subnet = {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"}
    return make.template(
        resources={
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr}},
            **{
                f"Net{n}": {"Type": "AWS::EC2::Subnet", "Properties": subnet}
                for n in range(4)
            },
        }
    )


def updated(old: str, new: str) -> plan.Plan:
    before = make.stack_set(targets=(EAST, WEST), text=old)
    after = make.stack_set(targets=(EAST, WEST), text=new)
    return plan.make(make.system(after), {before.name: make.observed(before)})


def test_what_is_replaced_is_one_line_for_a_stack_set() -> None:
    the_plan = updated(network("10.0.0.0/16"), network("10.1.0.0/16"))
    part = the_plan.steps[0].part

    line = f"{part}: 5 resources are replaced, among them Vpc, Net0, Net1"
    assert {kind: list(named) for kind, named in text.risks(the_plan).items()} == {
        Kind.REPLACEMENT: [line]
    }
    for form, wave in (
        (text.plan(the_plan), "wave 1"),
        (markdown.plan(the_plan), "<details>"),
    ):
        assert form.count(line) == 1
        assert form.index(line) < form.index(wave)


def test_what_aws_refuses_comes_first_and_nobody_can_allow_it() -> None:
    def volume(zone: str) -> str:
        data = {"AvailabilityZone": zone, "Size": 1}
        resources = {"Data": {"Type": "AWS::EC2::Volume", "Properties": data}}
        return make.template(resources=resources)

    the_plan = updated(volume("us-east-1a"), volume("us-east-1b"))
    shown = text.plan(the_plan)

    assert list(text.risks(the_plan)) == [Kind.REFUSED]
    assert shown.index("AWS refuses this update") < shown.index("wave 1")
    (refusal,) = plan.refusals(the_plan, ["Data"])
    assert f"{EAST}, {WEST}: AWS refuses to change AvailabilityZone of Data" in refusal
    assert plan.refusals(updated(volume("us-east-1a"), volume("us-east-1a"))) == []
