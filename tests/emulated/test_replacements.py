"""What the plan calls replaced or changed in place is what the embedded AWS does, also
where the schema of a type does not say it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tapgen.emulator.server import lifecycle
from tapgen.template import diff
from tests.emulator.places import Place, new_account, served

VPC = "AWS::EC2::VPC"
INSTANCE = "AWS::RDS::DBInstance"
DATABASE = {
    "Engine": "mysql",
    "DBInstanceClass": "db.t3.micro",
    "AllocatedStorage": "20",
    "MasterUsername": "admin",
    "MasterUserPassword": "not-a-secret",
}
CIDR = {"CidrBlock": "10.0.0.0/16"}
CONTENT = {"schemaVersion": "2.2", "mainSteps": []}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lifecycle.Server]:
    yield from served(tmp_path_factory.mktemp("replacements"))


@pytest.fixture
def place(server: lifecycle.Server) -> Place:
    return Place(server.url, new_account())


@pytest.mark.parametrize(
    ("kind", "before", "after", "replaced"),
    [
        (VPC, {"InstanceTenancy": "dedicated"}, {"InstanceTenancy": "default"}, False),
        (VPC, {"InstanceTenancy": "default"}, {"InstanceTenancy": "dedicated"}, True),
        (INSTANCE, {"MultiAZ": False}, {"MultiAZ": True}, False),
        (INSTANCE, {"BackupRetentionPeriod": 1}, {"BackupRetentionPeriod": 2}, False),
        (INSTANCE, {}, {"Engine": "postgres"}, True),
        (
            "AWS::SSM::Document",
            {"UpdateMethod": "NewVersion", "Content": CONTENT},
            {
                "UpdateMethod": "NewVersion",
                "Content": CONTENT | {"description": "another"},
            },
            False,
        ),
    ],
)
def test_a_change_replaces_where_the_plan_says_so(
    place: Place,
    kind: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    replaced: bool,
) -> None:
    more = {VPC: CIDR, INSTANCE: DATABASE}.get(kind, {"DocumentType": "Command"})
    old, new = (
        json.dumps({"Resources": {"R": {"Type": kind, "Properties": {**more, **side}}}})
        for side in (before, after)
    )
    client = place.cloudformation
    ids = []
    for number, (text, wait) in enumerate(
        ((old, "stack_create_complete"), (new, "stack_update_complete"))
    ):
        call = client.update_stack if number else client.create_stack
        call(StackName="one", TemplateBody=text)
        client.get_waiter(wait).wait(StackName="one", WaiterConfig={"Delay": 1})
        found = client.describe_stack_resource(StackName="one", LogicalResourceId="R")
        ids.append(found["StackResourceDetail"]["PhysicalResourceId"])

    (change,) = diff.templates(old, new)

    assert (change.verdict is diff.Verdict.REPLACES) is replaced
    assert (ids[0] != ids[1]) is replaced
