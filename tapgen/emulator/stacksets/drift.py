"""Drift of stack sets: whether stacks still match their templates.

What drifted in a stack is found by the wrapped CloudFormation. See "Detect unmanaged
configuration changes in stack sets" in the user guide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from tapgen.emulator.stacksets import describe
from tapgen.emulator.stacksets.core import (
    Answer,
    Core,
    Request,
    check_preferences,
    untouched,
)
from tapgen.emulator.stacksets.model import Instance, Operation, StackSet, now
from tapgen.emulator.wire.inner import Place, members, text
from tapgen.emulator.wire.query_protocol import ServiceError, invalid

RESOURCE = (
    "StackId",
    "LogicalResourceId",
    "PhysicalResourceId",
    "ResourceType",
    "StackResourceDriftStatus",
)
DIFFERENCE = ("PropertyPath", "ExpectedValue", "ActualValue", "DifferenceType")


async def detect(core: Core, caller: Place, request: Request) -> Answer:
    """DetectStackSetDrift."""
    stack_set = core.find(caller, request)
    check_preferences(request)
    running: list[Operation] = []

    def begin(operation: Operation) -> tuple[Place, ...]:
        running.append(operation)
        present = [i for i in stack_set.instances.values() if i.exists]
        for instance in present:
            instance.operation = operation.id
        operation.places = tuple(instance.place for instance in present)
        _summarise(stack_set, operation, "IN_PROGRESS")
        return operation.places

    async def work(stack_set: StackSet, place: Place) -> None:
        operation, instance = running[0], stack_set.instances[place]
        try:
            await _detect(core, operation, instance)
        except ServiceError:
            instance.drift = "UNKNOWN"
            raise
        _summarise(stack_set, operation, "IN_PROGRESS")

    def finish(operation: Operation) -> None:
        statuses = {result.status for result in operation.results.values()}
        ended = "COMPLETED"
        if operation.status == "STOPPING":
            ended = "STOPPED"
        elif "CANCELLED" in statuses or statuses == {"FAILED"}:
            ended = "FAILED"
        elif "FAILED" in statuses:
            ended = "PARTIAL_SUCCESS"
        _summarise(stack_set, operation, ended)

    return core.submit(
        stack_set,
        "DetectStackSetDrift",
        request,
        None,
        begin,
        work,
        outcome=untouched,
        finish=finish,
    )


async def list_drifts(core: Core, caller: Place, request: Request) -> Answer:
    """ListStackInstanceResourceDrifts."""
    stack_set = core.find(caller, request)
    place = Place(request["StackInstanceAccount"], request["StackInstanceRegion"])
    instance = stack_set.instance(place)
    operation = stack_set.operation(request["OperationId"])
    wanted = request.get("StackInstanceResourceDriftStatuses")
    found = [
        drift
        for drift in instance.drifts.get(operation.id, [])
        if wanted is None or drift["StackResourceDriftStatus"] in wanted
    ]
    return describe.page(found, request, dict)


async def _detect(core: Core, operation: Operation, instance: Instance) -> None:
    place, name = instance.place, instance.stack_name
    call = core.inner.query
    started = await call(place, "cloudformation", "DetectStackDrift", StackName=name)
    id_ = text(started, "StackDriftDetectionId")
    while True:
        found = await call(
            place,
            "cloudformation",
            "DescribeStackDriftDetectionStatus",
            StackDriftDetectionId=id_,
        )
        status = text(found, "DetectionStatus")
        if status != "DETECTION_IN_PROGRESS":
            break
        await asyncio.sleep(0.01)
    if status == "DETECTION_FAILED":
        raise invalid(text(found, "DetectionStatusReason"))
    instance.drift = text(found, "StackDriftStatus") or "UNKNOWN"
    instance.drift_checked = now()
    answer = await call(
        place, "cloudformation", "DescribeStackResourceDrifts", StackName=name
    )
    # Of the last detection only: earlier results are not needed any more.
    drifts = [_resource(member) for member in members(answer, "StackResourceDrifts")]
    instance.drifts = {operation.id: drifts}


def _resource(member: ElementTree.Element) -> dict[str, Any]:
    return {
        **{name: text(member, name) for name in RESOURCE},
        "PropertyDifferences": [
            {name: text(difference, name) for name in DIFFERENCE}
            for difference in members(member, "PropertyDifferences")
        ],
        "Timestamp": text(member, "Timestamp"),
    }


def _summarise(stack_set: StackSet, operation: Operation, status: str) -> None:
    """Bring the counts of a detection up to date, on the operation and the set."""
    results = operation.results.values()
    instances = [stack_set.instances[place] for place in operation.places]
    found = [i.drift for i in instances if operation.id in i.drifts]
    details = {
        "DriftStatus": _overall(found),
        "DriftDetectionStatus": status,
        "LastDriftCheckTimestamp": now(),
        "TotalStackInstancesCount": len(operation.places),
        "DriftedStackInstancesCount": found.count("DRIFTED"),
        "InSyncStackInstancesCount": found.count("IN_SYNC"),
        "InProgressStackInstancesCount": sum(
            r.status in ("PENDING", "RUNNING") for r in results
        ),
        "FailedStackInstancesCount": operation.failed,
    }
    operation.drift = details
    if status != "IN_PROGRESS":
        # DescribeStackSet shows "the last completed drift operation" only.
        stack_set.drift = details


def _overall(found: Iterable[str]) -> str:
    statuses = set(found)
    if "DRIFTED" in statuses:
        return "DRIFTED"
    return "IN_SYNC" if statuses else "NOT_CHECKED"
