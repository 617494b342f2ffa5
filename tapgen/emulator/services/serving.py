"""Whether load balancers answer: what accelerators and names ask of them.

The private names of ministack that are used here are those of `patches/target_health`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock, reach


def is_serving(account: str, region: str, arn: str) -> bool:
    """Whether a load balancer can be reached, and each of its groups that has targets has
    one that passed a check. No instance of an Auto Scaling group is a target here, so a
    group without targets says nothing."""
    balancers: Any = import_module("ministack.services.alb")
    if not reach.can_reach(account, region, "elasticloadbalancing"):
        return False
    for at, where, key in [*balancers._tgs._data]:
        group = balancers._tgs.get_scoped(at, where, key) or {}
        if (at, where) != (account, region) or arn not in group["LoadBalancerArns"]:
            continue
        targets = balancers._targets.get_scoped(account, None, key) or []
        if targets and not any(is_checked(group, target) for target in targets):
            return False
    return True


def is_checked(group: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Whether a target of a group has passed its first check."""
    checked = clock.now() - float(group.get("HealthCheckIntervalSeconds") or 30)
    return not clock.stands() or target.get("_since", 0.0) <= checked
