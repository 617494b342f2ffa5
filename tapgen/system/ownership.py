"""The stack sets of a system in AWS: the tags tapgen knows them by, and their roles."""

from __future__ import annotations

from tapgen.aws.stacksets import StackSets
from tapgen.model import Observed, System
from tapgen.template import scope


def ownership_tags(system: System, part: str) -> dict[str, str]:
    """The tags by which tapgen knows its own stack sets."""
    return {
        "tapgen:system": system.name,
        "tapgen:suffix": system.suffix,
        "tapgen:part": part,
    }


def observe(system: System, sets: StackSets) -> dict[str, Observed]:
    """The system's stack sets as they are, and those it made and no longer has."""
    wanted = {s.name for s in system.stack_sets}
    found = sets.observe(sorted({*wanted, *sets.names(f"{system.prefix}-")}))
    mine = ownership_tags(system, "")
    return {
        name: o
        for name, o in found.items()
        if name in wanted
        or all(o.tags.get(k) == v for k, v in mine.items() if k != "tapgen:part")
    }


def administration_role(system: System) -> str:
    """ARN of the administration role; it is repeated on every update."""
    partition = scope.partition(system.admin.region)
    account = system.admin.account
    return f"arn:{partition}:iam::{account}:role/{system.administration_role}"
