"""A tag that stack sets gain is an update in place of all that they have made."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tapgen.model import System
from tests.emulated.conftest import Cloud
from tests.emulated.live import Live
from tests.systems import look


def without(system: System, tag: str) -> System:
    tags = {key: value for key, value in system.tags.items() if key != tag}
    return replace(
        system,
        tags=tags,
        stack_sets=tuple(replace(s, tags=tags) for s in system.stack_sets),
    )


def physical_ids(cloud: Cloud, system: System) -> dict[tuple[str, str], str]:
    """(stack, logical id) -> physical id, of everything in all regions."""
    found = {}
    for region in system.regions.values():
        client = cloud.client("cloudformation", region)
        for stack in client.describe_stacks()["Stacks"]:
            given = client.describe_stack_resources(StackName=stack["StackId"])
            for resource in given["StackResources"]:
                key = (stack["StackId"], resource["LogicalResourceId"])
                found[key] = resource["PhysicalResourceId"]
    return found


# One has all there is to how tags come to a resource; `make soak` tries the larger ones.
LARGE = ("region_migration", "payments_dr") if "TAPGEN_SOAK" in os.environ else ()


@pytest.mark.parametrize("name", ["serverless_api", *LARGE])
def test_the_purpose_of_a_system_is_added_in_place(cloud: Cloud, name: str) -> None:
    system = look.shipped(name)
    assert system.tags["Purpose"]
    assert Live(cloud, without(system, "Purpose")).rollout().green
    before = physical_ids(cloud, system)

    made = cloud.plan(system)
    assert {step.action for step in made.steps} == {"UPDATE"}
    assert {s.part for s in system.stack_sets} == {step.part for step in made.steps}
    assert not any(any(step.changes.values()) for step in made.steps)
    assert Live(cloud, system).rollout().green

    assert physical_ids(cloud, system) == before
    assert not cloud.plan(system)
