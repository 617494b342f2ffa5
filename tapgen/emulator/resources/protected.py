"""Stacks that cannot delete what is protected against deletion.

CloudFormation deletes resources by calling their services, also when it rolls back a
stack. So a protected load balancer that was created before another resource failed ends
in DELETE_FAILED, and its stack in ROLLBACK_FAILED.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tapgen.emulator.resources.calls import CallError
from tapgen.emulator.resources.kinds import Properties, provisioners
from tapgen.emulator.services.patches import deletion_protection


def guard() -> None:
    """Let stacks be refused as well; a second call changes nothing."""
    for name, (service, refusal) in deletion_protection.PROTECTED.items():
        handlers = provisioners()._RESOURCE_HANDLERS[name]
        if not handlers.get("guarded"):
            handlers["delete"] = _deleting(service, refusal, handlers["delete"])
            handlers["guarded"] = True


def _deleting(
    service: str,
    refusal: Callable[[str], deletion_protection.Refusal | None],
    delete: Callable[..., Any],
) -> Callable[..., Any]:
    def unless_protected(physical_id: str, properties: Properties) -> Any:
        refused = refusal(physical_id)
        if refused:
            raise CallError(service, *refused, 400)
        return delete(physical_id, properties)

    return unless_protected
