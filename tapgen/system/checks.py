"""Check a whole system by its data alone, before anything is created.

The checks find references to missing outputs, dependency cycles, values of the wrong
type or against a parameter's constraints, and templates beyond CloudFormation's limits.
Outputs are evaluated where their templates allow it, so a constant is checked like a
value from the config.

Source for types and constraints: "Parameters syntax" and "Supplied parameter types" in
CloudFormation's user guide; for limits: "Understand CloudFormation quotas".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import (
    REGION,
    SAME,
    SELF,
    WAVE,
    Output,
    StackSet,
    System,
    Target,
    Value,
)
from tapgen.system import handed_on, parameter_values, representatives, units
from tapgen.system.parameter_values import element, text_of
from tapgen.system.representatives import Groups
from tapgen.template import evaluate, loops
from tapgen.template.values import mapping

MAX_BYTES = 1_048_576
"""The maximum size in bytes of a template given by URL, without white space."""

LIMITS = {"Parameters": 200, "Outputs": 200, "Resources": 500, "Mappings": 200}
"""The maximum number of each in a template."""

MOST_BEFORE = 10
"""The stack sets after which another one may follow accounts: `DependsOn` of its automatic
deployment (https://aws.amazon.com/blogs/devops/take-fine-grained-control-of-your-aws-cloudformation-stacksets-deployment-with-stackset-dependencies)."""

_MOST_PLACES = 4
_DESCRIPTION_BYTES = 1024

_MISSING = object()


@dataclass(frozen=True)
class Problem:
    """A mistake in a system.

    `part` is the stack set, empty for the whole system. `given` is the parameter whose
    value, at `target`, is the mistake; with `named` it is part of the line.
    """

    message: str
    part: str = ""
    given: str = ""
    target: Target | None = None
    named: bool = True

    def __str__(self) -> str:
        where = f"{self.part}.{self.given}" if self.given and self.named else self.part
        return f"{where}: {self.message}" if where else self.message


def problems(system: System) -> list[str]:
    """Return a line for each mistake, with part and parameter; `[]` when there is none."""
    lacking = [str(one) for s in system.stack_sets for one in _without_condition(s)]
    groups = representatives.of(system)
    return [*wiring(system, groups), *unmapped(system, groups), *lacking]


def found(system: System) -> list[Problem]:
    """Return each mistake, at every target that has it."""
    lines = (line.partition(": ") for line in unmapped(system))
    return [*_wiring(system), *(Problem(said, part) for part, _, said in lines)]


def unmapped(system: System, groups: Groups | None = None) -> list[str]:
    """Return a line for each look-up in a template's mappings that finds nothing at a
    target: the rollout would fail there, after other regions were changed."""
    found: dict[str, str] = {}
    accounts = groups or representatives.of(system)
    for s in system.stack_sets:
        if not evaluate.block(s.template, "Mappings"):
            continue
        for target in s.targets:
            if target.account not in accounts:
                continue
            given = evaluate.given(s.values(target))
            for one in evaluate.evaluate(
                evaluate.parsed(s.template), given, target
            ).unmapped:
                where = "/".join(map(str, one.path))
                key = f"{s.part} {target.region} {where} {one}"
                found.setdefault(key, f"{s.part}: {target}: {where}: {one}")
    return list(found.values())


def wiring(system: System, groups: Groups | None = None) -> list[str]:
    """Return a line for each mistake in sizes, dependencies and parameter values.

    Of accounts that come to the same only one is checked (`groups`, by default those of
    `representatives.of`).
    In a system that is not resolved, `self` and organizational units may be any of the
    accounts. A reference without a target is not reported there.
    """
    return list(dict.fromkeys(map(str, _wiring(system, groups))))


def _wiring(system: System, groups: Groups | None = None) -> list[Problem]:
    by_part = {s.part: s for s in system.stack_sets}
    found: list[Problem] = []
    for s in system.stack_sets:
        found += _too_much(s)
        unknown = sorted(s.requires() - set(by_part))
        if unknown:
            message = (
                f"depends on {', '.join(unknown)}, which this system does not have; it "
                f"has {', '.join(sorted(by_part))}"
            )
            found.append(Problem(message, s.part))
        doubled = sorted(str(t) for t, n in Counter(s.targets).items() if n > 1)
        if doubled:
            message = f"{', '.join(doubled)} is listed twice as a target"
            found.append(Problem(message, s.part))
    found += map(Problem, _circle(by_part))
    found += _gates(system, by_part)
    found += _too_many_before(system)
    if found:
        return found  # values of missing stack sets cannot be checked
    accounts = {
        t.account for s in system.stack_sets for t in s.targets if not t.joins_later
    }
    vague = SELF in accounts or any(not account.isdigit() for account in accounts)
    groups = groups or representatives.of(system)
    look = _Look(by_part, groups, definite=not vague or len(accounts) == 1)
    for s in system.stack_sets:
        found += _at_first(s, look)
        found += _at_targets(s, look)
        for target in s.targets:
            if not s.is_uniform or target.account in look.groups:
                found += _values(s, target, look)
    return found


def _gates(system: System, parts: Iterable[str]) -> Iterator[Problem]:
    """A problem for each gate after a part that the system does not have."""
    places = [WAVE, REGION, *sorted(parts)]
    for number, gate in enumerate(system.rollout.gates):
        if gate.after not in places:
            yield Problem(
                f"rollout.gates[{number}].after: {gate.after!r} is not a part of "
                f"{system.name}; give one of {', '.join(places)}"
            )


def sources(value: Output, target: Target, source: StackSet) -> tuple[Target, ...]:
    """Return the targets of the producing stack set that a value refers to.

    With `all`, these are all of them in the region and account that the value names.
    """
    region, account = _place(value, target)
    return source.targets_in(account, region)


def _place(value: Output, target: Target) -> tuple[str | None, str | None]:
    same = (None, None) if value.all else (target.region, target.account)
    return (
        same[0] if value.region == SAME else value.region,
        same[1] if value.account == SAME else value.account,
    )


# Sizes ----------------------------------------------------------------------------------


def _too_much(s: StackSet) -> Iterator[Problem]:
    for message in _too_large(evaluate.parsed(s.template)):
        yield Problem(message, s.part)
    described = str(evaluate.parsed(s.template).get("Description", ""))
    if len(described.encode()) > _DESCRIPTION_BYTES:
        message = (
            f"the description has {len(described.encode())} bytes; CloudFormation "
            f"allows {_DESCRIPTION_BYTES}"
        )
        yield Problem(message, s.part)


def _too_large(template: Mapping[str, Any], where: str = "") -> Iterator[str]:
    for name, most in LIMITS.items():
        section = template.get(name)
        number = len(section) if isinstance(section, dict) else 0
        if number > most:
            yield (
                f"{number} {name.lower()}{where}; CloudFormation allows {most}; "
                "split the part"
            )
    size = len(json.dumps(template, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        yield (
            f"{size:,} bytes without white space{where}; CloudFormation "
            f"allows {MAX_BYTES:,}; split the part"
        )


def _too_many_before(system: System) -> Iterator[Problem]:
    """A problem for each stack set that follows accounts after too many others."""
    following = {s.part for s in system.stack_sets if units.follows(s)}
    for s in system.stack_sets:
        before = s.requires() & following
        if s.part in following and len(before) > MOST_BEFORE:
            message = (
                f"it needs {len(before)} stack sets that follow accounts as well "
                f"({', '.join(sorted(before))}); automatic deployment takes "
                f"{MOST_BEFORE} (DependsOn); put parts together, or let depends_on name "
                "only those that come last"
            )
            yield Problem(message, s.part)


def _without_condition(s: StackSet) -> Iterator[Problem]:
    """A problem for each condition that a resource or output names and that the template
    lacks: AWS refuses it ("Unresolved condition dependency")."""
    whole = evaluate.whole(s)
    declared = mapping(whole.get("Conditions"))
    if any(str(name).startswith(loops.LOOP) for name in declared):
        return
    for section in ("Resources", "Outputs"):
        for name, one in mapping(whole.get(section)).items():
            condition = mapping(one).get("Condition")
            if isinstance(condition, str) and condition not in declared:
                known = ", ".join(map(str, declared)) or "none"
                message = (
                    f"{section}.{name}: the template has no condition {condition}; it "
                    f"has {known}"
                )
                yield Problem(message, s.part)


def _circle(by_part: Mapping[str, StackSet]) -> Iterator[str]:
    waits = {part: sorted(s.requires()) for part, s in by_part.items()}
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        yield f"stack sets depend on each other: {circle}; remove a dependency"


def _at_first(s: StackSet, look: _Look) -> Iterator[Problem]:
    """Yield what is wrong with the values that parameters have in new stacks."""
    if s.at_first and units.follows(s):
        message = (
            "an account that joins gets one value of each parameter, and none at first; "
            "turn automatic deployment off, or give no value at first"
        )
        yield Problem(message, s.part)
    declared = evaluate.block(s.template, "Parameters")
    for name, one in s.at_first.items():
        unknown = sorted({*one.until} - look.by_part.keys())
        parameter = mapping(declared.get(name))
        if unknown or not one.until:
            message = (
                f"waits for {', '.join(unknown) or 'no part'}; give parts among "
                f"{', '.join(sorted(look.by_part))}"
            )
            yield Problem(message, s.part, name)
        if evaluate.no_echo(parameter):
            message = (
                "has a value at first, but is NoEcho, so AWS does not show what it is"
            )
            yield Problem(f"{message}; make it another parameter", s.part, name)
        for message in parameter_values.given(parameter, one.value):
            yield Problem(f"at first: {message}", s.part, name)
        if not all(name in s.values(t) for t in s.targets):
            message = "has a value at first, but none for every target; give it one"
            yield Problem(message, s.part, name)
        for output in _moving_outputs(s, name, look):
            message = (
                f"decides the output {output}, so it must not have another value at first;"
                " let the output not depend on it"
            )
            yield Problem(message, s.part, name)


def _moving_outputs(s: StackSet, name: str, look: _Look) -> Iterator[str]:
    """Yield the outputs that differ between a new stack and a complete one."""
    found: dict[str, None] = {}
    for target in s.targets:
        if target.account in look.groups:
            given = evaluate.given(s.values(target))
            first = {**given, name: s.at_first[name].value}
            new = evaluate.evaluate(evaluate.parsed(s.template), first, target).outputs
            then = look.evaluated(s.part, target).outputs
            found |= dict.fromkeys(
                o for o in {*new, *then} if new.get(o) != then.get(o)
            )
    yield from sorted(found)


# Values ---------------------------------------------------------------------------------


@dataclass
class _Look:
    """Templates evaluated for single targets, each once; `groups` are the accounts that
    each account stands for."""

    by_part: Mapping[str, StackSet]
    groups: Groups
    definite: bool  # whether accounts that differ here differ in AWS
    cache: dict[tuple[str, Target], evaluate.Evaluated] = field(default_factory=dict)
    named: dict[str, frozenset[str]] = field(default_factory=dict)

    def evaluated(self, part: str, target: Target) -> evaluate.Evaluated:
        key = (part, target)
        if key not in self.cache:
            s = self.by_part[part]
            values = evaluate.given(s.values(target))
            self.cache[key] = evaluate.evaluate(
                evaluate.parsed(s.template), values, target
            )
        return self.cache[key]

    @cached_property
    def standing_for(self) -> Mapping[str, str]:
        """Account → the one that stands for it."""
        return {a: first for first, accounts in self.groups.items() for a in accounts}

    def output(self, value: Output, place: Target) -> Any:
        """Return an output at a place, `_MISSING` where it does not exist."""
        found = self.at(value.part, place).outputs.get(value.output, _MISSING)
        text = text_of(found)
        first = self.standing_for.get(place.account, place.account)
        if text is None or first == place.account:
            return found
        return text.replace(first, place.account)

    def at(self, part: str, place: Target) -> evaluate.Evaluated:
        """Return a template as it is at the place that stands for another one."""
        first = self.standing_for.get(place.account, place.account)
        return self.evaluated(part, replace(place, account=first))

    def outputs(self, part: str) -> frozenset[str]:
        """Return the outputs of a part, including those that loops create at any target."""
        if part not in self.named:
            found = evaluate.whole(self.by_part[part]).get("Outputs")
            self.named[part] = frozenset(found if isinstance(found, dict) else ())
        return self.named[part]

    def everywhere(self, place: Target) -> str:
        """Return a place in words, with the accounts that it stands for."""
        more = len(self.groups.get(place.account, (place.account,))) - 1
        words = f" and {more} more account{'s' if more > 1 else ''}"
        return f"{place}{words if more else ''}"


def _values(s: StackSet, target: Target, look: _Look) -> Iterator[Problem]:
    values = s.values(target)
    for name, value in values.items():
        if isinstance(value, Output):
            for message in _unanswered(value, target, look):
                yield Problem(message, s.part, name, target)
    if target.account in look.groups:
        yield from _against_template(s, target, values, look)


def _against_template(
    s: StackSet, target: Target, values: Mapping[str, Value], look: _Look
) -> Iterator[Problem]:
    """Yield the values that a template does not accept, and those that it misses."""
    declared = {
        name: parameter if isinstance(parameter, dict) else {}
        for name, parameter in evaluate.block(s.template, "Parameters").items()
    }
    for name in sorted(set(values) - set(declared)):
        known = ", ".join(sorted(declared)) or "none"
        message = f"the template has no parameter {name}; it has {known}"
        yield Problem(message, s.part, name, target, named=False)
    for name, parameter in declared.items():
        if name in values:
            for message in _value(name, parameter, values[name], target, look):
                yield Problem(message, s.part, name, target)
        elif "Default" not in parameter:
            message = f"parameter {name} has no value and no default; give a value"
            yield Problem(message, s.part)


def _at_targets(s: StackSet, look: _Look) -> Iterator[Problem]:
    """Yield what is wrong with a template at its targets, with these unless it is wrong
    at all of them."""
    checked = [t for t in s.targets if t.account in look.groups]
    found: dict[str, list[Target]] = {}
    for target in checked:
        for message in _template_problems(s, target, look):
            found.setdefault(message, []).append(target)
    for message, there in found.items():
        places = ", ".join(map(look.everywhere, there[:_MOST_PLACES]))
        more = len(there) - _MOST_PLACES
        where = f" (in {places}{f' and {more} more places' if more > 0 else ''})"
        certain = there == checked or not message.startswith("Rules.")
        yield Problem(message if certain else message + where, s.part)


def _template_problems(s: StackSet, target: Target, look: _Look) -> Iterator[str]:
    """Yield broken rules of the template, mistakes in its loops, and sizes beyond
    CloudFormation's limits with loops expanded."""
    looped = loops.TRANSFORM in loops.transforms(evaluate.parsed(s.template))
    if looped or "Rules" in evaluate.parsed(s.template):
        yield from look.evaluated(s.part, target).problems
    if not looped:
        return
    given = evaluate.given(s.values(target))
    expanded = evaluate.written_out(evaluate.parsed(s.template), given, target)
    where = f" in {target.region} with its loops expanded"
    yield from _too_large(expanded, where)


def _unanswered(value: Output, target: Target, look: _Look) -> Iterator[str]:
    source = look.by_part[value.part]
    if value.by_name:
        yield from handed_on.elsewhere(value)
    if target.joins_later and value.by_name and target in source.targets:
        return  # an account that joins gets both stack sets
    if target.joins_later:
        yield (
            f"comes from {value}, which accounts that join {target.unit} later do not "
            "get; give a value that all share, or turn automatic deployment off"
        )
        return
    outputs = look.outputs(value.part)
    if value.output not in outputs:
        has = ", ".join(sorted(outputs)) or "none"
        yield f"{value.part} has no output {value.output}; it has {has}"
    found = sources(value, target, source)
    region, account = _place(value, target)
    place = f"{account or 'any account'}/{region or 'any region'}"
    if not found and look.definite:
        yield f"{value.part} has no target in {place}; name its region or account"
    elif len(found) > 1 and not value.all:
        yield (
            f"{value.part} has {len(found)} targets in {place}; name one "
            "account, or set all: true"
        )


def _value(
    name: str,
    parameter: Mapping[str, Any],
    value: Value,
    target: Target,
    look: _Look,
) -> Iterator[str]:
    if isinstance(value, str):
        yield from parameter_values.given(parameter, value)
        return
    source = look.by_part[value.part]
    if value.by_name:
        yield from _by_name(name, parameter, value, target, look)
        parameter = handed_on.of_value(parameter)
    found = [
        (place, look.output(value, place)) for place in sources(value, target, source)
    ]
    if value.output not in look.outputs(value.part) or not found:
        return  # reported already
    for place, output in found:
        if output is _MISSING:
            loop = value.output not in evaluate.block(source.template, "Outputs")
            why = "no loop creates it" if loop else "its condition is false"
            yield f"{value} does not exist in {look.everywhere(place)}: {why} there"
    known = [text_of(output) for _, output in found]
    if all(text is not None for text in known):
        yield from parameter_values.literal(
            parameter, ",".join(text or "" for text in known)
        )
        return
    for place, output in found:
        if output is not _MISSING and text_of(output) is None:
            resources = look.evaluated(value.part, place).resources
            yield from _symbolic(parameter, value, output, resources, len(found) > 1)


def _by_name(
    name: str,
    parameter: Mapping[str, Any],
    value: Output,
    target: Target,
    look: _Look,
) -> Iterator[str]:
    """Yield what keeps an output from being handed on by the name of an SSM parameter."""
    source = look.by_part[value.part]
    problems = [*handed_on.unread(name, parameter, value)]
    for place in sources(value, target, source):
        if value.output in look.at(value.part, place).outputs:
            there = look.at(value.part, place)
            problems += handed_on.unwritten(parameter, value, source, there)
    if not problems:
        ssm_name = value.ssm_name(source.prefix)
        problems += parameter_values.literal(parameter, ssm_name)
    yield from problems


# Outputs that only AWS knows ------------------------------------------------------------


def _symbolic(
    parameter: Mapping[str, Any],
    value: Output,
    output: Any,
    resources: Mapping[str, Mapping[str, Any]],
    several: bool,
) -> Iterator[str]:
    """Yield what is wrong with the form of an output that a resource provides."""
    whole = str(parameter.get("Type"))
    kind, listed = element(whole)
    if kind == "String" or kind.startswith("AWS::SSM::"):
        return
    form = "list" if several else _form(output)
    if listed and form == "one":
        yield (
            f"{value} is a single value, but {whole} is a list; use an output that "
            "joins values with Fn::Join and ',', or set all: true"
        )
    if not listed and form == "list":
        yield f"{value} is a list, but {whole} is a single value; use another output"
    expected = parameter_values.IDS.get(kind, ("",))[0]
    for logical_id in _refs(output):
        actual = str(resources.get(logical_id, {}).get("Type", ""))
        plain = actual.startswith("AWS::") and "::CloudFormation::" not in actual
        if plain and actual != expected and (expected or kind == "Number"):
            yield f"{value} is the Ref of an {actual}, but the parameter is an {kind}"


def _form(output: Any) -> str:
    """Whether an expression gives one value or several with commas; empty if unknown."""
    match output:
        case {"Fn::Join": [str(delimiter), _]}:
            return "list" if delimiter.strip() == "," else "one"
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return "list" if "," in text else "one"
        case {"Fn::If": [_, first, second]}:
            forms = {_form(first), _form(second)}
            return forms.pop() if len(forms) == 1 else ""
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Select": _}:
            return "one"
    return ""


def _refs(output: Any) -> Iterator[str]:
    """Yield the resources whose Refs an expression returns unchanged."""
    match output:
        case {"Ref": str(logical_id)}:
            yield logical_id
        case {"Fn::Join": [",", list(items)]}:
            for item in items:
                yield from _refs(item)
        case {"Fn::If": [_, first, second]}:
            yield from _refs(first)
            yield from _refs(second)
