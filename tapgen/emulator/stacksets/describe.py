"""The answers that show stack sets, instances, operations and results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from tapgen.emulator.stacksets.model import Instance, Operation, Result, StackSet
from tapgen.emulator.wire.query_protocol import invalid

Shown = dict[str, Any]
T = TypeVar("T")
PAGE = 100
HIDDEN = "****"  # the value of a NoEcho parameter


def new_id() -> str:
    """Return a new operation id, for a request without one."""
    return str(uuid4())


def page(
    items: Iterable[T], request: Mapping[str, Any], show: Callable[[T], Shown]
) -> Shown:
    """One page of a list, with the token of the next one."""
    every: Sequence[T] = items if isinstance(items, Sequence) else list(items)
    size = request.get("MaxResults", PAGE)
    token = request.get("NextToken", "0")
    if not token.isdecimal() or len(token) > 9:
        raise invalid("Invalid NextToken")
    start = int(token)
    shown: Shown = {"Summaries": [show(item) for item in every[start : start + size]]}
    if start + size < len(every):
        shown["NextToken"] = str(start + size)
    return shown


def filtered(
    instances: Iterable[Instance], request: Mapping[str, Any]
) -> list[Instance]:
    """The instances that all `Filters` of a request let through."""
    values: Mapping[str, Callable[[Instance], str | None]] = {
        "DETAILED_STATUS": lambda i: i.detailed,
        "LAST_OPERATION_ID": lambda i: i.operation,
        "DRIFT_STATUS": lambda i: i.drift,
    }
    wanted = [
        (values[f["Name"]], f["Values"])
        for f in request.get("Filters", ())
        if "Name" in f and "Values" in f
    ]
    return [i for i in instances if all(get(i) == value for get, value in wanted)]


def stack_set(found: StackSet) -> Shown:
    """`StackSet` of DescribeStackSet."""
    regions = dict.fromkeys(place.region for place in found.instances)
    return {
        "StackSetName": found.name,
        "StackSetId": found.id,
        "Description": found.description,
        "Status": found.status,
        "TemplateBody": found.template,
        "Parameters": [
            {"ParameterKey": k, "ParameterValue": HIDDEN if k in found.no_echo else v}
            for k, v in found.parameters.items()
        ],
        "Capabilities": list(found.capabilities),
        "Tags": [{"Key": k, "Value": v} for k, v in found.tags.items()],
        "StackSetARN": found.arn,
        "AdministrationRoleARN": _administration_role(found),
        "ExecutionRoleName": _execution_role(found),
        "StackSetDriftDetectionDetails": found.drift or {"DriftStatus": "NOT_CHECKED"},
        "AutoDeployment": found.auto_deployment,
        "PermissionModel": found.permission_model,
        "OrganizationalUnitIds": list(found.deployments),
        "ManagedExecution": {"Active": found.managed},
        "Regions": list(regions),
    }


def _administration_role(found: StackSet) -> str | None:
    managed = found.permission_model == "SERVICE_MANAGED"
    return None if managed else found.administration_role_arn


def _execution_role(found: StackSet) -> str | None:
    managed = found.permission_model == "SERVICE_MANAGED"
    return None if managed else found.execution_role


def stack_set_summary(found: StackSet) -> Shown:
    """One of the `Summaries` of ListStackSets."""
    drift = found.drift or {}
    return {
        "StackSetName": found.name,
        "StackSetId": found.id,
        "Description": found.description,
        "Status": found.status,
        "AutoDeployment": found.auto_deployment,
        "PermissionModel": found.permission_model,
        "DriftStatus": drift.get("DriftStatus", "NOT_CHECKED"),
        "LastDriftCheckTimestamp": drift.get("LastDriftCheckTimestamp"),
        "ManagedExecution": {"Active": found.managed},
    }


def instance_summary(found: StackSet, instance: Instance) -> Shown:
    """One of the `Summaries` of ListStackInstances."""
    return {
        "StackSetId": found.id,
        "Region": instance.place.region,
        "Account": instance.place.account,
        "StackId": instance.stack_id,
        "Status": instance.status,
        "StatusReason": instance.reason,
        "StackInstanceStatus": {"DetailedStatus": instance.detailed},
        "OrganizationalUnitId": instance.unit,
        "DriftStatus": instance.drift,
        "LastDriftCheckTimestamp": instance.drift_checked,
        "LastOperationId": instance.operation,
    }


def instance(found: StackSet, instance: Instance) -> Shown:
    """`StackInstance` of DescribeStackInstance: a summary with the overrides."""
    overrides = [
        {"ParameterKey": k, "ParameterValue": HIDDEN if k in found.no_echo else v}
        for k, v in instance.overrides.items()
    ]
    return {**instance_summary(found, instance), "ParameterOverrides": overrides}


def operation_summary(operation: Operation) -> Shown:
    """One of the `Summaries` of ListStackSetOperations."""
    return {
        "OperationId": operation.id,
        "Action": operation.action,
        "Status": operation.status,
        "CreationTimestamp": operation.created,
        "EndTimestamp": operation.ended,
        "StatusReason": operation.reason,
        "StatusDetails": {"FailedStackInstancesCount": operation.failed},
        "OperationPreferences": dict(operation.preferences.given) or None,
    }


def operation(found: StackSet, operation: Operation) -> Shown:
    """`StackSetOperation` of DescribeStackSetOperation."""
    shown = {
        **operation_summary(operation),
        "StackSetId": found.id,
        "OperationPreferences": {
            "RegionOrder": [],
            **operation.preferences.given,
        },
        "RetainStacks": operation.retain,
        "DeploymentTargets": operation.targets,
        "StackSetDriftDetectionDetails": operation.drift,
    }
    if found.permission_model == "SELF_MANAGED":
        shown["AdministrationRoleARN"] = operation.administration_role
        shown["ExecutionRoleName"] = operation.execution_role
    return shown


def result(found: Result) -> Shown:
    """One of the `Summaries` of ListStackSetOperationResults."""
    return {
        "Account": found.place.account,
        "Region": found.place.region,
        "Status": found.status,
        "StatusReason": found.reason,
        "AccountGateResult": found.gate,
        "OrganizationalUnitId": found.unit,
    }
