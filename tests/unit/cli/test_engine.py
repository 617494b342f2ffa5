"""The engine in AWS, as commands see it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen.cli import engine
from tapgen.model import Target
from tapgen.rollout import opening
from tests.unit.rollout.test_turns import ARN, handed_over

EAST = Target("111111111111", "us-east-1")


class Nothing:
    """CloudFormation of a region without stacks."""

    meta = SimpleNamespace(
        service_model=SimpleNamespace(service_name="cloudformation"),
        region_name="us-east-1",
        method_to_api_mapping={"describe_stacks": "DescribeStacks"},
    )

    def describe_stacks(self, **given: Any) -> Any:
        words = "Stack with id tapgen-engine does not exist"
        error = {"Error": {"Code": "ValidationError", "Message": words}}
        raise ClientError(error, "DescribeStacks")


def test_whoever_answers_a_gate_is_told_that_the_engine_is_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cloud, run = handed_over()
    found = opening.opened(cloud.bucket, "demo-test")
    aws = SimpleNamespace(client=lambda service, target: Nothing())
    reached: Any = SimpleNamespace(
        sets=SimpleNamespace(aws=aws),
        system=SimpleNamespace(admin=EAST, name="demo", environment=None),
        local=False,
        by_prefix=False,
    )
    engine.waker(reached, found)()
    said = capsys.readouterr().err
    assert f"nobody goes on with run {run}: {ARN} is not there" in said
    assert "--engine local" in said
