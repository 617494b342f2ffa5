"""What counts as a difference: by CloudFormation's types, and by what AWS orders."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from tapgen.knowledge.attributes import ORDERED, UNORDERED
from tapgen.template import decode, diff, effects, schemas
from tapgen.template.diff import Verdict
from tapgen.template.differences import differences
from tapgen.template.values import equal, identical
from tests import make
from tests.make import EAST


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def changes(kind: str, name: str, old: Any, new: Any) -> list[diff.Property]:
    sides = (
        make.template(resources={"R": resource(kind, **{name: value})})
        for value in (old, new)
    )
    return [p for change in diff.templates(*sides) for p in change.properties]


def listed(key: str, *names: str, **more: Any) -> list[dict[str, Any]]:
    return [{key: name, **more} for name in names]


# -- order -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "items"),
    [
        ("AWS::CodePipeline::Pipeline", "Stages", listed("Name", "Ask", "Go")),
        ("AWS::DynamoDB::GlobalTable", "KeySchema", listed("AttributeName", "a", "b")),
        ("AWS::EMR::Cluster", "BootstrapActions", listed("Name", "a", "b")),
        (
            "AWS::Glue::Table",
            "TableInput",
            {"StorageDescriptor": {"Columns": listed("Name", "a", "b", Type="int")}},
        ),
        ("AWS::S3::Bucket", "CorsConfiguration", {"CorsRules": listed("Id", "a", "b")}),
        ("AWS::Lambda::Function", "Layers", ["one", "two"]),
        (
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Actions",
            [{"Type": "authenticate-oidc"}, {"Type": "forward"}],
        ),
        (
            "AWS::CloudFront::Distribution",
            "DistributionConfig",
            {"CacheBehaviors": [{"PathPattern": "/a"}, {"PathPattern": "/*"}]},
        ),
        ("Custom::Thing", "Steps", listed("Name", "a", "b")),
    ],
)
def test_the_order_of_a_list_counts(kind: str, name: str, items: Any) -> None:
    (found,) = changes(kind, name, items, reverse(items))

    assert found.path[0] == name
    assert found.old != found.new


@pytest.mark.parametrize(
    ("kind", "name", "items"),
    [
        ("AWS::SNS::Topic", "Tags", listed("Key", "a", "b", Value="1")),
        (
            "AWS::DynamoDB::Table",
            "AttributeDefinitions",
            listed("AttributeName", "a", "b"),
        ),
        ("AWS::EC2::SecurityGroup", "SecurityGroupIngress", [{"FromPort": 1}, {}]),
        ("AWS::CloudWatch::Alarm", "Dimensions", listed("Name", "a", "b", Value="1")),
        ("AWS::WAFv2::WebACL", "Rules", listed("Name", "a", "b", Priority=1)),
        (
            "AWS::CodeBuild::Project",
            "Environment",
            {"EnvironmentVariables": listed("Name", "a", "b", Type="X", Value="1")},
        ),
        (
            "AWS::IAM::ManagedPolicy",
            "PolicyDocument",
            {"Statement": [{"Action": "a:b"}, {"Action": "c:d", "Resource": "*"}]},
        ),
        (
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Actions",
            [
                {"Type": "authenticate-oidc", "Order": 1},
                {"Type": "forward", "Order": 2},
            ],
        ),
        ("AWS::IAM::Role", "ManagedPolicyArns", ["arn:a", "arn:b"]),
    ],
)
def test_the_order_of_a_set_does_not_count(kind: str, name: str, items: Any) -> None:
    assert not changes(kind, name, items, reverse(items))


def reverse(items: Any) -> Any:
    if isinstance(items, dict):
        return {key: reverse(value) for key, value in items.items()}
    return items[::-1] if isinstance(items, list) else items


def test_items_that_come_and_go_are_no_other_order() -> None:
    old, new = listed("Name", "a", "b", "c"), listed("Name", "x", "a", "c", "y")

    found = changes("AWS::CodePipeline::Pipeline", "Stages", old, new)

    assert [diff.show(p.path) for p in found] == ["Stages[b]", "Stages[x]", "Stages[y]"]


def test_the_items_that_are_in_another_order_are_named() -> None:
    old, new = listed("Name", "a", "b", "c"), listed("Name", "c", "a", "x")

    *_, order = changes("AWS::CodePipeline::Pipeline", "Stages", old, new)

    assert (order.old, order.new) == (["a", "c"], ["c", "a"])


def test_lists_of_the_tables_of_orders_are_in_the_schemas() -> None:
    for ordered, table in ((True, ORDERED), (False, UNORDERED)):
        for kind, paths in table.items():
            for path in paths:
                assert path.partition("/")[0] in schemas.properties(kind), (kind, path)
                assert schemas.is_ordered(kind, path.split("/")) is ordered


# -- types -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right"), [(1, True), (0, False), ("1", True), (1.0, True), (1, 1.5)]
)
def test_numbers_and_booleans_are_not_the_same(left: Any, right: Any) -> None:
    sides = (
        make.template(resources={"R": resource("AWS::SSM::Parameter", Value=value)})
        for value in (left, right)
    )
    old, new = sides

    assert not identical(left, right) and not equal(left, right)
    assert not diff.same(old, new)
    assert effects.has_effect(old, new, {}, EAST)
    assert diff.templates(old, new)


def test_a_default_that_becomes_true_is_a_difference() -> None:
    def one(value: Any) -> str:
        body = {
            "Parameters": {"P": {"Type": "String", "Default": value}},
            "Resources": {"R": resource("AWS::SNS::Topic", DisplayName={"Ref": "P"})},
        }
        return json.dumps(body)

    assert effects.has_effect(one(0), one(False), {}, EAST)
    assert diff.templates(one(0), one(False))


# -- create-only -------------------------------------------------------------------------

REPLICATOR = "AWS::MSK::Replicator"  # ReplicationInfoList/*/TargetKafkaClusterArn


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (
            [{"TargetKafkaClusterArn": "a"}],
            [{"TargetKafkaClusterArn": "b"}],
            "replaces",
        ),
        (
            [{"TargetKafkaClusterArn": "a", "TopicReplication": {"CopyAccess": 1}}],
            [{"TargetKafkaClusterArn": "a", "TopicReplication": {"CopyAccess": 2}}],
            "in place",
        ),
        (
            [{"TargetKafkaClusterArn": "a"}],
            [{"TargetKafkaClusterArn": "a"}, {"TargetKafkaClusterArn": "b"}],
            "may replace",
        ),
    ],
)
def test_create_only_properties_of_items_replace(
    old: Any, new: Any, verdict: str
) -> None:
    found = changes(REPLICATOR, "ReplicationInfoList", old, new)

    assert {str(p.verdict) for p in found} == {verdict}


def test_what_is_beside_a_create_only_property_changes_in_place() -> None:
    """BgpConfigurations/*/PeerAsn is create-only, and so is the whole of it."""
    kind, name = "AWS::DynamoDB::Table", "ImportSourceSpecification"
    (found,) = changes(kind, name, {"InputFormat": "CSV"}, {"InputFormat": "ION"})

    assert found.verdict is Verdict.REPLACES


# -- beside properties -------------------------------------------------------------------

INIT = {"AWS::CloudFormation::Init": {"config": {"files": {"a": "${AWS::Region}"}}}}


@pytest.mark.parametrize(
    ("name", "old", "new", "path"),
    [
        ("Metadata", {"a": {"b": 1}}, {"a": {"b": 2}}, "Metadata.a.b"),
        ("Metadata", None, {"a": 1}, "Metadata"),
        (
            "CreationPolicy",
            {"ResourceSignal": {"Count": 1}},
            {"ResourceSignal": {"Count": 2}},
            "CreationPolicy.ResourceSignal.Count",
        ),
        (
            "UpdatePolicy",
            {"AutoScalingRollingUpdate": {"MaxBatchSize": 1}},
            {"AutoScalingRollingUpdate": {"MaxBatchSize": 2}},
            "UpdatePolicy.AutoScalingRollingUpdate.MaxBatchSize",
        ),
        ("DeletionPolicy", "Delete", "Retain", "DeletionPolicy"),
    ],
)
def test_attributes_of_a_resource_are_differences(
    name: str, old: Any, new: Any, path: str
) -> None:
    sides = (
        make.template(
            resources={"R": resource("AWS::SNS::Topic") | ({name: v} if v else {})}
        )
        for v in (old, new)
    )
    (change,) = diff.templates(*sides)
    (place,) = change.properties

    assert diff.show(place.path) == path
    assert place.of == name and change.verdict is Verdict.IN_PLACE


def test_metadata_is_evaluated() -> None:
    def one(value: Any) -> str:
        topic = resource("AWS::SNS::Topic") | {"Metadata": {"Region": value}}
        return make.template(resources={"R": topic})

    literal, function = one("us-east-1"), one({"Ref": "AWS::Region"})
    assert not diff.templates(literal, function)


def outside(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    found = diff.entries(*diff.sides((old, {}), (new, {}), EAST))
    return [f"{one.section}.{diff.show(one.path)}" for one in found]


TOPIC = {"Resources": {"R": resource("AWS::SNS::Topic")}}


def test_outputs_and_exports_are_differences() -> None:
    def body(**outputs: Any) -> dict[str, Any]:
        return {**TOPIC, "Outputs": outputs}

    one = {"Value": {"Ref": "R"}}
    exported = one | {"Export": {"Name": {"Fn::Sub": "${AWS::Region}-topic"}}}

    assert outside(body(A=one), body()) == ["Outputs.A.Value"]
    assert outside(body(), body(A=one)) == ["Outputs.A.Value"]
    assert outside(body(A=one), body(A={"Value": "x"})) == ["Outputs.A.Value"]
    assert outside(body(A=one), body(A=exported)) == ["Outputs.A.Export"]
    renamed = one | {"Export": {"Name": "other"}}
    assert outside(body(A=exported), body(A=renamed)) == ["Outputs.A.Export"]
    same = one | {"Export": {"Name": "us-east-1-topic"}, "Description": "Words"}
    assert not outside(body(A=exported), body(A=same))


def test_conditions_that_come_out_differently_are_differences() -> None:
    def body(*values: Any) -> dict[str, Any]:
        return {**TOPIC, "Conditions": {"C": {"Fn::Equals": list(values)}}}

    assert outside(body("a", "a"), body("a", "b")) == ["Conditions.C"]
    assert not outside(body("a", "a"), body({"Ref": "AWS::Region"}, "us-east-1"))
    assert not outside(TOPIC, body("a", "a"))
    later = {"Ref": "AWS::StackId"}
    assert outside(body(later, "a"), body(later, "b")) == ["Conditions.C.Fn::Equals[1]"]
    assert not outside(body(later, "us-east-1"), body(later, {"Ref": "AWS::Region"}))


# -- properties --------------------------------------------------------------------------

_TEXTS = ("a", "us-east-1", "x${y}", "", "true", "7")


def value(source: random.Random, depth: int = 4) -> Any:
    """A random value of a property, functions included."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: source.choice(_TEXTS),
        lambda: source.choice((1, 0, True, False, 2.5)),
        lambda: {"Ref": source.choice(("AWS::StackId", "Other"))},
        lambda: {"Fn::GetAtt": ["Other", source.choice(("Arn", "Endpoint.Port"))]},
        lambda: [value(source, depth - 1) for _ in range(source.randrange(4))],
        lambda: {
            key: value(source, depth - 1)
            for key in source.sample("abcdef", source.randrange(4))
        },
        lambda: [
            {"Name": key, "V": value(source, depth - 1)}
            for key in source.sample("abc", source.randrange(1, 4))
        ],
        lambda: {"Fn::Join": ["-", ["a", {"Ref": "Other"}, source.choice(_TEXTS)]]},
        lambda: json.dumps({"k": source.choice(_TEXTS), "l": [1, 2]}),
    )
    return source.choice(makers if depth > 0 else makers[:4])()


def altered(source: random.Random, node: Any) -> Any:
    """The value, or another one that differs somewhere."""
    if isinstance(node, dict) and node and source.random() < 0.8:
        key = source.choice(sorted(node))
        return {**node, key: altered(source, node[key])}
    if isinstance(node, list) and node and source.random() < 0.8:
        place = source.randrange(len(node))
        items = [*node[:place], altered(source, node[place]), *node[place + 1 :]]
        return items if source.random() < 0.7 else source.sample(items, len(items))
    return value(source, 2)


def spelled(source: random.Random, node: Any) -> Any:
    """The same value in another spelling: key order, and long and short functions."""
    match node:
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return {"Fn::GetAtt": f"{name}.{attribute}"}
        case {"Fn::Join": ["-", ["a", {"Ref": "Other"}, str(text)]]}:
            end = text.replace("${", "${!")
            return {"Fn::Sub": ["a-${O}-" + end, {"O": {"Ref": "Other"}}]}
        case bool():
            return "true" if node else "false"
    if isinstance(node, dict):
        items = [(key, spelled(source, inner)) for key, inner in node.items()]
        return dict(source.sample(items, len(items)))
    return [spelled(source, item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("seed", range(60))
def test_equal_things_have_no_difference(seed: int) -> None:
    source = random.Random(seed)
    node = {"P": value(source), "Q": value(source)}
    body = {"Resources": {"R": {"Type": "Custom::Thing", "Properties": node}}}
    other = spelled(source, body)

    assert not diff.templates(json.dumps(body), json.dumps(other, indent=3))
    assert not outside(body, other)


@pytest.mark.parametrize("seed", range(60))
def test_a_difference_inverts(seed: int) -> None:
    source = random.Random(seed)
    old = {"P": value(source), "Q": value(source)}
    new = altered(source, old)

    there = {(p, repr(a), repr(b)) for p, a, b in differences((), old, new)}
    back = {(p, repr(b), repr(a)) for p, a, b in differences((), new, old)}

    assert there == back
    assert bool(there) == (not equal(old, new)) or not there


@pytest.mark.parametrize("seed", range(30))
def test_adding_and_removing_invert(seed: int) -> None:
    source = random.Random(seed)
    names = [f"R{n}" for n in range(5)]
    old, new = (
        make.template(
            resources={
                n: resource("AWS::SNS::Topic", DisplayName=source.choice("ab"))
                for n in source.sample(names, 3)
            }
        )
        for _ in range(2)
    )
    other = {"add": "remove", "remove": "add", "change": "change"}

    there = {(c.logical_id, str(c.verb)) for c in diff.templates(old, new)}
    back = {(c.logical_id, other[c.verb]) for c in diff.templates(new, old)}

    assert there == back


def test_yaml_short_forms_and_json_are_the_same() -> None:
    short = """
Parameters: {Name: {Type: String, Default: shop}}
Conditions: {Main: !Equals [!Ref AWS::Region, us-east-1]}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Condition: Main
    Properties:
      TopicName: !Sub '${Name}-topic'
      DisplayName: !If [Main, !Join ['-', [a, !Ref Name]], b]
      Tags: [{Key: arn, Value: !GetAtt Queue.Arn}, {Key: part, Value: !Select [1, [x, y]]}]
  Queue: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 5, FifoQueue: true}}
Outputs: {Arn: {Value: !GetAtt Topic.TopicArn, Export: {Name: !Sub '${Name}-arn'}}}
"""
    long = {
        "Parameters": {"Name": {"Type": "String", "Default": "shop"}},
        "Conditions": {"Main": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}},
        "Resources": {
            "Queue": resource("AWS::SQS::Queue", FifoQueue="true", DelaySeconds="5"),
            "Topic": {
                "Condition": "Main",
                **resource(
                    "AWS::SNS::Topic",
                    DisplayName={
                        "Fn::If": [
                            "Main",
                            {"Fn::Join": ["-", ["a", {"Ref": "Name"}]]},
                            "b",
                        ]
                    },
                    TopicName={"Fn::Join": ["", [{"Ref": "Name"}, "-topic"]]},
                    Tags=[
                        {"Key": "part", "Value": {"Fn::Select": ["1", ["x", "y"]]}},
                        {"Key": "arn", "Value": {"Fn::GetAtt": ["Queue", "Arn"]}},
                    ],
                ),
            },
        },
        "Outputs": {
            "Arn": {
                "Export": {"Name": {"Fn::Sub": "${Name}-arn"}},
                "Value": {"Fn::GetAtt": ["Topic", "TopicArn"]},
            }
        },
    }
    sides = diff.sides((decode.template(short, "short"), {}), (long, {}), EAST)

    assert not diff.compare(*sides) and not diff.entries(*sides)
