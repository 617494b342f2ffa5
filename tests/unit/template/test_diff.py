"""Comparing templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapgen.template import diff, evaluate
from tapgen.template.diff import Verb, Verdict
from tapgen.template.values import LATER
from tests import make
from tests.make import EAST


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, diff.Resource]:
    texts = make.template(resources=old), make.template(resources=new)
    return {c.logical_id: c for c in diff.templates(*texts)}


TOPIC = "AWS::SNS::Topic"
QUEUE = "AWS::SQS::Queue"


def test_added_removed_and_changed_resources_are_distinguished() -> None:
    old = {"Gone": resource(QUEUE), "Kept": resource(TOPIC, DisplayName="a")}
    new = {"Made": resource(QUEUE), "Kept": resource(TOPIC, DisplayName="b")}

    found = changes(old, new)

    assert {k: c.verb for k, c in found.items()} == {
        "Gone": Verb.REMOVE,
        "Kept": Verb.CHANGE,
        "Made": Verb.ADD,
    }
    (place,) = found["Kept"].properties
    assert (place.path, place.old, place.new) == (("DisplayName",), "a", "b")


def test_formatting_key_order_and_the_way_it_is_written_are_no_change() -> None:
    old = {"T": resource(TOPIC, TopicName="a-us-east-1", FifoTopic=True)}
    name = {"Fn::Sub": "a-${AWS::Region}"}
    new = {"T": resource(TOPIC, FifoTopic="true", TopicName=name)}

    assert changes(old, new) == {}
    text = make.template(["A", "B"])
    assert diff.same(text, json.dumps(json.loads(text), indent=3, sort_keys=True))


def test_one_action_and_a_list_of_it_are_the_same() -> None:
    def role(action: Any) -> dict[str, Any]:
        document = {"Statement": [{"Effect": "Allow", "Action": action}]}
        return {"R": resource("AWS::IAM::Role", AssumeRolePolicyDocument=document)}

    assert changes(role("sts:AssumeRole"), role(["sts:AssumeRole"])) == {}


def test_items_with_names_are_compared_by_name() -> None:
    def tagged(**tags: str) -> dict[str, Any]:
        items = [{"Key": k, "Value": v} for k, v in tags.items()]
        return {"T": resource(TOPIC, Tags=items)}

    found = changes(tagged(A="1", B="2"), tagged(B="3", C="4", A="1"))["T"]

    assert [(diff.show(p.path), p.old, p.new) for p in found.properties] == [
        ("Tags[B].Value", "2", "3"),
        ("Tags[C]", None, {"Key": "C", "Value": "4"}),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "verdict"),
    [
        ("AWS::EC2::VPC", "CidrBlock", Verdict.REPLACES),
        ("AWS::RDS::DBInstance", "MultiAZ", Verdict.IN_PLACE),
        ("AWS::EC2::Subnet", "Ipv6CidrBlock", Verdict.MAY_REPLACE),
        ("AWS::RDS::DBInstance", "AllocatedStorage", Verdict.IN_PLACE),
        ("My::Own::Thing", "Anything", Verdict.MAY_REPLACE),
    ],
)
def test_the_verdict_follows_the_schema(kind: str, name: str, verdict: Verdict) -> None:
    old, new = resource(kind, **{name: "1"}), resource(kind, **{name: "2"})

    assert changes({"R": old}, {"R": new})["R"].verdict is verdict


def test_a_replacement_is_carried_on_to_what_refers_to_it() -> None:
    def network(cidr: str) -> dict[str, Any]:
        return {
            "Vpc": resource("AWS::EC2::VPC", CidrBlock=cidr),
            "Net": resource("AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="x"),
            "Api": resource(QUEUE, QueueName={"Fn::Sub": "q-${Net}"}),
            "Other": resource(TOPIC),
        }

    found = changes(network("10.0.0.0/16"), network("10.1.0.0/16"))

    assert {k: c.verdict for k, c in found.items()} == {
        "Vpc": Verdict.REPLACES,
        "Net": Verdict.REPLACES,
        "Api": Verdict.REPLACES,
    }
    assert found["Net"].properties[0].new == {LATER: "new Vpc"}


def test_a_change_in_place_leaves_identifiers_alone() -> None:
    def pair(size: int) -> dict[str, Any]:
        database = resource("AWS::RDS::DBInstance", AllocatedStorage=size)
        return {
            "Db": database,
            "ByName": resource(TOPIC, DisplayName={"Ref": "Db"}),
            "ByArn": resource(TOPIC, DisplayName={"Fn::GetAtt": "Db.DBInstanceArn"}),
            "ByPort": resource(TOPIC, DisplayName={"Fn::GetAtt": "Db.Endpoint.Port"}),
        }

    assert set(changes(pair(1), pair(2))) == {"Db", "ByPort"}


def test_what_policies_keep_is_said() -> None:
    policied = resource("AWS::S3::Bucket") | {"DeletionPolicy": "Retain"}

    found = changes({"Kept": policied, "Lost": resource("AWS::S3::Bucket")}, {})

    assert found["Kept"].retained and not found["Lost"].retained
    assert found["Lost"].stateful


def test_text_that_is_no_template_has_no_resources() -> None:
    added = diff.templates("not json", make.template())

    assert [c.verb for c in added] == [Verb.ADD]
    assert diff.templates("[]", "null") == ()


MOVES = json.dumps(
    {
        "Parameters": {p: {"Type": "String"} for p in ("Cidr", "Allowed", "Name")},
        "Conditions": {"Named": {"Fn::Equals": [{"Ref": "Name"}, "x"]}},
        "Resources": {
            "Vpc": {
                "Type": "AWS::EC2::VPC",
                "Properties": {"CidrBlock": {"Ref": "Cidr"}},
            },
            "Web": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {
                    "GroupDescription": "web",
                    "VpcId": {"Ref": "Vpc"},
                    "SecurityGroupIngress": [{"CidrIp": {"Ref": "Allowed"}}],
                },
            },
            "Bucket": {"Type": "AWS::S3::Bucket", "Condition": "Named"},
        },
        "Outputs": {
            "VpcId": {"Value": {"Ref": "Vpc"}},
            "GroupId": {"Value": {"Fn::GetAtt": ["Web", "GroupId"]}},
            "Text": {"Value": {"Fn::Sub": "${Allowed}/${!Cidr}"}},
            "Bucket": {"Value": {"Ref": "Bucket"}},
        },
    }
)


def moving(*parameters: str, new: str = MOVES) -> set[str]:
    before = dict.fromkeys(("Cidr", "Allowed", "Name"), "x")
    after = before | dict.fromkeys(parameters, "y")
    old, then = (
        evaluate.evaluate(text, values, EAST)
        for text, values in ((MOVES, before), (new, after))
    )
    return set(diff.moving_outputs(old, then, diff.compare(old, then)))


def test_nothing_moves_when_nothing_changes() -> None:
    assert moving() == set()


def test_an_identifier_stays_when_a_property_changes_in_place() -> None:
    assert moving("Allowed") == {"Text"}


def test_a_replacement_moves_what_refers_to_it() -> None:
    # A VPC's CidrBlock and a security group's VpcId are create-only.
    assert moving("Cidr") == {"VpcId", "GroupId"}


def test_a_condition_moves_with_its_parameter() -> None:
    constant = MOVES.replace(
        '{"Fn::Equals": [{"Ref": "Name"}, "x"]}', '{"Fn::Equals": [1, 2]}'
    )
    before = evaluate.evaluate(constant, {}, EAST)
    after = evaluate.evaluate(MOVES, {"Name": "x"}, EAST)
    assert "Bucket" in diff.moving_outputs(before, after, diff.compare(before, after))


def test_an_output_that_is_written_differently_moves() -> None:
    new = MOVES.replace('"${Allowed}/${!Cidr}"', '"other"')

    assert moving(new=new) == {"Text"}


def test_a_resource_of_another_type_is_refused_and_moves_nothing() -> None:
    new = MOVES.replace("AWS::S3::Bucket", "AWS::SQS::Queue")

    assert moving(new=new) == set()


def dashboard(*titles: str, indent: int | None = None) -> dict[str, Any]:
    widgets = [{"type": "metric", "properties": {"title": t}} for t in titles]
    body = json.dumps({"widgets": widgets}, indent=indent)
    return {"D": resource("AWS::CloudWatch::Dashboard", DashboardBody=body)}


def test_text_that_holds_json_is_compared_inside() -> None:
    (found,) = changes(dashboard("a", "b"), dashboard("a", "c"))["D"].properties
    assert diff.show(found.path) == "DashboardBody.widgets[1].properties.title"
    assert (found.old, found.new) == ("b", "c")


def test_substituted_text_that_holds_json_is_compared_inside() -> None:
    def body(color: str) -> dict[str, Any]:
        text = json.dumps({"region": "${Cluster}", "color": color})
        value = {"Fn::Sub": [text, {"Cluster": {"Fn::GetAtt": "C.Name"}}]}
        return {"D": resource("AWS::CloudWatch::Dashboard", DashboardBody=value)}

    (found,) = changes(body("red"), body("blue"))["D"].properties
    assert diff.show(found.path) == "DashboardBody.color"


def test_json_in_text_that_only_looks_different_is_still_a_change_of_text() -> None:
    (found,) = changes(dashboard("a"), dashboard("a", indent=1))["D"].properties
    assert diff.show(found.path) == "DashboardBody"


def test_json_in_text_that_is_too_deep_is_compared_as_text() -> None:
    def deep(end: str) -> dict[str, Any]:
        body = "[" * 600 + end + "]" * 600
        return {"D": resource("AWS::CloudWatch::Dashboard", DashboardBody=body)}

    (found,) = changes(deep("1"), deep("2"))["D"].properties
    assert diff.show(found.path) == "DashboardBody"


@pytest.mark.parametrize(
    "old, new, paths",
    [
        (["a", "b"], ["a", "c"], ["LoadBalancerNames[1]"]),
        (["a", "b", "c"], ["x", "a", "b"], ["LoadBalancerNames"]),
        (["a", "b"], ["b", "a"], ["LoadBalancerNames"]),
    ],
)
def test_items_that_move_in_a_list_are_reported_with_the_list(
    old: list[str], new: list[str], paths: list[str]
) -> None:
    def group(names: list[str]) -> dict[str, Any]:
        kind = "AWS::AutoScaling::AutoScalingGroup"
        return {"G": resource(kind, LoadBalancerNames=names)}

    found = changes(group(old), group(new))["G"].properties
    assert [diff.show(p.path) for p in found] == paths


def test_a_name_that_is_joined_or_substituted_replaces_nothing() -> None:
    def table(name: Any) -> dict[str, Any]:
        return {"T": resource("AWS::DynamoDB::Table", TableName=name)}

    joined = {"Fn::Join": ["-", [{"Ref": "Name"}, "jobs", {"Ref": "Suffix"}]]}
    assert not changes(table({"Fn::Sub": "${Name}-jobs-${Suffix}"}), table(joined))
    assert changes(table({"Fn::Sub": "${Name}-jobs-${Other}"}), table(joined))


# Secrets ---------------------------------------------------------------------------------


def _with_token(default: str) -> str:
    return json.dumps(
        {
            "Parameters": {
                "Token": {"Type": "String", "NoEcho": True, "Default": default}
            },
            "Resources": {
                "App": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Environment": {
                            "Variables": {
                                "TOKEN": {"Ref": "Token"},
                                "URL": {"Fn::Sub": "https://x/${Token}"},
                            }
                        }
                    },
                }
            },
        }
    )


def test_values_of_noecho_parameters_are_compared_and_never_shown() -> None:
    changed = diff.templates(_with_token("Hunter2"), _with_token("Hunter3"))
    assert "Hunter" not in repr(changed)
    assert [diff.show(p.path) for p in changed[0].properties] == [
        "Environment.Variables.TOKEN",
        "Environment.Variables.URL.Fn::Sub[1].Token",
    ]
    token = changed[0].properties[0]
    assert (token.old, token.new) == ("(hidden)", "(hidden, another value)")
    assert not diff.templates(_with_token("Hunter2"), _with_token("Hunter2"))


def test_a_value_that_cloudformation_hides_counts_as_the_same() -> None:
    body = _with_token("Hunter2")
    both = diff.sides(
        (body, {"Token": "****"}), (body, {"Token": "Hunter3"}), diff.ANYWHERE
    )
    assert diff.compare(*both) == ()


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        (
            "AWS::SecretsManager::Secret",
            {"SecretString": "Hunter2"},
            {"SecretString": "Hunter3"},
        ),
        (
            "AWS::RDS::DBInstance",
            {"MasterUserPassword": {"Fn::Join": ["", ["Hunter2", {"Ref": "X"}]]}},
            {"MasterUserPassword": "Hunter3"},
        ),
        ("AWS::IAM::User", {}, {"LoginProfile": {"Password": "Hunter2"}}),
        (
            "AWS::ElastiCache::User",
            {"Passwords": ["Hunter2"]},
            {"Passwords": ["Hunter3", "Hunter4"]},
        ),
        (
            "AWS::OpenSearchService::Domain",
            {},
            {
                "AdvancedSecurityOptions": {
                    "MasterUserOptions": {"MasterUserPassword": "Hunter2"}
                }
            },
        ),
    ],
)
def test_what_only_aws_may_read_is_masked(
    kind: str, old: dict[str, Any], new: dict[str, Any]
) -> None:
    def body(properties: dict[str, Any]) -> str:
        return json.dumps(
            {"Resources": {"A": {"Type": kind, "Properties": properties}}}
        )

    (change,) = diff.templates(body(old), body(new))
    assert change.properties
    assert "Hunter" not in repr(change.properties)
    assert "(hidden" in repr(change.properties)


def test_references_to_secrets_are_shown() -> None:
    old, new = "{{resolve:secretsmanager:a}}", "{{resolve:secretsmanager:b}}"
    bodies = [
        json.dumps(
            {
                "Resources": {
                    "A": {
                        "Type": "AWS::RDS::DBCluster",
                        "Properties": {"MasterUserPassword": value},
                    }
                }
            }
        )
        for value in (old, new)
    ]
    (change,) = diff.templates(bodies[0], bodies[1])
    assert (change.properties[0].old, change.properties[0].new) == (old, new)


KEY, VOLUME, POOL = "AWS::KMS::Key", "AWS::EC2::Volume", "AWS::Cognito::UserPool"
AZS = {"Fn::GetAZs": ""}


@pytest.mark.parametrize(
    ("kind", "name", "old", "new"),
    [
        (KEY, "KeySpec", "RSA_2048", "RSA_4096"),
        (KEY, "KeySpec", None, "RSA_2048"),
        (KEY, "MultiRegion", None, "true"),
        (VOLUME, "AvailabilityZone", "us-east-1a", "us-east-1b"),
        (
            VOLUME,
            "AvailabilityZone",
            {"Fn::Select": [0, AZS]},
            {"Fn::Select": [1, AZS]},
        ),
        (POOL, "UsernameAttributes", ["email"], ["phone_number"]),
        (POOL, "UsernameConfiguration", None, {"CaseSensitive": False}),
    ],
)
def test_what_aws_refuses_to_change_is_neither_in_place_nor_replaced(
    kind: str, name: str, old: Any, new: Any
) -> None:
    def one(value: Any) -> dict[str, Any]:
        return resource(kind, **({} if value is None else {name: value}))

    found = changes({"R": one(old)}, {"R": one(new)})["R"]

    assert found.verdict is Verdict.REFUSED
    assert not found.loses_data


@pytest.mark.parametrize(
    ("kind", "name", "old", "new"),
    [
        (KEY, "KeySpec", None, "SYMMETRIC_DEFAULT"),
        (KEY, "MultiRegion", "false", None),
        (KEY, "Description", "a", "b"),
        (VOLUME, "AvailabilityZone", "us-east-1a", {"Fn::Select": [0, AZS]}),
        (VOLUME, "KmsKeyId", {"Ref": "Old"}, {"Ref": "New"}),
    ],
)
def test_what_may_be_the_same_value_is_not_said_to_be_refused(
    kind: str, name: str, old: Any, new: Any
) -> None:
    def one(value: Any) -> dict[str, Any]:
        return resource(kind, **({} if value is None else {name: value}))

    found = changes({"R": one(old)}, {"R": one(new)})["R"]

    assert found.verdict is Verdict.IN_PLACE


def test_what_is_refused_moves_nobody_else() -> None:
    def template(spec: str) -> dict[str, Any]:
        arn = {"Fn::GetAtt": ["K", "Arn"]}
        return {"K": resource(KEY, KeySpec=spec), "T": resource(TOPIC, DisplayName=arn)}

    assert set(changes(template("RSA_2048"), template("RSA_4096"))) == {"K"}


def test_another_type_under_the_same_logical_id_is_refused() -> None:
    found = changes({"R": resource(TOPIC)}, {"R": resource(QUEUE)})["R"]

    assert found.verdict is Verdict.REFUSED
    assert ("Type",) in [p.path for p in found.properties]


def _network(cidr: str, **more: Any) -> dict[str, Any]:
    vpc = {"VpcId": {"Ref": "Vpc"}}
    return {
        "Vpc": resource("AWS::EC2::VPC", CidrBlock=cidr),
        "A": resource("AWS::EC2::Subnet", **vpc, CidrBlock="10.0.0.0/24"),
        "B": resource("AWS::EC2::Subnet", **vpc, CidrBlock="10.0.1.0/24"),
        **more,
    }


def test_a_subnet_group_does_not_move_to_a_new_vpc() -> None:
    group = resource(
        "AWS::RDS::DBSubnetGroup",
        DBSubnetGroupDescription="of the databases",
        SubnetIds=[{"Ref": "A"}, {"Ref": "B"}],
    )
    before = _network("10.0.0.0/16", Group=group)
    after = _network("10.1.0.0/16", Group=group)
    other = _network("10.0.0.0/16", Group=group)
    other["A"] = resource(
        "AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.9.0/24"
    )

    found = changes(before, after)["Group"]

    assert found.verdict is Verdict.REFUSED
    assert [p.path for p in found.properties if p.verdict is Verdict.REFUSED] == [
        ("SubnetIds",)
    ]
    assert "not in the same Vpc" in found.refusals[0].words
    assert changes(before, other)["Group"].verdict is Verdict.IN_PLACE


def test_a_custom_name_stands_in_the_way_of_what_a_new_vpc_replaces() -> None:
    def group(**name: str) -> dict[str, Any]:
        return resource(
            "AWS::ElasticLoadBalancingV2::TargetGroup",
            **name,
            Port=80,
            VpcId={"Ref": "Vpc"},
        )

    named = changes(
        _network("10.0.0.0/16", Group=group(Name="web")),
        _network("10.1.0.0/16", Group=group(Name="web")),
    )["Group"]
    unnamed = changes(
        _network("10.0.0.0/16", Group=group()), _network("10.1.0.0/16", Group=group())
    )["Group"]

    assert named.verdict is Verdict.REFUSED
    assert "Rename web and update the stack again" in named.refusals[0].words
    assert unnamed.verdict is Verdict.REPLACES and not unnamed.refusals


@pytest.mark.parametrize(
    ("kind", "properties", "policy", "retained"),
    [
        ("AWS::RDS::DBCluster", {}, None, True),
        ("AWS::RDS::DBInstance", {}, None, True),
        ("AWS::RDS::DBInstance", {"DBClusterIdentifier": {"Ref": "C"}}, None, False),
        ("AWS::RDS::DBInstance", {"SourceDBInstanceIdentifier": "a"}, None, False),
        ("AWS::RDS::DBInstance", {}, "Delete", False),
        ("AWS::DocDB::DBCluster", {}, None, False),
        ("AWS::Redshift::Cluster", {}, None, False),
        ("AWS::Redshift::Cluster", {}, "Snapshot", True),
    ],
)
def test_aws_takes_a_snapshot_of_some_databases_by_default(
    kind: str, properties: dict[str, Any], policy: str | None, retained: bool
) -> None:
    gone = resource(kind, **properties) | ({"DeletionPolicy": policy} if policy else {})

    change = changes({"Gone": gone}, {})["Gone"]

    assert change.retained is retained
    assert change.loses_data is not retained


def test_a_replaced_database_leaves_no_snapshot_by_default() -> None:
    def one(engine: str) -> dict[str, Any]:
        return {"D": resource("AWS::RDS::DBInstance", Engine=engine)}

    change = changes(one("mysql"), one("postgres"))["D"]

    assert change.verdict is Verdict.REPLACES
    assert change.loses_data and not change.retained
