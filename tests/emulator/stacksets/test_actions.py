"""Every StackSets action of CloudFormation's service model answers.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import os
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapgen.emulator.cloudformation import not_emulated
from tapgen.emulator.server import lifecycle
from tests.emulator.conftest import NAMED, Aws, connect, template

MODEL = boto3.client(
    "cloudformation",
    region_name="us-east-1",
    aws_access_key_id="1",
    aws_secret_access_key="1",
).meta.service_model
STACK_SETS = [
    name
    for name in MODEL.operation_names
    if re.search("StackSet|StackInstance|OrganizationsAccess", name)
]
NEVER = ("UnsupportedOperation", "InvalidAction", "InternalFailure", "InternalError")


def snake(action: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()


def code(client: Any, action: str, **parameters: Any) -> str:
    """The error code of an answer, empty when it is none."""
    try:
        getattr(client, snake(action))(**parameters)
    except ClientError as error:
        found: str = error.response["Error"]["Code"]
        return found
    return ""


@pytest.mark.parametrize("action", STACK_SETS)
def test_every_stack_sets_action_answers(aws: Aws, action: str) -> None:
    """All actions on stack sets, stack instances and access to organizations."""
    shape = MODEL.operation_model(action).input_shape
    given: dict[str, Any] = {
        "StackSetName": "named",
        "TemplateBody": NAMED,
        "Accounts": [aws.account],
        "Regions": ["us-east-1"],
        "RetainStacks": False,
        "UsePreviousTemplate": True,
        "OperationId": "never-used",
        "StackInstanceAccount": aws.account,
        "StackInstanceRegion": "us-east-1",
        "StackIds": [],
    }
    wanted = set(shape.members if shape else ())
    if action == "UpdateStackSet":
        wanted -= {"TemplateBody", "Accounts", "Regions"}
    answered = code(
        aws.cloudformation, action, **{k: v for k, v in given.items() if k in wanted}
    )
    assert answered not in NEVER


def test_what_is_not_emulated_says_so(aws: Aws) -> None:
    """The registry and the like, and nothing else."""
    client = aws.cloudformation
    with pytest.raises(ClientError) as refusal:
        client.describe_type(Type="RESOURCE", TypeName="AWS::S3::Bucket")
    error = refusal.value.response["Error"]
    assert error["Code"] == "UnsupportedOperation"
    assert error["Message"] == "DescribeType is not emulated by the embedded AWS"
    assert not set(STACK_SETS) & set(not_emulated.ACTIONS)
    assert set(not_emulated.ACTIONS) <= set(MODEL.operation_names)


@pytest.fixture(scope="module")
def prey(server: lifecycle.Server) -> Any:
    """A stack set that malformed requests are about."""
    aws = Aws(server.url, "000900000001")
    aws.make_roles(aws.account)
    client = aws.cloudformation
    client.create_stack_set(StackSetName="prey", TemplateBody=template())
    started = client.create_stack_instances(
        StackSetName="prey", Accounts=[aws.account], Regions=["us-east-1"]
    )
    aws.finished("prey", started)
    client.activate_organizations_access()
    return aws


NAMES = st.sampled_from(["prey", "none", "", "prey:1", "a b", "x" * 200])
# No carriage returns and the like: botocore does not send them.
TEXT = st.one_of(NAMES, st.text(st.characters(codec="utf-8"), max_size=30))


def values(shape: Any) -> st.SearchStrategy[Any]:
    """Anything of a shape's type, seldom what makes sense."""
    match shape.type_name:
        case "structure":
            members = {name: values(member) for name, member in shape.members.items()}
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(values(shape.member), max_size=3)
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            return st.integers(-5, 2**40)
        case "timestamp":
            return st.datetimes()
    return st.one_of(st.sampled_from(shape.enum), TEXT) if shape.enum else TEXT


def requests(action: str) -> st.SearchStrategy[Any]:
    shape = MODEL.operation_model(action).input_shape
    return st.just({}) if shape is None else values(shape)


@pytest.mark.parametrize("action", STACK_SETS)
def test_no_request_breaks_the_service(
    server: lifecycle.Server, prey: Aws, action: str
) -> None:
    """Malformed parameters are refused, or do what they say; then all goes on."""
    client = boto3.client(
        "cloudformation",
        endpoint_url=server.url,
        aws_access_key_id=prey.account,
        aws_secret_access_key="any",
        region_name="us-east-1",
        config=unchecked(),
    )

    @settings(
        max_examples=200 if "TAPGEN_SOAK" in os.environ else 10,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(action))
    def attack(parameters: dict[str, Any]) -> None:
        try:
            getattr(client, snake(action))(**parameters)
        except ClientError as error:
            answer = error.response
            assert answer["Error"]["Code"] not in NEVER, parameters
            assert answer["ResponseMetadata"]["HTTPStatusCode"] < 500, parameters
        listed = client.list_stack_sets()["Summaries"]
        for found in listed:
            if found["Status"] == "ACTIVE":
                name = found["StackSetName"]
                client.describe_stack_set(StackSetName=name)
                client.list_stack_instances(StackSetName=name)
                client.list_stack_set_operations(StackSetName=name)

    before = len(server.log.read_text())
    attack()
    assert "Traceback" not in server.log.read_text()[before:]
    names = [s["StackSetName"] for s in client.list_stack_sets()["Summaries"]]
    assert "prey" in names


def unchecked() -> Any:
    """A configuration with which boto3 sends requests unchecked."""
    from botocore.config import Config

    return Config(
        retries={"total_max_attempts": 1},
        parameter_validation=False,
        inject_host_prefix=False,
    )


def test_an_account_that_nobody_knows_has_nothing(server: lifecycle.Server) -> None:
    """ListStackSets of an account without any."""
    client = connect(server.url, "cloudformation", "000900000099")
    assert client.list_stack_sets()["Summaries"] == []
    assert code(client, "DescribeStackSet", StackSetName="prey") == (
        "StackSetNotFoundException"
    )
