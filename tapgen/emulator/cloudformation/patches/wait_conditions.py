"""Wait conditions: created last, and signalled for machines that do not run.

On AWS what does not depend on a wait condition is created while it waits. ministack
creates one resource after the other: so those that wait come as late as they can. No
program runs on instances here. Where only they could signal, a wait condition would hold
the stack until its timeout, twelve hours at most; it gets its signals at once, as a
CreationPolicy does, and an event of the stack says so.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

_CONDITION = "AWS::CloudFormation::WaitCondition"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.engine": {
        "_extract_deps": ("resource_def", "all_resource_names"),
        "_topological_sort": ("resources", "conditions"),
    },
    f"{CFN}.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_cr_stack_id": ("stack_name",),
    },
    f"{CFN}.stacks": {
        "_add_event": (
            *("stack_id", "stack_name", "logical_id", "resource_type", "status"),
            *("reason", "physical_id", "detailed_status"),
        )
    },
    f"{CFN}.wait_conditions": {
        "deliver_signal": ("token", "payload"),
        "token_from_url": ("url",),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

# Resources whose programs would signal, if they ran.
_MACHINES = frozenset(
    {
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS::AutoScaling::LaunchConfiguration",
        "AWS::EC2::EC2Fleet",
        "AWS::EC2::Instance",
        "AWS::EC2::LaunchTemplate",
        "AWS::EC2::SpotFleet",
        "AWS::ECS::Service",
        "AWS::ECS::TaskDefinition",
    }
)


def apply() -> None:
    """Put wait conditions last, and signal those that nobody here can."""
    replace_everywhere("_topological_sort", _waiting_last)
    handlers = loaded(f"{CFN}.provisioners")._RESOURCE_HANDLERS[_CONDITION]
    handlers["create"] = _signalled(handlers["create"])


def _waiting_last(original: Any) -> Any:
    def sort(resources: Mapping[str, Any], conditions: Any) -> list[str]:
        ordered: list[str] = original(resources, conditions)
        if not any(resources[name].get("Type") == _CONDITION for name in ordered):
            return ordered
        extract = loaded(f"{CFN}.engine")._extract_deps
        active = set(ordered)
        needs = {n: extract(resources[n], active) - {n} for n in ordered}

        def rank(name: str) -> tuple[bool, str]:
            return resources[name].get("Type") == _CONDITION, name

        ready = [rank(name) for name in ordered if not needs[name]]
        heapq.heapify(ready)
        result: list[str] = []
        while ready:
            done = heapq.heappop(ready)[1]
            result.append(done)
            for name, waits_for in needs.items():
                if done in waits_for:
                    waits_for.discard(done)
                    if not waits_for:
                        heapq.heappush(ready, rank(name))
        return result

    return sort


def _signalled(create: Any) -> Any:
    def creating(logical_id: str, props: Any, stack_name: str) -> Any:
        stack = loaded(CFN)._stacks.get(stack_name) or {}
        resources = (stack.get("_template") or {}).get("Resources") or {}
        waits = loaded(f"{CFN}.wait_conditions")
        token = waits.token_from_url((props or {}).get("Handle"))
        if token and only_machines_signal(resources, logical_id):
            count = max(_number((props or {}).get("Count")), 1)
            _assume(stack_name, logical_id, token, count)
        return create(logical_id, props, stack_name)

    return creating


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isdigit() else 1  # the handler refuses what is no number


def _assume(stack_name: str, logical_id: str, token: str, count: int) -> None:
    stack_id = loaded(f"{CFN}.provisioners")._cr_stack_id(stack_name)
    loaded(f"{CFN}.stacks")._add_event(
        *(stack_id, stack_name, logical_id, _CONDITION, "CREATE_IN_PROGRESS"),
        f"No program runs on instances in the embedded AWS: {count} SUCCESS "
        f"signal{'s are' if count > 1 else ' is'} assumed",
    )
    for number in range(1, count + 1):
        signal = {"Status": "SUCCESS", "UniqueId": f"assumed-{number}", "Data": ""}
        loaded(f"{CFN}.wait_conditions").deliver_signal(token, signal)


def only_machines_signal(resources: Mapping[str, Any], logical_id: str) -> bool:
    """Whether machines know how to signal a wait condition, and nothing else does."""
    handle = (resources.get(logical_id) or {}).get("Properties", {}).get("Handle")
    name = handle.get("Ref") if isinstance(handle, Mapping) else None
    if not isinstance(name, str):
        return False
    named = re.compile(rf"\b{re.escape(name)}\b")
    knowing = {
        definition.get("Type")
        for other, definition in resources.items()
        if other != name
        and definition.get("Type") != _CONDITION
        and named.search(json.dumps(definition.get("Properties", {}), default=str))
    }
    return bool(knowing) and knowing <= _MACHINES
