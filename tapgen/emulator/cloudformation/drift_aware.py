"""Drift-aware change sets: `CreateChangeSet` with the deployment mode REVERT_DRIFT.

Such a change set compares the template with what the resources are now, and executing it
brings drifted resources back to the template. Where that fails, they are rolled back "to
their actual pre-deployment state", and what was changed by hand is drift as before
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html).
Resources that drift detection does not read here are UNSUPPORTED in it, as on AWS
(aws-cloudformation/cloudformation-coverage-roadmap#2546).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

_CFN = "ministack.services.cloudformation"
_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
_MODE = "REVERT_DRIFT"
_EXPECTED = (
    "_before_drift"  # of a stack: its drifted resources as they are expected to be
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _CFN: {"_change_sets": None},
    f"{_CFN}.changesets": {
        "_deploy_stack_async": None,
        "_find_change_set": ("cs_name", "stack_name"),
        "_stack_region_context": ("stack", "stack_id"),
    },
    f"{_CFN}.drift": {
        "detect_resource_drift": ("stack", "logical_id", "record", "timestamp"),
        "supports_drift": ("resource_type",),
    },
    f"{_CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{_CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_p": ("params", "key", "default"),
    },
    f"{_CFN}.stacks": {"_property_recreation": ("resource_type", "name")},
}
"""Private names of ministack used here, as `private_names` describes them."""

Handler = Callable[[Any], Any]


def apply() -> None:
    """Let change sets revert drift; a second call changes nothing."""
    handlers = _module("handlers")._ACTION_HANDLERS
    for action, wrap in (
        ("CreateChangeSet", _creating),
        ("DescribeChangeSet", _describing),
        ("ExecuteChangeSet", _executing),
    ):
        if not hasattr(handlers[action], "drift_aware"):
            handlers[action] = wrap(handlers[action])
            handlers[action].extended = handlers[action].drift_aware = True
    changesets = _module("changesets")
    if not hasattr(changesets._deploy_stack_async, "drift_aware"):
        changesets._deploy_stack_async = _deploying(changesets._deploy_stack_async)


def _module(name: str) -> Any:
    return importlib.import_module(f"{_CFN}.{name}")


def _found(params: Any) -> tuple[Any, Any]:
    """The change set that a request names, and its stack; None where there is none."""
    read = _module("helpers")._p
    stack = _module("handlers")._resolve_stack(read(params, "StackName"))
    name = stack["StackName"] if stack else read(params, "StackName")
    find = _module("changesets")._find_change_set
    _, change_set = find(read(params, "ChangeSetName"), name)
    if change_set and not stack:
        stack = _module("handlers")._resolve_stack(change_set["StackName"])
    return change_set, stack


def _creating(create: Handler) -> Handler:
    def created(params: Any) -> Any:
        mode = _module("helpers")._p(params, "DeploymentMode")
        if mode not in ("", _MODE):
            return _module("helpers")._error(
                "ValidationError",
                f"1 validation error detected: Value '{mode}' at 'deploymentMode' failed "
                f"to satisfy constraint: Member must satisfy enum value set: [{_MODE}]",
            )
        answer = create(params)
        if mode and answer[0] == 200:
            id_ = ElementTree.fromstring(answer[2]).findtext(".//{*}Id")
            change_set = importlib.import_module(_CFN)._change_sets[id_]
            stack = _module("handlers")._resolve_stack(change_set["StackName"])
            if stack and change_set["ChangeSetType"] == "UPDATE":
                _add_drift(change_set, stack)
        return answer

    return created


def _add_drift(change_set: Any, stack: Any) -> None:
    """Add what brings drifted resources back to a change set."""
    drifted = {d["LogicalResourceId"]: d for d in _drifted(stack)}
    changes = {
        c["ResourceChange"]["LogicalResourceId"]: c for c in change_set["Changes"]
    }
    wanted = change_set["_template"].get("Resources", {})
    for logical_id, drift in drifted.items():
        if logical_id in wanted and logical_id not in changes:
            change_set["Changes"].append({"ResourceChange": _change(drift)})
    change_set["DeploymentMode"] = _MODE
    change_set["_drifted"] = {k: d for k, d in drifted.items() if k in wanted}
    change_set["_statuses"] = {
        logical_id: _status(record, drifted.get(logical_id))
        for logical_id, record in stack.get("_resources", {}).items()
    }
    if change_set["Changes"] and change_set["Status"] == "FAILED":
        change_set |= {
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "AVAILABLE",
            "StatusReason": "",
        }


def _status(record: Any, drift: Any) -> str:
    if not _module("drift").supports_drift(record.get("ResourceType", "")):
        return "UNSUPPORTED"
    return drift["StackResourceDriftStatus"] if drift else "IN_SYNC"


def _drifted(stack: Any) -> Iterator[Any]:
    drift = _module("drift")
    now = importlib.import_module("ministack.core.responses").now_iso()
    with _module("changesets")._stack_region_context(stack, stack["StackId"]):
        for logical_id, record in stack.get("_resources", {}).items():
            if drift.supports_drift(record.get("ResourceType", "")):
                one = drift.detect_resource_drift(stack, logical_id, record, now)
                if one["StackResourceDriftStatus"] in ("MODIFIED", "DELETED"):
                    yield one


def _change(drift: Any) -> dict[str, Any]:
    """The change that brings a resource back."""
    gone = drift["StackResourceDriftStatus"] == "DELETED"
    change: dict[str, Any] = {
        "Action": "Add" if gone else "Modify",
        "LogicalResourceId": drift["LogicalResourceId"],
        "ResourceType": drift["ResourceType"],
        "Scope": [],
        "Details": [],
    }
    if gone:
        return change
    recreation = _module("stacks")._property_recreation
    for one in drift.get("PropertyDifferences", ()):
        name = one["PropertyPath"].strip("/").split("/")[0]
        change["Details"].append(
            {
                "Target": {
                    "Attribute": "Properties",
                    "Name": name,
                    "RequiresRecreation": recreation(drift["ResourceType"], name),
                    "Path": f"/Properties{one['PropertyPath']}",
                    "AttributeChangeType": "Modify",
                    "BeforeValue": one["ActualValue"],
                    "BeforeValueFrom": "ACTUAL_STATE",
                    "AfterValue": one["ExpectedValue"],
                    "AfterValueFrom": "TEMPLATE",
                },
                "Evaluation": "Static",
                "ChangeSource": "NoModification",
            }
        )
    worst = {d["Target"]["RequiresRecreation"] for d in change["Details"]}
    replaces = "True" if "Always" in worst else "Conditional"
    change |= {
        "PhysicalResourceId": drift["PhysicalResourceId"],
        "Scope": ["Properties"],
        "Replacement": replaces if worst & {"Always", "Conditionally"} else "False",
    }
    return change


def _describing(describe: Handler) -> Handler:
    def described(params: Any) -> Any:
        status, headers, body = describe(params)
        change_set, _ = _found(params) if status == 200 else (None, None)
        if not change_set or "DeploymentMode" not in change_set:
            return status, headers, body
        ElementTree.register_namespace("", _NAMESPACE)
        root = ElementTree.fromstring(body)
        _add(root.find("{*}DescribeChangeSetResult"), "DeploymentMode", _MODE)
        for place in root.findall(".//{*}ResourceChange"):
            logical_id = place.findtext("{*}LogicalResourceId")
            known = change_set["_statuses"].get(logical_id)
            if known:
                _add(place, "ResourceDriftStatus", known)
        text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return status, headers, text

    return described


def _add(place: Any, name: str, text: str) -> None:
    ElementTree.SubElement(place, f"{{{_NAMESPACE}}}{name}").text = text


def _executing(execute: Handler) -> Handler:
    """What is deployed before is what the resources are now: so the update changes them,
    and where it fails, they are brought back to that (`_deploying` does the rest)."""

    def executed(params: Any) -> Any:
        change_set, stack = _found(params)
        drifted = (change_set or {}).get("_drifted", {})
        if stack and drifted and change_set["ExecutionStatus"] == "AVAILABLE":
            stack[_EXPECTED] = {k: stack["_resources"].get(k) for k in drifted}
            for logical_id, drift in drifted.items():
                _take_over(stack["_resources"], logical_id, drift)
        return execute(params)

    return executed


def _deploying(deploy: Any) -> Any:
    """Where an update was rolled back, a resource is expected to be what the template says,
    and not what it was before the update."""

    def deployed(stack_name: str, stack_id: str, *args: Any, **more: Any) -> Any:
        stack = _module("handlers")._resolve_stack(stack_id)
        expected = stack.pop(_EXPECTED, {}) if stack else {}
        work = deploy(stack_name, stack_id, *args, **more)

        async def run() -> None:
            await work
            if stack and stack["StackStatus"].startswith("UPDATE_ROLLBACK"):
                for logical_id, record in expected.items():
                    now = stack["_resources"].setdefault(logical_id, record)
                    now["Properties"] = record.get("Properties")

        return run()

    deployed.drift_aware = True  # type: ignore[attr-defined]
    return deployed


def _take_over(resources: Any, logical_id: str, drift: Any) -> None:
    if drift["StackResourceDriftStatus"] == "DELETED":
        resources.pop(logical_id, None)
        return
    actual = json.loads(drift["ActualProperties"])
    properties = {**(resources[logical_id].get("Properties") or {})}
    names = {
        one["PropertyPath"].strip("/").split("/")[0]
        for one in drift.get("PropertyDifferences", ())
    }
    for name in names:
        properties.pop(name, None)
        if name in actual:
            properties[name] = actual[name]
    resources[logical_id] = {**resources[logical_id], "Properties": properties}
