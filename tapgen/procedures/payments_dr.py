"""The procedures of payments_dr.

A procedure runs in the region that traffic or the writer is to go to. `failover`,
`redirect` and `release` make calls in that region only: the other one may be gone.
`switchover` and `failback` need both, and are for times when both are well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tapgen.model.procedures import (
    OTHER_ROLE,
    Argument,
    Call,
    Check,
    Pause,
    Procedure,
    Step,
)
from tapgen.procedures import databases, traffic
from tapgen.procedures.databases import GlobalDatabase
from tapgen.procedures.traffic import Fence, Switch

PART = "drills"
ROLES = ("primary", "dr")
_THIS_ROLE = "${RegionRole}"


def procedures(
    database: GlobalDatabase, fence: Fence, switch: Switch, cost_tags: Sequence[str]
) -> tuple[Procedure, ...]:
    """Return all procedures."""

    def both(name: str, description: str, *steps: Step) -> Procedure:
        return Procedure(name, description, PART, ROLES, steps)

    close_other = traffic.fence("CloseOtherRegion", fence, OTHER_ROLE, True)
    open_this = traffic.fence("OpenThisRegion", fence, _THIS_ROLE, False)
    far = tuple(role for role in ROLES if role != switch.role)
    return (
        both(
            "switchover",
            "Planned: this region's database becomes the one that writes, without loss",
            _guarded(database, open_this),
            databases.switch_over(database),
        ),
        _failover(database, switch, close_other, open_this),
        both(
            "failback",
            "This region is opened for payments again, and its database writes again",
            _guarded(database, databases.switch_over(database)),
            # Last: payments return to a region whose database already writes.
            open_this,
            traffic.release(switch, far),
        ),
        both(
            "drill",
            "Rehearsal: the lag alarm rings and is heard; nothing is moved",
            *_drill(database),
        ),
        both(
            "redirect",
            "Sends traffic to this region",
            traffic.turn(switch, True),
            _close_there(fence, switch, far, True),
        ),
        both(
            "release",
            "Lets traffic go to where it is well again, the primary region first",
            traffic.release(switch, (switch.role,)),
            _close_there(fence, switch, far, False),
        ),
        Procedure(
            "cost-tags",
            "Activates the tags that costs are told apart by, in the paying account",
            PART,
            ("primary",),
            (_cost_tags(cost_tags),),
        ),
    )


def _guarded(database: GlobalDatabase, step: Step) -> Step:
    """Return a step that begins only while the move of the writer can follow."""
    before = (
        databases.is_available(database, "GlobalDatabaseIsAvailable"),
        databases.is_close(database),
    )
    return replace(step, before=before)


def _failover(
    database: GlobalDatabase, switch: Switch, close_other: Step, open_this: Step
) -> Procedure:
    return Procedure(
        "failover",
        "Unplanned: this region takes over; what was not copied yet is lost",
        PART,
        ROLES,
        (
            # First: if the other region still partly works, it must accept no more
            # payments. Its health check then fails, and traffic moves to this region.
            close_other,
            open_this,
            # It also moves when the other region hears nothing of this. Payments need
            # no database: that the switch is seen is waited for last.
            traffic.turn(switch, True, seen=False),
            databases.fail_over(database),
            Step(
                "SeeTraffic",
                after=(traffic.followed(switch, True),),
                roles=(switch.role,),
            ),
        ),
        (
            Argument(
                "LossAccepted",
                "Say yes: payments of the last moments may be lost",
                ("yes",),
            ),
        ),
    )


def _close_there(
    fence: Fence, switch: Switch, roles: tuple[str, ...], closed: bool
) -> Step:
    """Return the step that closes or opens the region of the switch, from the others.

    A region that is closed, or gone, holds no traffic.
    """
    name = "CloseOtherRegion" if closed else "OpenOtherRegion"
    return replace(traffic.fence(name, fence, switch.role, closed), roles=roles)


def _drill(database: GlobalDatabase) -> tuple[Step, ...]:
    # A cluster of a global database cannot be stopped, so this sets the alarm's state;
    # the next evaluation resets it.
    rung = {
        "AlarmName": database.lag_alarm,
        "StateValue": "ALARM",
        "StateReason": "A drill: see that the alert topic has been heard",
    }
    calm = ("OK", "INSUFFICIENT_DATA")
    return (
        Step(
            "RingLagAlarm",
            Call("cloudwatch", "SetAlarmState", rung),
            before=(databases.is_available(database, "GlobalDatabaseIsAvailable"),),
            undo="the next evaluation of the alarm",
        ),
        Step(
            "LetItBeHeard",
            Pause(5),
            after=(
                databases.alarm("WaitForAlarmToEnd", database.lag_alarm, calm, 1800),
            ),
        ),
    )


def _cost_tags(keys: Sequence[str]) -> Step:
    def status(value: str) -> Call:
        tags = [{"TagKey": key, "Status": value} for key in keys]
        given = {"CostAllocationTagsStatus": tags}
        return Call("ce", "UpdateCostAllocationTagsStatus", given)

    # The call succeeds also where it changes nothing: its answer lists the tags that AWS
    # does not know yet as errors.
    # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_UpdateCostAllocationTagsStatus.html
    active = tuple(
        Check(
            f"{key.replace('-', '')}IsActive",
            Call("ce", "ListCostAllocationTags", {"TagKeys": [key]}),
            "$.CostAllocationTags[0].Status",
            ("Active",),
        )
        for key in keys
    )
    return Step("ActivateTags", status("Active"), after=active, undo=status("Inactive"))
