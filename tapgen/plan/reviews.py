"""Change sets for stacks that do not exist yet, and what to make of AWS's findings.

Pure. A new stack has no values from stacks that are also new: those get placeholders
(`placeholders`), and what AWS finds about a property or a name that contains one does not
count, nor does a name that contains the stack's own name: the stack in review has another
one (`open_names`, `why_open`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tapgen.aws.change_sets import Finding
from tapgen.frozen import dataclass
from tapgen.model import HIDDEN, STACKS_IN_REVIEW, System, Target
from tapgen.plan.model import Plan, Reference, Step, Value
from tapgen.system import names
from tapgen.template import evaluate, values
from tapgen.template.diff import Verb
from tapgen.template.placeholders import fill

NAME_CONFLICT = "NAME_CONFLICT_VALIDATION"
_ADVICE = {NAME_CONFLICT: "choose another name, or import what has it"}
_CORRECT = "correct the template"
_STACK_NAMES = ("AWS::StackId", "AWS::StackName")
_SHOWN = 3  # places in a line


@dataclass(frozen=True)
class Judged:
    """A finding of AWS, and whether it counts.

    `kind` is stopped (the operation would stop), warned, freed (an earlier wave takes
    away what AWS sees), or open (`why` says what nobody knows yet).
    """

    finding: Finding
    kind: str
    why: str = ""

    def __str__(self) -> str:
        found = self.finding
        what = f"{found.logical_id} ({found.type})"
        reason = found.reason.rstrip(".") or found.name
        if "/Properties" in found.path:
            reason += f" (at {found.path})"
        return {
            "stopped": f"AWS would stop at {what}: {reason}",
            "warned": f"AWS warns about {what}: {reason}",
            "freed": f"AWS reports about {what}: {reason}; an earlier wave deletes it",
            "open": f"not asked: {what}: {self.why}",
        }[self.kind]

    @property
    def advice(self) -> str:
        return _ADVICE.get(self.finding.name, _CORRECT)


@dataclass(frozen=True)
class Filled:
    """A template and its values with placeholders; `names` are those parameters, each
    with what its value comes from."""

    template: str
    values: Mapping[str, str]
    names: Mapping[str, str]


def start(system: System, part: str) -> str:
    """Return how the name of a stack in review begins."""
    return f"{own(system)}{part}"


def own(system: System) -> str:
    """Return how the names of all stacks in review of a system begin."""
    return f"{STACKS_IN_REVIEW}{system.prefix}-"


def is_new(plan: Plan, step: Step, target: Target) -> bool:
    """Whether a step creates the stack of a target, also for an instance without one."""
    return (
        plan.is_new(step, target)
        or not plan.observed[step.stack_set].instances[target].stack_id
    )


def placeholders(template: str, given: Mapping[str, Value]) -> Filled:
    """Return the values that are known, and placeholders for the others."""
    known: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, value in given.items():
        now = value.now if isinstance(value, Reference) else value
        if now is None or now == HIDDEN:
            missing[name] = str(value) if isinstance(value, Reference) else "hidden"
        else:
            known[name] = now
    text, found = fill(template, missing)
    return Filled(text, {**known, **found}, missing)


# -- what does not count -----------------------------------------------------------------


def open_names(body: Mapping[str, Any], filled: Iterable[str]) -> frozenset[str]:
    """Return the names in a template whose values are not those of the stack to come: the
    stack's own, `filled` parameters, and conditions that use them."""
    found = {*_STACK_NAMES, *filled}
    conditions = body.get("Conditions") or {}
    while True:
        more = {n for n, c in conditions.items() if found & {*_used(c)}} - found
        if not more:
            return frozenset(found)
        found |= more


def _used(node: Any) -> Iterator[str]:
    """The parameters, pseudo parameters and conditions that a value uses."""
    yield from values.references(node)
    pending = [node]
    while pending:
        match pending.pop():
            case {"Fn::If": [str(name), *branches]}:
                yield name
                pending += branches
            case {"Condition": str(name)}:
                yield name
            case Mapping() as inner:
                pending += inner.values()
            case [*items]:
                pending += items


def why_open(finding: Finding, body: Mapping[str, Any], opened: frozenset[str]) -> str:
    """Return what a finding hangs on that is not known yet; empty where it counts."""
    resource = (body.get("Resources") or {}).get(finding.logical_id) or {}
    properties = resource.get("Properties") or {}
    if finding.name == NAME_CONFLICT:
        nodes = [
            properties.get(p.partition("/")[0]) for p in names.paths_of(finding.type)
        ]
    else:
        nodes = [_node(finding, properties)]
    used = {*_used([*nodes, {"Condition": resource.get("Condition") or ""}])}
    return ", ".join(sorted(used & opened))


def _node(finding: Finding, properties: Any) -> Any:
    """The part of a resource that a finding is about."""
    steps = finding.path.split("/")[4:]
    named = re.search(r"\[([\w:]+)\]", finding.reason)
    node = properties
    for step in [*steps, *([named[1]] if named else [])]:
        if isinstance(node, list) and step.isdigit() and int(step) < len(node):
            node = node[int(step)]
        elif isinstance(node, Mapping) and step in node:
            node = node[step]
        else:
            break
    return {} if node is properties else node


def open_resources(
    body: Mapping[str, Any], opened: frozenset[str]
) -> Mapping[str, tuple[str, ...]]:
    """Return what is not known yet in names, each with the resources that have it there:
    AWS cannot say whether their names are taken."""
    found: dict[str, list[str]] = {}
    for logical_id, resource in (body.get("Resources") or {}).items():
        kind = str(resource.get("Type"))
        conflict = Finding(logical_id, kind, NAME_CONFLICT, "FAIL", "", "")
        why = why_open(conflict, body, opened)
        if why:
            found.setdefault(why, []).append(logical_id)
    return {why: tuple(ids) for why, ids in found.items()}


# -- findings ----------------------------------------------------------------------------


def judged(
    plan: Plan, step: Step, target: Target, found: Iterable[Finding]
) -> tuple[Judged, ...]:
    """Return AWS's findings about one stack, each with whether it counts."""
    s = plan.system.part(step.part)
    body = evaluate.parsed(s.template)
    opened: frozenset[str] = frozenset()
    if is_new(plan, step, target):
        opened = open_names(body, placeholders(s.template, step.values).names)
    freed = set(_freed(plan, step))
    added = {
        c.logical_id: names.of(c.type, c.after or {}, target, step.stack_set)
        for c in step.changes.get(target, ())
        if c.verb is Verb.ADD
    }

    def one(finding: Finding) -> Judged:
        if finding.status == "SKIPPED":
            return Judged(finding, "open", finding.reason)
        hangs_on = why_open(finding, body, opened)
        if hangs_on:
            return Judged(finding, "open", f"{hangs_on} is not known yet")
        if finding.mode != "FAIL":
            return Judged(finding, "warned")
        name = added.get(finding.logical_id)
        if finding.name == NAME_CONFLICT and name and name in freed:
            return Judged(finding, "freed")
        return Judged(finding, "stopped")

    return tuple(map(one, found))


def _freed(plan: Plan, step: Step) -> Iterator[names.Name]:
    """The names that the waves before a step take away."""
    for wave in plan.waves:
        if step in wave:
            return
        for earlier in wave:
            for target, changes in earlier.changes.items():
                for change in changes:
                    if change.verb is Verb.REMOVE and not change.retained:
                        before = change.before or {}
                        name = names.of(change.type, before, target, earlier.stack_set)
                        if name:
                            yield name


def obstacles(
    found: Mapping[tuple[str, Target], Iterable[Judged]],
) -> tuple[str, ...]:
    """Return a line for each finding that would stop an operation, with its targets."""
    grouped: dict[tuple[str, str, str], list[Target]] = {}
    for (stack_set, target), all_judged in found.items():
        for one in all_judged:
            if one.kind == "stopped":
                key = stack_set, str(one), one.advice
                grouped.setdefault(key, []).append(target)
    return tuple(
        f"{stack_set} in {_places(targets)}: {text}; {advice}"
        for (stack_set, text, advice), targets in grouped.items()
    )


def _places(targets: list[Target]) -> str:
    more = len(targets) - _SHOWN
    shown = ", ".join(map(str, targets[:_SHOWN]))
    return f"{shown} and {more} more" if more > 0 else shown
