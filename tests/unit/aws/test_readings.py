"""What is known of a stack instance when its stack can, or cannot, be read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tapgen.aws import readings
from tapgen.aws.session import Aws
from tapgen.errors import AwsError
from tapgen.model import (
    InstanceStatus,
    ObservedInstance,
    Reading,
    Target,
)

WEST = Target("222222222222", "us-west-2")


class FakeClient:
    """CloudFormation, with one answer to DescribeStacks."""

    meta = SimpleNamespace(
        region_name="us-east-1",
        service_model=SimpleNamespace(service_name="cloudformation"),
        method_to_api_mapping={"describe_stacks": "DescribeStacks"},
    )

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def describe_stacks(self, **given: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Stacks": [self.answer]}


class FakeAws:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def client(self, service: str, target: Target) -> FakeClient:
        if isinstance(self.answer, AwsError):
            raise self.answer  # as when no role can be assumed there
        return FakeClient(self.answer)


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


def read(answer: Any, **more: Any) -> ObservedInstance:
    known = {"status": InstanceStatus.CURRENT, "stack_id": "arn:it", **more}
    instance = ObservedInstance(detailed_status=None, **known)
    return readings.read(cast(Aws, FakeAws(answer)), WEST, instance, True, False)


def test_outputs_that_were_read_are_there() -> None:
    found = read(
        {
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [{"OutputKey": "Arn", "OutputValue": "x"}],
        }
    )

    assert (found.reading, found.outputs) == (Reading.READ, {"Arn": "x"})


@pytest.mark.parametrize(
    ("answer", "reading", "words"),
    [
        (refused("ServiceUnavailable"), Reading.AWAY, "ServiceUnavailable"),
        (refused("InternalFailure"), Reading.AWAY, "InternalFailure"),
        (refused("OptInRequired"), Reading.AWAY, "OptInRequired"),
        (EndpointConnectionError(endpoint_url="u"), Reading.AWAY, "connect"),
        (refused("AccessDenied"), Reading.REFUSED, "AccessDenied"),
        (AwsError("sts:AssumeRole", "AccessDenied", "no"), Reading.REFUSED, "Assume"),
        (AwsError("sts:AssumeRole", "NoRole", "no"), Reading.REFUSED, "NoRole"),
        (refused("ValidationError", "it does not exist"), Reading.GONE, "arn:it"),
        ({"StackStatus": "DELETE_COMPLETE"}, Reading.GONE, "does not exist"),
    ],
)
def test_no_answer_is_never_an_empty_answer(
    answer: Any, reading: Reading, words: str
) -> None:
    found = read(answer)

    assert (found.reading, found.outputs) == (reading, None)
    assert words in found.unread


def test_a_stack_that_was_never_created_is_not_gone() -> None:
    found = read({"StackStatus": "DELETE_COMPLETE"}, status=InstanceStatus.OUTDATED)

    assert found.reading is Reading.READ


def test_an_update_that_failed_as_the_stack_is_gone_says_that_it_is_gone() -> None:
    found = read(
        {"StackStatus": "DELETE_COMPLETE"},
        status=InstanceStatus.OUTDATED,
        reason="Stack [StackSet-x-1] does not exist",
    )

    assert found.reading is Reading.GONE


@pytest.mark.parametrize(
    ("parameter", "has"),
    [
        ({"ParameterValue": "/its/name", "ResolvedValue": "x"}, {"In": "x"}),
        ({"ParameterValue": "arn:kept"}, {"In": "arn:kept"}),
        ({"ParameterValue": "/its/name"}, {}),
        ({"ParameterValue": "****"}, {}),
    ],
)
def test_a_stack_that_kept_a_plain_value_has_it_until_it_reads_the_ssm_parameter(
    parameter: dict[str, str], has: dict[str, str]
) -> None:
    stack = {
        "StackStatus": "UPDATE_COMPLETE",
        "Parameters": [
            {"ParameterKey": "In", **parameter},
            {"ParameterKey": "Other", "ParameterValue": "plain"},
        ],
    }
    instance = ObservedInstance(InstanceStatus.CURRENT, None, stack_id="arn:it")
    aws = cast(Aws, FakeAws(stack))

    given = {"In": "/its/name", "Other": "plain", "New": "not there yet"}
    found = readings.read(aws, WEST, instance, True, False, {"In": "/its/name"}, given)

    assert found.resolved == has
    assert found.template is None  # nothing was updated behind the stack set's back
