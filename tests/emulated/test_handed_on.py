"""Outputs handed on by the names of SSM parameters, on the embedded AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import SELF, Output, StackSet, System, Target
from tests import make
from tests.emulated.conftest import Cloud

TARGETS = (Target(SELF, "us-east-1"), Target(SELF, "us-west-2"))


def written(name: str, value: Any) -> dict[str, Any]:
    properties = {"Name": name, "Type": "String", "Value": value}
    return {"Type": "AWS::SSM::Parameter", "Properties": properties}


def part(
    name: str, value: Any, *, taken: Output | None = None, **resources: Any
) -> StackSet:
    """A stack set with an output, which it writes into an SSM parameter as well."""
    kind = "AWS::SSM::Parameter::Value<String>"
    body = {
        "Parameters": {"In": {"Type": kind}} if taken else {},
        "Resources": {
            "Out": written(f"/tapgen/demo-test/{name}/Out", value),
            **resources,
        },
        "Outputs": {"Out": {"Value": value}},
    }
    values = {"In": taken} if taken else {}
    return make.stack_set(
        name, text=json.dumps(body), targets=TARGETS, parameters=values
    )


def chain(topic: str, **more: Mapping[str, Any]) -> System:
    """A topic, whose ARN goes through `mid` to `top`; `more` are resources of `top`."""
    return of(
        part(
            "base",
            {"Ref": "Topic"},
            Topic={"Type": "AWS::SNS::Topic", "Properties": {"TopicName": topic}},
        ),
        part("mid", {"Ref": "In"}, taken=Output("base", "Out", by_name=True)),
        part("top", {"Ref": "In"}, taken=Output("mid", "Out", by_name=True), **more),
    )


def arrived(cloud: Cloud, name: str = "top") -> set[str]:
    """The names of the topics that have come to a part."""
    found = set()
    for target in TARGETS:
        ssm = cloud.client("ssm", target.region)
        value = ssm.get_parameter(Name=f"/tapgen/demo-test/{name}/Out")
        found.add(value["Parameter"]["Value"].rpartition(":")[2])
    return found


def of(*parts: StackSet) -> System:
    return replace(make.system(*parts), admin=TARGETS[0])


def waves(the_plan: plan.Plan) -> list[list[tuple[str, int]]]:
    return [[(s.part, len(s.targets)) for s in wave] for wave in the_plan.waves]


def test_one_operation_for_each_stack_set_and_a_new_value_goes_all_the_way(
    cloud: Cloud,
) -> None:
    everywhere = [[("base", 2)], [("mid", 2)], [("top", 2)]]
    first = cloud.plan(chain("one"))
    assert waves(first) == everywhere
    assert cloud.rollout(chain("one")).green
    assert arrived(cloud) == {"one"}
    assert not cloud.plan(chain("one"))

    again = cloud.plan(chain("two"))

    assert waves(again) == everywhere
    _, mid, top = again.steps
    assert mid.reasons == ("base.Out will change",) and not mid.conditional
    assert top.reasons == ("if mid.Out changes",) and top.conditional
    assert not again.not_known
    cloud.bootstrap(chain("two"))  # for the new names
    assert cloud.run(again).green
    assert arrived(cloud) == {"two"}
    assert not cloud.plan(chain("two"))

    resolved = chain("two").resolve(cloud.account)
    gone = plan.destroy(resolved, cloud.observe(resolved))
    assert waves(gone) == everywhere[::-1]
    assert cloud.run(gone).green


def test_the_way_back_gives_readers_the_old_value_again(cloud: Cloud) -> None:
    assert cloud.rollout(chain("one")).green
    bucket = {"BucketName": "demo-test-handed-on-taken"}
    cloud.client("s3").create_bucket(Bucket=bucket["BucketName"])
    broken = chain("two", Taken={"Type": "AWS::S3::Bucket", "Properties": bucket})

    outcome = cloud.rollout(broken)

    assert not outcome.green and not outcome.left
    assert arrived(cloud, "base") == arrived(cloud, "mid") == {"one"}
    assert arrived(cloud) == {"one"}
    assert not cloud.plan(chain("one"))


@pytest.mark.parametrize("there", [True, False])
def test_a_value_becomes_one_by_name_without_a_change(
    cloud: Cloud, there: bool
) -> None:
    by_value = part("mid", {"Ref": "In"}, taken=Output("base", "Out"))
    plain = by_value.template.replace("AWS::SSM::Parameter::Value<String>", "String")
    mid = make.stack_set(
        "mid", text=plain, targets=TARGETS, parameters={"In": Output("base", "Out")}
    )
    base, by_name, _ = chain("one").stack_sets
    if not there:
        body = json.loads(base.template)
        del body["Resources"]["Out"]
        before = make.stack_set("base", text=json.dumps(body), targets=TARGETS)
    else:
        before = base
    assert cloud.rollout(of(before, mid)).green

    the_plan = cloud.plan(of(base, by_name))

    (step,) = [s for s in the_plan.steps if s.part == "mid"]
    assert len(step.targets) == 2
    assert all(not changes for changes in step.changes.values())
    assert cloud.rollout(of(base, by_name)).green
    assert arrived(cloud, "mid") == {"one"}
    # The update changed no resource: the stack has the value that it was given before.
    again = cloud.plan(of(base, by_name))
    assert not again and not again.not_known
    for target in TARGETS:
        name = "/tapgen/demo-test/base/Out"
        ssm = cloud.client("ssm", target.region)
        ssm.put_parameter(Name=name, Value="by-hand", Overwrite=True)
    (step,) = cloud.plan(of(base, by_name)).steps
    assert step.reasons == (
        "SSM parameter /tapgen/demo-test/base/Out has another value",
    )
    assert cloud.rollout(of(base, by_name)).green
    assert arrived(cloud, "mid") == {"by-hand"}
    assert not cloud.plan(of(base, by_name))
