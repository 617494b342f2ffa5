"""Steps that close and open regions, and move traffic.

All of them are calls to data planes. Health checks that exist already see what they put:
Route 53's control plane is in us-east-1 only, and no procedure needs it.
https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html
"""

from __future__ import annotations

from tapgen.frozen import dataclass
from tapgen.model.procedures import HERE, Call, Check, Script, Step
from tapgen.procedures.databases import alarm

LONGEST_SWITCH = 600
"""How long the alarm of a switch is waited for, in seconds."""


@dataclass(frozen=True)
class Fence:
    """The items of a global table that close regions: table, and id of the items."""

    table: str
    item: str


@dataclass(frozen=True)
class Switch:
    """A metric that a health check watches: 1 brings traffic to the region of `role`.

    `region` is that region, as text. The alarm is where the metric is. Without a role,
    each region has such a switch of its own.
    """

    namespace: str
    metric: str
    alarm: str
    region: str
    role: str = ""


def fence(name: str, fence: Fence, role: str, closed: bool) -> Step:
    """Close or open the region of a role for payments, in the replica here.

    Its API then says 503 or 200 to health checks.
    """
    return Step(
        name,
        _put(fence, role, closed),
        after=(_reads(f"{name}IsWritten", fence, role, closed),),
        undo=_put(fence, role, not closed),
    )


def _put(fence: Fence, role: str, closed: bool) -> Call:
    item = {
        **_key(fence, role),
        "closed": {"BOOL": closed},
        # Runbooks compare texts: no page says how they compare what is no text.
        "state": {"S": _state(closed)},
    }
    return Call("dynamodb", "PutItem", {"TableName": fence.table, "Item": item})


def _reads(name: str, fence: Fence, role: str, closed: bool) -> Check:
    """The replica here says so: it is what the API of this region reads. A region without
    an item is open."""
    given = {
        "TableName": fence.table,
        "Key": _key(fence, role),
        "ConsistentRead": True,
    }
    read = Call("dynamodb", "GetItem", given)
    wanted = (_state(closed),)
    return Check(name, read, "$.Item.state.S", wanted, missing=not closed)


def _key(fence: Fence, role: str) -> dict[str, dict[str, str]]:
    return {"paymentId": {"S": fence.item}, "timestamp": {"S": role}}


def _state(closed: bool) -> str:
    return "closed" if closed else "open"


def turn(switch: Switch, on: bool, *, seen: bool = True) -> Step:
    """Turn a switch in its own region, and wait until its alarm follows if `seen`."""
    return Step(
        "PutSwitch",
        _value(switch, on),
        after=(followed(switch, on),) if seen else (),
        undo=_off(switch) if on else _value(switch, True),
        roles=(switch.role,) if switch.role else (),
    )


def _value(switch: Switch, on: bool) -> Call:
    # A literal number: a runbook's argument would arrive as text.
    data = [{"MetricName": switch.metric, "Value": int(on)}]
    given = {"Namespace": switch.namespace, "MetricData": data}
    return Call("cloudwatch", "PutMetricData", given)


def followed(switch: Switch, on: bool) -> Check:
    """The alarm of a switch has followed it."""
    state = "ALARM" if on else "OK"
    return alarm("WaitForSwitch", switch.alarm, (state,), LONGEST_SWITCH)


def release(
    switch: Switch, roles: tuple[str, ...] = (), *, back: str = "redirect"
) -> Step:
    """Turn a switch off from the regions of some roles, while its region is there, also
    in a minute in which it was turned on: then one more value changes nothing. The
    procedure `back` turns it on again."""
    return Step(
        "ReleaseTraffic",
        _off(switch),
        undo=f"the procedure {back}"
        + (f" in the region of {switch.role}" if switch.role else ""),
        region=switch.role or HERE,
        roles=roles,
    )


def _off(switch: Switch) -> Script:
    given = {
        "Region": switch.region,
        "Namespace": switch.namespace,
        "Metric": switch.metric,
        "Alarm": switch.alarm,
    }
    return Script("ReleaseTraffic", "release", given)
