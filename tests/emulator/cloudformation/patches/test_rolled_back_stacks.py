"""Stacks whose creation fails."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.emulator.cloudformation.patches.templates import TOPIC
from tests.emulator.places import Place, of


def test_a_failed_stack_rolls_back_its_resources(place: Place) -> None:
    topic = of("SNS::Topic", TopicName="made")
    broken = {
        **of("EC2::NatGateway", SubnetId="s", AllocationId="no"),
        "DependsOn": "T",
    }
    place.failed("broken", {"T": topic, "R": broken})
    assert place.client("sns").list_topics()["Topics"] == []


def test_a_stack_that_was_rolled_back_is_deleted_before_it_is_created_again(
    place: Place,
) -> None:
    place.failed("again", {"R": of("EC2::NatGateway", AllocationId="no")})
    with pytest.raises(ClientError) as error:
        place.begin("again", TOPIC)
    assert error.value.response["Error"]["Code"] == "AlreadyExistsException"
    place.delete("again")
    place.create("again", TOPIC)
