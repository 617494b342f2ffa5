"""Global tables whose writes reach other regions later, and replicas that are CREATING.

ministack writes to all replicas before it answers. So it is here with the real time; while
the clock stands, it takes the time of AWS, and while one of the regions is away it waits,
and goes on when the region is back. Of two writes to an item the later one stays. Tables
with strong consistency have no such delay.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock, reach
from tapgen.emulator.state.tracked import Tracked

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.core.responses": {"get_account_id": (), "get_region": ()},
    "ministack.services.dynamodb": {
        "_create_replica": ("name", "table", "region"),
        "_replica_group": ("table",),
        "_replicate_write": ("table", "event_name", "old_item", "new_item"),
        "_table_description": ("name",),
        "_tables": None,
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

REPLICATION = 1.0
"""How long a write takes to other regions, in seconds: "typically within a second or less"."""

FILLING = 10 * 60.0
"""How long a new replica is CREATING, in seconds: as long as there is to copy on AWS."""

_MODE, _UNTIL = "MultiRegionConsistency", "_creating_until"

# The number of the last write to an item of a replica, while writes are on their way.
_written = Tracked()


# ministack's functions, by name.
_real: dict[str, Any] = {}


def apply() -> None:
    """Replicate later, where it takes time or a region is away."""
    tables = _tables()
    for name, new in {
        "_replicate_write": _replicate,
        "_create_replica": _create,
        "_table_description": _describe,
    }.items():
        _real[name] = getattr(tables, name)
        setattr(tables, name, new)
    clock.work("write", _replicate_now, _is_possible)


def _replicate(table: Any, event_name: str, old_item: Any, new_item: Any) -> None:
    account, home = _place()
    others = [region for region in _tables()._replica_group(table) if region != home]
    at_once = not (clock.stands() or clock.waits()) and _reach(account, *others)
    if at_once or not others or table.get(_MODE) == "STRONG":
        _real["_replicate_write"](table, event_name, old_item, new_item)
        return
    if not clock.waits():
        _written.clear()
    number = max(_written.values(), default=0) + 1
    item = _item(table, new_item or old_item)
    _written[home, *item] = number
    write = {"item": item, "number": number, "event": event_name}
    write |= {"home": home, "table": table["TableName"]}
    write |= copy.deepcopy({"old": old_item, "new": new_item})
    for region in others:
        clock.after(REPLICATION, "write", {**write, "region": region})


def _replicate_now(about: Mapping[str, Any]) -> None:
    place, number = (about["region"], *about["item"]), about["number"]
    table = _tables()._tables.get(about["table"])
    if table is not None and _written.get(place, 0) < number:
        _written[place] = number
        pair = {**table, "_global_regions": [about["home"], about["region"]]}
        _real["_replicate_write"](pair, about["event"], about["old"], about["new"])


def _is_possible(about: Mapping[str, Any]) -> bool:
    return _reach(_place()[0], about["home"], about["region"])


def _create(name: str, table: Any, region: str) -> None:
    _real["_create_replica"](name, table, region)
    replica = _tables()._tables.get_scoped(_place()[0], region, name)
    replica[_UNTIL] = clock.now() + FILLING if clock.stands() else 0.0


def _describe(name: str) -> dict[str, Any]:
    found: dict[str, Any] = _real["_table_description"](name)
    for replica in found.get("Replicas") or []:
        at = replica["RegionName"]
        other = _tables()._tables.get_scoped(_place()[0], at, name) or {}
        if clock.stands() and other.get(_UNTIL, 0.0) > clock.now():
            replica["ReplicaStatus"] = "CREATING"
    return found


def settle(name: str) -> None:
    """End the creation of the replicas of a table: CloudFormation waits for it."""
    tables = _tables()
    for region in tables._replica_group(tables._tables.get(name) or {}):
        replica = tables._tables.get_scoped(_place()[0], region, name)
        if replica:
            replica.pop(_UNTIL, None)


def _item(table: Mapping[str, Any], item: Mapping[str, Any]) -> tuple[str, ...]:
    names = [table["pk_name"], *([table["sk_name"]] if table.get("sk_name") else [])]
    return (_place()[0], table["TableName"], *(repr(item.get(name)) for name in names))


def _reach(account: str, *regions: str) -> bool:
    return all(reach.can_reach(account, region, "dynamodb") for region in regions)


def _place() -> tuple[str, str]:
    responses: Any = import_module("ministack.core.responses")
    return responses.get_account_id(), responses.get_region()


def _tables() -> Any:
    return import_module("ministack.services.dynamodb")
