"""What the status of a stack instance means, in words.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackInstance.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackInstanceComprehensiveStatus.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.model import InstanceDetailedStatus, InstanceStatus

_DETAILED = InstanceDetailedStatus

# Detailed status of an instance that is OUTDATED → what that means.
_OUTDATED: Mapping[str, str] = {
    _DETAILED.PENDING: "no operation has reached it yet",
    _DETAILED.RUNNING: "an operation changes it now",
    _DETAILED.SUCCEEDED: "its stack set was changed since its last operation",
    _DETAILED.FAILED: "its last operation failed, and tapgen explain says why",
    _DETAILED.CANCELLED: (
        "its last operation was cancelled, because too many others failed or somebody "
        "stopped it"
    ),
    _DETAILED.FAILED_IMPORT: "its stack could not be imported; correct it, and import again",
    _DETAILED.SKIPPED_SUSPENDED_ACCOUNT: "its account is suspended",
}
_INOPERABLE = (
    "a deletion failed, and no rollout updates it until tapgen repair has seen to it"
)
_MISSING = "the file describes it, and nothing is deployed there"


def of_instance(
    status: InstanceStatus,
    detailed: InstanceDetailedStatus | None,
    not_started: int | None,
) -> str:
    """Return what a status means, empty for CURRENT. `not_started` is the wave of the open
    run that would change the instance and has not begun."""
    if status is InstanceStatus.CURRENT:
        return ""
    if status is InstanceStatus.INOPERABLE:
        return _INOPERABLE
    if not_started is not None and detailed is not _DETAILED.RUNNING:
        return of_wave(not_started)
    return _OUTDATED.get(detailed or "", "its stack set was changed since")


def of_missing(not_started: int | None) -> str:
    """Return what it means that a target has no instance."""
    return _MISSING if not_started is None else of_wave(not_started)


def of_wave(number: int) -> str:
    return f"wave {number} was not started"


def waves(
    open_run: Mapping[str, Any] | None,
) -> dict[tuple[str, str, str], int]:
    """Return (stack set, account, region) → the wave of the open run that has not begun."""
    found: dict[tuple[str, str, str], int] = {}
    for one in (open_run or {}).get("not_started", ()):
        for target in one["targets"]:
            key = one["stack_set"], target["account"], target["region"]
            found.setdefault(key, one["wave"])
    return found
