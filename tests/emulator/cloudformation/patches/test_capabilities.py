"""Capabilities are required."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.emulator.places import Place, of


def test_capabilities_are_required(place: Place) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = of("IAM::Role", RoleName="x", AssumeRolePolicyDocument=trust)
    with pytest.raises(ClientError) as error:
        place.cloudformation.create_stack(
            StackName="roles", TemplateBody=json.dumps({"Resources": {"R": role}})
        )
    assert error.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"
    place.create("roles", {"R": role})
