"""Planning, on data alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen import plan
from tapgen.errors import PlanError
from tapgen.model import (
    WAVE,
    Action,
    ApprovalGate,
    InstanceDetailedStatus,
    InstanceStatus,
    Output,
    Override,
    RolloutSettings,
    StackSet,
    System,
    Target,
    Value,
)
from tapgen.plan import allowances
from tapgen.report import grouping
from tapgen.system import checks
from tapgen.template import diff
from tests import make
from tests.make import EAST, WEST


def parts(the_plan: plan.Plan) -> list[list[str]]:
    return [[step.part for step in wave] for wave in the_plan.waves]


def test_a_stack_set_waits_for_the_output_it_takes() -> None:
    dns = make.stack_set("dns", parameters={"Arn": Output("data", "Arn")})

    the_plan = plan.make(make.system(dns, make.stack_set("data")), {})

    assert parts(the_plan) == [["data"], ["dns"]]
    (reference,) = the_plan.steps[1].references
    assert reference.sources == (EAST,)
    assert the_plan.wave_of(reference) == 1


def test_a_stack_set_waits_for_what_it_depends_on() -> None:
    dns = make.stack_set("dns", depends_on=("data",))

    the_plan = plan.make(make.system(dns, make.stack_set("data")), {})

    assert parts(the_plan) == [["data"], ["dns"]]


def test_nothing_to_do_is_a_plan_without_waves() -> None:
    data = make.stack_set(parameters={"Size": "1"})

    the_plan = plan.make(make.system(data), {data.name: make.observed(data)})

    assert not the_plan
    assert the_plan.waves == ()


def test_formatting_of_the_deployed_template_is_no_difference() -> None:
    data = make.stack_set()
    pretty = json.dumps(json.loads(data.template), indent=4, sort_keys=True)

    the_plan = plan.make(
        make.system(data), {data.name: make.observed(data, template=pretty)}
    )

    assert not the_plan


def test_a_default_is_spelled_out_where_another_target_has_a_value() -> None:
    # Otherwise the target would get what the stack set has, which may be the other's.
    data = make.stack_set(
        targets=(EAST, WEST),
        text=make.template(defaults={"Size": "1", "Kind": "a"}),
        overrides=(Override({"Size": "3"}, region="us-west-2"),),
    )

    the_plan = plan.make(make.system(data), {})

    values = {target: step.values for step in the_plan.steps for target in step.targets}
    assert values == {EAST: {"Size": "1"}, WEST: {"Size": "3"}}
    assert {step.varying for step in the_plan.steps} == {frozenset({"Size"})}


def test_a_default_that_aws_shows_as_a_value_is_no_difference() -> None:
    text = make.template(defaults={"Size": "1"})
    data = make.stack_set(text=text)
    found = make.observed(data, parameters={"Size": "1"})

    assert not plan.make(make.system(data), {data.name: found})


def test_a_hidden_value_is_no_difference() -> None:
    data = make.stack_set(parameters={"Password": "{{resolve:…}}"})
    found = make.observed(data, parameters={"Password": "****"})

    assert not plan.make(make.system(data), {data.name: found})


def test_a_changed_parameter_updates_and_says_which() -> None:
    data = make.stack_set(parameters={"Size": "2"})
    found = make.observed(data, parameters={"Size": "1"})

    (step,) = plan.make(make.system(data), {data.name: found}).steps

    assert step.action is Action.UPDATE
    assert step.reasons == ("parameter Size differs",)
    assert not step.redefine


def test_regions_with_different_values_are_steps_of_their_own_canary_first() -> None:
    data = make.stack_set(
        targets=(EAST, WEST),
        parameters={"Cidr": "10.0.0.0/16"},
        overrides=(Override({"Cidr": "10.1.0.0/16"}, region="us-west-2"),),
    )

    the_plan = plan.make(make.system(data, order=("us-west-2", "us-east-1")), {})

    assert [[s.targets for s in wave] for wave in the_plan.waves] == [
        [(WEST,)],
        [(EAST,)],
    ]
    assert [s.first for s in the_plan.steps] == [True, False]
    assert the_plan.steps[0].varying == {"Cidr"}
    assert the_plan.steps[0].values == {"Cidr": "10.1.0.0/16"}


def test_regions_with_the_same_values_are_one_step_in_region_order() -> None:
    data = make.stack_set(targets=(EAST, WEST), parameters={"Size": "1"})

    the_plan = plan.make(make.system(data, order=("us-west-2", "us-east-1")), {})

    (step,) = the_plan.steps
    assert step.targets == (WEST, EAST)


def test_outputs_of_the_same_region_make_steps_for_each_region() -> None:
    data = make.stack_set("data", targets=(EAST, WEST))
    app = make.stack_set(
        "app", targets=(EAST, WEST), parameters={"Arn": Output("data", "Arn")}
    )

    the_plan = plan.make(make.system(data, app), {})

    app_steps = [s for s in the_plan.steps if s.part == "app"]
    assert [s.references[0].sources for s in app_steps] == [(EAST,), (WEST,)]


def test_an_output_of_an_untouched_instance_is_read_at_once() -> None:
    data = make.stack_set("data")
    app = make.stack_set("app", parameters={"Arn": Output("data", "Arn")})

    the_plan = plan.make(make.system(data, app), {data.name: make.observed(data)})

    (step,) = the_plan.steps
    assert step.values == {"Arn": "arn:it"}


def test_a_consumer_of_a_changing_output_updates_only_perhaps() -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}
    text = make.template(["Name"], ["Arn"], {"Topic": topic}, output_value=make.NAME)
    data = make.stack_set("data", parameters={"Name": "2"}, text=text)
    app = make.stack_set("app", parameters={"Arn": Output("data", "Arn")})
    found = {
        data.name: make.observed(data, parameters={"Name": "1"}),
        app.name: make.observed(app, parameters={"Arn": "arn:it"}),
    }

    the_plan = plan.make(make.system(data, app), found)

    assert [s.conditional for s in the_plan.steps] == [False, True]
    assert the_plan.steps[1].reasons == ("if data.Arn changes",)


def test_what_a_replacement_moves_is_followed_into_other_stack_sets() -> None:
    """A subnet takes its place in a VPC: where that is replaced, so is the subnet."""
    vpc = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}}}
    text = make.template(["Cidr"], ["Id"], {"Topic": vpc})
    network = make.stack_set("network", parameters={"Cidr": "10.1.0.0/16"}, text=text)
    properties = {"VpcId": {"Ref": "VpcId"}, "CidrBlock": "10.1.1.0/24"}
    subnet = {"Type": "AWS::EC2::Subnet", "Properties": properties}
    app = make.stack_set(
        "app",
        parameters={"VpcId": Output("network", "Id")},
        text=make.template(["VpcId"], resources={"Subnet": subnet}),
    )
    found = {
        network.name: make.observed(network, parameters={"Cidr": "10.0.0.0/16"}),
        app.name: make.observed(app, parameters={"VpcId": "vpc-1"}),
    }
    instances = {EAST: make.instance(outputs={"Id": "vpc-1"})}
    found[network.name] = replace(found[network.name], instances=instances)

    the_plan = plan.make(make.system(network, app), found)

    step = the_plan.steps[1]
    assert step.reasons == ("network.Id will change",)
    assert not step.conditional
    (change,) = step.changes[EAST]
    assert change.logical_id == "Subnet"
    assert change.verdict is diff.Verdict.REPLACES


def moving_network(cidr: str, net: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A VPC with two subnets, as resources and outputs."""
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": cidr}},
        **{
            name: {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": block},
            }
            for name, block in (("A", net), ("B", "10.0.2.0/24"))
        },
    }
    return resources, {name: {"Value": {"Ref": name}} for name in resources}


@pytest.mark.parametrize(
    ("cidr", "net", "refused"),
    [
        ("10.1.0.0/16", "10.0.1.0/24", {"Databases", "Web"}),
        ("10.0.0.0/16", "10.0.9.0/24", set()),
    ],
    ids=["another VPC", "another subnet"],
)
def test_subnets_of_a_vpc_that_an_earlier_wave_replaces_are_refused(
    cidr: str, net: str, refused: set[str]
) -> None:
    def parts(cidr: str, net: str) -> tuple[Any, Any]:
        resources, outputs = moving_network(cidr, net)
        text = json.dumps({"Resources": resources, "Outputs": outputs})
        users = {
            "Databases": {
                "Type": "AWS::RDS::DBSubnetGroup",
                "Properties": {
                    "DBSubnetGroupDescription": "of the databases",
                    "SubnetIds": [{"Ref": "A"}, {"Ref": "B"}],
                },
            },
            "Web": {
                "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
                "Properties": {"Name": "web", "Port": 80, "VpcId": {"Ref": "Vpc"}},
            },
        }
        names = ["A", "B", "Vpc"]
        return make.stack_set("network", text=text), make.stack_set(
            "data",
            parameters={name: Output("network", name) for name in names},
            text=make.template(names, resources=users),
        )

    ids = {"A": "subnet-1", "B": "subnet-2", "Vpc": "vpc-1"}
    before, data = parts("10.0.0.0/16", "10.0.1.0/24")
    found = {
        before.name: replace(
            make.observed(before), instances={EAST: make.instance(outputs=ids)}
        ),
        data.name: make.observed(data, parameters=ids),
    }

    the_plan = plan.make(make.system(*parts(cidr, net)), found)

    changed = {c.logical_id: c for c in the_plan.steps[1].changes[EAST]}
    assert {name for name, c in changed.items() if c.refusals} == refused
    assert "Databases" in changed
    assert len(plan.refusals(the_plan)) == len(refused)


def test_a_consumer_of_an_output_that_stays_is_not_planned() -> None:
    data = make.stack_set("data", parameters={"Size": "2"})
    app = make.stack_set("app", parameters={"Arn": Output("data", "Arn")})
    found = {
        data.name: make.observed(data, parameters={"Size": "1"}),
        app.name: make.observed(app, parameters={"Arn": "arn:it"}),
    }

    the_plan = plan.make(make.system(data, app), found)

    assert [s.part for s in the_plan.steps] == ["data"]


def test_an_outdated_instance_is_repaired() -> None:
    data = make.stack_set()
    found = make.observed(
        data, instances={EAST: make.instance(InstanceStatus.OUTDATED)}
    )

    (step,) = plan.make(make.system(data), {data.name: found}).steps

    assert step.action is Action.UPDATE
    assert "OUTDATED" in step.reasons[0]


def test_every_inoperable_instance_is_refused_with_advice() -> None:
    data = make.stack_set("data", targets=(EAST, WEST))
    app = make.stack_set("app")
    broken = make.instance(InstanceStatus.INOPERABLE, reason="bucket not empty")
    found = {
        data.name: make.observed(data, instances={EAST: broken, WEST: broken}),
        app.name: make.observed(app, instances={EAST: broken}),
    }

    the_plan = plan.make(make.system(data, app), found)

    refused = plan.refusals(the_plan, allowed=["data", "app", "Topic"])
    assert [text.partition(" is INOPERABLE")[0] for text in refused] == [
        f"demo-test-data in {EAST}",
        f"demo-test-data in {WEST}",
        f"demo-test-app in {EAST}",
    ]
    assert all("bucket not empty" in r and "tapgen repair" in r for r in refused)


def test_a_stack_whose_rollback_failed_is_refused_with_advice() -> None:
    data = make.stack_set()
    hangs = make.instance(
        InstanceStatus.OUTDATED, stack_status="UPDATE_ROLLBACK_FAILED"
    )
    found = {data.name: make.observed(data, instances={EAST: hangs})}

    (refused,) = plan.refusals(plan.make(make.system(data), found))

    assert refused.startswith(f"demo-test-data in {EAST} hangs")
    assert "tapgen repair" in refused


def test_a_moved_target_is_created_before_the_old_one_goes() -> None:
    old = make.stack_set(targets=(EAST,))
    new = replace(old, targets=(WEST,))

    the_plan = plan.make(make.system(new), {old.name: make.observed(old)})

    assert [(s.action, s.targets) for s in the_plan.steps] == [
        (Action.CREATE, (WEST,)),
        (Action.DELETE, (EAST,)),
    ]


def test_an_empty_stack_set_with_an_old_template_is_redefined_first() -> None:
    data = make.stack_set(parameters={"Size": "1"})
    found = make.observed(data, template=make.template(), instances={})

    (step,) = plan.make(make.system(data), {data.name: found}).steps

    assert step.action is Action.CREATE
    assert step.first


def test_a_part_that_is_gone_is_deleted_last() -> None:
    old, new = make.stack_set("old"), make.stack_set("new")

    the_plan = plan.make(make.system(new), {old.name: make.observed(old)})

    assert [(s.part, s.action) for s in the_plan.steps] == [
        ("new", Action.CREATE),
        ("old", Action.DELETE),
    ]
    assert the_plan.steps[-1].drop


def test_destroying_goes_backwards() -> None:
    data = make.stack_set("data")
    app = make.stack_set("app", depends_on=("data",))
    found = {s.name: make.observed(s) for s in (data, app)}

    the_plan = plan.destroy(make.system(data, app), found)

    assert parts(the_plan) == [["app"], ["data"]]
    assert all(s.drop for s in the_plan.steps)


def test_somebody_elses_stack_set_is_not_touched() -> None:
    data = make.stack_set()
    found = make.observed(data, tags={})

    for decide in (plan.make, plan.destroy):
        the_plan = decide(make.system(data), {data.name: found})
        (refused,) = plan.refusals(the_plan)
        assert "was not created by tapgen" in refused
        assert {step.action for step in the_plan.steps} <= {Action.CREATE}


def test_a_cycle_is_reported_by_name() -> None:
    pair = (
        make.stack_set("data", depends_on=("dns",)),
        make.stack_set("dns", depends_on=("data",)),
    )

    with pytest.raises(PlanError, match="data -> dns|dns -> data"):
        plan.make(make.system(*pair), {})


def test_every_wrong_reference_is_reported_at_once() -> None:
    app = make.stack_set(
        "app",
        parameters={
            "A": Output("data", "Nope"),
            "B": Output("data", "Arn", region="eu-west-1"),
        },
        text=make.template(["A", "C"]),
    )

    with pytest.raises(PlanError) as caught:
        plan.make(make.system(make.stack_set("data"), app), {})

    text = str(caught.value)
    assert "data has no output Nope; it has Arn" in text
    assert "data has no target in 111111111111/eu-west-1" in text
    assert "the template has no parameter B; it has A, C" in text
    assert "parameter C has no value and no default; give a value" in text


def test_a_reference_to_no_part_names_the_parts() -> None:
    app = make.stack_set("app", parameters={"A": Output("dta", "Arn")})

    with pytest.raises(PlanError, match="depends on dta.*it has app, data"):
        plan.make(make.system(make.stack_set("data"), app), {})


def test_all_joins_every_target() -> None:
    data = make.stack_set("data", targets=(EAST, WEST))
    app = make.stack_set("app", parameters={"Arns": Output("data", "Arn", all=True)})

    the_plan = plan.make(make.system(data, app), {data.name: make.observed(data)})

    assert the_plan.steps[0].values == {"Arns": "arn:it,arn:it"}


def test_a_running_operation_is_named() -> None:
    data = make.stack_set()
    found = {data.name: make.observed(data, running="op-1")}

    (refused,) = plan.refusals(plan.make(make.system(data), found))

    assert "operation op-1 runs; wait for it to end" in refused


REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
TARGETS = [Target(a * 12, r) for a in "12" for r in REGIONS]


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Small systems without cycles, targets chosen freely."""
    count = draw(st.integers(1, 5))
    the_plan = []
    for number in range(count):
        earlier = [f"p{n}" for n in range(number)]
        targets = draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True))
        needs = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        region = draw(st.sampled_from(REGIONS))
        the_plan.append(
            make.stack_set(
                f"p{number}",
                targets=targets,
                parameters={"Size": draw(st.sampled_from("12"))},
                overrides=(Override({"Size": "3"}, region=region),),
                depends_on=tuple(needs),
            )
        )
    order = tuple(draw(st.permutations(REGIONS)))
    return make.system(*draw(st.permutations(the_plan)), order=order)


@given(systems())
@settings(max_examples=60)
def test_every_dependency_is_in_an_earlier_wave(system: System) -> None:
    the_plan = plan.make(system, {})

    last = {s.part: n for n, wave in enumerate(the_plan.waves) for s in wave}
    first = {
        s.part: n for n, wave in reversed(list(enumerate(the_plan.waves))) for s in wave
    }
    for s in system.stack_sets:
        assert all(last[part] < first[s.part] for part in s.requires())


@st.composite
def wired(draw: st.DrawFn) -> System:
    """Systems whose values differ between accounts, since they are outputs."""
    found: list[StackSet] = []
    for number in range(draw(st.integers(2, 4))):
        targets = draw(st.lists(st.sampled_from(TARGETS), min_size=1, unique=True))
        values: dict[str, Value] = {"Size": "1"}
        needs: tuple[str, ...] = ()
        for source in draw(st.lists(st.sampled_from(found))) if found else ():
            if {*targets} <= {*source.targets}:
                joined = draw(st.booleans())
                values[f"Of{source.part}"] = Output(source.part, "Arn", all=joined)
            else:
                needs = (source.part,)
        found.append(
            make.stack_set(
                f"p{number}", targets=targets, parameters=values, depends_on=needs
            )
        )
    return make.system(*found, order=tuple(draw(st.permutations(REGIONS))))


@given(wired())
@settings(max_examples=100)
def test_a_step_waits_for_what_its_targets_take_and_need(system: System) -> None:
    made = plan.make(system, {})

    parts = {s.part: s for s in system.stack_sets}
    when: dict[tuple[str, Target], int] = {}
    for number, wave in enumerate(made.waves):
        assert len({step.part for step in wave}) == len(wave)
        assert len({t.region for step in wave for t in step.targets[:1]}) == 1
        for step in wave:
            when |= {(step.part, target): number for target in step.targets}
    assert {*when} == {(s.part, t) for s in parts.values() for t in s.targets}
    for (part, target), number in when.items():
        for value in parts[part].values(target).values():
            if isinstance(value, Output):
                sources = checks.sources(value, target, parts[value.part])
                assert all(when[value.part, t] < number for t in sources)
        for name in parts[part].depends_on:
            assert all(when[name, t] < number for t in parts[name].targets)


def test_targets_advance_by_what_they_take_and_not_level_by_level() -> None:
    targets = [Target(f"{n:012}", r) for n in range(10) for r in REGIONS[:2]]
    base = make.stack_set("base", targets=targets)
    mid = make.stack_set(
        "mid", targets=targets, parameters={"Arn": Output("base", "Arn")}
    )
    top = make.stack_set(
        "top", targets=targets, parameters={"Arn": Output("mid", "Arn")}
    )

    made = plan.make(make.system(base, mid, top), {})

    assert len(made.waves) == 1 + 20 + 1 and len(made.steps) == 1 + 20 + 20
    shown = [str(w) for w in grouping.waves(made)]
    assert shown == ["wave 1", "wave 2", "waves 3–21, one after the other", "wave 22"]
    gate = ApprovalGate(after=WAVE)
    gated = replace(make.system(base, mid, top), rollout=RolloutSettings(gates=(gate,)))
    assert len(plan.make(gated, {}).waves) == 2 + 20 + 20


@given(systems())
@settings(max_examples=60)
def test_every_target_is_created_once_with_its_own_values(system: System) -> None:
    the_plan = plan.make(system, {})

    for s in system.stack_sets:
        steps = [step for step in the_plan.steps if step.part == s.part]
        placed = [t for step in steps for t in step.targets]
        assert sorted(placed) == sorted(s.targets)
        for step in steps:
            assert all(s.values(t) == step.values for t in step.targets)
        assert [step.first for step in steps].count(True) == 1


@given(systems())
@settings(max_examples=40)
def test_what_is_rolled_out_plans_nothing(system: System) -> None:
    found = {s.name: make.observed(s) for s in system.stack_sets}

    assert not plan.make(system, found)


@given(systems(), systems())
@settings(max_examples=40)
def test_a_plan_accounts_for_every_pair(before: System, after: System) -> None:
    found = {s.name: make.observed(s) for s in before.stack_sets}

    the_plan = plan.make(after, found)

    have = {(n, t) for n, o in found.items() for t in o.instances}
    for step in the_plan.steps:
        pairs = {(step.stack_set, t) for t in step.targets}
        if step.action is Action.CREATE:
            assert not pairs & have
            have |= pairs
        if step.action is Action.DELETE:
            assert pairs <= have
            have -= pairs
    assert have == {(s.name, t) for s in after.stack_sets for t in s.targets}


def test_a_stack_that_could_not_be_imported_is_not_deleted() -> None:
    failed = replace(
        make.instance(InstanceStatus.INOPERABLE),
        detailed_status=InstanceDetailedStatus.FAILED_IMPORT,
    )
    s = make.stack_set()
    observed = {s.name: make.observed(s, instances={EAST: failed})}

    (line,) = plan.refusals(plan.destroy(make.system(s), observed))

    assert "would delete the stack" in line and "--retain-stacks" in line


@pytest.mark.parametrize("value", ["true", {"Ref": "Protect"}])
def test_destroying_what_is_protected_is_refused_before_anything_goes(
    value: Any,
) -> None:
    database = {
        "Type": "AWS::RDS::DBInstance",
        "Properties": {"DeletionProtection": value},
    }
    text = make.template(defaults={"Protect": "true"}, resources={"Db": database})
    data = make.stack_set(text=text)

    the_plan = plan.destroy(make.system(data), {data.name: make.observed(data)})

    (refused,) = plan.refusals(the_plan, allowances.every_part(the_plan))
    assert "deletion protection is on" in refused
    assert f"Db in {EAST}" in refused and refused.endswith("then delete")
    assert parts(the_plan) == [["data"]]


LISTENING = {"Key": "deletion_protection.enabled", "Value": "true"}


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::Cognito::UserPool", {"DeletionProtection": "ACTIVE"}),
        ("AWS::EC2::Instance", {"DisableApiTermination": True}),
        ("AWS::NetworkFirewall::Firewall", {"DeleteProtection": "true"}),
        (
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {"LoadBalancerAttributes": [{"Key": "x"}, LISTENING]},
        ),
        (
            "AWS::DynamoDB::GlobalTable",
            {"Replicas": [{"Region": "a"}, {"DeletionProtectionEnabled": True}]},
        ),
    ],
)
def test_types_protect_in_their_own_ways(kind: str, properties: Any) -> None:
    def refused(own: Any) -> list[str]:
        resource = {"Type": kind, "Properties": own}
        data = make.stack_set(text=make.template(resources={"It": resource}))
        the_plan = plan.destroy(make.system(data), {data.name: make.observed(data)})
        return plan.refusals(the_plan, allowances.every_part(the_plan))

    text = json.dumps(properties).replace("true", "false")
    assert "deletion protection is on" in "".join(refused(properties))
    assert not refused(json.loads(text.replace("ACTIVE", "INACTIVE")))
    assert not refused({"Fn::If": ["C", 1, 2]})


def test_a_retained_resource_may_be_protected() -> None:
    table = {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "RetainExceptOnCreate",
        "Properties": {"DeletionProtectionEnabled": True},
    }
    data = make.stack_set(text=make.template(resources={"Table": table}))

    assert plan.destroy(make.system(data), {data.name: make.observed(data)})


def bucket(name: str, **more: Any) -> dict[str, Any]:
    properties = {"BucketName": name}
    return {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties, **more}}


def test_replacing_what_holds_data_is_refused_unless_it_is_named() -> None:
    data = make.stack_set(text=make.template(resources=bucket("new")))
    old = make.template(resources=bucket("old"))

    the_plan = plan.make(
        make.system(data), {data.name: make.observed(data, template=old)}
    )

    (refused,) = plan.refusals(the_plan)
    assert "Bucket (AWS::S3::Bucket) holds data and would be replaced" in refused
    assert "--allow-replacement data.Bucket" in refused
    assert plan.refusals(the_plan, ["data.Bucket"]) == []


def test_deleting_a_stateful_resource_is_refused_unless_it_is_retained() -> None:
    data = make.stack_set(text=make.template())
    observed = [
        make.observed(data, template=make.template(resources=bucket("a", **more)))
        for more in ({}, {"DeletionPolicy": "RetainExceptOnCreate"})
    ]

    lost, retained = (plan.make(make.system(data), {data.name: o}) for o in observed)

    assert "would be deleted" in plan.refusals(lost)[0]
    assert plan.refusals(retained) == []


def test_the_last_target_of_a_stack_set_with_data_is_not_removed() -> None:
    text = make.template(resources=bucket("a"))
    data = make.stack_set(text=text, targets=(EAST, WEST))
    found = {data.name: make.observed(data)}

    moved = plan.make(make.system(replace(data, targets=(EAST,))), found)
    gone = plan.make(make.system(make.stack_set("other")), found)

    (lost,) = plan.refusals(moved)
    assert "us-west-2: Bucket would be deleted with its data; to allow" in lost
    assert plan.refusals(moved, ["data.Bucket"]) == []
    (refused,) = plan.refusals(gone)
    assert "its last target would be deleted, and it holds data (Bucket)" in refused
    assert plan.refusals(gone, ["data"]) == []


def test_each_target_has_its_own_changes() -> None:
    def text(value: Any) -> str:
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": value}}
        return make.template(resources={"Topic": topic})

    data = make.stack_set(
        text=text({"Fn::Sub": "in ${AWS::Region}"}), targets=(EAST, WEST)
    )
    found = make.observed(data, template=text("in us-east-1"))

    (step,) = plan.make(make.system(data), {data.name: found}).steps

    assert step.changes[EAST] == ()
    (change,) = step.changes[WEST]
    (place,) = change.properties
    assert (place.old, place.new) == ("in us-east-1", "in us-west-2")


def test_roles_and_capabilities_that_differ_update_everything() -> None:
    data = make.stack_set(capabilities=("CAPABILITY_IAM",))
    for changes in (
        {"administration_role": "arn:old"},
        {"execution_role": "old"},
        {"capabilities": ()},
    ):
        found = make.observed(data, **({"capabilities": ("CAPABILITY_IAM",)} | changes))

        (step,) = plan.make(make.system(data), {data.name: found}).steps

        assert step.redefine, changes


def test_a_plan_has_the_same_digest_in_every_process() -> None:
    script = (
        "from tests import make; from tapgen import plan; from tapgen.model import *;"
        "s = make.stack_set(targets=(make.EAST, make.WEST), parameters={'A': '1',"
        "'B': '1', 'C': '1'}, overrides=(Override({'A': '2', 'B': '2', 'C': '2'},"
        "region='us-west-2'),)); print(plan.make(make.system(s), {}).digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[3],
        ).stdout
        for seed in "123"
    }

    assert len(found) == 1
