"""The stack sets of a system in AWS: their ownership tags and their roles."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tapgen.aws.session import ATTEMPTS, HASTY
from tapgen.aws.stacksets import StackSets
from tapgen.model import Observed, Output, Reading, System
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


FEW = 100
"""Up to so many instances every stack is read, also where nobody needs its outputs: then
a stack that was deleted by hand, or that does not answer, shows."""


def observe(
    system: System, sets: StackSets, *, read_stacks: bool = False, sparing: bool = False
) -> dict[str, Observed]:
    """Return the deployed stack sets of a system, including those it no longer has;
    with `read_stacks` every instance with what its own stack runs. Instances also have
    the current values of the SSM parameters that their templates should read.

    `sparing` leaves out outputs that no stack set of the system takes, where there are
    more than `FEW` instances.
    """
    taken = _taken(system)

    def outputs(name: str, instances: int) -> bool:
        return not sparing or read_stacks or instances <= FEW or name in taken

    names = _names(system, sets)
    found = sets.observe(names, read_stacks=read_stacks, outputs=outputs)
    return parameter_store.look_up(system, sets, _ours(system, found))


def not_read(observed: Mapping[str, Observed]) -> int:
    """Return how many stacks `sparing` has left out."""
    return sum(
        one.outputs is None and one.reading is Reading.READ and one.stack_id is not None
        for found in observed.values()
        for one in found.instances.values()
    )


def definitions(system: System, sets: StackSets) -> dict[str, Observed]:
    """Return the same stack sets without their instances."""
    return _ours(system, sets.definitions(_names(system, sets)))


def running(system: System, sets: StackSets) -> dict[str, str]:
    """Return the operations that run on these stack sets, in words, by stack set."""
    # Who waits for them has begun, and a region that is away for a moment ends no wait.
    names = _names(system, sets, ATTEMPTS)
    found = {name: sets.running(name) for name in names}
    active = {name: str(operation) for name, operation in found.items() if operation}
    return {name: active[name] for name in _ours(system, sets.definitions(active))}


def _names(system: System, sets: StackSets, attempts: int = HASTY) -> list[str]:
    """The stack sets that may be the system's. One that is not listed does not exist
    ("strongly consistent reads", API reference, ListStackSets)."""
    wanted = {s.name for s in system.stack_sets}
    start = f"{system.prefix}-"
    return [
        n for n in sets.names(attempts=attempts) if n in wanted or n.startswith(start)
    ]


def _ours(system: System, found: Mapping[str, Observed]) -> dict[str, Observed]:
    wanted = {s.name for s in system.stack_sets}
    tags = ownership_tags(system, "")
    return {
        name: o
        for name, o in found.items()
        if name in wanted
        or all(o.tags.get(k) == v for k, v in tags.items() if k != "tapgen:part")
    }


def _taken(system: System) -> frozenset[str]:
    """The stack sets that outputs are taken of."""
    parts = {
        value.part
        for s in system.stack_sets
        for values in (s.parameters, *(o.parameters for o in s.overrides))
        for value in values.values()
        if isinstance(value, Output)
    }
    return frozenset(s.name for s in system.stack_sets if s.part in parts)


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
