"""Runbooks for a switchover, a failover, a failback and a drill.

A runbook runs in the region that is to write, unless it names the recovery region. It
changes no stack and no record set, and what must work without the other region calls
data planes of its own region only. A switchover needs both: it is asked for where the
writer is.
"""

from __future__ import annotations

from typing import Any

from troposphere import If, Ref, Template

from tapgen.blocks import compute, drills, frame, names
from tapgen.blueprints.payments_dr.roles import FENCE
from tapgen.blueprints.payments_dr.shape import (
    GLOBAL_DATABASE,
    HERE,
    METRICS,
    OVERRIDE_ALARM,
    OVERRIDE_METRIC,
    PAYMENTS,
    database,
    is_dr,
    name,
)

COST_TAGS = ("DR-Role", "Environment", "Project")
"""The tags that are activated for cost allocation."""

_GLOBAL = names.sub(GLOBAL_DATABASE)
_CLUSTER = names.sub(names.arn("rds", f"cluster:{database(HERE)}"))
_LAG = names.sub(name("db-lag", HERE))


def document(procedure: str) -> str:
    """Return the name of a procedure's runbook in a region, as text for `Fn::Sub`."""
    return name(procedure, HERE)


def add(t: Template, role_arn: Any) -> None:
    """Add every runbook of a region. `role_arn` is the operators' role."""
    frame.is_primary(t)
    recovery = is_dr(t)
    for title, procedure, description, parameters, steps in (
        (
            "SwitchoverRunbook",
            "switchover",
            "Planned: this region's database becomes the one that writes, without loss",
            {},
            _switchover(),
        ),
        (
            "FailoverRunbook",
            "failover",
            "Unplanned: this region takes over; what was not copied yet is lost",
            {
                "LossAccepted": _confirmation(
                    "Say yes: payments of the last moments may be lost"
                )
            },
            _failover(),
        ),
        (
            "FailbackRunbook",
            "failback",
            "This region is opened for payments again, and its database writes again",
            {},
            _failback(),
        ),
        (
            "DrillRunbook",
            "drill",
            "Rehearsal: the lag alarm rings and is heard; nothing is moved",
            {},
            _drill(),
        ),
    ):
        _add(t, title, procedure, description, parameters, steps, role_arn)
    for title, procedure, description, requested in (
        ("RedirectRunbook", "redirect", "Sends traffic to this region", 1),
        (
            "ReleaseRunbook",
            "release",
            "Lets traffic go to where it is well again, the primary region first",
            0,
        ),
    ):
        steps = _redirect(requested)
        runbook = _add(t, title, procedure, description, {}, steps, role_arn)
        runbook.Condition = recovery
    costs = _add(
        t,
        "CostTagsRunbook",
        "cost-tags",
        "Activates the tags that costs are told apart by, in the paying account",
        {},
        [_cost_tags()],
        None,
    )
    costs.Condition = frame.IS_PRIMARY


def _add(
    t: Template,
    title: str,
    procedure: str,
    description: str,
    parameters: dict[str, Any],
    steps: list[dict[str, Any]],
    role_arn: Any,
) -> Any:
    return drills.runbook(
        t,
        title,
        name=document(procedure),
        procedure=procedure,
        description=description,
        parameters=parameters,
        steps=steps,
        role_arn=role_arn,
    )


def _confirmation(description: str) -> dict[str, Any]:
    return {"type": "String", "allowedValues": ["yes"], "description": description}


def _healthy() -> dict[str, Any]:
    return drills.check(
        "GlobalDatabaseIsAvailable",
        "rds",
        "DescribeGlobalClusters",
        selector="$.GlobalClusters[0].Status",
        wanted=["available"],
        GlobalClusterIdentifier=_GLOBAL,
    )


def _close_behind() -> dict[str, Any]:
    return drills.check(
        "CopyIsCloseBehind",
        "cloudwatch",
        "DescribeAlarms",
        selector="$.MetricAlarms[0].StateValue",
        wanted=["OK", "INSUFFICIENT_DATA"],
        AlarmNames=[_LAG],
    )


def _switch() -> dict[str, Any]:
    """Return a step that asks for the switchover to this region, where the writer is."""
    return drills.script(
        "MoveDatabase",
        compute.source("switchover"),
        payload={"GlobalDatabase": _GLOBAL, "Target": _CLUSTER},
        attempts=1,
    )


def _written_here() -> dict[str, Any]:
    """Return a step that waits, up to an hour, until this region writes.

    The status alone is no proof: it is the same before the move has begun.
    """
    return drills.script(
        "WaitForWriterHere",
        compute.source("writer"),
        payload={
            "GlobalDatabase": _GLOBAL,
            "Cluster": names.sub(database(HERE)),
        },
        attempts=7,
    )


def _settled() -> list[dict[str, Any]]:
    """Return a step that waits until this region writes and the other replicates."""
    return [
        _written_here(),
        drills.wait(
            "WaitForGlobalDatabase",
            "rds",
            "DescribeGlobalClusters",
            selector="$.GlobalClusters[0].Status",
            wanted=["available"],
            seconds=3600,
            GlobalClusterIdentifier=_GLOBAL,
        ),
    ]


def _fence(step: str, role: Any, closed: bool) -> dict[str, Any]:
    """Return a step that closes or opens a region for payments, in the shared table."""
    return drills.call(
        step,
        "dynamodb",
        "PutItem",
        TableName=names.sub(PAYMENTS),
        Item={
            "paymentId": {"S": FENCE},
            "timestamp": {"S": role},
            "closed": {"BOOL": closed},
        },
    )


_OTHER = If(frame.IS_PRIMARY, "dr", "primary")


def _switchover() -> list[dict[str, Any]]:
    return [
        _healthy(),
        _close_behind(),
        _fence("OpenThisRegion", Ref(names.ROLE), False),
        _switch(),
        *_settled(),
    ]


def _failover() -> list[dict[str, Any]]:
    return [
        # First: if the other region still partly works, it must accept no more
        # payments. Its health check then fails, and traffic moves to this region.
        _fence("CloseOtherRegion", _OTHER, True),
        _fence("OpenThisRegion", Ref(names.ROLE), False),
        # In the region that takes over, unlike a switchover.
        drills.call(
            "MoveDatabase",
            "rds",
            "FailoverGlobalCluster",
            GlobalClusterIdentifier=_GLOBAL,
            TargetDbClusterIdentifier=_CLUSTER,
            AllowDataLoss=True,
        ),
        # The other region rejoins when it can, which may be much later.
        _written_here(),
    ]


def _failback() -> list[dict[str, Any]]:
    return [
        _healthy(),
        _close_behind(),
        _switch(),
        *_settled(),
        # Last: payments return to a region whose database already writes.
        _fence("OpenThisRegion", Ref(names.ROLE), False),
    ]


def _drill() -> list[dict[str, Any]]:
    # A cluster of a global database cannot be stopped, so the runbook sets the alarm's
    # state; the next evaluation resets it.
    return [
        _healthy(),
        drills.call(
            "RingLagAlarm",
            "cloudwatch",
            "SetAlarmState",
            AlarmName=_LAG,
            StateValue="ALARM",
            StateReason="A drill: see that the alert topic has been heard",
        ),
        drills.sleep("LetItBeHeard", 5),
        drills.wait(
            "WaitForAlarmToEnd",
            "cloudwatch",
            "DescribeAlarms",
            selector="$.MetricAlarms[0].StateValue",
            wanted=["OK", "INSUFFICIENT_DATA"],
            seconds=1800,
            AlarmNames=[_LAG],
        ),
    ]


def _redirect(requested: int) -> list[dict[str, Any]]:
    # A literal number: a runbook's parameter would arrive as text.
    return [
        drills.call(
            "PutSwitch",
            "cloudwatch",
            "PutMetricData",
            Namespace=names.sub(METRICS),
            MetricData=[{"MetricName": OVERRIDE_METRIC, "Value": requested}],
        ),
        drills.wait(
            "WaitForSwitch",
            "cloudwatch",
            "DescribeAlarms",
            selector="$.MetricAlarms[0].StateValue",
            wanted=["ALARM" if requested else "OK"],
            seconds=600,
            AlarmNames=[names.sub(OVERRIDE_ALARM)],
        ),
    ]


def _cost_tags() -> dict[str, Any]:
    return drills.call(
        "ActivateTags",
        "ce",
        "UpdateCostAllocationTagsStatus",
        CostAllocationTagsStatus=[
            {"TagKey": key, "Status": "Active"} for key in COST_TAGS
        ],
    )
