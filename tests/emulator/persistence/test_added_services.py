"""Records of the services that tapgen adds to ministack are saved."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sqlite3
import time
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence
from collections.abc import MutableSet as AnySet
from contextlib import closing
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest

import tapgen.emulator
from tapgen.emulator.persistence import persist
from tapgen.emulator.server import lifecycle
from tapgen.emulator.state import records, tracked
from tapgen.emulator.state.tracked import Tracked
from tests.emulator.persistence.test_persist import (
    ACCOUNT,
    BOTH,
    Again,
    Project,
    looked_after,
)

WEST = "us-west-2"
Look = Callable[[Project], Any]
"""What can be seen of something, as AWS's clients answer."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with looked_after(tmp_path / ".tapgen") as project:
        yield project


def answer(client: Any, operation: str, **given: Any) -> Any:
    found = getattr(client, operation)(**given)
    found.pop("ResponseMetadata")
    return found


def costs(project: Project) -> Look:
    client = project.client("ce")
    arn = client.create_cost_category_definition(
        Name="by-project",
        RuleVersion="CostCategoryExpression.v1",
        Rules=[
            {
                "Type": "INHERITED_VALUE",
                "InheritedValue": {"DimensionName": "TAG", "DimensionKey": "Project"},
            }
        ],
    )["CostCategoryArn"]
    client.tag_resource(ResourceArn=arn, ResourceTags=[{"Key": "a", "Value": "b"}])
    client.update_cost_allocation_tags_status(
        CostAllocationTagsStatus=[{"TagKey": "Project", "Status": "Active"}]
    )

    def look(project: Project) -> Any:
        client = project.client("ce")
        return [
            answer(client, "describe_cost_category_definition", CostCategoryArn=arn),
            answer(client, "list_tags_for_resource", ResourceArn=arn),
            answer(client, "list_cost_allocation_tags"),
        ]

    return look


def documents(project: Project) -> Look:
    client = project.client("ssm", WEST)
    step = {"name": "one", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    content = {"schemaVersion": "0.3", "mainSteps": [step]}
    client.create_document(
        Name="kept", DocumentType="Automation", Content=json.dumps(content)
    )
    content["description"] = "second"
    client.update_document(
        Name="kept", Content=json.dumps(content), DocumentVersion="$LATEST"
    )

    def look(project: Project) -> Any:
        client = project.client("ssm", WEST)
        return [
            answer(client, "get_document", Name="kept", DocumentVersion=version)
            for version in "12"
        ]

    return look


def automations(project: Project) -> Look:
    client = project.client("ssm", WEST)
    inputs = {"Service": "sts", "Api": "GetCallerIdentity"}
    step = {"name": "who", "action": "aws:executeAwsApi", "inputs": inputs}
    content = {"schemaVersion": "0.3", "mainSteps": [step]}
    client.create_document(
        Name="run", DocumentType="Automation", Content=json.dumps(content)
    )
    id_ = client.start_automation_execution(DocumentName="run")["AutomationExecutionId"]

    def look(project: Project) -> Any:
        client = project.client("ssm", WEST)
        return answer(client, "get_automation_execution", AutomationExecutionId=id_)

    deadline = time.monotonic() + 300
    while look(project)["AutomationExecution"]["AutomationExecutionStatus"] != (
        "Success"
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return look


def experiments(project: Project) -> Look:
    client = project.client("fis")
    created = client.create_experiment_template(
        clientToken="t",
        description="fails over",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
        stopConditions=[{"source": "none"}],
        actions={"wait": {"actionId": "aws:fis:wait", "parameters": {"d": "PT1M"}}},
    )["experimentTemplate"]["id"]
    client.update_experiment_template(id=created, description="waits")

    def look(project: Project) -> Any:
        return answer(project.client("fis"), "get_experiment_template", id=created)

    return look


def accelerators(project: Project) -> Look:
    client = project.client("globalaccelerator", WEST)
    accelerator = client.create_accelerator(
        Name="kept", IdempotencyToken="t", Tags=[{"Key": "a", "Value": "b"}]
    )["Accelerator"]["AcceleratorArn"]
    listener = client.create_listener(
        AcceleratorArn=accelerator,
        Protocol="TCP",
        PortRanges=[{"FromPort": 443, "ToPort": 443}],
        IdempotencyToken="t",
    )["Listener"]["ListenerArn"]
    group = client.create_endpoint_group(
        ListenerArn=listener, EndpointGroupRegion=WEST, IdempotencyToken="t"
    )["EndpointGroup"]["EndpointGroupArn"]
    client.update_endpoint_group(EndpointGroupArn=group, TrafficDialPercentage=10)

    def look(project: Project) -> Any:
        client = project.client("globalaccelerator", WEST)
        return [
            answer(client, "describe_accelerator", AcceleratorArn=accelerator),
            answer(client, "describe_listener", ListenerArn=listener),
            answer(client, "describe_endpoint_group", EndpointGroupArn=group),
            answer(client, "list_tags_for_resource", ResourceArn=accelerator),
        ]

    return look


def replicas(project: Project) -> Look:
    """One copy of a secret is taken away again, another goes on alone."""
    away, alone = "eu-west-1", WEST
    client = project.client("secretsmanager")
    client.create_secret(Name="copied", SecretString="s")
    client.replicate_secret_to_regions(
        SecretId="copied", AddReplicaRegions=[{"Region": away}, {"Region": alone}]
    )
    client.remove_regions_from_replication(
        SecretId="copied", RemoveReplicaRegions=[away]
    )
    project.client("secretsmanager", alone).stop_replication_to_replica(
        SecretId="copied"
    )

    def look(project: Project) -> Any:
        clients = [
            project.client("secretsmanager", region)
            for region in ("us-east-1", away, alone)
        ]
        described = [
            answer(clients[n], "describe_secret", SecretId="copied") for n in (0, 2)
        ]
        return [*described, answer(clients[1], "list_secrets")]

    return look


def balancers(project: Project) -> Look:
    client = project.client("elbv2")
    groups = [
        client.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId="vpc-1")[
            "TargetGroups"
        ][0]["TargetGroupArn"]
        for name in ("blue", "green")
    ]
    balancer = client.create_load_balancer(Name="kept", Subnets=["subnet-1"])
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    weighted = [
        {"TargetGroupArn": group, "Weight": weight}
        for group, weight in zip(groups, (10, 90), strict=True)
    ]
    client.create_listener(
        LoadBalancerArn=arn,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[
            {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}
        ],
    )

    def look(project: Project) -> Any:
        client = project.client("elbv2")
        return answer(client, "describe_listeners", LoadBalancerArn=arn)

    return look


def organization(project: Project) -> Look:
    client = project.client("organizations")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    unit = client.create_organizational_unit(ParentId=root, Name="workloads")
    unit = unit["OrganizationalUnit"]["Id"]
    created = client.create_account(Email="a@example.com", AccountName="a")
    member = created["CreateAccountStatus"]["AccountId"]
    client.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    project.client("cloudformation").activate_organizations_access()
    client.register_delegated_administrator(
        AccountId=member,
        ServicePrincipal="member.org.stacksets.cloudformation.amazonaws.com",
    )
    project.client("account").enable_region(RegionName="eu-south-1")

    def look(project: Project) -> Any:
        client = project.client("organizations")
        access = project.client("cloudformation")
        given = {"RegionName": "eu-south-1"}
        return [
            answer(client, "list_accounts_for_parent", ParentId=unit),
            answer(client, "list_delegated_administrators"),
            answer(client, "list_aws_service_access_for_organization"),
            answer(access, "describe_organizations_access"),
            answer(project.client("account"), "get_region_opt_status", **given),
        ]

    return look


def queries(project: Project) -> Look:
    logs = project.client("logs")
    logs.put_query_definition(name="rejected", queryString="fields @message")

    def look(project: Project) -> Any:
        return [answer(project.client("logs"), "describe_query_definitions")]

    return look


def names(project: Project) -> Look:
    """Two records whose aliases are the answer in turn."""
    client = project.client("route53")
    created = client.create_hosted_zone(Name="a.test", CallerReference="1")
    zone = created["HostedZone"]["Id"]
    for name in ("one", "two"):
        to = {"HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": f"{name}.cloudfront.net"}
        record = {
            "Name": "a.test",
            "Type": "A",
            "SetIdentifier": name,
            "Weight": 1,
            "AliasTarget": {**to, "EvaluateTargetHealth": False},
        }
        change = {"Action": "CREATE", "ResourceRecordSet": record}
        client.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [change]}
        )

    def ask(project: Project) -> Any:
        client = project.client("route53")
        question = {"RecordName": "a.test", "RecordType": "A"}
        return answer(client, "test_dns_answer", HostedZoneId=zone, **question)

    first = ask(project)
    return lambda project: [ask(project) != first, ask(project) == first]


def writes(project: Project) -> Look:
    """A write that is on its way to another region."""
    client = project.client("dynamodb")
    client.create_table(
        TableName="items",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_table(
        TableName="items", ReplicaUpdates=[{"Create": {"RegionName": WEST}}]
    )
    lifecycle.move_clock(project.folder, 0)
    client.put_item(TableName="items", Item={"id": {"S": "one"}})
    assert scanned(project, WEST) == []
    return lambda project: scanned(project, "us-east-1")


def scanned(project: Project, region: str) -> Any:
    return answer(project.client("dynamodb", region), "scan", TableName="items")[
        "Items"
    ]


KINDS = (
    costs,
    queries,
    documents,
    automations,
    experiments,
    accelerators,
    replicas,
    balancers,
    organization,
    names,
    writes,
)


@BOTH
def test_what_tapgen_adds_is_there(project: Project, again: Again) -> None:
    looks = [kind(project) for kind in KINDS]
    before = [look(project) for look in looks]

    again(project)

    assert [look(project) for look in looks] == before
    assert scanned(project, WEST) == scanned(project, "us-east-1") != []
    # A service that is added must be made something of above.
    path = project.folder / "state" / persist.FILE
    lifecycle.stop(project.folder)
    with closing(sqlite3.connect(path)) as file:
        held = {row[0] for row in file.execute("SELECT store FROM entries")}
    load_all()
    done = {"tapgen.emulator.services.clock:_LATER"}  # by the restart
    assert {name for name, _ in tracked.added_stores()} - done <= held
    project.start()


def test_a_reset_forgets_what_tapgen_adds(project: Project) -> None:
    costs(project)
    lifecycle.reset(project.folder)
    for _ in range(2):
        tags = project.client("ce").list_cost_allocation_tags()["CostAllocationTags"]
        assert tags == []
        project.killed()


def test_what_is_deleted_stays_deleted(project: Project) -> None:
    client = project.client("ssm", WEST)
    documents(project)
    project.killed()
    client = project.client("ssm", WEST)
    client.delete_document(Name="kept")
    project.killed()
    client = project.client("ssm", WEST)
    assert client.list_documents()["DocumentIdentifiers"] == []


# Every store is saved

# Variables that change and are no records: what is there anew after every start.
NO_RECORDS = {
    "accounts.organizations:_observers": "what moves are reported to: the engine",
    "cloudformation.denied_calls:_calls": "what knows the calls of handlers",
    "cloudformation.denied_calls:ENFORCEMENT": "the mode, and what it found: both of this start",
    "permissions.enforcing:ENFORCEMENT": "the mode, and what it found: both of this start",
    "services.automations:ENFORCEMENT": "the mode, and what it found: both of this start",
    "services.automations:_alive": "threads, which end with the process",
    "services.patches.function_processes:ENFORCEMENT": "the mode, and what it found: both of this start",
    "services.patches.function_processes:_processes": "processes, which end with this one",
    "services.patches.state_machines:ENFORCEMENT": "the mode, and what it found: both of this start",
    "services.patches.state_machines:_faults": "faults, which are not saved",
    "services.patches.state_machines:_running": "threads, which end with the process",
    "stacksets.actions:ENFORCEMENT": "the mode, and what it found: both of this start",
    "stacksets.stacks:ENFORCEMENT": "the mode, and what it found: both of this start",
    "stacksets.trust:ENFORCEMENT": "the mode, and what it found: both of this start",
    "permissions.stack_roles:ENFORCEMENT": "the mode, and what it found: both of this start",
    "server.app:ENFORCEMENT": "the mode, and what it found: both of this start",
    "cloudformation.patches.property_attributes:_draw": "what draws attributes: shapes",
    "cloudformation.property_types:_forms": "parts of the schemas of types",
    "cloudformation.property_types:_shapes": "the schemas of types",
    "cloudformation.patches.read_templates:_facts": "what follows from texts of templates",
    "cloudformation.patches.resource_work:_listeners": "who has a say in resources: functions",
    "services.clock:_CLOCK": "the time: real again after every start",
    "services.clock:_WATCHERS": "what follows the clock: functions",
    "services.clock:_WORK": "how to do what is done later: functions",
    "services.patches.object_replication:_real": "ministack's functions",
    "services.patches.table_replication:_real": "ministack's functions",
    "services.reach:_reaches": "faults, which are not saved",
    "wire.connection:_waiting": "connections, which end with the process",
    "cloudformation.patches.resource_types:_unknown_types": "what knows resource types: shapes",
    "cloudformation.patches.parameters:_matches": "patterns: the command line's function",
    "cloudformation.patches.template_summary:_shapes": "the schemas of types",
    "cloudformation.property_checks:UNKNOWN": "what a property is before it is known",
    "cloudformation.refused_updates:_refuses": "what AWS refuses: the command line's function",
    "cloudformation.provisioning:_current": "faults, which are not saved",
    "cloudformation.replacing_updates:_replaces": "what replaces: a function",
    "cloudformation.taken_names:_named": "types that have names",
    "cloudformation.validations:_shape": "the schemas of types",
    "resources.kinds:_originals": "ministack's handlers",
    "resources.stack_sets:_engine": "the engine, whose registry is saved",
    "resources.shapes:_real": "types that have a handler",
}


def load_all() -> list[str]:
    """Load every module of the embedded AWS; their names."""
    package = tapgen.emulator
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    names = [module.name for module in found]
    for name in names:
        importlib.import_module(name)
    return names


def changes(variable: str, value: Any) -> bool:
    """Whether a variable of a module is there to be changed.

    Constants have names in capitals and have something in them.
    """
    if isinstance(value, MutableMapping | MutableSequence | AnySet):
        return not value or not variable.strip("_").isupper()
    ours = type(value).__module__.startswith(tracked.ADDED)
    if not ours or isinstance(value, type):
        return False
    return not (is_dataclass(value) and value.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def untracked() -> set[str]:
    return {
        f"{name.removeprefix(tracked.ADDED)}:{variable}"
        for name in load_all()
        for variable, value in vars(importlib.import_module(name)).items()
        if not variable.startswith("__") and not isinstance(value, Tracked)
        if changes(variable, value)
    }


def test_every_variable_that_holds_records_is_a_tracked_store() -> None:
    """A service that is added keeps its records in `Tracked`, or they are lost."""
    assert untracked() == set(NO_RECORDS)


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("_things", {}, True),
        ("_things", {"a": 1}, True),
        ("THINGS", {}, True),
        ("_THINGS", {"a": 1}, False),
        ("_seen", set(), True),
        ("_order", [], True),
        ("_keeper", records._Unpickler, False),
        ("_registry", tapgen.emulator.stacksets.model.Registry(), True),
        ("_place", tapgen.emulator.wire.inner.Place("1", "r"), False),
        ("_names", ("a",), False),
    ],
)
def test_what_counts_as_a_variable_that_holds_records(
    variable: str, value: Any, found: bool
) -> None:
    assert changes(variable, value) is found
