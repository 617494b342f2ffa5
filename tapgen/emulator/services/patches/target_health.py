"""Targets of load balancers that are `initial` until their first health check.

"After your target is registered, it must pass one health check to be considered healthy."
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock, serving

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.alb": {
        "_ACTION_MAP": None,
        "_p": ("params", "key", "default"),
        "_targets": None,
        "_tgs": None,
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_HEALTHY = "<HealthStatus>healthy</HealthStatus><TargetHealth><State>healthy</State>"
_INITIAL = (
    "<HealthStatus>initial</HealthStatus><TargetHealth><State>initial</State>"
    "<Reason>Elb.InitialHealthChecking</Reason>"
    "<Description>Initial health checks in progress</Description>"
)


def apply() -> None:
    """Remember when targets came, and show it while the clock stands."""
    actions = _balancers()._ACTION_MAP
    register, describe = actions["RegisterTargets"], actions["DescribeTargetHealth"]

    def registering(params: Any) -> Any:
        answer = register(params)
        for target in _of(params):
            target.setdefault("_since", clock.now() if clock.stands() else 0.0)
        return answer

    def describing(params: Any) -> Any:
        status, headers, body = describe(params)
        return status, headers, _with_initial(params, body) if status < 300 else body

    actions["RegisterTargets"] = registering
    actions["DescribeTargetHealth"] = describing


def _with_initial(params: Any, body: bytes) -> bytes:
    group = _balancers()._tgs[_balancers()._p(params, "TargetGroupArn")]
    new = [t["Id"] for t in _of(params) if not serving.is_checked(group, t)]
    if not new:
        return body
    first, *members = body.decode().split("<member>")
    for number, member in enumerate(members):
        if any(f"<Id>{id_}</Id>" in member for id_ in new):
            members[number] = member.replace(_HEALTHY, _INITIAL)
    return "<member>".join([first, *members]).encode()


def _of(params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _balancers()._targets.get(
        _balancers()._p(params, "TargetGroupArn"), []
    )
    return found


def _balancers() -> Any:
    return import_module("ministack.services.alb")
