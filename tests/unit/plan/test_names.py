"""Names that a plan would give twice, on data alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import StackSet, Target
from tests import make
from tests.make import ACCOUNT, EAST, WEST

BASE = {"Type": "AWS::SNS::Topic"}


def topic(name: str) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}


def role(name: str) -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": []}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"RoleName": name, "AssumeRolePolicyDocument": document},
    }


def bucket(name: Any, **more: Any) -> dict[str, Any]:
    properties = {"BucketName": name}
    return {"Type": "AWS::S3::Bucket", "Properties": properties, **more}


def stack(part: str, targets: tuple[Target, ...] = (EAST,), **made: Any) -> StackSet:
    resources: Mapping[str, Any] = {"Base": BASE, **made}
    return make.stack_set(
        part, text=make.template(resources=resources), targets=targets
    )


def refused(wanted: tuple[StackSet, ...], was: tuple[StackSet, ...]) -> list[str]:
    the_plan = plan.make(make.system(*wanted), {s.name: make.observed(s) for s in was})
    return list(the_plan.blocked)


def test_a_renamed_logical_id_with_its_name_is_refused() -> None:
    (text,) = refused((stack("a", New=topic("t")),), (stack("a", Old=topic("t")),))

    assert text == (
        f"demo-test-a in {EAST}: New (AWS::SNS::Topic) would be created with the name t, "
        f"which Old of demo-test-a in {EAST} still has; keep the logical id Old, or "
        "choose another name, for example with ${AWS::Region} or another suffix"
    )


@pytest.mark.parametrize("made", [topic("t"), role("r")])
def test_a_named_resource_that_moves_to_another_stack_set_takes_two_rollouts(
    made: Any,
) -> None:
    (text,) = refused(
        (stack("a", It=made), stack("b")), (stack("a"), stack("b", It=made))
    )

    assert "move it in two rollouts: first remove it from demo-test-b" in text


def test_a_stack_set_with_another_name_meets_its_own_names() -> None:
    (text,) = refused((stack("new", It=topic("t")),), (stack("old", It=topic("t")),))

    assert "demo-test-old" in text


def test_a_role_that_moves_to_another_region_meets_itself() -> None:
    texts = refused((stack("a", (WEST,), It=role("r")),), (stack("a", It=role("r")),))

    assert len(texts) == 1
    assert "first remove it from demo-test-a in us-east-1" in texts[0]


def test_a_topic_that_moves_to_another_region_meets_nothing() -> None:
    assert not refused(
        (stack("a", (WEST,), It=topic("t")),), (stack("a", It=topic("t")),)
    )


def test_a_retained_bucket_has_its_name_in_every_region() -> None:
    it = bucket("logs", DeletionPolicy="Retain")
    (text,) = refused((stack("a", (WEST,), It=it),), (stack("a", It=it),))

    assert "choose another name" in text
    assert "two rollouts" not in text  # nothing is imported from another region


def test_a_bucket_in_the_namespace_of_its_region_meets_nothing() -> None:
    it = bucket("logs")
    it["Properties"]["BucketNamespace"] = "account-regional"

    assert not refused((stack("a", (WEST,), It=it),), (stack("a", It=it),))


def test_a_bucket_with_the_region_in_its_name_meets_nothing() -> None:
    it = bucket({"Fn::Sub": "logs-${AWS::Region}"}, DeletionPolicy="Retain")

    assert not refused((stack("a", (WEST,), It=it),), (stack("a", It=it),))


def test_a_name_in_another_account_meets_nothing() -> None:
    far = replace(EAST, account="2" * 12)
    assert far.account != ACCOUNT
    was = (stack("b", It=role("r")),)

    assert not refused((stack("a", (far,), It=role("r")), *was), was)


def test_a_name_that_another_stack_set_goes_on_using_is_taken() -> None:
    was = (stack("b", It=topic("t")),)
    (text,) = refused((stack("a", It=topic("t")), *was), was)

    assert "rollouts" not in text


def test_a_table_and_a_global_table_share_their_names() -> None:
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "orders"}}
    both = {**table, "Type": "AWS::DynamoDB::GlobalTable"}

    assert refused((stack("a", New=both),), (stack("a", Old=table),))


def test_security_groups_of_two_networks_may_have_one_name() -> None:
    def group(vpc: str) -> Any:
        properties = {"GroupName": "web", "GroupDescription": "w", "VpcId": vpc}
        return {"Type": "AWS::EC2::SecurityGroup", "Properties": properties}

    assert not refused((stack("a", B=group("vpc-2")),), (stack("a", A=group("vpc-1")),))
    assert refused((stack("a", B=group("vpc-1")),), (stack("a", A=group("vpc-1")),))


def test_a_name_that_only_aws_knows_is_not_judged() -> None:
    name = {"Fn::Sub": "t-${Base.TopicName}"}
    a, b = topic("x"), topic("x")
    a["Properties"]["TopicName"] = b["Properties"]["TopicName"] = name  # type: ignore

    assert not refused((stack("a", New=a),), (stack("a", Old=b),))


def test_a_name_is_free_once_the_earlier_wave_has_removed_it() -> None:
    first = stack("a")
    second = replace(stack("b", It=topic("t")), depends_on=("a",))

    assert not refused((first, second), (stack("a", It=topic("t")), stack("b")))
    assert json.loads(second.template)["Resources"]["It"]
