"""Automatic deployment: stacks follow accounts into and out of units.

See "Enable or disable automatic deployments for StackSets in AWS Organizations" in the
user guide. Account filters are not considered: "your StackSet will continue to deploy to
any newly added accounts".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tapgen.emulator.accounts import organizations
from tapgen.emulator.stacksets.core import Core, settle
from tapgen.emulator.stacksets.model import Instance, Operation, StackSet
from tapgen.emulator.stacksets.targets import Targets
from tapgen.emulator.wire.inner import Place
from tapgen.emulator.wire.query_protocol import invalid

MAX_DEPENDENCIES = 10  # of one stack set


def check(core: Core, owner: Place, name: str, settings: Mapping[str, Any]) -> None:
    """ServiceError when an AutoDeployment is invalid."""
    if "Enabled" not in settings:
        raise invalid("AutoDeployment Enabled must be specified")
    if not settings["Enabled"] and settings.get("RetainStacksOnAccountRemoval"):
        # "Specify only if Enabled is set to True."
        raise invalid(
            "RetainStacksOnAccountRemoval can only be specified when AutoDeployment is "
            "enabled"
        )
    wanted = settings.get("DependsOn", ())
    if len(wanted) > MAX_DEPENDENCIES:
        raise invalid(
            f"A StackSet can depend on up to {MAX_DEPENDENCIES} StackSets, not "
            f"{len(wanted)}"
        )
    known = {s.arn: s for s in core.registry.all() if s.owner.account == owner.account}
    for arn in wanted:
        found = known.get(arn)
        if found is None or found.permission_model != "SERVICE_MANAGED":
            raise invalid(f"DependsOn names {arn}, which is no such StackSet")
    graph = {
        s.name: [known[d].name for d in _depends(s, known)] for s in known.values()
    }
    graph[name] = [known[arn].name for arn in wanted]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise invalid(f"DependsOn has a circular dependency: {cycle}") from error


def _depends(stack_set: StackSet, known: Mapping[str, StackSet]) -> list[str]:
    settings = stack_set.auto_deployment or {}
    return [arn for arn in settings.get("DependsOn", ()) if arn in known]


def remember(stack_set: StackSet, targets: Targets) -> None:
    """Note the units and regions that instances were created in."""
    for unit in targets.organizational_units:
        regions = stack_set.deployments.setdefault(unit, [])
        regions += [r for r in targets.regions if r not in regions]


def forget(stack_set: StackSet, targets: Targets) -> None:
    """Note that whole units are no longer targets in some regions."""
    for unit in targets.organizational_units if targets.whole else ():
        left = [
            region
            for region in stack_set.deployments.get(unit, ())
            if region not in targets.regions
        ]
        stack_set.deployments.pop(unit, None)
        if left:
            stack_set.deployments[unit] = left


def targets(stack_set: StackSet) -> list[dict[str, Any]]:
    """The `Summaries` of ListStackSetAutoDeploymentTargets."""
    return [
        {"OrganizationalUnitId": unit, "Regions": list(regions)}
        for unit, regions in stack_set.deployments.items()
    ]


def follow(core: Core, move: organizations.Move) -> None:
    """Start or queue the operations of automatic deployment after a move of an account."""
    if not organizations.trusted(move.management):
        return
    known = {
        stack_set.arn: stack_set
        for stack_set in core.registry.all()
        if stack_set.owner.account == move.management
        and (stack_set.auto_deployment or {}).get("Enabled")
    }
    graph = {arn: _depends(stack_set, known) for arn, stack_set in known.items()}
    order = list(TopologicalSorter(graph).static_order())
    started: dict[str, list[Operation]] = {arn: [] for arn in order}
    deleted: list[Operation] = []
    for arn in order:
        needs = [op for other in graph[arn] for op in started[other]]
        places = _left(known[arn], move)
        if places:
            started[arn].append(_delete(core, known[arn], places, needs))
            deleted += started[arn]
    # "automatically runs a delete operation to remove the StackSet1 stack from AccountA
    # and queues a create operation that adds the StackSet2 stack to AccountA"
    for arn in order:
        needs = [op for other in graph[arn] for op in started[other]]
        entered = _entered(known[arn], move)
        if entered:
            created = _create(core, known[arn], entered, deleted, needs)
            started[arn].append(created)


def _left(stack_set: StackSet, move: organizations.Move) -> list[Place]:
    """The instances that an account must lose after a move."""
    joining = _reached(stack_set, move.after)
    places = [
        Place(move.account, region)
        for region in _reached(stack_set, move.before)
        if region not in joining
    ]
    return [place for place in places if place in stack_set.instances]


def _entered(stack_set: StackSet, move: organizations.Move) -> dict[Place, str]:
    """The instances, with their units, that an account must get after a move."""
    leaving = _reached(stack_set, move.before)
    new = {}
    for region, unit in _reached(stack_set, move.after).items():
        place = Place(move.account, region)
        instance = stack_set.instances.get(place)
        if instance is not None and region in leaving:
            instance.unit = unit  # stays as it is
        elif region not in leaving:
            new[place] = unit
    return new


def _reached(stack_set: StackSet, units: Iterable[str]) -> dict[str, str]:
    """Region to innermost unit, for the deployments that reach an account in `units`."""
    found: dict[str, str] = {}
    for unit in units:
        for region in stack_set.deployments.get(unit, ()):
            found.setdefault(region, unit)
    return found


def _create(
    core: Core,
    stack_set: StackSet,
    places: Mapping[Place, str],
    after: list[Operation],
    needs: list[Operation],
) -> Operation:
    def begin(operation: Operation) -> tuple[Place, ...]:
        # An account may have left again while the operation was queued.
        management = stack_set.owner.account
        present = [
            place
            for place, unit in places.items()
            if unit in organizations.units_of(management, place.account)
        ]
        for place in present:
            # "will use the StackSet default values and not the overridden values"
            instance = stack_set.instances.setdefault(place, Instance(place, {}))
            instance.unit = places[place]
        return core.enlist(stack_set, operation, present)

    return core.automatic(
        stack_set,
        "CREATE",
        tuple(places),
        begin,
        core.deploy,
        settle("OUTDATED", "FAILED"),
        after,
        needs,
    )


def _delete(
    core: Core, stack_set: StackSet, places: list[Place], needs: list[Operation]
) -> Operation:
    settings = stack_set.auto_deployment or {}
    retain = bool(settings.get("RetainStacksOnAccountRemoval"))

    def begin(operation: Operation) -> tuple[Place, ...]:
        operation.retain = retain
        present = [place for place in places if place in stack_set.instances]
        return core.enlist(stack_set, operation, present, inoperable=True)

    return core.automatic(
        stack_set,
        "DELETE",
        tuple(places),
        begin,
        deletion(core, retain),
        settle("INOPERABLE", "INOPERABLE"),
        (),
        needs,
    )


def deletion(core: Core, retain: bool) -> Callable[[StackSet, Place], Any]:
    """Return the work that removes an instance from a stack set, and deletes or retains its
    stack."""

    async def delete(stack_set: StackSet, place: Place) -> None:
        if not retain:
            await core.stacks.delete(stack_set.instances[place])
        del stack_set.instances[place]

    return delete
