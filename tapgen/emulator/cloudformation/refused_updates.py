"""Updates that a resource handler, or CloudFormation itself, refuses.

ministack carries out most of them. Whoever starts the embedded AWS passes in the
function that knows them; the refusal then comes where AWS refuses: at the resource, in
the middle of the update, which is rolled back. A rollback itself is not refused: the
handlers leave out what cannot go back
(aws-cloudformation-resource-providers-rds#202 and #378).
"""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.provisioners": {
        "_custom_named_replacement_error": (
            "resource_type",
            "old_props",
            "new_props",
            "physical_id",
        ),
    },
    f"{CFN}.stacks": {
        "_revert_update": (
            "stack_id",
            "stack_name",
            "logical_id",
            "rtype",
            "physical_id",
            "applied_props",
            "previous_props",
            "attrs",
            "record",
        )
    },
    "ministack.services.ec2": {"_subnets": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

VpcOf = Callable[[str], str | None]
"""Gives the VPC of a subnet, None for a subnet that does not exist."""

Refuses = Callable[
    [str, Mapping[str, Any], Mapping[str, Any], str, VpcOf], tuple[str, str] | None
]
"""Gives the words and the HandlerErrorCode with which AWS refuses to change a resource
of a type from these properties to those, None when it does not; takes the physical id
of the resource, too. The code is empty where CloudFormation itself speaks."""

_refuses: list[Refuses] = []
_rolls_back: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "tapgen_rolls_back", default=False
)


def nothing(*change: Any) -> None:
    """Refuse nothing beyond what ministack does."""


def apply(refuses: Refuses) -> None:
    """Refuse from now on what `refuses` knows; calling it again changes only that."""
    wrapped = bool(_refuses)
    _refuses[:] = [refuses]
    if not wrapped:
        replace_everywhere("_custom_named_replacement_error", _refusing)
        replace_everywhere("_revert_update", _reverting)


def rolls_back() -> bool:
    """Whether an update is being taken back, which nothing refuses."""
    return _rolls_back.get()


def _refusing(original: Callable[..., str | None]) -> Callable[..., str | None]:
    def reason(
        resource_type: str,
        old_props: Mapping[str, Any],
        new_props: Mapping[str, Any],
        physical_id: str | None = None,
    ) -> str | None:
        if not rolls_back():
            name = physical_id or ""
            found = _refuses[0](resource_type, old_props, new_props, name, _vpc_of)
            if found:
                return sentence(*found)
        return original(resource_type, old_props, new_props, physical_id)

    return reason


def _reverting(original: Callable[..., Any]) -> Callable[..., Any]:
    async def revert(*args: Any, **kwargs: Any) -> Any:
        token = _rolls_back.set(True)
        try:
            return await original(*args, **kwargs)
        finally:
            _rolls_back.reset(token)

    return revert


def sentence(words: str, code: str) -> str:
    """The reason that a stack event shows."""
    if not code:
        return words
    return (
        f'Resource handler returned message: "{words}" (RequestToken: {uuid.uuid4()}, '
        f"HandlerErrorCode: {code})"
    )


def _vpc_of(subnet: str) -> str | None:
    found = loaded("ministack.services.ec2")._subnets.get(subnet)
    return found and str(found["VpcId"])
