"""The stack sets of a system in AWS: their ownership tags and their roles."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tapgen.aws.stacksets import StackSets
from tapgen.model import Observed, System
from tapgen.system import parameter_store
from tapgen.system.names import sharing as types_sharing
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
    with `read_stacks` every instance with what its own stack runs. Instances also have
    the current values of the SSM parameters that their templates should read."""
    wanted = {s.name for s in system.stack_sets}
    names = sorted({*wanted, *sets.names(f"{system.prefix}-")})
    found = sets.observe(names, read_stacks=read_stacks)
    tags = ownership_tags(system, "")
    ours = {
        name: o
        for name, o in found.items()
        if name in wanted
        or all(o.tags.get(k) == v for k, v in tags.items() if k != "tapgen:part")
    }
    return parameter_store.look_up(system, sets, ours)


def others(
    system: System, sets: StackSets, systems: Iterable[str], types: Collection[str]
) -> dict[str, Observed]:
    """Return the stack sets of other environments and of these systems that have
    resources of any of these types, as far as they are in the same administration
    account and region; without outputs."""
    own = {s.name for s in system.stack_sets}
    starts = tuple(f"{name.replace('_', '-')}-" for name in {*systems, system.name})
    names = [
        name for name in sets.names() if name.startswith(starts) and name not in own
    ]
    found = sets.observe(names, having=types_sharing(types)) if names else {}
    tags = ownership_tags(system, "")
    return {
        name: o
        for name, o in found.items()
        if "tapgen:system" in o.tags
        and not all(o.tags.get(k) == v for k, v in tags.items() if k != "tapgen:part")
    }


def administration_role(system: System) -> str:
    """Return the ARN of the administration role; every update needs it."""
    partition = scope.partition(system.admin.region)
    account = system.admin.account
    return f"arn:{partition}:iam::{account}:role/{system.administration_role}"
