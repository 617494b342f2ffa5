"""The lag that RDS replicas report every minute, when the clock is moved.

None of them lags here, until a region cannot be reached: then by the time that has gone by
since the clock first found it away. What a replica does not report, its alarm misses.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-metrics.html
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock, reach

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.cloudwatch": {
        "_dims_key": ("dims",),
        "_metric_bucket": ("key",),
    },
    "ministack.services.rds": {"_instances": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

_MINUTE, _MOST = 60.0, 15
_AWAY, _REPORTED = "_source_away_since", "_lag_reported"


def apply() -> None:
    """Report when the clock is moved."""
    clock.watch(_happen)


def _happen() -> None:
    rds: Any = import_module("ministack.services.rds")
    for _, instance in clock.everywhere(rds._instances):
        source = instance.get("ReadReplicaSourceDBInstanceIdentifier")
        if source and clock.stands():
            _report(instance, source)
        else:
            for name in (_AWAY, _REPORTED):
                instance.pop(name, None)


def _report(instance: dict[str, Any], source: str) -> None:
    _, _, _, own, account, _, name = instance["DBInstanceArn"].split(":", 6)
    region, now = source.split(":")[3] if ":" in source else own, clock.now()
    if not reach.can_reach(account, own, "rds"):
        return
    if reach.can_reach(account, region, "rds"):
        since = now
        instance.pop(_AWAY, None)
    else:
        since = instance.setdefault(_AWAY, now)
    last = max(instance.get(_REPORTED, now - _MINUTE), now - _MOST * _MINUTE)
    instance[_REPORTED] = now
    watch: Any = import_module("ministack.services.cloudwatch")
    dimensions = {"DBInstanceIdentifier": name}
    key = ("AWS/RDS", "ReplicaLag", watch._dims_key(dimensions))
    for ago in range(int((now - last) // _MINUTE)):
        at = now - ago * _MINUTE
        watch._metric_bucket(key).append(
            {
                "Timestamp": at,
                "Value": max(0.0, at - since),
                "Unit": "Seconds",
                "Dimensions": dimensions,
            }
        )
