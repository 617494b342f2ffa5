"""A job of lint: one template, the regions it is deployed to, and its values there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tapgen.model import Output, Override, StackSet, System, Value

STACK_NAME = "AWS::StackName"


@dataclass(frozen=True)
class Job:
    """One cfn-lint run: a template text, its target regions, and the facts that tapgen's
    rules use: entries of a manifest as JSON, with commas between."""

    template: str
    regions: tuple[str, ...]
    facts: str


def job_for(system: System, stack_set: StackSet) -> Job:
    """Return the job that checks a stack set of a system."""
    regions = {target.region for target in stack_set.targets}
    # A stack set without targets yet is checked for the regions of the system.
    regions = regions or {*system.regions.values()} or {system.admin.region}
    text = json.dumps(facts(stack_set), sort_keys=True)
    return Job(stack_set.template, tuple(sorted(regions)), text)


def facts(stack_set: StackSet) -> dict[str, Any]:
    """Return the entry of a stack set in a manifest, as far as rules use it."""
    # The name only matters to templates that refer to it: others share a run.
    named = {"name": stack_set.name} if STACK_NAME in stack_set.template else {}
    return named | {
        "targets": [
            {"account": t.account, "region": t.region} for t in stack_set.targets
        ],
        "parameters": _values(stack_set.parameters),
        "overrides": [
            {
                "account": o.account,
                "region": o.region,
                "parameters": _values(o.parameters),
            }
            for o in _overrides(stack_set)
        ],
        "capabilities": sorted(stack_set.capabilities),
        **(stack_set.permissions() if stack_set.service_managed else {}),
    }


def _overrides(stack_set: StackSet) -> Iterator[Override]:
    """Yield the overrides, and the values that artifacts have at single targets."""
    yield from stack_set.overrides
    for artifact in stack_set.artifacts.values():
        for target in stack_set.targets:
            yield Override(artifact.values(target), target.region, target.account)


def _values(values: Mapping[str, Value]) -> dict[str, Any]:
    return {
        name: (
            {"output": str(value), "region": value.region, "account": value.account}
            if isinstance(value, Output)
            else value
        )
        for name, value in values.items()
    }
