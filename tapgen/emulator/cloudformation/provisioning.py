"""Faults for the resources that CloudFormation creates, also in nested stacks."""

from __future__ import annotations

import contextvars
import inspect
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.cloudformation import private_names
from tapgen.emulator.cloudformation.patches.replacing import replace_everywhere
from tapgen.emulator.faults.active import Faults, service_of
from tapgen.emulator.faults.model import LOOK, ResourceFault
from tapgen.emulator.wire.inner import Place

_CFN = "ministack.services.cloudformation"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{_CFN}.provisioners": {
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name")
    },
    f"{_CFN}.stacks": {
        "_runs_on_worker_thread": ("resource_type",),
        "_create_then_delete_on_failure": ("stack_name", "stack_id", "deploy_coro"),
        "_delete_stack_async": (
            *("stack_name", "stack_id"),
            *("retain_resources", "force"),
        ),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_current: list[Faults] = []
# The stack and logical id in progress: a replacement has several steps.
_in_work: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar(
    "tapgen_resource", default=None
)

# Whether a stack is about to be deleted because its creation failed.
_created: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "tapgen_created", default=False
)
_STACK = "AWS::CloudFormation::Stack"

Names = Callable[[tuple[Any, ...]], tuple[str, str, str]]
"""Stack, logical id and type in the arguments of one of CloudFormation's functions."""


def check() -> list[str]:
    """Return the private names used here that have moved."""
    return private_names.moved(PRIVATE)


def apply(faults: Faults) -> None:
    """Let `faults` hit resources from now on; a second call changes only which faults."""
    wrapped = bool(_current)
    _current[:] = [faults]
    if wrapped:
        return
    # ministack has no hook to let a resource fail or wait, so its three functions that
    # change a resource are wrapped, for stacks and for nested stacks. A delay must not
    # block the event loop: resources that may be delayed are created on threads, as
    # custom resources and nested stacks are.
    stacks: Any = import_module(f"{_CFN}.stacks")
    ways: tuple[tuple[str, str, Names], ...] = (
        ("_provision_resource", "create", lambda a: (a[3], a[1], a[0])),
        ("_update_resource", "update", lambda a: (a[4], a[5], a[0])),
        ("_delete_resource", "delete", lambda a: (a[3], a[4], a[0])),
    )
    for way, action, names in ways:
        wrapped_way = _with_faults(getattr(stacks, way), action, names)
        for module in (stacks, import_module(f"{_CFN}.provisioners")):
            setattr(module, way, wrapped_way)
    threaded = stacks._runs_on_worker_thread

    def runs_on_worker_thread(resource_type: str) -> bool:
        return bool(threaded(resource_type)) or _current[0].may_delay(resource_type)

    stacks._runs_on_worker_thread = runs_on_worker_thread
    for name, wrap in (
        ("_create_then_delete_on_failure", _noting_the_end),
        ("_delete_stack_async", _unless_it_fails),
    ):
        replace_everywhere(name, wrap)


def _noting_the_end(original: Callable[..., Any]) -> Callable[..., Any]:
    """Note when a stack that goes if its creation fails (OnFailure) has been created."""

    async def create(stack_name: str, stack_id: str, deploy_coro: Any) -> None:
        async def deploy() -> None:
            await deploy_coro
            _created.set(True)

        await original(stack_name, stack_id, deploy())

    return create


def _unless_it_fails(original: Callable[..., Any]) -> Callable[..., Any]:
    """Leave a stack whose creation failed, empty, where a fault hits its deletion."""

    async def delete(stack_name: str, *arguments: Any, **named: Any) -> None:
        if _created.get():
            try:
                _apply_faults(stack_name, stack_name, _STACK, "delete")
            except ResourceFault:
                return
        await original(stack_name, *arguments, **named)

    return delete


def _with_faults(
    original: Callable[..., Any],
    action: str,
    names: Names,
) -> Callable[..., Any]:
    def perform(*arguments: Any) -> Any:
        if not _current[0] or (action == "update" and arguments[2] == arguments[3]):
            return original(*arguments)  # an update that changes nothing
        stack, logical_id, type_ = names(arguments)
        if _in_work.get() == (stack, logical_id):
            return original(*arguments)
        _apply_faults(stack, logical_id, type_, action)
        token = _in_work.set((stack, logical_id))
        try:
            return original(*arguments)
        finally:
            _in_work.reset(token)

    perform.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return perform


def _apply_faults(stack: str, logical_id: str, type_: str, action: str) -> None:
    """Wait, or raise ResourceFault, as the matching faults say."""
    responses: Any = import_module("ministack.core.responses")
    place = Place(responses.get_account_id(), responses.get_region())
    for fault in _current[0].on_resource(place, stack, logical_id, type_, action):
        if fault.effect == "delay":
            end = time.monotonic() + (fault.seconds or 0)
            while (left := end - time.monotonic()) > 0 and _current[0].is_set(fault):
                time.sleep(min(left, LOOK))
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
