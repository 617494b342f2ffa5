"""Lets faults reach the resources that CloudFormation makes."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator import patches
from tapgen.emulator.faults import Faults, ResourceFault, service_of
from tapgen.emulator.inner import Place

_CFN = "ministack.services.cloudformation"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{_CFN}.provisioners": {
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name")
    },
    f"{_CFN}.stacks": {"_runs_on_worker_thread": ("resource_type",)},
}
"""Private names of ministack used here beside those of `patches`."""

_current: list[Faults] = []


def check() -> list[str]:
    """Every private name used here that has moved."""
    return [
        p for module, names in PRIVATE.items() for p in patches.moved(module, names)
    ]


def apply(faults: Faults) -> None:
    """From now on `faults` decide over resources; doing it again changes only whose."""
    wrapped = bool(_current)
    _current[:] = [faults]
    if wrapped:
        return
    # CloudFormation's own code has no point at which a resource could be made to fail
    # or wait: its three ways to a resource get one. A wait must not hold up the event
    # loop, so resources that may be delayed are made on threads, as custom ones are.
    stacks: Any = import_module(f"{_CFN}.stacks")
    stacks._provision_resource = _asking(
        stacks._provision_resource, "create", lambda a: (a[3], a[1], a[0])
    )
    stacks._update_resource = _asking(
        stacks._update_resource, "update", lambda a: (a[4], a[5], a[0])
    )
    stacks._delete_resource = _asking(
        stacks._delete_resource, "delete", lambda a: (a[3], a[4], a[0])
    )
    threaded = stacks._runs_on_worker_thread

    def runs_on_worker_thread(resource_type: str) -> bool:
        return bool(threaded(resource_type)) or _current[0].may_delay(resource_type)

    stacks._runs_on_worker_thread = runs_on_worker_thread


def _asking(
    original: Callable[..., Any],
    action: str,
    names: Callable[[tuple[Any, ...]], tuple[str, str, str]],
) -> Callable[..., Any]:
    def ask(*arguments: Any) -> Any:
        if _current[0]:
            _suffer(*names(arguments), action)
        return original(*arguments)

    ask.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return ask


def _suffer(stack: str, logical_id: str, type_: str, action: str) -> None:
    """Wait or fail as the faults want; ResourceFault."""
    responses: Any = import_module("ministack.core.responses")
    place = Place(responses.get_account_id(), responses.get_region())
    for fault in _current[0].on_resource(place, stack, logical_id, type_, action):
        if fault.effect == "delay":
            time.sleep(fault.seconds or 0)
            continue
        default = 'Resource handler returned message: "Internal failure"'
        if fault.effect == "unavailable":
            service = type_.split("::")[1]
            default = (
                f'Resource handler returned message: "Service {service_of(type_)} is '
                f'unavailable in {place.region} (Service: {service}, Status Code: 503)" '
                "(HandlerErrorCode: ServiceInternalError)"
            )
        raise ResourceFault(fault.reason or default)
