"""Stack sets that a template declares: the engine of the embedded AWS creates them.

"AWS::CloudFormation::StackSet" in the template reference: creating the resource creates
the stack set and its stack instances, and waits for them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded
from tapgen.emulator.resources.calls import CallError, fitted_to
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    tag_list,
)

TYPE = "AWS::CloudFormation::StackSet"
_PATIENCE = 1800  # seconds until an operation counts as lost
_PAUSE = 0.05
_SETTINGS = (
    *("AdministrationRoleARN", "AutoDeployment", "CallAs", "Capabilities"),
    *("Description", "ExecutionRoleName", "ManagedExecution", "Parameters"),
    *("PermissionModel", "TemplateBody", "TemplateURL"),
)

Engine = Callable[[str, Mapping[str, Any]], Any]
Target = tuple[str, str, str]
"""Accounts or OrganizationalUnitIds, which one, and the region."""

_engine: list[Engine] = []


def know(engine: Engine) -> None:
    """Take the function that answers an action of StackSets, as the current account.

    It blocks, so resources of the type are created on threads of their own. It raises
    CallError for a refusal.
    """
    first = not _engine
    _engine[:] = [engine]
    if first:
        stacks = loaded(f"{CFN}.stacks")
        threaded = stacks._runs_on_worker_thread
        stacks._runs_on_worker_thread = lambda name: name == TYPE or threaded(name)


def kinds() -> list[Kind]:
    """The kind of this module."""
    return [Kind(TYPE, _create, _delete, _update)]


def _ask(action: str, name: str, properties: Properties, **given: Any) -> Any:
    if not _engine:
        raise ValueError(f"{TYPE} needs the StackSets of the embedded AWS")
    request = {"StackSetName": name, "CallAs": properties.get("CallAs"), **given}
    sent = {key: value for key, value in request.items() if value is not None}
    return _engine[0](action, fitted_to("cloudformation", action, sent))


def _settings(properties: Properties) -> dict[str, Any]:
    # The tags that CloudFormation adds to resources cannot be given.
    tags = [t for t in tag_list(properties) if not t["Key"].startswith("aws:")]
    return {**{name: properties.get(name) for name in _SETTINGS}, "Tags": tags}


def _create(request: Request) -> Created:
    properties = request.properties
    name = request.name("StackSetName", longest=128)
    answer = _ask("CreateStackSet", name, properties, **_settings(properties))
    wanted = targets(properties)
    try:
        _deploy("CreateStackInstances", name, properties, wanted)
    except CallError:
        _empty(name, properties)
        raise
    return answer["StackSetId"], {"StackSetId": answer["StackSetId"]}


def _update(physical_id: str, old: Properties, new: Properties) -> Attributes:
    name = physical_id.partition(":")[0]
    before, after = targets(old), targets(new)
    if _settings(old) != _settings(new):
        settings = _settings(new)
        operation = _ask(
            *("UpdateStackSet", name, new),
            OperationPreferences=new.get("OperationPreferences"),
            **settings,
        )
        _wait(name, new, operation.get("OperationId"))
    gone = {target: before[target] for target in before.keys() - after.keys()}
    added = {target: after[target] for target in after.keys() - before.keys()}
    other = {t: v for t, v in after.items() if t in before and before[t] != v}
    _deploy("DeleteStackInstances", name, old, gone)
    _deploy("CreateStackInstances", name, new, added)
    _deploy("UpdateStackInstances", name, new, other)
    return {"StackSetId": physical_id}


def _delete(physical_id: str, properties: Properties) -> None:
    _empty(physical_id.partition(":")[0], properties)


def _empty(name: str, properties: Properties) -> None:
    """Delete a stack set with the stack instances that it has."""
    found = _ask("ListStackInstances", name, properties)["Summaries"]
    if found:
        _deploy("DeleteStackInstances", name, properties, targets(properties))
    _ask("DeleteStackSet", name, properties)


def targets(properties: Properties) -> dict[Target, str]:
    """Return where stack instances go, with the parameters that are overridden there."""
    found: dict[Target, str] = {}
    for group in properties.get("StackInstancesGroup") or []:
        overrides = json.dumps(group.get("ParameterOverrides") or [], sort_keys=True)
        where = group.get("DeploymentTargets") or {}
        for kind in ("Accounts", "OrganizationalUnitIds"):
            if kind == "Accounts" and where.get("OrganizationalUnitIds"):
                continue  # a filter of the units, not targets of their own
            for one in where.get(kind) or []:
                for region in group.get("Regions") or []:
                    found[(kind, str(one), region)] = overrides
    return found


def _calls(wanted: Mapping[Target, str]) -> Iterator[tuple[str, list[str], str, str]]:
    """Targets as few operations: kind, who, region, overrides."""
    joined: dict[tuple[str, str, str], list[str]] = {}
    for (kind, one, region), overrides in wanted.items():
        joined.setdefault((kind, region, overrides), []).append(one)
    for (kind, region, overrides), who in joined.items():
        yield kind, who, region, overrides


def _deploy(
    action: str, name: str, properties: Properties, wanted: Mapping[Target, str]
) -> None:
    """Run an operation for some targets, to its end; CallError when it fails."""
    filters = {
        unit: group["DeploymentTargets"]
        for group in properties.get("StackInstancesGroup") or []
        for unit in (group.get("DeploymentTargets") or {}).get(
            "OrganizationalUnitIds", ()
        )
    }
    for kind, who, region, overrides in _calls(wanted):
        given: dict[str, Any] = {"Regions": [region]}
        if kind == "Accounts":
            given["Accounts"] = who
        else:
            given["DeploymentTargets"] = {
                **filters.get(who[0], {}),
                "OrganizationalUnitIds": who,
            }
        if action == "DeleteStackInstances":
            given["RetainStacks"] = False
        else:
            given["ParameterOverrides"] = json.loads(overrides)
            given["OperationPreferences"] = properties.get("OperationPreferences")
        answer = _ask(action, name, properties, **given)
        _wait(name, properties, answer.get("OperationId"))


def _wait(name: str, properties: Properties, operation: str | None) -> None:
    if operation is None:
        return
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = _ask(
            *("DescribeStackSetOperation", name, properties), OperationId=operation
        )["StackSetOperation"]
        if found["Status"] not in ("RUNNING", "QUEUED", "STOPPING"):
            break
        time.sleep(_PAUSE)
    if found["Status"] == "SUCCEEDED":
        return
    results = _ask(
        *("ListStackSetOperationResults", name, properties), OperationId=operation
    )["Summaries"]
    failures = [
        f"{one['Account']}/{one['Region']}: {one.get('StatusReason', one['Status'])}"
        for one in results
        if one["Status"] != "SUCCEEDED"
    ]
    raise CallError(
        "CloudFormation",
        "OperationFailed",
        f"Operation {operation} of stack set {name} is {found['Status']}: "
        f"{'; '.join(failures)}",
        400,
    )
