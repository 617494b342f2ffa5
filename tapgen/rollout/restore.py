"""The way back: a program that restores what a run has changed.

Compiled from what was deployed before the run and from what is deployed now; pure.
Stack sets and instances that the run created stay, so that the next one continues there.
But stacks that an import took over belong to no stack set again, and run on.
What is restored was good: a target where that fails, such as in an account that lets no
role in, keeps no other from being restored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from tapgen.aws import scripts, stacksets
from tapgen.aws.stacksets import Definition
from tapgen.model import (
    NO_STACK,
    InstanceDetailedStatus,
    InstanceStatus,
    Observed,
    ObservedInstance,
    PermissionModel,
    Preferences,
    Target,
    digest,
)
from tapgen.model.procedures import Act
from tapgen.rollout import kinds
from tapgen.rollout.expand import Draft, StackSetState
from tapgen.rollout.fold import State
from tapgen.rollout.program import Kind, Lane, Program, Step, Template, Verb

_OF_SSM = "AWS::SSM::Parameter::Value<"  # how the type of a parameter begins


def names(state: State) -> list[str]:
    """Return the stack sets to restore, newest change first."""
    there = state.there
    return [
        name
        for name in reversed(state.touched)
        if name in state.changed
        and name not in state.dropped
        and there.good_before(name) is not None
    ]


def way_back(
    state: State, now: Mapping[str, Observed], templates: Mapping[str, Template]
) -> Program:
    """Return the program that restores the stack sets of a run one after the other;
    `now` is what they are, with digests of templates, which are in `templates`.

    A stack set that reads SSM parameters is restored before those that write them, and
    gets their values only afterwards, by one more update. Acts of a procedure are undone
    first, the last one first, as far as one that no call takes back: what was done before
    that one, it relies on."""
    undone = [*_undone(state)]
    steps = []
    for name in names(state):
        good, found = state.there.good_before(name), now.get(name)
        if good and found:
            steps.append(_restore(state, good, found, templates))
    steps += [_read_again(s) for s in reversed(steps[:-1]) if _reads_ssm(s, templates)]
    return Program(
        waves=tuple(
            (lane,) for lane in (*undone, *((s,) for s in (*steps, *_let_go(state))))
        ),
        templates=templates,
        preferences=_tolerant(state.there.preferences),
    )


def _let_go(state: State) -> Iterator[Step]:
    """Yield the steps by which the stack sets of an import let their stacks go, and are
    deleted: the instances are deleted, and their stacks retained
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/reverting-stackset-import.html).
    """
    if state.opening.get("command") != kinds.IMPORT:
        return
    adopting = {
        s.stack_set: s for s in state.there.steps.values() if s.kind is Kind.ADOPT
    }
    for name in reversed(state.changed):
        if name in adopting:
            step = adopting[name]
            yield Step(
                Kind.RELEASE,
                name,
                step.part,
                stacks=step.stacks,
                region=step.region,
                words="its stacks run on as before, and belong to no stack set",
            )


def _undone(state: State) -> Iterator[Lane]:
    """Yield the steps that take acts back, the last one first, until one that no call takes
    back."""
    known = state.there.steps
    undone = [*takewhile(lambda id: known[id].undo, reversed(state.performed))]
    for id in sorted(undone, key=lambda id: not known[id].undo_first):
        step = known[id]
        # Taken back is what the last of these steps has seen to be so.
        last = "" if step.after_undo else id
        found = [
            *_look(step.before_undo),
            Step(Kind.ACT, calls=step.undo, words=f"undo {step.words}", undoes=last),
            *_look(step.after_undo, id),
        ]
        yield tuple(found)


def _look(check: Act | None, undoes: str = "") -> Iterator[Step]:
    if check:
        again = replace(check, seconds=0) if check.script in scripts.AGAIN else None
        words = str(check)
        yield Step(Kind.CHECK, check=check, again=again, words=words, undoes=undoes)


def _tolerant(chosen: Preferences) -> Preferences:
    return replace(
        chosen, failure_tolerance_count=None, failure_tolerance_percentage=100
    )


def _reads_ssm(step: Step, templates: Mapping[str, Template]) -> bool:
    definition = step.calls[_last_definition(step)].definition if step.calls else None
    known = templates.get(definition.template) if definition else None
    return known is not None and known.reads_ssm


def _read_again(step: Step) -> Step:
    """The end of a restore once more: it changes nothing but what SSM parameters say."""
    words = "with the SSM parameters that it reads"
    return replace(step, calls=step.calls[_last_definition(step) :], words=words)


def _last_definition(step: Step) -> int:
    """The place of the call of a restore that writes the last good definition."""
    defining = (n for n, c in enumerate(step.calls) if c.verb is Verb.DEFINE)
    return max(defining, default=0)


def by_digest(found: Observed, texts: dict[str, str]) -> Observed:
    """Return a stack set with digests in place of its templates, which go into `texts`,
    and without what a program does not need."""

    def known(text: str) -> str:
        name = digest(text)
        texts.setdefault(name, text)
        return name

    def slim(one: ObservedInstance) -> ObservedInstance:
        own = one.template
        return ObservedInstance(
            one.status,
            one.detailed_status,
            overrides=dict(one.overrides),
            template=known(own) if own is not None and own != NO_STACK else own,
            parameters=one.parameters,
        )

    return replace(
        found,
        template=known(found.template),
        instances={t: slim(one) for t, one in found.instances.items()},
        running=None,
    )


def describe(text: str) -> Template:
    """Return what is known of a template's parameters; nothing where it is no JSON."""
    try:
        declared = json.loads(text).get("Parameters", {})
    except (ValueError, AttributeError):
        return Template()
    defaults = {k: str(p["Default"]) for k, p in declared.items() if "Default" in p}
    return Template(tuple(declared), defaults, _OF_SSM in text)


def _restore(
    state: State,
    good: Observed,
    now: Observed,
    templates: Mapping[str, Template],
) -> Step:
    name = good.name
    in_units = good.permission_model is PermissionModel.SERVICE_MANAGED
    definition = Definition(
        template=good.template,
        parameters=dict(good.parameters),
        capabilities=good.capabilities,
        tags=good.tags,
        description=good.description,
        administration_role=good.administration_role,
        execution_role=good.execution_role,
        permission_model=good.permission_model,
        auto_deployment=good.auto_deployment if in_units else None,
    )
    steps = [s for s in state.there.steps.values() if s.stack_set == name]
    # An account may have moved to another unit since it was deployed to.
    wanted = {t: t for s in steps for t in s.targets}
    untouched = {t for s in steps for t in s.untouched}
    there = good.instances.keys() - untouched
    known = [wanted.get(t, t) for t in now.instances if t in there]
    draft = Draft(
        name,
        _as_deployed(now, state.states.get(name)),
        templates,
        _tolerant(state.there.preferences),
    )
    changed: dict[str, list[Target]] = {}
    for target in known:
        overrides = good.instances[target].overrides
        if dict(now.instances[target].overrides) != dict(overrides):
            changed.setdefault(repr(sorted(overrides.items())), []).append(target)
    for group in changed.values():
        _restore_overrides(draft, good, definition, group, now)
    everywhere = len(known) == len(now.instances)
    if known or everywhere:
        draft.deploy(definition, None if everywhere else known)
    return Step(
        Kind.RESTORE,
        name,
        steps[0].part if steps else good.tags.get("tapgen:part", ""),
        tuple(known),
        calls=tuple(draft.calls),
        follows=any(s.follows for s in steps),
        words=_how(state, good, now, steps),
    )


def _as_deployed(now: Observed, known: StackSetState | None) -> StackSetState:
    """What AWS has: what a stack runs where it was read, else what the stack set says of
    instances that are CURRENT, else what the run knows."""
    deployed = dict(known.deployed) if known else {}
    for target, one in now.instances.items():
        if one.template == NO_STACK:
            deployed.pop(target, None)
        elif one.template is not None and one.parameters is not None:
            deployed[target] = one.template, one.parameters
        elif one.status is InstanceStatus.CURRENT:
            deployed[target] = now.template, now.parameters
    return StackSetState(
        now.template,
        dict(now.parameters),
        {t: dict(i.overrides) for t, i in now.instances.items()},
        deployed,
    )


def _restore_overrides(
    draft: Draft,
    good: Observed,
    definition: Definition,
    group: Sequence[Target],
    now: Observed,
) -> None:
    """Restore targets whose overrides were the same before and have changed: first
    their own values with their own template, then their overrides."""
    overrides = good.instances[group[0]].overrides
    own = replace(definition, parameters={**good.parameters, **overrides})
    # A failed target has what it had, whatever its overrides say: leave it alone.
    succeeded = InstanceDetailedStatus.SUCCEEDED
    whole = [t for t in group if now.instances[t].detailed_status is succeeded]
    draft.remove_stale_overrides(whole, own, now.capabilities)
    for rectangle in stacksets.rectangles(group):
        draft.define(own, rectangle)
    draft.override(group, overrides)


def _how(state: State, good: Observed, now: Observed, steps: Sequence[Step]) -> str:
    """Describe a restored stack set: which resources may be new ones, and whether
    automatic deployment could not be restored.

    AWS changes automatic deployment for all instances at once only, so it stays while
    there are instances that this rollout created.
    """
    replaced = state.there.replaced.get(good.name)
    if replaced:
        return (
            "to the last good version, but perhaps with new resources "
            f"({_few(replaced)}), since undoing a replacement creates a new one; the next "
            "rollout updates what refers to them"
        )
    wanted = [
        s.definition.auto_deployment
        for s in steps
        if s.definition and s.definition.auto_deployment
    ]
    grown = set(now.instances) - set(good.instances)
    if not grown or not wanted or wanted[0] == good.auto_deployment:
        return "to the last good version"
    state_now = "on" if wanted[0].enabled else "off"
    return (
        f"to the last good version, but automatic deployment may be {state_now}: AWS "
        "changes it for all instances at once only, and new instances stay"
    )


def _few(found: Iterable[str]) -> str:
    first, *others = sorted(found)
    return f"{first} and {len(others)} more" if others else first
