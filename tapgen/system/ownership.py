"""The stack sets of a system in AWS: their ownership tags and their roles."""

from __future__ import annotations

from tapgen.aws.stacksets import StackSets
from tapgen.model import Observed, System
from tapgen.template import scope


def ownership_tags(system: System, part: str) -> dict[str, str]:
    """Return the tags that identify tapgen's own stack sets."""
    return {
        "tapgen:system": system.name,
        "tapgen:suffix": system.suffix,
        "tapgen:part": part,
    }


def observe(
    system: System, sets: StackSets, *, read_stacks: bool = False
) -> dict[str, Observed]:
    """Return the deployed stack sets of a system, including those it no longer has;
    with `read_stacks` every instance with what its own stack runs."""
    wanted = {s.name for s in system.stack_sets}
    names = sorted({*wanted, *sets.names(f"{system.prefix}-")})
    found = sets.observe(names, read_stacks=read_stacks)
    tags = ownership_tags(system, "")
    return {
        name: o
        for name, o in found.items()
        if name in wanted
        or all(o.tags.get(k) == v for k, v in tags.items() if k != "tapgen:part")
    }


def administration_role(system: System) -> str:
    """Return the ARN of the administration role; every update needs it."""
    partition = scope.partition(system.admin.region)
    account = system.admin.account
    return f"arn:{partition}:iam::{account}:role/{system.administration_role}"
