"""Builders with defaults: name only what a test is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tapgen.model import (
    InstanceDetailedStatus,
    InstanceStatus,
    Observed,
    ObservedInstance,
    RolloutSettings,
    StackSet,
    System,
    Target,
    Value,
)

ACCOUNT = "111111111111"
NAME = {"Fn::GetAtt": ["Topic", "DisplayName"]}
"""What a change of the topic's DisplayName may change."""
EAST = Target(ACCOUNT, "us-east-1")
WEST = Target(ACCOUNT, "us-west-2")


def template(
    parameters: Iterable[str] = (),
    outputs: Iterable[str] = (),
    resources: Mapping[str, Any] | None = None,
    defaults: Mapping[str, str] | None = None,
    output_value: Any = None,
) -> str:
    """A template text with these parameters, outputs and resources; every output is
    `output_value`, by default the Ref of Topic."""
    declared: dict[str, Any] = {p: {"Type": "String"} for p in parameters}
    declared |= {
        k: {"Type": "String", "Default": v} for k, v in (defaults or {}).items()
    }
    return json.dumps(
        {
            "Parameters": declared,
            "Resources": resources or {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {
                o: {"Value": output_value or {"Ref": "Topic"}} for o in outputs
            },
        }
    )


def stack_set(
    part: str = "data",
    *,
    targets: Iterable[Target] = (EAST,),
    parameters: Mapping[str, Value] | None = None,
    text: str | None = None,
    **more: Any,
) -> StackSet:
    values = dict(parameters or {})
    return StackSet(
        name=f"demo-test-{part}",
        part=part,
        template=text or template(values, outputs=("Arn",)),
        role="every",
        targets=tuple(targets),
        parameters=values,
        **more,
    )


def system(*stack_sets: StackSet, order: tuple[str, ...] = ()) -> System:
    return System(
        name="demo",
        blueprint="demo",
        suffix="test",
        regions={"primary": "us-east-1", "dr": "us-west-2"},
        admin=EAST,
        stack_sets=stack_sets,
        rollout=RolloutSettings(order=order),
    )


def instance(
    status: InstanceStatus = InstanceStatus.CURRENT,
    *,
    outputs: Mapping[str, str] | None = None,
    **more: Any,
) -> ObservedInstance:
    return ObservedInstance(
        status,
        InstanceDetailedStatus.SUCCEEDED,
        stack_id="arn:stack",
        outputs={"Arn": "arn:it"} if outputs is None else outputs,
        **more,
    )


def observed(s: StackSet, **changes: Any) -> Observed:
    """A stack set as CloudFormation reports it once it is rolled out as asked.

    Only for stack sets whose values are plain strings.
    """
    owned = {
        "tapgen:system": "demo",
        "tapgen:suffix": "test",
        "tapgen:part": s.part,
    }
    common = {k: v for k, v in s.parameters.items() if isinstance(v, str)}
    facts: dict[str, Any] = {
        "name": s.name,
        "template": s.template,
        "parameters": common,
        "instances": {
            t: instance(
                overrides={
                    k: v
                    for k, v in s.values(t).items()
                    if isinstance(v, str) and common.get(k) != v
                }
            )
            for t in s.targets
        },
        "tags": {**s.tags, **owned},
        "execution_role": "tapgen-demo-test-execution",
        "administration_role": f"arn:aws:iam::{ACCOUNT}:role/"
        "tapgen-administration-us-east-1",
        "id": f"{s.name}:1",
    }
    return Observed(**{**facts, **changes})
