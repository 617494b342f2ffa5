"""Single stacks: those of bootstrap, and those of stack instances."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.session import ATTEMPTS, Aws, ask, one_line, pages
from tapgen.errors import AwsError, NotFound, RolloutError, TemplateError
from tapgen.frozen import dataclass
from tapgen.model import Target, digest
from tapgen.template import nested
from tapgen.template.parameters import complete

MAX_BODY = 51_200
"""Bytes of TemplateBody (API reference, CreateStack, CreateStackSet)."""

_ONLY_DELETE = (
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "DELETE_FAILED",
)
# Stacks without resources: deleted, or rolled back before they were ever made.
_EMPTY = ("DELETE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
_NO_UPDATES = "No updates are to be performed"
# Stacks that run the template and the values that they have.
_UPDATED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_STARTS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_ECHOES = ("cancelled", "canceled", "The following resource(s) failed")
# The reason of a nested stack that fails, with its id.
_EMBEDDED = re.compile(r"Embedded stack (arn:\S+) was not successfully")


@dataclass(frozen=True)
class Failure:
    """The first resource of a stack that failed, in CloudFormation's words."""

    logical_id: str
    type: str
    status: str
    reason: str
    stack_id: str = ""


@dataclass(frozen=True)
class FailedEvent:
    """An event of a stack that failed (`OperationEvent`).

    `kind` is the event's type: STACK_EVENT, PROVISIONING_ERROR, VALIDATION_ERROR or
    HOOK_INVOCATION_ERROR. `property` is the path below the properties that was validated,
    joined with `/`.
    """

    kind: str
    logical_id: str
    type: str
    reason: str
    property: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Difference:
    """A property that differs from the template (`PropertyDifference`).

    `path` is a JSON pointer below the properties; `kind` is ADD, REMOVE or NOT_EQUAL,
    and the values are text, as CloudFormation gives them.
    """

    path: str
    expected: str
    actual: str
    kind: str


@dataclass(frozen=True)
class DriftedResource:
    """A resource that was changed or deleted other than through CloudFormation; or one of
    which CloudFormation could not find that out, for the reason in `unknown`."""

    logical_id: str
    type: str
    deleted: bool
    differences: tuple[Difference, ...] = ()
    unknown: str = ""


def deploy(
    aws: Aws,
    target: Target,
    name: str,
    template: str,
    *,
    parameters: Mapping[str, str] | None = None,
    capabilities: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    there: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Create or update a stack and wait for it; return whether it changed.

    `there` is its present template, where the caller has read it: then a stack that is as
    it should be needs no update to find that out. A template that is too large for a
    request is given by its URL in the target's artifact bucket.

    Raises AwsError with the first failed resource when CloudFormation rolls back.
    """
    client = aws.client("cloudformation", target)
    request: dict[str, Any] = {
        "StackName": name,
        "TemplateBody": template,
        "Parameters": _pairs(parameters or {}, "ParameterKey", "ParameterValue"),
        "Capabilities": list(capabilities),
        "Tags": _pairs(tags or {}, "Key", "Value"),
    }
    found = _find(client, name)
    # An interrupted run may have left it in progress.
    if found and found["StackStatus"].endswith("_IN_PROGRESS"):
        found["StackStatus"] = _settled(client, found["StackId"], sleep)
    elif found and there and _is_so(found, there, request):
        return False
    if len(template.encode()) > MAX_BODY:
        del request["TemplateBody"]
        key = f"templates/{digest(template).removeprefix('sha256:')}.json"
        request["TemplateURL"] = ArtifactBucket(aws, target).put(key, template.encode())
    if found and found["StackStatus"] in _ONLY_DELETE:
        # A stack whose creation failed can only be deleted (CloudFormation user
        # guide, "Stack status codes").
        ask(client, "delete_stack", StackName=found["StackId"])
        _settled(client, found["StackId"], sleep)
        found = None
    try:
        operation = "update_stack" if found else "create_stack"
        stack_id = ask(client, operation, **request)["StackId"]
    except AwsError as error:
        if _NO_UPDATES in error.message:
            return False
        raise
    status = _settled(client, stack_id, sleep)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        failure = first_failure(aws, target, stack_id)
        where = f"stack {name} in {target} ended {status}"
        detail = f": {failure.logical_id}: {failure.reason}" if failure else ""
        raise AwsError(f"cloudformation:{operation}", status, where + detail)
    return True


def _is_so(found: Mapping[str, Any], there: str, request: Mapping[str, Any]) -> bool:
    """Whether a stack has exactly this template, these values and these tags: an update
    would be refused as none (`_NO_UPDATES`)."""

    def pairs(of: Mapping[str, Any], name: str, key: str, value: str) -> dict[str, str]:
        return {one[key]: one.get(value, "") for one in of.get(name, ())}

    tags = "Tags", "Key", "Value"
    values = "Parameters", "ParameterKey", "ParameterValue"
    template = request["TemplateBody"]
    return (
        found["StackStatus"] in _UPDATED
        and _parsed(there) == _parsed(template)
        and pairs(found, *tags) == pairs(request, *tags)
        # A stack also has the values that its template gives by default.
        and pairs(found, *values) == complete(pairs(request, *values), template)
    )


def remove(
    aws: Aws, target: Target, name: str, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Delete a stack and wait for it; AwsError with the first failed resource."""
    client = aws.client("cloudformation", target)
    found = _find(client, name)
    if not found:
        return
    ask(client, "delete_stack", StackName=found["StackId"])
    status = _settled(client, found["StackId"], sleep)
    if status != "DELETE_COMPLETE":
        failure = first_failure(aws, target, found["StackId"])
        detail = f": {failure.logical_id}: {failure.reason}" if failure else ""
        where = f"stack {name} in {target} ended {status}{detail}"
        raise AwsError("cloudformation:DeleteStack", status, where)


def template(
    aws: Aws, target: Target, name: str, attempts: int = ATTEMPTS
) -> str | None:
    """Return the template text of a stack; None when there is no such stack. A call
    fails after `attempts`."""
    client = aws.client("cloudformation", target, attempts)
    try:
        body = ask(client, "get_template", StackName=name, TemplateStage="Original")
    except NotFound:
        return None
    text = body["TemplateBody"]
    return text if isinstance(text, str) else json.dumps(text)


@dataclass(frozen=True)
class Deployed:
    """What a stack runs: the text of its template and the values of its parameters; and
    its status."""

    template: str
    parameters: Mapping[str, str]
    resolved: Mapping[str, str] = field(default_factory=dict)
    status: str = ""


@dataclass(frozen=True)
class Described:
    """The outputs of a stack, the values of its parameters of SSM types, and those of its
    other parameters as they were given."""

    outputs: Mapping[str, str]
    resolved: Mapping[str, str]
    plain: Mapping[str, str] = field(default_factory=dict)


def deployed(aws: Aws, target: Target, name: str) -> Deployed | None:
    """What a stack runs, by its id; None where there is none, or nothing is left of it.

    A template in YAML is returned as JSON. Its loops are as written: stage Original
    (`GetTemplate`).
    """
    client = aws.client("cloudformation", target)
    found = _find(client, name)
    if not found or found["StackStatus"] in _EMPTY:
        return None
    body = ask(client, "get_template", StackName=name, TemplateStage="Original")
    values = {
        p["ParameterKey"]: p.get("ParameterValue", "")
        for p in found.get("Parameters", [])
    }
    template = as_json(body["TemplateBody"])
    return Deployed(template, values, _resolved(found), found["StackStatus"])


def _resolved(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of parameters of SSM types, as they were when the stack was last
    updated (API reference, Parameter: ResolvedValue)."""
    return {
        p["ParameterKey"]: p["ResolvedValue"]
        for p in stack.get("Parameters", [])
        if "ResolvedValue" in p
    }


def _parsed(body: str) -> Any:
    """Return a template as data; its text where it is none."""
    try:
        return json.loads(as_json(body))
    except ValueError:
        return body


def as_json(body: Any) -> str:
    """Return a template as JSON, of which a text in JSON is not changed; what is no template
    as it is."""
    if not isinstance(body, str):
        return json.dumps(body)  # botocore has parsed it
    try:
        json.loads(body)
    except ValueError:
        return _from_yaml(body)
    return body


def _from_yaml(body: str) -> str:
    """Return a template in YAML as JSON. Where the engine runs in AWS, nothing reads it."""
    try:
        from tapgen.template import decode
    except ImportError:
        raise RolloutError(
            "a template in YAML cannot be read in AWS; go on with tapgen resume --engine "
            "local"
        ) from None
    try:
        return json.dumps(decode.template(body, "template"))
    except TemplateError:
        return body


def outputs(aws: Aws, target: Target, name: str) -> dict[str, str] | None:
    """Return the outputs of a stack, by name or id; None when there is no such stack."""
    found = described(aws, target, name)
    return dict(found.outputs) if found else None


_NAME_START = 128 - 37  # the longest name of a stack, less a UUID


def of_stack_set(aws: Aws, target: Target, name: str) -> str | None:
    """Return the id of the stack of a stack set in a target, found by its name, so that the
    administration region need not answer; None where there is none.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-concepts.html
    """
    start = f"StackSet-{name}"[:_NAME_START]
    form = re.compile(re.escape(start) + "-[0-9a-f]{8}-[-0-9a-f]{27}")
    client = aws.client("cloudformation", target)
    for stack in pages(client, "describe_stacks", "Stacks"):
        if form.fullmatch(stack["StackName"]):
            return str(stack["StackId"])
    return None


def exists(aws: Aws, target: Target, name: str) -> bool:
    """Return whether there is a stack of this name, in any state."""
    return _find(aws.client("cloudformation", target), name) is not None


def described(aws: Aws, target: Target, name: str) -> Described | None:
    """Return a stack, by name or id; None when there is no such stack."""
    found = _find(aws.client("cloudformation", target), name)
    if not found or found["StackStatus"] == "DELETE_COMPLETE":
        return None
    given = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
    resolved = _resolved(found)
    plain = {
        p["ParameterKey"]: p.get("ParameterValue", "")
        for p in found.get("Parameters", [])
        if p["ParameterKey"] not in resolved
    }
    return Described(given, resolved, plain)


def resources(aws: Aws, target: Target, name: str) -> dict[str, tuple[str, str]]:
    """Return logical id → (type, physical id) of every resource of a stack, those of
    nested stacks by `Stack/Resource`."""
    client = aws.client("cloudformation", target)
    listed = pages(
        client, "list_stack_resources", "StackResourceSummaries", StackName=name
    )
    found = {
        r["LogicalResourceId"]: (r["ResourceType"], r.get("PhysicalResourceId", ""))
        for r in listed
        if r["ResourceStatus"] != "DELETE_COMPLETE"
    }
    for logical_id, (kind, stack_id) in [*found.items()]:
        if kind == nested.TYPE and stack_id:
            for inner, one in resources(aws, target, stack_id).items():
                found[f"{logical_id}{nested.SEPARATOR}{inner}"] = one
    return found


@dataclass(frozen=True)
class UnderWay:
    """A resource that a stack creates, updates or deletes, since a time (ISO 8601)."""

    logical_id: str
    type: str
    status: str
    since: str


def under_way(aws: Aws, target: Target, name: str) -> UnderWay | None:
    """Return the resource that a stack has been working on for the longest time, by the
    events of its latest operation; None where it works on none. Raises NotFound.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackEvents.html
    """
    client = aws.client("cloudformation", target)
    newest_first = pages(client, "describe_stack_events", "StackEvents", StackName=name)
    newest: dict[str, Mapping[str, Any]] = {}
    since: dict[str, datetime] = {}
    for event in next(iter(_operations(newest_first)), ()):
        if event.get("PhysicalResourceId") == event["StackId"]:
            continue
        logical_id = event["LogicalResourceId"]
        newest.setdefault(logical_id, event)
        if event["ResourceStatus"].endswith("_IN_PROGRESS"):
            since[logical_id] = event["Timestamp"]  # at last the first of them
    works = [e for e in newest.values() if e["ResourceStatus"].endswith("_IN_PROGRESS")]
    if not works:
        return None
    first = min(works, key=lambda e: since[e["LogicalResourceId"]])
    return UnderWay(
        first["LogicalResourceId"],
        first["ResourceType"],
        first["ResourceStatus"],
        since[first["LogicalResourceId"]].isoformat(),
    )


@dataclass(frozen=True)
class Worked:
    """What a stack has done with a resource: its last status, from the first event until
    the last one (ISO 8601)."""

    logical_id: str
    type: str
    status: str
    since: str
    until: str


def worked(
    aws: Aws, target: Target, name: str, since: datetime, until: datetime
) -> list[Worked]:
    """Return what a stack, by name or id, has done with its resources between two times,
    in the order in which it began. Raises NotFound.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackEvents.html
    """
    client = aws.client("cloudformation", target)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in pages(client, "describe_stack_events", "StackEvents", StackName=name):
        if event["Timestamp"] < since:
            break  # the newest come first
        if event["Timestamp"] > until:
            continue
        if event.get("PhysicalResourceId") != event["StackId"]:
            found.setdefault(event["LogicalResourceId"], []).append(event)
    listed = [
        Worked(
            logical_id,
            events[0]["ResourceType"],
            events[0]["ResourceStatus"],
            events[-1]["Timestamp"].isoformat(),
            events[0]["Timestamp"].isoformat(),
        )
        for logical_id, events in found.items()
    ]
    return sorted(listed, key=lambda one: (one.since, one.until, one.logical_id))


def drifts(aws: Aws, target: Target, name: str) -> list[DriftedResource]:
    """Return the drifted resources of a stack, as its last drift detection found them, and
    those that it could not check
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackResourceDrift.html).
    """
    found = pages(
        aws.client("cloudformation", target),
        "describe_stack_resource_drifts",
        "StackResourceDrifts",
        StackName=name,
        StackResourceDriftStatusFilters=["MODIFIED", "DELETED", "UNKNOWN"],
    )
    return [
        DriftedResource(
            drift["LogicalResourceId"],
            drift["ResourceType"],
            drift["StackResourceDriftStatus"] == "DELETED",
            tuple(
                Difference(
                    d["PropertyPath"],
                    d["ExpectedValue"],
                    d["ActualValue"],
                    d["DifferenceType"],
                )
                for d in drift.get("PropertyDifferences", ())
            ),
            _why_unknown(drift),
        )
        for drift in found
    ]


def _why_unknown(drift: Mapping[str, Any]) -> str:
    """Return why a resource could not be checked; empty where it was."""
    if drift["StackResourceDriftStatus"] != "UNKNOWN":
        return ""
    return one_line(drift.get("DriftStatusReason", "")) or "no reason given"


def first_failure(
    aws: Aws, target: Target, name: str, since: datetime | None = None
) -> Failure | None:
    """Return the earliest real failure of the latest operation on a stack that had one,
    at all or `since` a time.

    Works on deleted stacks when `name` is the stack id (`DescribeStackEvents`).
    Later failures are echoes: resources that were cancelled because of the first. No page
    of events before that operation is read.
    """
    client = aws.client("cloudformation", target)
    newest_first = pages(client, "describe_stack_events", "StackEvents", StackName=name)

    def is_new(event: Mapping[str, Any]) -> bool:
        return since is None or event["Timestamp"] >= since

    try:
        return _first_failure(aws, target, takewhile(is_new, newest_first), since)
    except NotFound:
        return None


def _first_failure(
    aws: Aws,
    target: Target,
    newest_first: Iterable[dict[str, Any]],
    since: datetime | None,
) -> Failure | None:
    for events in _operations(newest_first):
        for event in reversed(events):
            reason = one_line(event.get("ResourceStatusReason", ""))
            if not event["ResourceStatus"].endswith("_FAILED"):
                continue
            if found := _within(aws, target, event, since):
                return found
            if not any(echo in reason for echo in _ECHOES):
                return Failure(
                    event["LogicalResourceId"],
                    event["ResourceType"],
                    event["ResourceStatus"],
                    reason or "no reason given",
                    event["StackId"],
                )
    return None


def failed_events(aws: Aws, target: Target, stack_id: str) -> list[FailedEvent]:
    """Return the failed events of a stack, the earliest first; none where this version of
    botocore does not know `DescribeEvents`. The id also finds a stack that is deleted.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeEvents.html
    """
    client = aws.client("cloudformation", target)
    if not hasattr(client, "describe_events"):
        return []
    found = pages(
        client,
        "describe_events",
        "OperationEvents",
        StackName=stack_id,
        Filters={"FailedEvents": True},
    )
    events = [_failed_event(event) for event in found]
    return sorted(events, key=lambda one: (one.at is not None, one.at))


def _failed_event(event: Mapping[str, Any]) -> FailedEvent:
    texts = ("ValidationStatusReason", "HookStatusReason", "ResourceStatusReason")
    reason = next((event[key] for key in texts if event.get(key)), "")
    path = event.get("ValidationPath", "")
    return FailedEvent(
        event.get("EventType", ""),
        event.get("LogicalResourceId", ""),
        event.get("ResourceType", ""),
        one_line(reason),
        path.partition("/Properties/")[2],
        event.get("Timestamp"),
    )


def _within(
    aws: Aws, target: Target, event: Mapping[str, Any], since: datetime | None
) -> Failure | None:
    """Return the failure in a nested stack, whose own event says only that there is one."""
    if event["ResourceType"] != nested.TYPE:
        return None
    named = _EMBEDDED.search(event.get("ResourceStatusReason", ""))
    stack_id = event.get("PhysicalResourceId") or (named and named[1])
    if not stack_id or stack_id == event["StackId"]:
        return None
    found = first_failure(aws, target, stack_id, since)
    name = f"{event['LogicalResourceId']}{nested.SEPARATOR}"
    return found and replace(found, logical_id=f"{name}{found.logical_id}")


def _operations(newest_first: Iterable[dict[str, Any]]) -> Iterable[list[Any]]:
    """The events of each operation, the latest operation first: StackSets deletes a
    stack whose creation failed, so the failure may lie one operation back."""
    events: list[Any] = []
    for event in newest_first:
        events.append(event)
        starts = event["ResourceStatus"] in _STARTS
        if starts and event.get("PhysicalResourceId") == event["StackId"]:
            yield events
            events = []
    if events:
        yield events


def _find(client: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = ask(client, "describe_stacks", StackName=name)[
            "Stacks"
        ][0]
    except NotFound:
        return None
    return found


def _settled(client: Any, stack_id: str, sleep: Callable[[float], None]) -> str:
    """Wait until a stack's status is final; return it."""
    wait = 0.05
    while True:
        found = _find(client, stack_id)
        status = found["StackStatus"] if found else "DELETE_COMPLETE"
        if not status.endswith("_IN_PROGRESS"):
            return str(status)
        sleep(wait)
        wait = min(wait * 1.5, 5)


def _pairs(values: Mapping[str, str], key: str, value: str) -> list[dict[str, str]]:
    return [{key: k, value: v} for k, v in values.items()]
