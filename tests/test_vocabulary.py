"""Our enums hold CloudFormation's words, no more and no fewer."""

from __future__ import annotations

from enum import StrEnum

import pytest
from botocore.loaders import Loader

from tapgen import model

SHAPES = Loader().load_service_model("cloudformation", "service-2")["shapes"]


@pytest.mark.parametrize(
    ("ours", "shape"),
    [
        (model.OperationStatus, "StackSetOperationStatus"),
        (model.ResultStatus, "StackSetOperationResultStatus"),
        (model.InstanceStatus, "StackInstanceStatus"),
        (model.InstanceDetailedStatus, "StackInstanceDetailedStatus"),
        (model.Action, "StackSetOperationAction"),
    ],
)
def test_enums_are_those_of_the_api(ours: type[StrEnum], shape: str) -> None:
    assert {member.value for member in ours} == set(SHAPES[shape]["enum"])
