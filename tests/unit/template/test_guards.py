"""Guards that a change takes away."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen import plan
from tapgen.model import Action
from tapgen.report import text
from tapgen.template.risk import Kind
from tests import make
from tests.unit.template.test_risk import allow, found, policy

ALARM = "AWS::CloudWatch::Alarm"
BUCKET = "AWS::S3::Bucket"
BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"


def weaker(
    kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None, **old: Any
) -> list[str]:
    return found(kind, before, after, **old).get(Kind.PROTECTION, [])


def replication(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"ReplicationConfiguration": {"Role": "arn:a", "Rules": list(rules)}}


def attributes(**values: str) -> dict[str, Any]:
    pairs = [{"Key": k.replace("_", "."), "Value": v} for k, v in values.items()]
    return {"LoadBalancerAttributes": pairs}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("AWS::CloudTrail::Trail", "removed; it no longer records calls of the API"),
        ("AWS::GuardDuty::Detector", "removed; threats are no longer detected"),
        (
            "AWS::Config::ConfigurationRecorder",
            "removed; changes of resources are no longer recorded",
        ),
        ("AWS::WAFv2::WebACLAssociation", "removed; requests are no longer filtered"),
        (ALARM, "removed; nobody is alarmed by it"),
        (
            "AWS::Backup::BackupSelection",
            "removed; what it selects is no longer backed up",
        ),
        ("AWS::EC2::FlowLog", "removed; network traffic is no longer recorded"),
    ],
)
def test_a_guard_that_is_removed_is_named(kind: str, words: str) -> None:
    assert weaker(kind, {}, None) == [words]
    assert weaker(kind, None, {}) == []
    assert weaker(kind, {}, None, DeletionPolicy="Retain") == []


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (
            ALARM,
            {},
            {"ActionsEnabled": False},
            "ActionsEnabled is turned off: nobody is told",
        ),
        (
            ALARM,
            {"AlarmActions": ["a", "b"]},
            {"AlarmActions": ["b"]},
            "AlarmActions: nobody is told by a",
        ),
        (ALARM, {"AlarmActions": ["a"]}, {}, "AlarmActions: nobody is told by a"),
        (
            ALARM,
            {"TreatMissingData": "breaching"},
            {"TreatMissingData": "ignore"},
            "TreatMissingData becomes ignore: missing data no longer raises it",
        ),
        (
            "AWS::CloudTrail::Trail",
            {"IsLogging": True},
            {"IsLogging": False},
            "IsLogging is turned off: it no longer records calls of the API",
        ),
        (
            "AWS::GuardDuty::Detector",
            {"Features": [{"Name": "S3_DATA_EVENTS", "Status": "ENABLED"}]},
            {"Features": [{"Name": "S3_DATA_EVENTS", "Status": "DISABLED"}]},
            "Status of S3_DATA_EVENTS becomes DISABLED",
        ),
        (
            BUCKET,
            replication({"Id": "a", "Status": "Enabled"}),
            {},
            "ReplicationConfiguration is dropped: new objects are no longer copied",
        ),
        (
            BUCKET,
            replication({"Id": "a", "Status": "Enabled"}),
            replication({"Id": "a", "Status": "Disabled"}),
            "Status of a becomes Disabled: new objects are no longer copied by it",
        ),
        (
            BUCKET,
            replication({"Id": "a"}, {"Id": "b"}),
            replication({"Id": "b"}),
            "Rules: new objects are no longer copied by the rule a",
        ),
        (
            BALANCER,
            attributes(deletion__protection_enabled="true"),
            attributes(deletion__protection_enabled="false"),
            "deletion_protection.enabled is turned off",
        ),
        (
            "AWS::Cognito::UserPool",
            {"DeletionProtection": "ACTIVE"},
            {"DeletionProtection": "INACTIVE"},
            "DeletionProtection becomes INACTIVE",
        ),
        (
            "AWS::Backup::BackupPlan",
            {"BackupPlan": {"BackupPlanRule": [{"RuleName": "a"}, {"RuleName": "b"}]}},
            {"BackupPlan": {"BackupPlanRule": [{"RuleName": "a"}]}},
            "BackupPlanRule: no more backups by the rule b",
        ),
        (
            "AWS::WAFv2::WebACL",
            {"Rules": [{"Name": "a", "Action": {"Block": {}}}]},
            {"Rules": [{"Name": "a", "Action": {"Count": {}}}]},
            "Block of a is dropped: it no longer blocks",
        ),
        (
            "AWS::EC2::Instance",
            {"DisableApiTermination": True},
            {},
            "DisableApiTermination is turned off: it can be terminated by a call",
        ),
        (
            "AWS::SQS::Queue",
            {"RedrivePolicy": {"maxReceiveCount": 3}},
            {},
            "RedrivePolicy is dropped: messages that fail are lost",
        ),
    ],
)
def test_a_guard_that_is_turned_off_is_named(
    kind: str, before: dict[str, Any], after: dict[str, Any], words: str
) -> None:
    before = _dotted(before)
    after = _dotted(after)
    assert weaker(kind, before, after) == [words]
    assert weaker(kind, after, before) == []


def _dotted(properties: dict[str, Any]) -> dict[str, Any]:
    """Attribute names with an underscore where the builder has two dots."""
    for pair in properties.get("LoadBalancerAttributes", ()):
        pair["Key"] = pair["Key"].replace("..", "_")
    return properties


def test_a_removed_policy_no_longer_denies() -> None:
    denial = policy({**allow("s3:Delete*"), "Effect": "Deny"}, allow("s3:Get*"))

    named = found("AWS::S3::BucketPolicy", denial, None)
    assert len(named[Kind.IAM]) == 1 and "s3:Delete*" in named[Kind.IAM][0]
    assert found("AWS::S3::BucketPolicy", policy(allow("s3:Get*")), None) == {}


def deleted(kind: str) -> str:
    """What comes first in a plan that deletes a stack with one resource."""
    gone = make.stack_set(text=make.template(resources={"R": {"Type": kind}}))
    other = make.stack_set("other")
    the_plan = plan.make(make.system(other), {gone.name: make.observed(gone)})
    assert Action.DELETE in {step.action for step in the_plan.steps}
    return str(text.risks(the_plan))


def test_where_a_whole_stack_goes_only_guards_of_the_account_are_named() -> None:
    assert deleted(ALARM) == "{}"
    assert "threats are no longer detected" in deleted("AWS::GuardDuty::Detector")
