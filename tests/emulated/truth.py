"""Random small systems and random changes of them, what a plan says of each resource,
and what became of it on the embedded AWS."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from tapgen.model import SELF, Action, Output, Override, StackSet, System, Target
from tapgen.plan import Plan
from tapgen.template.diff import Verb, Verdict
from tests.emulated.conftest import Cloud
from tests.emulated.test_rollout import system

REGIONS = ("us-east-1", "us-west-2")
IDS = ("Alpha", "Beta", "Gamma", "Delta")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Fate(StrEnum):
    """What becomes of a resource."""

    KEPT = "kept"
    UPDATED = "updated"
    REPLACED = "replaced"
    DELETED = "deleted"
    CREATED = "created"


@dataclass(frozen=True)
class Kind:
    """A type with a name that replaces and a property that changes in place."""

    type: str
    name: str
    property: str
    values: tuple[Any, Any]
    more: Mapping[str, Any]


KINDS = (
    Kind("AWS::SQS::Queue", "QueueName", "DelaySeconds", (1, 2), {}),
    Kind("AWS::SNS::Topic", "TopicName", "DisplayName", ("one", "two"), {}),
    Kind("AWS::SSM::Parameter", "Name", "Value", ("one", "two"), {"Type": "String"}),
    Kind(
        "AWS::IAM::Role",
        "RoleName",
        "Description",
        ("one", "two"),
        {"AssumeRolePolicyDocument": TRUST},
    ),
    Kind(
        "AWS::DynamoDB::Table",
        "TableName",
        "TableClass",
        ("STANDARD", "STANDARD_INFREQUENT_ACCESS"),
        {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        },
    ),
    Kind(
        "AWS::S3::Bucket",
        "BucketName",
        "VersioningConfiguration",
        ({"Status": "Enabled"}, {"Status": "Suspended"}),
        {},
    ),
    Kind("AWS::Logs::LogGroup", "LogGroupName", "RetentionInDays", (7, 30), {}),
)


@dataclass(frozen=True)
class Thing:
    """One resource of a template: its kind and everything that may change of it."""

    kind: int
    named: str  # "no", "text", "parameter" or "mapping"
    version: int
    value: int
    condition: str  # "", "East" or "Big"
    retained: bool
    noted: bool  # has a Metadata attribute


@dataclass(frozen=True)
class Spec:
    """A system: the resources of one part by logical id, its values, where it is, and
    whether a second part takes an output of it."""

    things: Mapping[str, Thing]
    regions: tuple[str, ...]
    word: str
    western: str
    size: str
    described: bool
    output: str

    def __str__(self) -> str:
        facts = {k: v for k, v in vars(self).items() if k != "things"}
        return "\n".join([str(facts), *(f"  {n}: {t}" for n, t in self.things.items())])


def spec(source: random.Random) -> Spec:
    """A random system."""
    names = source.sample(IDS, source.randint(2, len(IDS)))
    return Spec(
        {name: _thing(source) for name in sorted(names)},
        tuple(sorted(source.sample(REGIONS, source.choice((1, 2, 2))))),
        source.choice("ab"),
        source.choice(("", "c")),
        source.choice("12"),
        False,
        source.choice(names),
    )


def _thing(source: random.Random) -> Thing:
    return Thing(
        source.randrange(len(KINDS)),
        source.choice(("no", "text", "parameter", "mapping")),
        1,
        source.randrange(2),
        source.choice(("", "", "", "East", "Big")),
        source.random() < 0.3,
        False,
    )


def changed(source: random.Random, before: Spec) -> Spec:
    """The same system with one to three random changes."""
    after = before
    for _ in range(source.randint(1, 3)):
        after = source.choice(_CHANGES)(source, after)
    return after


def _one(source: random.Random, spec: Spec, **changes: Any) -> Spec:
    name = source.choice(sorted(spec.things))
    return replace(
        spec, things={**spec.things, name: replace(spec.things[name], **changes)}
    )


def _another_value(source: random.Random, spec: Spec) -> Spec:
    return _one(source, spec, value=source.randrange(2))


def _another_name(source: random.Random, spec: Spec) -> Spec:
    return _one(source, spec, version=source.choice((1, 2)))


def _another_condition(source: random.Random, spec: Spec) -> Spec:
    return _one(source, spec, condition=source.choice(("", "East", "Big")))


def _another_policy(source: random.Random, spec: Spec) -> Spec:
    return _one(source, spec, retained=source.random() < 0.5)


def _note(source: random.Random, spec: Spec) -> Spec:
    return _one(source, spec, noted=True)


def _another_kind(source: random.Random, spec: Spec) -> Spec:
    return _one(source, spec, kind=source.randrange(len(KINDS)))


def _one_less(source: random.Random, spec: Spec) -> Spec:
    if len(spec.things) < 2:
        return spec
    gone = source.choice([n for n in sorted(spec.things) if n != spec.output] or [""])
    return replace(spec, things={n: t for n, t in spec.things.items() if n != gone})


def _one_more(source: random.Random, spec: Spec) -> Spec:
    new = [name for name in IDS if name not in spec.things]
    if not new:
        return spec
    return replace(spec, things={**spec.things, source.choice(new): _thing(source)})


def _other_regions(source: random.Random, spec: Spec) -> Spec:
    number = source.choice((1, 2))
    return replace(spec, regions=tuple(sorted(source.sample(REGIONS, number))))


def _another_word(source: random.Random, spec: Spec) -> Spec:
    return replace(spec, word=source.choice("ab"), western=source.choice(("", "c")))


def _another_size(source: random.Random, spec: Spec) -> Spec:
    return replace(spec, size=source.choice("12"))


def _describe(source: random.Random, spec: Spec) -> Spec:
    return replace(spec, described=True)


_CHANGES = (
    *(_another_value, _another_name, _another_condition, _another_policy, _note),
    *(_one_less, _one_more, _other_regions, _another_word, _another_size, _describe),
    _another_kind,
)


# -- as a system -------------------------------------------------------------------------


def deployable(spec: Spec, account: str) -> System:
    """The system that a spec describes."""
    targets = tuple(Target(SELF, region) for region in spec.regions)
    western = (Override({"Word": spec.western}, region="us-west-2"),)
    things = StackSet(
        name="demo-test-things",
        part="things",
        template=_template(spec, account),
        role="every",
        targets=targets,
        parameters={"Word": spec.word, "Size": spec.size},
        overrides=western if spec.western else (),
        capabilities=("CAPABILITY_NAMED_IAM",),
    )
    note = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": "/demo/user", "Type": "String", "Value": {"Ref": "Of"}},
    }
    user = StackSet(
        name="demo-test-user",
        part="user",
        template=json.dumps(
            {
                "Parameters": {"Of": {"Type": "String"}},
                "Resources": {"Note": note},
            }
        ),
        role="every",
        targets=targets,
        parameters={"Of": Output("things", "Out")},
    )
    return system(things, user, on_failure="stop")


def _template(spec: Spec, account: str) -> str:
    out = spec.things.get(spec.output)
    value: Any = "nothing"
    if out and not out.condition:
        value = {"Ref": spec.output}
    body: dict[str, Any] = {
        "Parameters": {"Word": {"Type": "String"}, "Size": {"Type": "String"}},
        "Mappings": {"Of": {r: {"word": f"in{r[3:7]}"} for r in REGIONS}},
        "Conditions": {
            "East": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
            "Big": {"Fn::Equals": [{"Ref": "Size"}, "2"]},
        },
        "Resources": {
            name: _resource(name, thing, account) for name, thing in spec.things.items()
        },
        "Outputs": {"Out": {"Value": value}},
    }
    return json.dumps(body | ({"Description": "Words"} if spec.described else {}))


def _resource(name: str, thing: Thing, account: str) -> dict[str, Any]:
    kind = KINDS[thing.kind]
    properties = {**kind.more, kind.property: kind.values[thing.value]}
    if thing.named != "no":
        # Of one kind, so that a name is never another type's.
        start = f"demo{account[-8:]}-{name.lower()}{thing.kind}-{thing.version}-"
        middle = {
            "text": "x",
            "parameter": "${Word}",
            "mapping": "${Mapped}",
        }[thing.named]
        mapped = {"Fn::FindInMap": ["Of", {"Ref": "AWS::Region"}, "word"]}
        properties[kind.name] = {
            "Fn::Sub": [f"{start}{middle}-${{AWS::Region}}", {"Mapped": mapped}]
        }
    resource: dict[str, Any] = {"Type": kind.type, "Properties": properties}
    policy = "Retain" if thing.retained else "Delete"
    resource |= {"DeletionPolicy": policy, "UpdateReplacePolicy": policy}
    if thing.condition:
        resource["Condition"] = thing.condition
    if thing.noted:
        resource["Metadata"] = {"Note": "noted"}
    return resource


# -- what is there -----------------------------------------------------------------------

Key = tuple[str, str, str]
"""Part, region and logical id."""


@dataclass(frozen=True)
class There:
    """A resource as it is: its type, its physical id and the value of its property."""

    type: str
    id: str
    value: Any


def look(cloud: Cloud, wanted: System) -> dict[Key, There]:
    """Every resource of the stacks of a system."""
    found: dict[Key, There] = {}
    for observed in cloud.observe(wanted).values():
        part = observed.tags["tapgen:part"]
        for target, instance in observed.instances.items():
            if not instance.stack_id or instance.has_no_stack:
                continue
            client = cloud.client("cloudformation", target.region)
            listed = client.list_stack_resources(StackName=instance.stack_id)
            for one in listed["StackResourceSummaries"]:
                if one["ResourceStatus"] == "DELETE_COMPLETE":
                    continue
                kind, id_ = one["ResourceType"], one["PhysicalResourceId"]
                key = part, target.region, one["LogicalResourceId"]
                found[key] = There(kind, id_, value_of(cloud, target.region, kind, id_))
    return found


def value_of(cloud: Cloud, region: str, kind: str, id_: str) -> Any:
    """The property of a resource that changes in place; None where there is none."""
    try:
        return _READ[kind](cloud, region, id_)
    except ClientError:
        return None


def _queue(cloud: Cloud, region: str, id_: str) -> Any:
    client = cloud.client("sqs", region)
    found = client.get_queue_attributes(QueueUrl=id_, AttributeNames=["DelaySeconds"])
    return found["Attributes"]["DelaySeconds"]


def _topic(cloud: Cloud, region: str, id_: str) -> Any:
    client = cloud.client("sns", region)
    return client.get_topic_attributes(TopicArn=id_)["Attributes"].get(
        "DisplayName", ""
    )


def _parameter(cloud: Cloud, region: str, id_: str) -> Any:
    return cloud.client("ssm", region).get_parameter(Name=id_)["Parameter"]["Value"]


def _role(cloud: Cloud, region: str, id_: str) -> Any:
    return cloud.client("iam").get_role(RoleName=id_)["Role"].get("Description", "")


def _table(cloud: Cloud, region: str, id_: str) -> Any:
    table = cloud.client("dynamodb", region).describe_table(TableName=id_)["Table"]
    return table.get("TableClassSummary", {}).get("TableClass", "STANDARD")


def _bucket(cloud: Cloud, region: str, id_: str) -> Any:
    return (
        cloud.client("s3", region).get_bucket_versioning(Bucket=id_).get("Status", "")
    )


def _log_group(cloud: Cloud, region: str, id_: str) -> Any:
    client = cloud.client("logs", region)
    found = client.describe_log_groups(logGroupNamePrefix=id_)["logGroups"]
    return next((g["retentionInDays"] for g in found if g["logGroupName"] == id_), None)


_READ = {
    "AWS::SQS::Queue": _queue,
    "AWS::SNS::Topic": _topic,
    "AWS::SSM::Parameter": _parameter,
    "AWS::IAM::Role": _role,
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::Logs::LogGroup": _log_group,
}


# -- what a plan says --------------------------------------------------------------------


def said(the_plan: Plan, before: Mapping[Key, There]) -> dict[Key, frozenset[Fate]]:
    """What a plan says may become of each resource; what it does not mention is kept."""
    fates: dict[Key, set[Fate]] = {key: {Fate.KEPT} for key in before}
    for step in the_plan.steps:
        for target, changes in step.changes.items():
            for change in changes:
                key = step.part, target.region, change.logical_id
                fates[key] = _fates(change.verb, change.verdict, step.action)
                if step.conditional:
                    fates[key] |= {Fate.KEPT}
    return {key: frozenset(found) for key, found in fates.items()}


def _fates(verb: Verb, verdict: Verdict, action: Action) -> set[Fate]:
    if verb is Verb.ADD:
        return {Fate.CREATED}
    if verb is Verb.REMOVE:
        return {Fate.DELETED}
    return {
        Verdict.IN_PLACE: {Fate.UPDATED},
        Verdict.MAY_REPLACE: {Fate.UPDATED, Fate.REPLACED},
        Verdict.REPLACES: {Fate.REPLACED},
        Verdict.REFUSED: {Fate.KEPT},
    }[verdict]


def refused(the_plan: Plan) -> set[tuple[str, str]]:
    """Part and region of everything that AWS refuses, by the plan."""
    return {
        (step.part, target.region)
        for step in the_plan.steps
        for target, changes in step.changes.items()
        for change in changes
        if change.verdict is Verdict.REFUSED
    }


def left_behind(the_plan: Plan) -> Iterator[tuple[Key, bool]]:
    """(resource, whether it stays though its stack no longer has it), by the plan."""
    for step in the_plan.steps:
        for target, changes in step.changes.items():
            for change in changes:
                goes = change.verb is Verb.REMOVE or change.verdict is Verdict.REPLACES
                if goes and not step.conditional:
                    yield (step.part, target.region, change.logical_id), change.retained


def happened(
    before: Mapping[Key, There], after: Mapping[Key, There]
) -> dict[Key, Fate]:
    """What became of each resource."""
    fates = {}
    for key in {*before, *after}:
        was, now = before.get(key), after.get(key)
        if was is None:
            fates[key] = Fate.CREATED
        elif now is None:
            fates[key] = Fate.DELETED
        elif was.id != now.id:
            fates[key] = Fate.REPLACED
        else:
            fates[key] = Fate.KEPT if was.value == now.value else Fate.UPDATED
    return fates
