"""Importing existing stacks into a stack set: ImportStacksToStackSet.

See "Import stacks into CloudFormation StackSets" in the user guide.
"""

from __future__ import annotations

import re

from tapgen.emulator.stacksets import templates
from tapgen.emulator.stacksets.core import (
    Answer,
    Core,
    Request,
    check_preferences,
    settle,
)
from tapgen.emulator.stacksets.model import Instance, Operation, StackSet
from tapgen.emulator.stacksets.targets import ONLY_ACCOUNTS, members_by_unit
from tapgen.emulator.wire.inner import Place, members, text
from tapgen.emulator.wire.query_protocol import ServiceError, invalid, modelled

BY_CALL, BY_URL = 10, 200  # stacks in one operation
STACK_ID = re.compile(
    r"arn:[^:]+:cloudformation:(?P<region>[^:]+):(?P<account>[0-9]{12}):"
    r"stack/(?P<name>[^/]+)/(?P<uuid>[^/]+)"
)


async def import_stacks(core: Core, caller: Place, request: Request) -> Answer:
    """ImportStacksToStackSet."""
    stack_set = core.find(caller, request)
    check_preferences(request)
    units = _units(stack_set, request)
    stacks: dict[Place, Instance] = {}
    for id_ in await _stack_ids(core, caller, request):
        instance = await _instance(core, id_)
        if instance.place in stacks:
            raise invalid(
                f"Only one stack per account and Region can be imported: {id_}"
            )
        stacks[instance.place] = instance
    if request.get("OperationId") not in stack_set.operations:
        _refuse_members(core, stack_set, stacks)

    def begin(operation: Operation) -> tuple[Place, ...]:
        _refuse_members(core, stack_set, stacks)
        stack_set.instances.update(stacks)
        for place, instance in stacks.items():
            instance.unit = units.get(place.account)
            if instance.unit is not None:
                regions = stack_set.deployments.setdefault(instance.unit, [])
                regions += [place.region] * (place.region not in regions)
        return core.enlist(stack_set, operation, stacks)

    async def work(stack_set: StackSet, place: Place) -> None:
        await _adopt(core, stack_set, stack_set.instances[place])

    return core.submit(
        stack_set,
        "ImportStacksToStackSet",
        request,
        tuple(stacks),
        begin,
        work,
        outcome=settle("INOPERABLE", "FAILED_IMPORT"),
    )


def _units(stack_set: StackSet, request: Request) -> dict[str, str]:
    """Account to unit: "OU IDs to which the imported stacks must be mapped"."""
    units = request.get("OrganizationalUnitIds", ())
    if units and stack_set.permission_model == "SELF_MANAGED":
        raise invalid(ONLY_ACCOUNTS)
    return members_by_unit(stack_set.owner.account, units)


async def _stack_ids(core: Core, caller: Place, request: Request) -> list[str]:
    ids, url = request.get("StackIds"), request.get("StackIdsUrl")
    if (ids is None) == (url is None):
        raise invalid("Exactly one of StackIds or StackIdsUrl must be specified")
    limit = BY_CALL
    if url is not None:
        ids, limit = (await templates.fetch(core.inner, caller, url)).split(), BY_URL
    if not ids or len(ids) > limit:
        raise invalid(f"Between 1 and {limit} stacks can be imported in one operation")
    return list(dict.fromkeys(ids))


async def _instance(core: Core, id_: str) -> Instance:
    """An instance for an existing stack; StackNotFoundException."""
    missing = modelled("StackNotFoundException", f"Stack {id_} not found")
    match = STACK_ID.fullmatch(id_)
    if match is None:
        raise missing
    place = Place(match["account"], match["region"])
    try:
        found = await core.inner.query(
            place, "cloudformation", "DescribeStacks", StackName=match["name"]
        )
    except ServiceError:
        raise missing from None
    if text(found, "StackId") != id_:
        raise missing
    return Instance(place, {}, stack_name=match["name"], stack_id=id_, exists=True)


def _refuse_members(
    core: Core, stack_set: StackSet, stacks: dict[Place, Instance]
) -> None:
    """ServiceError when a stack or its place belongs to a stack set already.

    An instance whose import has failed may be imported again.
    """
    wanted = {instance.stack_id for instance in stacks.values()}
    for other in core.registry.all():
        for place, instance in other.instances.items():
            retried = other is stack_set and instance.detailed == "FAILED_IMPORT"
            if instance.stack_id in wanted and not retried:
                raise modelled(
                    "InvalidOperationException",
                    f"Stack {instance.stack_id} already belongs to StackSet {other.id}",
                )
            if other is stack_set and place in stacks and not retried:
                raise modelled(
                    "InvalidOperationException",
                    f"StackSet {other.id} already has a stack instance in {place}",
                )


async def contents(core: Core, id_: str) -> tuple[str, dict[str, str]]:
    """The template of a stack, and its parameters; ValidationError without a stack."""
    try:
        instance = await _instance(core, id_)
    except ServiceError as error:
        raise invalid(error.message) from error
    return await _contents(core, instance)


async def _contents(core: Core, instance: Instance) -> tuple[str, dict[str, str]]:
    place, name = instance.place, instance.stack_name
    call = core.inner.query
    found = await call(place, "cloudformation", "GetTemplate", StackName=name)
    described = await call(place, "cloudformation", "DescribeStacks", StackName=name)
    values = {
        text(parameter, "ParameterKey"): text(parameter, "ParameterValue")
        for parameter in members(described, "Parameters")
    }
    return text(found, "TemplateBody"), values


async def _adopt(core: Core, stack_set: StackSet, instance: Instance) -> None:
    """Compare a stack with the stack set; other parameter values become overrides."""
    body, values = await _contents(core, instance)
    if templates.parse(body) != templates.parse(stack_set.template):
        raise invalid(
            f"The template of stack {instance.stack_id} does not match the template of "
            f"StackSet {stack_set.id}"
        )
    hidden = sorted(stack_set.no_echo & set(values))
    if hidden:
        raise invalid(
            f"Stacks with NoEcho parameters cannot be imported: {', '.join(hidden)}"
        )
    instance.overrides = {
        key: value
        for key, value in values.items()
        if stack_set.parameters.get(key) != value
    }
