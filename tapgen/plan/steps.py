"""The steps of one stack set: updates, then creations, one for each distinct set of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tapgen.model import (
    HIDDEN,
    Action,
    AutoDeployment,
    InstanceStatus,
    Observed,
    ObservedInstance,
    ServiceManaged,
    StackSet,
    System,
    Target,
)
from tapgen.plan.model import Moves, Reference, Step, Value
from tapgen.plan.values import (
    ChangingOutputs,
    by_name,
    every,
    has_pending,
    is_pending,
    looked_up_again,
    varying_parameters,
    with_defaults,
)
from tapgen.system import units
from tapgen.system.ownership import administration_role
from tapgen.template import diff, effects
from tapgen.template.parameters import complete


def steps_for(
    system: System,
    s: StackSet,
    observed: Mapping[str, Observed],
    touched: Mapping[str, ChangingOutputs],
) -> tuple[list[Step], list[str]]:
    """Return the updates, then the creations of one stack set, in the order to run them,
    and a line for each reason why they must not run."""
    found = observed.get(s.name)
    parts = {other.part: other for other in system.stack_sets}
    order, apart = system.rollout.order, system.rollout.stops_between_regions
    wanted = sorted(s.targets, key=lambda t: (rank(t.region, order), t))
    values = with_defaults(s, every(s, wanted, parts, observed, touched))
    there = [t for t in wanted if found and t in found.instances]
    missing = [t for t in wanted if not found or t not in found.instances]
    varying = varying_parameters(values)
    unshared = list(units.unshared(s, varying))
    foreseen: dict[Target, Mapping[str, Reference]] = dict.fromkeys(wanted, {})
    if not s.is_uniform:
        foreseen = {t: by_name(s, t, parts, observed, touched) for t in wanted}
    steps: list[Step] = []
    if found:
        steps += _updates(system, s, found, there, values, foreseen, varying)
    redefine = found is None or (
        not there
        and bool(
            _definition_reasons(system, s, found)
            or _shared_reasons(s, found, values, varying)
        )
    )
    # While targets are there that leave, the stack set keeps what they have: an
    # update of it would update them, too.
    settles = redefine and bool(leaving(s, found)) and not moves_away(system, s, found)
    for number, targets in enumerate(groups(missing, values, order, apart)):
        steps.append(
            Step(
                s.name,
                s.part,
                Action.CREATE,
                targets,
                values[targets[0]],
                _why_missing(system, s, found),
                first=redefine and not settles and number == 0,
                settles=settles,
                varying=varying,
                by_name=_at(targets, foreseen),
            )
        )
    return steps, unshared


def _why_missing(
    system: System, s: StackSet, found: Observed | None
) -> tuple[str, ...]:
    if moves_away(system, s, found):
        return ("does not exist yet; away from its deletion until then",)
    return ("does not exist yet",)


_MAY_WAIT = ("tag ", "automatic deployment ")
"""How reasons begin that say nothing about what a target runs."""


def leaving(s: StackSet, found: Observed | None) -> tuple[Target, ...]:
    """The targets that a stack set has and no longer wants, but for those that are left
    alone."""
    if found is None:
        return ()
    staying = {*s.targets, *units.asleep(s, found)}
    return tuple(sorted(set(found.instances) - staying))


def moves_away(system: System, s: StackSet, found: Observed | None) -> bool:
    """Whether a stack set has to be gone where it was before it comes where it goes: all
    its targets leave, and its template, its roles or its capabilities change.

    AWS updates all instances along with the definition unless it is told other ones
    that are there (API reference, UpdateStackSet: Accounts, Regions).
    """
    if found is None or not leaving(s, found):
        return False
    if not s.targets or any(t in found.instances for t in s.targets):
        return False
    reasons = _definition_reasons(system, s, found)
    return any(not reason.startswith(_MAY_WAIT) for reason in reasons)


def takes_effect(s: StackSet, found: Observed) -> bool:
    """Whether another template changes an instance, and not only what is written about
    it. Where accounts may join, anything that those could have counts."""
    if diff.same(found.template, s.template):
        return False
    if effects.only_words(found.template, s.template):
        return False
    there = [t for t in s.targets if t in found.instances and not t.joins_later]
    if units.follows(s) or not there:
        return True
    return any(
        effects.has_effect(found.template, s.template, found.values(t), t)
        for t in there
    )


def _updates(
    system: System,
    s: StackSet,
    found: Observed,
    there: Sequence[Target],
    values: Mapping[Target, Mapping[str, Value]],
    foreseen: Mapping[Target, Mapping[str, Reference]],
    varying: frozenset[str],
) -> list[Step]:
    everywhere = _definition_reasons(system, s, found)
    if units.follows(s):
        # Accounts that join get the values of the stack set itself.
        everywhere += _shared_reasons(s, found, values, varying)
    reasons: dict[Target, tuple[str, ...]] = {}
    common: dict[int, list[str]] = {}  # by the identity of values that targets share
    chosen = []
    for t in there:
        given, by_names = values[t], foreseen[t]
        instance = found.instances[t]
        why = (
            *everywhere,
            *_target_reasons(s, found, t, instance, given, common),
            *_reasons_by_name(t, instance, by_names),
        )
        if why:
            reasons[t] = why
        if why or has_pending(given) or _moving(by_names):
            chosen.append(t)
    steps = []
    order, apart = system.rollout.order, system.rollout.stops_between_regions
    for targets in groups(chosen, values, order if apart else (), apart):
        said = dict.fromkeys(r for t in targets for r in reasons.get(t, ()))
        conditional = not said
        if conditional:
            pending = [v for v in values[targets[0]].values() if is_pending(v)]
            pending += [v for t in targets for v in _moving(foreseen[t])]
            waiting = dict.fromkeys(map(str, pending))
            said = {f"if {name} changes": None for name in waiting}
        steps.append(
            Step(
                s.name,
                s.part,
                Action.UPDATE,
                targets,
                values[targets[0]],
                tuple(said),
                conditional=conditional,
                redefine=bool(everywhere),
                varying=varying,
                by_name=_at(targets, foreseen),
            )
        )
    return steps


def _at(
    targets: Sequence[Target], foreseen: Mapping[Target, Mapping[str, Reference]]
) -> dict[Target, Mapping[str, Reference]]:
    return {t: foreseen[t] for t in targets if foreseen[t]}


def _moving(foreseen: Mapping[str, Reference]) -> list[Reference]:
    return [v for v in foreseen.values() if v.moves is not Moves.NOT]


def _reasons_by_name(
    target: Target, instance: ObservedInstance, foreseen: Mapping[str, Reference]
) -> list[str]:
    """Why an instance must read its SSM parameters again."""
    if not foreseen or target.joins_later or instance.has_no_stack:
        return []
    return [f"{v} will change" for v in foreseen.values() if v.moves > Moves.PERHAPS]


def _definition_reasons(
    system: System, s: StackSet, found: Observed
) -> tuple[str, ...]:
    """Why every instance of the stack set must be updated."""
    reasons = []
    if takes_effect(s, found):
        reasons.append("template differs")
    for key, value in s.tags.items():
        if found.tags.get(key) != value:
            reasons.append(f"tag {key} differs")
    if s.service_managed is None:
        roles = (
            ("administration", found.administration_role, administration_role(system)),
            ("execution", found.execution_role, system.execution_role),
        )
        reasons += [f"{kind} role differs" for kind, was, now in roles if was != now]
    elif found.auto_deployment != s.service_managed.auto_deployment:
        reasons.append(_follows_otherwise(found.auto_deployment, s.service_managed))
    if set(found.capabilities) != set(s.capabilities):
        reasons.append("capabilities differ")
    gone = [k for k in found.tags if k not in s.tags and not k.startswith("tapgen:")]
    reasons += [f"tag {key} is removed" for key in gone]
    return tuple(reasons)


def _follows_otherwise(was: AutoDeployment, managed: ServiceManaged) -> str:
    """Why automatic deployment must be changed, with what it waits for from then on."""
    now = managed.auto_deployment
    before = " and ".join(now.depends_on) or "no other stack set"
    waits = f": from then on after {before}" if was.depends_on != now.depends_on else ""
    return f"automatic deployment differs{waits}"


def _shared_reasons(
    s: StackSet,
    found: Observed,
    values: Mapping[Target, Mapping[str, Value]],
    varying: frozenset[str],
) -> tuple[str, ...]:
    """Why the values that all targets share must be written to the stack set."""
    now = complete(found.parameters, found.template)
    defaults = complete({}, s.template)
    given = next(iter(values.values()), {})
    wanted = complete(units.own_values(s, given, varying, defaults), s.template)
    return tuple(
        f"parameter {name} of the stack set differs"
        for name, value in wanted.items()
        if (units.follows(s) or name not in varying)
        and not is_pending(value)
        and now.get(name) not in (value, HIDDEN)
    )


def _target_reasons(
    s: StackSet,
    found: Observed,
    target: Target,
    instance: ObservedInstance,
    values: Mapping[str, Value],
    common: dict[int, list[str]],
) -> Iterator[str]:
    """Why this instance must be updated. `common` has what the values say of the
    instances that have nothing of their own."""
    if target.joins_later:
        return  # no stack exists yet
    yield from _state_reasons(found, target, instance)
    if instance.has_no_stack:
        return
    if not _is_plain(instance):
        yield from _value_reasons(s, found, target, instance, values)
        return
    if id(values) not in common:
        found_reasons = _value_reasons(s, found, target, instance, values)
        common[id(values)] = list(found_reasons)
    yield from common[id(values)]


def _is_plain(instance: ObservedInstance) -> bool:
    """Whether an instance runs just what its stack set has, as far as is known."""
    own = instance.overrides or instance.resolved or instance.current
    return not own and instance.template is None and instance.parameters is None


def _value_reasons(
    s: StackSet,
    found: Observed,
    target: Target,
    instance: ObservedInstance,
    values: Mapping[str, Value],
) -> Iterator[str]:
    """Why an instance has to be updated for its values."""
    now = complete(found.values_of(instance), found.template_at(instance))
    # A stack may have the values already, by an update behind the back of its stack set.
    # The next operation would bring back those that the stack set has.
    read = instance.parameters is not None and not instance.has_no_stack
    written = {**found.parameters, **instance.overrides} if read else {}
    for name, value in complete(values, s.template).items():
        if now.get(name) == HIDDEN:
            continue
        if isinstance(value, Reference):
            if value.now is None:
                yield f"{value} will change"
        elif now.get(name) != value:
            yield f"parameter {name} differs"
        elif name in written and written[name] not in (value, HIDDEN):
            yield f"parameter {name} of the stack set differs"
    for name in looked_up_again(found, s, target, values):
        yield f"SSM parameter {name} has another value"


def _state_reasons(
    found: Observed, target: Target, instance: ObservedInstance
) -> Iterator[str]:
    """Why an instance has to be updated whatever its values are."""
    if instance.status is not InstanceStatus.CURRENT:
        status = f"{instance.status} ({instance.detailed_status or 'unknown'})"
        yield f"{status}{_of_its_stack(instance)}"
    elif instance.has_no_stack:
        yield "its stack is gone"
    elif instance.template is not None and effects.has_effect(
        instance.template, found.template, found.values(target), target
    ):
        yield "its stack runs another template"


def _of_its_stack(instance: ObservedInstance) -> str:
    """What is known of the stack of an instance that is not CURRENT, in words."""
    if instance.has_no_stack:
        return ", it has no stack yet"
    if instance.template is None and instance.stack_id:
        return ", what it runs could not be read"
    return ""


def groups(
    targets: Sequence[Target],
    values: Mapping[Target, Mapping[str, Value]],
    order: Sequence[str],
    apart: bool,
) -> list[tuple[Target, ...]]:
    """Targets with the same values together, in region order; each region `apart` where a
    gate comes between them."""
    groups: dict[tuple[str, str], list[Target]] = {}
    texts: dict[int, str] = {}  # of values that targets share, by identity
    for target in sorted(targets, key=lambda t: rank(t.region, order)):
        given = values[target]
        text = texts.get(id(given))
        if text is None:
            text = repr(sorted((k, repr(v)) for k, v in given.items()))
            texts[id(given)] = text
        groups.setdefault((text, target.region if apart else ""), []).append(target)
    return [tuple(group) for group in groups.values()]


def rank(region: str, order: Sequence[str]) -> int:
    return order.index(region) if region in order else len(order)
