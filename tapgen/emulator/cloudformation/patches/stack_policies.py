"""Stack policies: what they forbid fails, and invalid ones are refused.

ministack stores them and updates all the same. User guide, "Prevent updates to stack
resources": with a policy all resources are protected, an update needs an Allow, and a
Deny overrides it; actions are Update:Modify, Update:Replace, Update:Delete and
Update:*; the Principal is "*"; Resource is `LogicalResourceId/NAME`, `*` included.
Errors: localstack/localstack, api/test_stack_policies.py, recorded on AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
    wrap_action,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_resolve_document": ("params", "body_key", "url_key", "label"),
    },
    f"{CFN}.provisioners": {"_replacing_change": None},
    f"{CFN}.stacks": {
        "_update_keeping_seed": ("args",),
        "_resolve_stack_outputs": None,
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_ACTIONS = frozenset(f"Update:{what}" for what in ("Modify", "Replace", "Delete", "*"))
_INVALID = "Error validating stack policy: Invalid stack policy"
_DURING = "_stack_policy_during_update"


def apply() -> None:
    """Enforce stack policies, and refuse those that AWS refuses."""
    for action in ("CreateStack", "SetStackPolicy", "UpdateStack"):
        wrap_action(action, _validating)
    replace_everywhere("_update_keeping_seed", _enforcing)
    replace_everywhere("_resolve_stack_outputs", _enforcing_deletions)


# Policies ----------------------------------------------------------------------------


def is_valid(text: str) -> bool:
    """Whether AWS takes a stack policy."""
    try:
        statements = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError):
        return False
    return all(map(_valid_statement, _list(statements)))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _valid_statement(statement: Any) -> bool:
    if not isinstance(statement, Mapping):
        return False
    actions = _list(statement.get("Action", statement.get("NotAction", [])))
    resources = _list(statement.get("Resource", statement.get("NotResource", [])))
    everybody = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    return bool(
        statement.get("Effect") in ("Allow", "Deny")
        and everybody
        and actions
        and all(action in _ACTIONS for action in actions)
        and resources
        and all(
            resource == "*" or str(resource).startswith("LogicalResourceId/")
            for resource in resources
        )
    )


def refusal(policy: str, action: str, logical_id: str, type: str) -> str | None:
    """AWS's reason where a policy does not allow an action on a resource, else None."""
    allowed = False
    for number, statement in enumerate(_list(json.loads(policy)["Statement"]), 1):
        if not _applies(statement, action, logical_id, type):
            continue
        if statement["Effect"] == "Deny":
            return (
                f"Action denied by stack policy: Statement [#{number}] does not allow "
                f"[{action}] for resource [LogicalResourceId/{logical_id}]"
            )
        allowed = True
    if allowed:
        return None
    return (
        f"Action not allowed by stack policy: no statement allows [{action}] for "
        f"resource [LogicalResourceId/{logical_id}]"
    )


def _applies(
    statement: Mapping[str, Any], action: str, logical_id: str, type: str
) -> bool:
    def named(value: str, positive: str, negative: str) -> bool:
        if positive in statement:
            return _among(value, _list(statement[positive]))
        return not _among(value, _list(statement[negative]))

    types = [
        wanted
        for operator in (statement.get("Condition") or {}).values()
        for key, value in operator.items()
        if key == "ResourceType"
        for wanted in _list(value)
    ]
    return (
        named(action, "Action", "NotAction")
        and named(f"LogicalResourceId/{logical_id}", "Resource", "NotResource")
        and (not types or _among(type, types))
    )


def _among(value: str, patterns: Iterable[Any]) -> bool:
    return any(fnmatchcase(value, str(pattern)) for pattern in patterns)


# Enforced ----------------------------------------------------------------------------


def _validating(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def handle(params: Any) -> Any:
        helpers = loaded(f"{CFN}.helpers")
        read = helpers._resolve_document
        given = [
            read(params, f"StackPolicy{when}Body", f"StackPolicy{when}URL", "Policy")[0]
            for when in ("", "DuringUpdate")
        ]
        if not all(is_valid(text) for text in given if text):
            return helpers._error("ValidationError", _INVALID)
        name = helpers._p(params, "StackName")
        stack = loaded(f"{CFN}.handlers")._resolve_stack(name)
        if stack:
            stack[_DURING] = given[1] or ""
        return handler(params)

    return handle


def _policy(stack_name: str) -> str:
    stack = loaded(CFN)._stacks.get(stack_name) or {}
    policy: str = stack.get(_DURING) or stack.get("_stack_policy") or ""
    return policy


def _enforcing(original: Callable[..., Any]) -> Callable[..., Any]:
    def update(*args: Any) -> Any:
        type, _, old, new, stack_name, logical_id, *_ = args
        policy = _policy(stack_name) if old != new else ""
        if policy:
            replaces = loaded(f"{CFN}.provisioners")._replacing_change(type, old, new)
            action = "Update:Replace" if replaces else "Update:Modify"
            why = refusal(policy, action, logical_id, type)
            if why:
                raise ValueError(why)
        return original(*args)

    return update


def _enforcing_deletions(original: Callable[..., Any]) -> Callable[..., Any]:
    """Fail an update before its clean-up where it would delete what must stay."""

    def outputs(outputs_defs: Any, conditions: Any, resources: Any, *args: Any) -> Any:
        stack_name = args[2]
        policy = _policy(stack_name)
        stack = loaded(CFN)._stacks.get(stack_name) or {}
        there = (stack.get("_template") or {}).get("Resources", {})
        if policy and stack.get("StackStatus") == "UPDATE_IN_PROGRESS":
            for name in [name for name in there if name not in resources]:
                type = there[name].get("Type", "")
                why = refusal(policy, "Update:Delete", name, type)
                if why and name in stack.get("_resources", {}):
                    raise ValueError(why)
        return original(outputs_defs, conditions, resources, *args)

    return outputs
