"""What the tests of several patches use."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.places import Place, of

EAST, WEST = "us-east-1", "us-west-2"

TOPIC = {"R": of("SNS::Topic")}


def refused(place: Place, resources: Any, **sections: Any) -> str:
    """Why a template is refused before there is a stack."""
    with pytest.raises(ClientError) as error:
        place.begin("refused", resources, **sections)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    stacks = place.cloudformation.list_stacks()["StackSummaries"]
    assert "refused" not in {stack["StackName"] for stack in stacks}
    return str(error.value.response["Error"]["Message"])
