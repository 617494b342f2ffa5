"""Evaluate a template for one target: its parameters, mappings and conditions.

A value that only AWS can fill in (a resource's Ref, availability zones, a condition on
one of these) stays the intrinsic function it was written with, with everything inside
it evaluated. So two evaluated templates can be compared: equal values are equal, however
they were written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import SELF, Observed, Output, StackSet, Target, Value
from tapgen.template import loops, nested
from tapgen.template.scope import Scope
from tapgen.template.unmapped import Unmapped, unmapped
from tapgen.template.values import LATER, mapping

EXPORT = '"Export"'
"""In the text of every template that exports an output."""


@dataclass(frozen=True)
class Evaluated:
    """A template as it is at one target.

    `resources` are those whose condition is not false, with evaluated attributes;
    `outputs` the evaluated values, `exports` the names of those that are exported.
    `conditions` are True, False, or None for unknown; `undecided` are the unknown ones,
    with what is in them evaluated. What is in a nested stack whose template is known is
    here as well, by `Stack/Resource`.
    Loops are expanded; `problems` lists loops that cannot be, and assertions in `Rules`
    that fail, with their place. `unmapped` are look-ups that certainly happen and find
    nothing in the mappings: creating the stack fails there.
    """

    resources: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Any]
    conditions: Mapping[str, bool | None]
    problems: tuple[str, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    exports: Mapping[str, Any] = field(default_factory=dict)
    undecided: Mapping[str, Any] = field(default_factory=dict)


def evaluate(
    template: Mapping[str, Any] | str,
    values: Mapping[str, Any],
    target: Target,
    stack_name: str | None = None,
    marks: frozenset[str] = frozenset(),
) -> Evaluated:
    """Evaluate a template (its text, or the mapping) for a target.

    `values` are parameter values as strings; a dictionary with the key `LATER` stands
    for one that is not known yet. Defaults are filled in. `stack_name` is the value of
    AWS::StackName, unknown by default. The values of the parameters and pseudo parameters
    in `marks` are marked where they are part of a text (`values.unmarked`). Text that is not a template gives an empty
    result, and whatever is malformed is left as written.
    """
    scope = Scope(mapping(_parsed(template)), values, target, stack_name, marks=marks)
    outputs = {
        str(name): scope.resolve(output.get("Value"))
        for name, output in mapping(scope.body.get("Outputs")).items()
        if isinstance(output, Mapping) and scope.wanted(output)
    }
    found = _within(scope)
    missing = tuple(unmapped(scope, found.resources, outputs)) if scope.lost else ()
    return replace(found, outputs=outputs, unmapped=missing, exports=_exports(scope))


def _within(scope: Scope) -> Evaluated:
    """Return the resources, conditions and problems of a scope and of the nested stacks
    in it, these with the names of their stacks."""
    resources: dict[str, Mapping[str, Any]] = {
        scope.named(str(logical_id)): scope.resource(resource)
        for logical_id, resource in mapping(scope.body.get("Resources")).items()
        if isinstance(resource, Mapping) and scope.wanted(resource)
    }
    known = {name: scope.condition(name) for name in scope.conditions}
    conditions = {scope.named(name): one for name, one in known.items()}
    undecided = {
        scope.named(name): scope.spelled_out(name)
        for name, one in known.items()
        if one is None
    }
    problems = (*scope.problems, *scope.broken_rules())
    for logical_id, _ in nested.inner(scope.body):
        if scope.named(logical_id) in resources and (there := scope.stack(logical_id)):
            more = _within(there)
            resources.update(more.resources)
            conditions.update(more.conditions)
            undecided.update(more.undecided)
            problems += tuple(f"{there.prefix}: {one}" for one in more.problems)
    return Evaluated(resources, {}, conditions, problems, undecided=undecided)


def of_nested(
    template: Mapping[str, Any] | str, values: Mapping[str, Any], target: Target
) -> dict[str, Mapping[str, Any]]:
    """Return the evaluated parameters of each nested stack that there is at a target."""
    scope = Scope(mapping(_parsed(template)), values, target)
    return {
        name: there.given
        for name, _ in nested.inner(scope.body)
        if scope.wanted(scope.body["Resources"][name]) and (there := scope.stack(name))
    }


def exports(
    template: Mapping[str, Any] | str, values: Mapping[str, Any], target: Target
) -> dict[str, Any]:
    """Return output -> the name that it is exported by; an unknown one is not text."""
    if isinstance(template, str) and EXPORT not in template:
        return {}
    return _exports(Scope(mapping(_parsed(template)), values, target))


def _exports(scope: Scope) -> dict[str, Any]:
    return {
        str(output): scope.resolve(mapping(body["Export"]).get("Name"))
        for output, body in mapping(scope.body.get("Outputs")).items()
        if isinstance(body, Mapping) and "Export" in body and scope.wanted(body)
    }


def account_numbers(
    template: Mapping[str, Any] | str, values: Mapping[str, Any], target: Target
) -> str:
    """Return a text with every account number that the template has at a target, also
    those that functions join; the target's own is left out."""
    scope = Scope(mapping(_parsed(template)), values, replace(target, account=SELF))
    return json.dumps(scope.resolve(scope.body), default=str)


def given(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return a target's values as `evaluate` takes them: outputs are known later."""
    return {
        name: {LATER: str(value)} if isinstance(value, Output) else value
        for name, value in values.items()
    }


def no_echo(parameter: Mapping[str, Any]) -> bool:
    """Whether a parameter is declared NoEcho, so that its value is never shown."""
    return str(parameter.get("NoEcho", "")).lower() == "true"


def secrets(
    template: Mapping[str, Any] | str, values: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the values of a template's NoEcho parameters, given or default; None where
    there is neither."""
    declared = mapping(mapping(_parsed(template)).get("Parameters"))
    return {
        str(name): values.get(name, mapping(parameter).get("Default"))
        for name, parameter in declared.items()
        if no_echo(mapping(parameter))
    }


def written_out(
    template: Mapping[str, Any] | str, values: Mapping[str, Any], target: Target
) -> Mapping[str, Any]:
    """Return the template with its loops expanded for the target, else as written."""
    return Scope(mapping(_parsed(template)), values, target).body


def only(body: Mapping[str, Any], kind: str, name: str) -> Mapping[str, Any]:
    """Return a template with nothing but its resources of a type, these with nothing but
    the property of a name, and its loops, without outputs and rules: evaluating that takes
    a tenth of the time."""
    resources = {
        logical_id: _with_only(resource, name)
        for logical_id, resource in mapping(body.get("Resources")).items()
        if str(logical_id).startswith(loops.LOOP)
        or mapping(resource).get("Type") == kind
    }
    for logical_id, template in nested.inner(body):
        stack = mapping(body["Resources"][logical_id])
        inside = {**only(template, kind, name), "Outputs": template.get("Outputs", {})}
        resources[logical_id] = nested.carrying(stack, inside)
    return {**body, "Resources": resources, "Outputs": {}, "Rules": {}}


def _with_only(resource: Any, name: str) -> Any:
    if not isinstance(resource, Mapping) or name not in mapping(
        resource.get("Properties")
    ):
        return resource
    return {**resource, "Properties": {name: resource["Properties"][name]}}


def whole(s: StackSet | Observed) -> Mapping[str, Any]:
    """Return the template of a stack set with its loops expanded for all of its targets
    together, and with the resources of nested stacks, else as written. It is shared: do
    not change it."""
    return _flat(_written(s))


def _flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    inside = next(nested.inner(body), None)
    return {**body, "Resources": nested.resources(body)} if inside else body


def _written(s: StackSet | Observed) -> Mapping[str, Any]:
    body = parsed(s.template)
    if loops.TRANSFORM not in loops.transforms(body):
        return body
    sections: dict[str, dict[str, Any]] = {name: {} for name in loops.SECTIONS}
    for target in s.targets if isinstance(s, StackSet) else s.instances:
        here = written_out(body, given(s.values(target)), target)
        for name, section in sections.items():
            sections[name] = {**mapping(here.get(name)), **section}
    return {k: sections.get(k, section) for k, section in body.items()}


def block(template: str, name: str) -> Mapping[str, Any]:
    """Return a top-level block of a template text, empty where there is none. It is
    shared: do not change it."""
    return mapping(parsed(template).get(name))


_MOST = 512
_known: dict[str, Mapping[str, Any]] = {}


def know(template: str, body: Mapping[str, Any]) -> None:
    """Let `parsed` return for a text the template that it was written from."""
    if len(_known) >= _MOST:
        _known.clear()
    _known[template] = body


def parsed(template: str) -> Mapping[str, Any]:
    """Return the template in a text; empty for one that is not a JSON object. The result
    is shared: do not change it."""
    found = _known.get(template)
    if found is None:
        found = mapping(_parsed(template))
        know(template, found)
    return found


def _parsed(template: Mapping[str, Any] | str) -> Any:
    if not isinstance(template, str):
        return template
    try:
        return json.loads(template)
    except (ValueError, RecursionError):
        return {}
