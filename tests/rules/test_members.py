"""Further mistakes of the kinds that rules report, and what is not one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tapgen.rules.base import deployed_to
from tests.rules.test_rules import found, ours

TOPIC: dict[str, Any] = {"Type": "AWS::SNS::Topic"}
ACCOUNT = "111122223333"


def rules_found(
    folder: Path, rule: str, body: dict[str, Any], *regions: str, **deployment: Any
) -> list[str]:
    """Where a rule finds something in a template that is deployed to these regions."""
    (folder / "t.json").write_text(json.dumps(body))
    regions = regions or ("us-east-1",)
    entry = {"template": "t.json", **deployed_to(*regions, **deployment)}
    (folder / "manifest.json").write_text(json.dumps({"stack_sets": [entry]}))
    matches = found(folder / "t.json", ours(), regions)
    return sorted(path for name, path in matches if name == rule)


# Nulls -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"Metadata": {"a": [1, None]}}, "Metadata/a/1"),
        ({"Mappings": {"M": {"a": {"b": None}}}}, "Mappings/M/a/b"),
        ({"Parameters": {"P": {"Type": "String", "Default": None}}}, ""),
        ({"Outputs": {"O": {"Value": "x", "Description": None}}}, ""),
        ({"Outputs": {"O": {"Value": {"Fn::Sub": ["${a}", {"a": None}]}}}}, ""),
        ({"Conditions": {"C": {"Fn::Equals": [None, "x"]}}}, ""),
    ],
)
def test_a_null_is_reported_wherever_it_is(
    body: dict[str, Any], path: str, tmp_path: Path
) -> None:
    at = rules_found(tmp_path, "E9594", {"Resources": {"T": TOPIC}, **body})

    assert len(at) == 1
    assert path in at[0]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ({**TOPIC, "Properties": {"DisplayName": None}}, "Properties/DisplayName"),
        ({**TOPIC, "Properties": {"Tags": [None]}}, "Properties/Tags/0"),
        ({**TOPIC, "Properties": None}, "Properties"),
        ({**TOPIC, "DependsOn": [None]}, "DependsOn/0"),
        ({**TOPIC, "Metadata": {"a": None}}, "Metadata/a"),
        (
            {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": "s3:*",
                                "Resource": "*",
                                "Condition": None,
                            }
                        ],
                    }
                },
            },
            "Properties/PolicyDocument/Statement/0/Condition",
        ),
    ],
)
def test_a_null_in_a_resource_is_reported(
    resource: dict[str, Any], path: str, tmp_path: Path
) -> None:
    body = {"Resources": {"T": resource}}

    assert rules_found(tmp_path, "E9594", body) == [f"Resources/T/{path}"]


# References ------------------------------------------------------------------------------

MAIN = {"IsMain": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}
BOTH = ("us-east-1", "us-west-1")


def parameter(value: Any, **more: Any) -> dict[str, Any]:
    properties = {"Type": "String", "Value": value}
    return {"Type": "AWS::SSM::Parameter", "Properties": properties, **more}


def conditional(where: dict[str, Any], **more: Any) -> dict[str, Any]:
    resources = {"Replica": {**TOPIC, "Condition": "IsMain"}, "Where": where}
    return {"Conditions": MAIN, "Resources": resources, **more}


@pytest.mark.parametrize(
    "where",
    [
        parameter({"Ref": "Replica"}),
        parameter({"Fn::GetAtt": "Replica.TopicName"}),
        parameter({"Fn::Sub": "${Replica}"}),
        parameter({"Fn::Sub": "${Replica.TopicName}"}),
        parameter({"Fn::Sub": ["${a}", {"a": {"Ref": "Replica"}}]}),
        parameter({"Fn::Sub": ["${a}-${Replica}", {"a": "x"}]}),
        parameter({"Fn::Join": ["-", ["a", {"Ref": "Replica"}]]}),
        parameter({"Fn::If": ["IsMain", "x", {"Ref": "Replica"}]}),
        parameter("x", DependsOn="Replica"),
        parameter("x", DependsOn=["Replica"]),
        parameter("x", Metadata={"of": {"Ref": "Replica"}}),
    ],
)
def test_a_reference_to_what_a_condition_leaves_out_is_reported(
    where: dict[str, Any], tmp_path: Path
) -> None:
    body = conditional(where)

    assert len(rules_found(tmp_path, "E9595", body, *BOTH)) == 1
    assert rules_found(tmp_path, "E9595", body, "us-east-1") == []


@pytest.mark.parametrize(
    "output",
    [
        {"Value": {"Ref": "Replica"}},
        {"Value": {"Fn::Sub": "${Replica.TopicName}"}},
        {"Value": "x", "Export": {"Name": {"Fn::Sub": "${Replica.TopicName}"}}},
    ],
)
def test_an_output_of_what_a_condition_leaves_out_is_reported(
    output: dict[str, Any], tmp_path: Path
) -> None:
    body = conditional(TOPIC, Outputs={"O": output})
    guarded = conditional(TOPIC, Outputs={"O": {**output, "Condition": "IsMain"}})

    assert len(rules_found(tmp_path, "E9595", body, *BOTH)) == 1
    assert rules_found(tmp_path, "E9595", guarded, *BOTH) == []


@pytest.mark.parametrize(
    "where",
    [
        parameter({"Fn::If": ["IsMain", {"Ref": "Replica"}, "x"]}),
        parameter({"Ref": "Replica"}, Condition="IsMain"),
        parameter({"Fn::Sub": "${!Replica}"}),
        parameter({"Fn::Sub": ["${Replica}", {"Replica": "own"}]}),
        parameter("x", Metadata={"of": {"Fn::If": ["IsMain", {"Ref": "Replica"}, ""]}}),
    ],
)
def test_a_reference_that_a_condition_guards_is_right(
    where: dict[str, Any], tmp_path: Path
) -> None:
    assert rules_found(tmp_path, "E9595", conditional(where), *BOTH) == []


@pytest.mark.parametrize(
    "condition",
    [
        {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "123456789012"]},
        {"Fn::Equals": [{"Ref": "AWS::StackId"}, "x"]},
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "P"}, "x"]}]},
    ],
)
def test_a_condition_of_unknown_outcome_is_left_to_cfn_lint(
    condition: dict[str, Any], tmp_path: Path
) -> None:
    body = conditional(
        parameter({"Ref": "Replica"}), Parameters={"P": {"Type": "String"}}
    )
    body["Conditions"] = {"IsMain": condition}
    later = {"P": {"output": "other.P"}}
    (tmp_path / "t.json").write_text(json.dumps(body))
    targets = [{"account": "self", "region": "us-east-1"}]
    entry = {"template": "t.json", "targets": targets, "parameters": later}
    (tmp_path / "manifest.json").write_text(json.dumps({"stack_sets": [entry]}))

    names = {rule for rule, _ in found(tmp_path / "t.json", ours())}
    assert "E9595" not in names


# Names -----------------------------------------------------------------------------------

NAME = {"Fn::Sub": "${AWS::StackName}-x"}
JOINED = {"Fn::Join": ["", [{"Ref": "AWS::StackName"}, "-x"]]}


def named(type_name: str, name: str, value: Any, **more: Any) -> dict[str, Any]:
    of = {"Type": f"AWS::{type_name}", "Properties": {name: value, **more}}
    return {"Resources": {"R": of}}


@pytest.mark.parametrize(
    ("body", "too_long", "refused"),
    [
        (named("S3::Bucket", "BucketName", NAME), False, True),
        (named("S3::Bucket", "BucketName", JOINED), False, True),
        (named("S3::Bucket", "BucketName", {"Ref": "AWS::StackName"}), False, True),
        (named("ECR::Repository", "RepositoryName", NAME), False, True),
        (named("OpenSearchServerless::Collection", "Name", NAME), False, True),
        (named("ElasticLoadBalancingV2::TargetGroup", "Name", NAME), True, False),
        (named("Backup::BackupVault", "BackupVaultName", NAME), True, False),
        (named("AppRunner::VpcConnector", "VpcConnectorName", NAME), True, True),
        (named("SQS::Queue", "QueueName", NAME), False, False),
        (named("SNS::Topic", "DisplayName", NAME), False, False),
    ],
)
def test_the_name_of_the_stack_is_that_of_a_stack_set(
    body: dict[str, Any], too_long: bool, refused: bool, tmp_path: Path
) -> None:
    assert bool(rules_found(tmp_path, "E9503", body, name="app")) == too_long
    assert bool(rules_found(tmp_path, "E9596", body, name="app")) == refused


@pytest.mark.parametrize(
    ("suffix", "expected"), [("prod", False), ("PROD", True), ("prod_1", True)]
)
def test_a_parameter_can_give_a_name_refused_characters(
    suffix: str, expected: bool, tmp_path: Path
) -> None:
    body = named("S3::Bucket", "BucketName", {"Fn::Sub": "data-${Suffix}"})
    body["Parameters"] = {"Suffix": {"Type": "String"}}
    at = rules_found(tmp_path, "E9596", body, parameters={"Suffix": suffix})

    assert bool(at) == expected


def test_stacks_of_several_regions_have_different_names(tmp_path: Path) -> None:
    body = named("IAM::Group", "GroupName", NAME)

    assert rules_found(tmp_path, "E9500", body, *BOTH, name="app") == []


# Policies that lock out ------------------------------------------------------------------


def statement(principal: Any, action: Any, **more: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": "*",
        **more,
    }


def key(*statements: Any, **more: Any) -> dict[str, Any]:
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    of = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy, **more}}
    return {"Resources": {"Key": of}}


ROOT = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}
ALL = statement(ROOT, "kms:*")


@pytest.mark.parametrize(
    "body",
    [
        key(statement({"Service": "logs.amazonaws.com"}, "kms:*")),
        key(statement({"AWS": "arn:aws:iam::444455556666:root"}, "kms:*")),
        key(statement({"AWS": "444455556666"}, "kms:*")),
        key(statement(ROOT, ["kms:Describe*", "kms:Enable*", "kms:Put"])),
        key({**ALL, "Effect": "Deny"}),
        key(ALL, statement("*", "kms:Put*", Effect="Deny")),
        key(
            {
                "Effect": "Allow",
                "Principal": ROOT,
                "NotAction": "kms:Put*",
                "Resource": "*",
            }
        ),
        {
            "Resources": {
                "Files": {
                    "Type": "AWS::EFS::FileSystem",
                    "Properties": {
                        "FileSystemPolicy": {
                            "Version": "2012-10-17",
                            "Statement": [
                                statement(
                                    {"AWS": "*"}, "elasticfilesystem:*", Effect="Deny"
                                )
                            ],
                        }
                    },
                }
            }
        },
    ],
)
def test_a_policy_that_nobody_may_change_is_reported(
    body: dict[str, Any], tmp_path: Path
) -> None:
    assert len(rules_found(tmp_path, "E9597", body)) == 1


@pytest.mark.parametrize(
    "body",
    [
        key(ALL),
        key(statement({"AWS": {"Ref": "AWS::AccountId"}}, "KMS:PutKeyPolicy")),
        key(statement({"AWS": ACCOUNT}, ["kms:Decrypt", "kms:Put*"])),
        key(statement("*", "*")),
        key(
            statement(
                {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/x"}}, "*"
            )
        ),
        key(statement({"AWS": {"Fn::ImportValue": "role"}}, "kms:*")),
        key(statement(ROOT, {"Fn::ImportValue": "actions"})),
        key({"Fn::If": ["C", ALL, ALL]}),
        key(statement("*", "kms:*", Effect="Deny", Condition={"Bool": {}}), ALL),
        key(statement(ROOT, "kms:Decrypt"), BypassPolicyLockoutSafetyCheck=True),
        {"Resources": {"Key": {"Type": "AWS::KMS::Key", "Properties": {}}}},
    ],
)
def test_a_policy_that_somebody_may_change_is_right(
    body: dict[str, Any], tmp_path: Path
) -> None:
    assert rules_found(tmp_path, "E9597", body) == []


# us-east-1 -------------------------------------------------------------------------------

ZONE = {"Name": "example.com"}


@pytest.mark.parametrize(
    ("used", "type_name", "properties"),
    [
        (
            "CertificateManager::Certificate",
            "AppSync::DomainName",
            {"DomainName": "a.example.com", "CertificateArn": {"Ref": "Used"}},
        ),
        (
            "CertificateManager::Certificate",
            "Amplify::Domain",
            {
                "CertificateSettings": {
                    "CertificateType": "CUSTOM",
                    "CustomCertificateArn": {"Ref": "Used"},
                }
            },
        ),
        (
            "CertificateManager::Certificate",
            "CloudFront::DistributionTenant",
            {"Customizations": {"Certificate": {"Arn": {"Ref": "Used"}}}},
        ),
        (
            "Logs::LogGroup",
            "Route53::HostedZone",
            {
                **ZONE,
                "QueryLoggingConfig": {
                    "CloudWatchLogsLogGroupArn": {"Fn::GetAtt": ["Used", "Arn"]}
                },
            },
        ),
        (
            "KMS::Key",
            "Route53::KeySigningKey",
            {"KeyManagementServiceArn": {"Fn::GetAtt": ["Used", "Arn"]}},
        ),
    ],
)
def test_what_a_global_service_uses_is_created_in_us_east_1(
    used: str, type_name: str, properties: dict[str, Any], tmp_path: Path
) -> None:
    body = {
        "Resources": {
            "Used": {"Type": f"AWS::{used}", "Properties": {}},
            "R": {"Type": f"AWS::{type_name}", "Properties": properties},
        }
    }
    text = json.dumps(body)

    assert len(rules_found(tmp_path, "E9524", body, "eu-west-1")) == 1
    assert rules_found(tmp_path, "E9524", body, "us-east-1") == []
    service = used.partition("::")[0].lower()
    arn = (
        f"arn:aws:{service.replace('certificatemanager', 'acm')}:eu-west-1:{ACCOUNT}:x"
    )
    for reference in ('{"Ref": "Used"}', '{"Fn::GetAtt": ["Used", "Arn"]}'):
        text = text.replace(reference, json.dumps(arn))
    assert len(rules_found(tmp_path, "E9524", json.loads(text), "us-east-1")) == 1


@pytest.mark.parametrize(
    ("pattern", "more", "expected"),
    [
        ({"source": ["aws.iam"]}, {}, True),
        ({"source": ["aws.organizations", "aws.account"]}, {}, True),
        ({"source": ["aws.iam"]}, {"EventBusName": "default"}, True),
        ({"source": ["aws.iam"]}, {"EventBusName": "forwarded"}, False),
        ({"source": ["aws.iam", "aws.ec2"]}, {}, False),
        ({"detail-type": ["x"]}, {}, False),
    ],
)
def test_events_of_global_services_are_sent_in_us_east_1(
    pattern: dict[str, Any], more: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    properties = {"EventPattern": pattern, **more}
    body = {"Resources": {"R": {"Type": "AWS::Events::Rule", "Properties": properties}}}

    assert bool(rules_found(tmp_path, "W9598", body, "eu-west-1")) == expected
    assert rules_found(tmp_path, "W9598", body, "us-east-1") == []


def _trust(who: Any, **condition: Any) -> dict[str, Any]:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": who},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": document},
    }
    person = {**role, "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}}
    return {"Resources": {"Role": role, "Person": person, "User": USER}}


USER = {"Type": "AWS::IAM::User"}
MADE_HERE = {"Fn::GetAtt": ["Person", "Arn"]}
OUTSIDE = "arn:aws:iam::111122223333:role/on-call"
RECENT = {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}
SIGNED_IN = {"StringEquals": {"aws:MultiFactorAuthPresent": ["true"]}}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (_trust(OUTSIDE, **RECENT), True),
        (_trust(MADE_HERE, **RECENT), True),
        (_trust(MADE_HERE, **SIGNED_IN), True),
        (_trust({"Fn::GetAtt": ["User", "Arn"]}, **SIGNED_IN), False),
        (_trust([MADE_HERE, "arn:aws:iam::1:user/a"], **SIGNED_IN), False),
        (_trust(OUTSIDE, BoolIfExists={"aws:MultiFactorAuthPresent": "true"}), False),
        (_trust(OUTSIDE, Bool={"aws:MultiFactorAuthPresent": "false"}), False),
    ],
)
def test_a_second_factor_is_asked_of_no_role_in_any_form(
    body: dict[str, Any], found: bool, tmp_path: Path
) -> None:
    assert bool(rules_found(tmp_path, "E9613", body)) is found


def test_what_a_policy_does_not_list_counts_as_whole_services(tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policy = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": document},
    }
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {"Policy": policy}}))
    matches = dict(found(tmp_path / "t.json", ours(), include_checks=["I"]))
    assert matches["I9614"].endswith("Statement/0/NotAction")
