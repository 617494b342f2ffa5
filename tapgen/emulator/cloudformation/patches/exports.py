"""Exports that another stack imports: they stay, and stay as they are.

ministack changes and removes them, which hides until the real rollout that CloudFormation
refuses both. It also accepts a name that another stack exports, and keeps listing an
export whose output is gone.

AWS's words: aws/aws-cdk#5304, linz/geostore#630, aws/aws-cdk#8671 (updates);
serverless/serverless#3589, boto/boto3#4192 (a deletion, which returns to the status
before it); aws-solutions/aws-waf-security-automations#268 (a name that is taken). Some
reports since 2025 say "Update canceled. Cannot update export X as it is in use by Y."
(aws/aws-cdk#33395).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_exports": None, "_stacks": None},
    f"{CFN}.engine": {
        "_resolve_refs": (
            "value",
            "resources",
            "params",
            "conditions",
            "mappings",
            "stack_name",
            "stack_id",
        )
    },
    f"{CFN}.handlers": {
        "_ACTION_HANDLERS": None,
        "_imported_export_names": ("stack", "stack_name"),
        "_resolve_stack": ("stack_name",),
    },
    f"{CFN}.helpers": {
        "_p": ("params", "key", "default"),
        "_xml": ("status", "root_tag", "inner"),
    },
    f"{CFN}.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_nested_stack_lookup_name": ("physical_id_or_arn",),
    },
    f"{CFN}.stacks": {
        "_add_event": (
            "stack_id",
            "stack_name",
            "logical_id",
            "resource_type",
            "status",
            "reason",
            "physical_id",
            "detailed_status",
        ),
        "_resolve_stack_outputs": (
            "outputs_defs",
            "conditions",
            "resources",
            "param_values",
            "mappings",
            "stack_name",
            "stack_id",
        ),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_STACK = "AWS::CloudFormation::Stack"
# Stacks that have nothing, and so import nothing.
_EMPTY = ("DELETE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")

Exports = Mapping[str, Mapping[str, str]]


def apply() -> None:
    """Refuse to change, remove or take over an export that is in use."""
    replace_everywhere("_imported_export_names", lambda original: _imported)
    replace_everywhere("_resolve_stack_outputs", _checking)
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    handlers["DeleteStack"] = _keeping(handlers["DeleteStack"])
    nested = loaded(f"{CFN}.provisioners")._RESOURCE_HANDLERS[_STACK]
    nested["delete"] = _keeping_nested(nested["delete"])


# Who imports what ------------------------------------------------------------------------


def _imported(stack: Mapping[str, Any], stack_name: str) -> set[str]:
    """Return the names that a stack imports, where its conditions leave the import."""
    if stack.get("StackStatus") in _EMPTY:
        return set()
    template: Mapping[str, Any] = stack.get("_template") or {}
    conditions: Mapping[str, bool] = stack.get("_conditions") or {}
    resolve = loaded(f"{CFN}.engine")._resolve_refs
    names: set[str] = set()
    for section in ("Resources", "Outputs", "Conditions"):
        for argument in _imports(template.get(section) or {}, conditions):
            try:
                name = resolve(
                    argument,
                    stack.get("_resources") or {},
                    stack.get("_resolved_params") or {},
                    conditions,
                    template.get("Mappings") or {},
                    stack_name,
                    stack.get("StackId", ""),
                )
            except Exception:  # a malformed name is that of no export
                continue
            names.add(str(name))
    return names


def _imports(section: Any, conditions: Mapping[str, bool]) -> Iterator[Any]:
    """Yield the arguments of every `Fn::ImportValue` that is in force."""
    waiting = [
        member
        for member in section.values()
        if not isinstance(member, Mapping)
        or not isinstance(member.get("Condition"), str)
        or conditions.get(member["Condition"], True)
    ]
    while waiting:
        match waiting.pop():
            case {"Fn::ImportValue": argument}:
                yield argument
            case {"Fn::If": [str(name), yes, no]} if name in conditions:
                waiting.append(yes if conditions[name] else no)
            case Mapping() as node:
                waiting.extend(node.values())
            case list() as node:
                waiting.extend(node)


def _users(name: str, stack_name: str) -> list[str]:
    """Return the other stacks of the account and region that import a name."""
    return sorted(
        other
        for other, stack in loaded(CFN)._stacks.items()
        if other != stack_name and name in _imported(stack, other)
    )


def _in_use(stack_name: str, names: Mapping[str, str]) -> str:
    """Return AWS's sentence about the first of these exports that is in use, or nothing.

    `names` are exports of the stack, each with what happens to it.
    """
    for name, what in names.items():
        users = _users(name, stack_name)
        if users:
            return (
                f"Export {name} cannot be {what} as it is in use by {', '.join(users)}"
            )
    return ""


def _exports_of(stack_id: str) -> dict[str, str]:
    """Return the exports of a stack with their values."""
    exports: Exports = loaded(CFN)._exports
    return {
        name: export.get("Value", "")
        for name, export in exports.items()
        if export.get("StackId") == stack_id
    }


# What is refused -------------------------------------------------------------------------


def _checking(original: Any) -> Any:
    """Compare the exports of a create or update with those that are there.

    Once its outputs are resolved an operation succeeds, so what it drops goes here.
    """

    def resolve(*args: Any) -> Any:
        outputs, exports = original(*args)
        stack_name, stack_id = args[-2:]
        _refuse(stack_name, stack_id, exports)
        for name in _exports_of(stack_id).keys() - exports.keys():
            loaded(CFN)._exports.pop(name, None)
        return outputs, exports

    return resolve


def _refuse(stack_name: str, stack_id: str, exports: Exports) -> None:
    existing: Exports = loaded(CFN)._exports
    for name in exports:
        owner = existing.get(name, {}).get("StackId", stack_id)
        if owner != stack_id:
            raise ValueError(
                f"Export with name {name} is already exported by stack "
                f"{owner.split('/')[1]}"
            )
    changed = {
        name: "updated" if name in exports else "deleted"
        for name, value in _exports_of(stack_id).items()
        if exports.get(name, {}).get("Value") != value
    }
    reason = _in_use(stack_name, changed)
    if reason:
        raise ValueError(reason)


def _keeping(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Accept the deletion of a stack whose exports are in use, and end it at once.

    The stack returns to the status that it had, with the reason.
    """

    def delete(params: Any) -> Any:
        helpers = loaded(f"{CFN}.helpers")
        name = helpers._p(params, "StackName")
        stack = loaded(f"{CFN}.handlers")._resolve_stack(name) if name else None
        if not stack or stack.get("EnableTerminationProtection"):
            return handler(params)
        name, stack_id = stack["StackName"], stack["StackId"]
        status = stack["StackStatus"]
        reason = ""
        if status not in _EMPTY:
            reason = _in_use(name, dict.fromkeys(_exports_of(stack_id), "deleted"))
        if not reason:
            return handler(params)
        event = loaded(f"{CFN}.stacks")._add_event
        event(
            stack_id,
            name,
            name,
            _STACK,
            "DELETE_IN_PROGRESS",
            "User Initiated",
            stack_id,
        )
        event(stack_id, name, name, _STACK, status, reason, stack_id)
        stack["StackStatusReason"] = reason
        return helpers._xml(200, "DeleteStackResponse", "")

    return delete


def _keeping_nested(delete: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the deletion of a nested stack whose exports are in use."""

    def nested(physical_id: str, *args: Any) -> Any:
        lookup = loaded(f"{CFN}.provisioners")._nested_stack_lookup_name
        name = lookup(physical_id)
        stack = loaded(CFN)._stacks.get(name) if name else None
        if stack:
            exported = dict.fromkeys(_exports_of(stack["StackId"]), "deleted")
            reason = _in_use(name, exported)
            if reason:
                raise ValueError(reason)
        return delete(physical_id, *args)

    return nested
