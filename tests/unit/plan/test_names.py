"""Names that a plan would give twice, on data alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws.retained import RetainedResource
from tapgen.model import StackSet, Target
from tapgen.plan import names
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


def planned(wanted: tuple[StackSet, ...], was: tuple[StackSet, ...]) -> plan.Plan:
    return plan.make(make.system(*wanted), {s.name: make.observed(s) for s in was})


def refused(wanted: tuple[StackSet, ...], was: tuple[StackSet, ...]) -> list[str]:
    return list(planned(wanted, was).blocked)


def test_a_renamed_logical_id_with_its_name_is_refused() -> None:
    (text,) = refused((stack("a", New=topic("t")),), (stack("a", Old=topic("t")),))

    assert text == (
        f"demo-test-a in {EAST}: New (AWS::SNS::Topic) would be created with the name t, "
        f"which Old of demo-test-a in {EAST} still has; keep the logical id Old, or "
        "choose another name, for example with ${AWS::Region} or another suffix"
    )


@pytest.mark.parametrize("made", [topic("t"), role("r")])
def test_a_named_resource_that_moves_to_another_stack_set_leaves_the_old_one_first(
    made: Any,
) -> None:
    wanted = (stack("a", It=made), stack("b"))
    was = (stack("a"), stack("b", It=made))
    the_plan = planned(wanted, was)

    assert not the_plan.blocked
    assert [[s.part for s in wave] for wave in the_plan.waves] == [["b"], ["a"]]


@pytest.mark.parametrize("made", [topic("t"), role("r")])
def test_a_named_resource_that_cannot_leave_first_takes_two_rollouts(made: Any) -> None:
    giver = replace(stack("b"), depends_on=("a",))
    (text,) = refused((stack("a", It=made), giver), (stack("a"), stack("b", It=made)))

    assert "move it in two rollouts: first remove it from demo-test-b" in text


def test_two_stack_sets_that_swap_names_cannot_be_ordered() -> None:
    texts = refused(
        (stack("a", It=topic("u")), stack("b", It=topic("t"))),
        (stack("a", It=topic("t")), stack("b", It=topic("u"))),
    )

    assert len(texts) == 1


def test_a_name_that_a_renamed_resource_gives_up_is_taken_afterwards() -> None:
    the_plan = planned(
        (stack("a", It=topic("t")), stack("b", It=topic("u"))),
        (stack("a", It=topic("s")), stack("b", It=topic("t"))),
    )

    assert not the_plan.blocked
    assert [[s.part for s in wave] for wave in the_plan.waves] == [["b"], ["a"]]


def test_two_new_resources_of_one_plan_may_not_have_one_name() -> None:
    (text,) = refused((stack("a", It=topic("t")), stack("b", It=topic("t"))), ())
    assert "which It of demo-test-a" in text and "gets, too" in text

    (text,) = refused((stack("a", It=topic("t"), Other=topic("t")),), ())
    assert "keep the logical id" not in text


@pytest.mark.parametrize(
    "type_name",
    ["ApiGateway::Account", "Config::ConfigurationRecorder", "GuardDuty::Detector"],
)
def test_what_an_account_has_once_is_created_once(type_name: str) -> None:
    one = {"Type": f"AWS::{type_name}"}
    (text,) = refused((stack("a", It=one), stack("b", It=one)), (stack("b", It=one),))

    assert "of which there is only one in a region" in text
    assert not refused(
        (stack("a", It=one), stack("b", (WEST,), It=one)), (stack("a", It=one),)
    )


@pytest.mark.parametrize(
    "made",
    [
        {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/x"}},
        {
            "Type": "AWS::Lambda::Alias",
            "Properties": {"Name": "live", "FunctionName": "orders"},
        },
        {
            "Type": "AWS::Route53::RecordSet",
            "Properties": {"HostedZoneId": "Z1", "Name": "a.example.", "Type": "A"},
        },
    ],
    ids=lambda made: str(made["Type"]),
)
def test_aliases_and_records_are_names(made: Any) -> None:
    assert refused((stack("a", New=made),), (stack("a", Old=made),))


# Elsewhere -------------------------------------------------------------------------------


def elsewhere(system: tuple[StackSet, ...], **what: Any) -> list[str]:
    the_plan = planned(system, ())
    return names.taken_elsewhere(
        the_plan.waves, the_plan.system, names.Elsewhere(**what)
    )


def left(type_name: str, physical_id: str, **more: Any) -> RetainedResource:
    given = {"policy": "Retain", **more}
    return RetainedResource(
        *("demo-test-a", EAST, "It", f"AWS::{type_name}", physical_id), **given
    )


def test_a_name_of_another_environment_is_taken() -> None:
    other = replace(make.observed(stack("a", It=topic("t"))), name="demo-stg-a")
    (text,) = elsewhere((stack("a", It=topic("t")),), stack_sets={"demo-stg-a": other})

    assert f"which It of demo-stg-a in {EAST} still has; choose another name" in text
    assert not elsewhere(
        (stack("a", (WEST,), It=topic("t")),), stack_sets={"demo-stg-a": other}
    )


@pytest.mark.parametrize(
    ("made", "retained"),
    [
        (bucket("logs"), left("S3::Bucket", "logs")),
        (topic("t"), left("SNS::Topic", f"arn:aws:sns:us-east-1:{ACCOUNT}:t")),
        (role("r"), left("IAM::Role", "r")),
        (
            {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}},
            left("SQS::Queue", f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/q"),
        ),
        (
            {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/a/b"}},
            left("Logs::LogGroup", "/a/b"),
        ),
        (
            {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "a/key-1"}},
            left(
                "SecretsManager::Secret",
                f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:a/key-1-AbCdEf",
            ),
        ),
        (
            {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "orders"}},
            left("DynamoDB::GlobalTable", "orders"),
        ),
    ],
    ids=lambda it: it["Type"] if isinstance(it, dict) else "",
)
def test_a_name_that_an_earlier_destroy_left_is_taken(
    made: Any, retained: RetainedResource
) -> None:
    (text,) = elsewhere((stack("a", It=made),), left=(retained,))

    assert "has kept since an earlier tapgen destroy" in text
    assert "tapgen destroy --delete-data demo-test" in text

    away = replace(retained, target=replace(EAST, account="2" * 12))
    moved = made["Type"] != "AWS::S3::Bucket"
    assert bool(elsewhere((stack("a", It=made),), left=(away,))) != moved
    snapshot = replace(retained, policy="Snapshot")
    assert not elsewhere((stack("a", It=made),), left=(snapshot,))


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
