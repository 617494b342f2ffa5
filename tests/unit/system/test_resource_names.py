"""Patterns of names: literal where templates say so, `*` where only AWS knows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tapgen.model import SELF, Artifact, Output, Override, System, Target
from tapgen.system import resource_names
from tests import make
from tests.make import EAST, WEST


def system(*resources: dict[str, Any], **more: Any) -> System:
    body = {
        "Parameters": {
            "EnvironmentSuffix": {"Type": "String"},
            "Given": {"Type": "String", "Default": "mine"},
        },
        "Conditions": {
            "Never": {"Fn::Equals": ["a", "b"]},
        },
        "Resources": {f"R{number}": one for number, one in enumerate(resources)},
    }
    s = make.stack_set(
        "app",
        text=json.dumps(body),
        **{"parameters": {"EnvironmentSuffix": "test"}, **more},
    )
    return make.system(s)


def role(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": properties}


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("plain", "plain"),
        ({"Ref": "Given"}, "mine"),
        ({"Fn::Sub": "a-${Given}-${AWS::Region}"}, "a-mine-us-east-1"),
        ({"Fn::Sub": "a-${EnvironmentSuffix}-x"}, "a-${EnvironmentSuffix}-x"),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::AccountId"}]]}, "a-${AWS::AccountId}"),
        ({"Fn::Sub": "x-${AWS::AccountId}"}, "x-${AWS::AccountId}"),
        ({"Fn::Sub": "x-${Other.Arn}-y"}, "x-*-y"),
        ({"Fn::Join": ["", ["x-", {"Ref": "R1"}, {"Ref": "R1"}]]}, "x-*"),
        ({"Fn::ImportValue": "x"}, "*"),
        ({"Fn::Sub": "${AWS::StackName}-r"}, "StackSet-demo-test-app-*-r"),
        ({"Ref": "AWS::StackName"}, "StackSet-demo-test-app-*"),
        ("{{resolve:ssm:/team}}-r", "*-r"),
        ("a-{{resolve:ssm:/x:3}}-b-{{resolve:ssm:/y}}", "a-*-b-*"),
        ({"Fn::Sub": "{{resolve:ssm:/${AWS::StackName}/${Other}}}-r"}, "*-r"),
        ({"Fn::Join": ["", ["{{resolve:ssm:/", {"Ref": "R1"}, "}}-r"]]}, "*-r"),
    ],
)
def test_a_name_is_reported_as_far_as_the_template_does(
    name: Any, pattern: str
) -> None:
    assert resource_names.patterns(system(role(RoleName=name))) == {
        "iam:role": (pattern,)
    }


def test_a_stack_name_is_cut_where_no_more_characters_are_allowed() -> None:
    cut = resource_names.stack_name("x" * 128, "y" * 36)
    assert cut == f"StackSet-{'x' * 82}-{'y' * 36}"
    assert len(cut) == 128
    assert resource_names.stack_name("app", "*") == "StackSet-app-*"


def test_every_kind_that_chooses_a_name_is_reported() -> None:
    found = resource_names.patterns(
        system(
            role(RoleName="r", Path="/team/"),
            {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"ManagedPolicyName": "p"},
            },
            {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/k"}},
            {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "b"}},
            {"Type": "AWS::SNS::Topic"},
        )
    )

    assert found == {
        "iam:policy": ("p",),
        "iam:role": ("team/r",),
        "kms:alias": ("k",),
        "s3:bucket": ("b",),
        "sns:topic": ("StackSet-demo-test-app*",),
    }


def test_what_has_no_name_gets_cloudformations_own() -> None:
    bucket = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}

    assert resource_names.patterns(system(role(), bucket)) == {
        "iam:role": ("StackSet-demo-test-app*",),
        "s3:bucket": ("stackset-demo-test-app*",),
    }


def test_names_of_all_targets_are_reported_and_of_nothing_that_is_not_created() -> None:
    name = {"Fn::Sub": "${Given}-${AWS::Region}"}
    not_made = {**role(RoleName="never"), "Condition": "Never"}
    found = resource_names.patterns(
        system(
            role(RoleName=name),
            not_made,
            targets=(EAST, WEST),
            parameters={"EnvironmentSuffix": "test", "Given": "a"},
            overrides=(Override({"Given": Output("x", "Y")}, region="us-west-2"),),
        )
    )

    assert found == {"iam:role": ("*-us-west-2", "a-us-east-1")}


def test_buckets_that_code_comes_from_are_read() -> None:
    code = {"Code": {"S3Bucket": {"Ref": "Given"}, "S3Key": "x"}}
    function = {"Type": "AWS::Lambda::Function", "Properties": code}

    found = resource_names.patterns(system(function))
    assert found["s3:read"] == ("mine",)


def test_ssm_parameters_that_templates_name_are_read() -> None:
    def declared(name: str) -> dict[str, str]:
        return {"Type": "AWS::SSM::Parameter::Value<String>", "Default": name}

    body = {
        "Parameters": {"A": declared("/a:3"), "B": declared("/aws/service/ami")},
        "Resources": {"T": {"Type": "AWS::SNS::Topic"}},
    }
    s = make.stack_set("app", text=json.dumps(body), targets=TARGETS)

    assert resource_names.patterns(make.system(s))["ssm:read"] == ("/a:3",)


def test_another_suffix_gives_the_same_patterns() -> None:
    name = {"Fn::Sub": "a-${EnvironmentSuffix}"}
    one = system(role(RoleName=name))
    parameters = {"EnvironmentSuffix": "stg"}
    other = replace(system(role(RoleName=name), parameters=parameters), suffix="stg")

    assert resource_names.patterns(one) == resource_names.patterns(other)


def test_users_and_groups_of_other_origin_are_reported_where_a_policy_is_for_them() -> (
    None
):
    found = resource_names.patterns(
        system(
            {"Type": "AWS::IAM::User", "Properties": {"UserName": "mine"}},
            {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "ManagedPolicyName": "p",
                    "Users": ["alice", {"Ref": "R0"}],
                    "Groups": [{"Fn::Sub": "team-${AWS::Region}"}],
                },
            },
            {
                "Type": "AWS::IAM::UserPolicy",
                "Properties": {"UserName": "bob", "PolicyName": "x"},
            },
            {"Type": "AWS::SNS::Topic", "Properties": {"Users": ["nobody"]}},
        )
    )

    assert found == {
        "iam:group": ("*/team-us-east-1", "team-us-east-1"),
        "iam:policy": ("p",),
        "iam:user": ("*/alice", "*/bob", "alice", "bob", "mine"),
        "sns:topic": ("StackSet-demo-test-app*",),
    }


def outside(kind: str, **properties: Any) -> dict[str, tuple[str, ...]]:
    """The patterns for what one resource of a type names, beside two topics."""
    topics = ({"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "own"}},) * 2
    other = {"Type": kind, "Properties": properties}
    return dict(resource_names.patterns(system(*topics, other)))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("arn:aws:sns:us-east-1:${AWS::AccountId}:theirs", {"theirs"}),
        (
            "arn:aws:sns:us-east-1:222222222222:theirs",
            {"arn:aws:sns:us-east-1:222222222222:theirs"},
        ),
        ("${R0}", set()),
        ("${Given}", {"mine"}),
        ("${Unknown}", {"*"}),
    ],
)
def test_topics_of_other_origin_are_reported_where_a_resource_names_them(
    given: str, names: set[str]
) -> None:
    topic = {"Fn::Sub": given}
    expected = tuple(sorted({"own", *names}))
    for found in (
        outside("AWS::SNS::Subscription", TopicArn=topic),
        outside("AWS::SNS::TopicPolicy", Topics=[{"Ref": "R1"}, topic]),
    ):
        assert found["sns:topic"] == expected


def test_names_of_other_origin_are_the_bare_ones() -> None:
    own = {"Ref": "AWS::AccountId"}
    function = {
        "Fn::Sub": ["arn:aws:lambda:us-east-1:${A}:function:f:live", {"A": own}]
    }
    secret = {"Fn::Sub": "arn:aws:secretsmanager:x:${AWS::AccountId}:secret:s-AbCdEf"}
    url = "https://sqs.us-east-1.amazonaws.com/111111111111/work"
    for kind, properties, names in (
        (
            "AWS::Lambda::Permission",
            {"FunctionName": function},
            {"lambda:function": ("f",)},
        ),
        ("AWS::Lambda::Version", {"FunctionName": "g:2"}, {"lambda:function": ("g",)}),
        (
            "AWS::SecretsManager::ResourcePolicy",
            {"SecretId": secret},
            {"secretsmanager:Secret": ("s",)},
        ),
        ("AWS::SQS::QueuePolicy", {"Queues": [url]}, {"sqs:queue": ("work",)}),
        (
            "AWS::Logs::MetricFilter",
            {"LogGroupName": "/a/b"},
            {"logs:log-group": ("/a/b",)},
        ),
    ):
        found = outside(kind, **properties)
        assert {**found} == {"sns:topic": ("own",), **names}


def test_many_names_share_patterns_without_cutting_a_variable() -> None:
    topics = [
        {
            "Type": "AWS::SNS::Topic",
            "Properties": {
                "TopicName": {"Fn::Sub": f"{team}-${{EnvironmentSuffix}}-{n}"}
            },
        }
        for team in "ab"
        for n in range(30)
    ]
    found = resource_names.patterns(system(*topics, role(RoleName="r")))["sns:topic"]
    assert 2 <= len(found) <= 20
    for pattern in found:
        assert re.fullmatch(
            r"[ab]-(\$\{EnvironmentSuffix\}-[0-9]*)?\*?", pattern
        ), pattern
    for team in "ab":
        for n in range(30):
            name = f"{team}-${{EnvironmentSuffix}}-{n}"
            assert any(fnmatchcase(name, pattern) for pattern in found)


IS_PROD = {"Fn::Equals": [{"Ref": "EnvironmentSuffix"}, "prod"]}
IS_TWO = {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "2" * 12]}
LATER = {"Fn::Equals": [{"Ref": "Unknown"}, "x"]}
SIZES = {"prod": {"Name": "large"}, "test": {"Name": "small"}}
TARGETS = tuple(Target(n * 12, "us-east-1") for n in "123")
NOTHING = {"Ref": "AWS::NoValue"}


def named(name: Any, suffix: str = "prod", targets: Any = TARGETS, **more: Any) -> Any:
    """The patterns of a role's name, or of a role with these attributes."""
    body = {
        "Parameters": {
            "EnvironmentSuffix": {"Type": "String"},
            "Unknown": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"},
        },
        "Mappings": {"Names": SIZES, "Accounts": {"2" * 12: {"Name": "two"}}},
        "Conditions": {"Prod": IS_PROD, "Two": IS_TWO, "Later": LATER},
        "Resources": {"R": {**role(**({"RoleName": name} if name else {})), **more}},
    }
    parameters = {"EnvironmentSuffix": suffix}
    text = json.dumps(body)
    s = make.stack_set("app", text=text, targets=targets, parameters=parameters)
    found = resource_names.patterns(replace(make.system(s), suffix=suffix))
    return found.get("iam:role", ())


def sub(text: str, **local: Any) -> Any:
    return {"Fn::Sub": [text, local] if local else text}


@pytest.mark.parametrize(
    ("name", "patterns"),
    [
        ({"Fn::If": ["Prod", "live", "trial"]}, ("live",)),
        (sub("${EnvironmentSuffix}-product"), ("${EnvironmentSuffix}-product",)),
        (
            {"Fn::If": ["Two", sub("two-${AWS::AccountId}"), "other"]},
            ("other", "two-${AWS::AccountId}"),
        ),
        (
            sub(
                "${N}-x",
                N={"Fn::FindInMap": ["Names", {"Ref": "EnvironmentSuffix"}, "Name"]},
            ),
            ("large-x",),
        ),
        (
            {
                "Fn::FindInMap": [
                    *("Accounts", {"Ref": "AWS::AccountId"}, "Name"),
                    {"DefaultValue": sub("own-${AWS::AccountId}")},
                ]
            },
            ("own-${AWS::AccountId}", "two"),
        ),
        # What is not decided may be both.
        ({"Fn::If": ["Later", "a", sub("b-${X}")]}, ("a", "b-*")),
        (sub("x-${V}", V={"Fn::If": ["Later", "a", "b"]}), ("x-a", "x-b")),
        ({"Fn::If": ["Later", "a", NOTHING]}, ("StackSet-demo-test-app*", "a")),
        (
            {"Fn::Join": ["", [{"Fn::If": ["Later", "a", "b"]}] * 6]},
            ("*",),
        ),
        # A name cannot have variables of its own.
        (sub("x${AWS::NoValue}-${!aws:username}"), ("x*-*",)),
        (
            {"Fn::Select": [1, {"Fn::Split": ["-", sub("a-${EnvironmentSuffix}-b")]}]},
            ("${EnvironmentSuffix}",),
        ),
        (
            {"Fn::Select": [0, {"Fn::Split": ["o", {"Ref": "EnvironmentSuffix"}]}]},
            ("pr",),
        ),
    ],
)
def test_names_come_out_as_in_the_account_and_the_environment(
    name: Any, patterns: tuple[str, ...]
) -> None:
    assert named(name) == patterns


def test_a_role_that_one_account_or_environment_has_is_reported() -> None:
    assert named("x", Condition="Two") == ("x",)
    assert named("x", Condition="Prod") == ("x",)
    assert named("x", "test", Condition="Prod") == ()
    assert named("x", targets=TARGETS[:1], Condition="Two") == ()


@pytest.mark.parametrize("account", [SELF, "ou-1234-12345678"])
def test_where_the_account_is_not_known_both_names_are_reported(account: str) -> None:
    there = (Target(account, "us-east-1"),)
    name = {"Fn::If": ["Two", "two", sub("x-${AWS::AccountId}")]}
    assert named(name, targets=there) == ("two", "x-${AWS::AccountId}")
    assert named("x", targets=there, Condition="Two") == ("x",)


def test_buckets_of_artifacts_have_the_account_as_a_variable() -> None:
    code = {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Code": code}}
    body = {
        "Parameters": {name: {"Type": "String"} for name in ("CodeBucket", "CodeKey")},
        "Resources": {"F": function},
    }
    artifact = Artifact("src", Path("src"), "x.zip", 1, "CodeBucket", "CodeKey")
    s = make.stack_set("app", text=json.dumps(body), targets=TARGETS)
    s = replace(s, artifacts={"Code": artifact})
    found = resource_names.patterns(make.system(s))
    assert found["s3:read"] == ("tapgen-artifacts-${AWS::AccountId}-us-east-1",)
