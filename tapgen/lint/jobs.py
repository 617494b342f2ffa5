"""A job of lint: one template, the regions it is deployed to, and its values there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import Output, Override, StackSet, System, Target, Value
from tapgen.system import templates_out
from tapgen.template import evaluate, nested
from tapgen.template.values import scalar

STACK_NAME = "AWS::StackName"


@dataclass(frozen=True)
class Job:
    """One cfn-lint run: a template text, its target regions, and the facts that tapgen's
    rules use: entries of a manifest as JSON, with commas between."""

    template: str
    regions: tuple[str, ...]
    facts: str


def job_for(system: System, stack_set: StackSet) -> Job:
    """Return the job that checks a stack set of a system."""
    regions = {target.region for target in stack_set.targets}
    # A stack set without targets yet is checked for the regions of the system.
    regions = regions or {*system.regions.values()} or {system.admin.region}
    text = json.dumps(facts(stack_set), sort_keys=True)
    return Job(_apart(stack_set), tuple(sorted(regions)), text)


def _apart(stack_set: StackSet) -> str:
    """Return a template without those of its nested stacks, which have jobs of their
    own."""
    body = evaluate.parsed(stack_set.template)
    if nested.TYPE not in stack_set.template or not any(nested.inner(body)):
        return stack_set.template
    return templates_out.written(nested.emptied(body))


def with_nested(stack_set: StackSet) -> Iterator[StackSet]:
    """Yield a stack set, and each of its nested stacks as if it were one: with its file,
    the targets where it is, and its values as far as they are known."""
    yield stack_set
    if nested.TYPE not in stack_set.template:
        return
    given: dict[str, dict[Target, Mapping[str, Any]]] = {}
    for target in stack_set.targets:
        values = evaluate.given(stack_set.values(target))
        there = evaluate.of_nested(stack_set.template, values, target)
        for name, parameters in there.items():
            given.setdefault(name, {})[target] = parameters
    for name, template in nested.inner(evaluate.parsed(stack_set.template)):
        yield from with_nested(
            _as_stack_set(stack_set, name, template, given.get(name))
        )


def _as_stack_set(
    stack_set: StackSet,
    name: str,
    template: Mapping[str, Any],
    given: Mapping[Target, Mapping[str, Any]] | None,
) -> StackSet:
    text = templates_out.written(template)
    files = (a.source for a in stack_set.artifacts.values() if a.text == text)
    part = f"{stack_set.part}{nested.SEPARATOR}{name}"
    overrides = [
        Override(
            {k: _known(v, Output(part, k)) for k, v in parameters.items()},
            target.region,
            target.account,
        )
        for target, parameters in (given or {}).items()
    ]
    same = all(one.parameters == overrides[0].parameters for one in overrides)
    return replace(
        stack_set,
        name=f"{stack_set.name}{nested.SEPARATOR}{name}",
        part=part,
        template=text,
        targets=tuple(given or stack_set.targets),
        parameters=overrides[0].parameters if overrides and same else {},
        overrides=() if same else tuple(overrides),
        depends_on=(),
        source=next(files, None),
    )


def _known(value: Any, later: Output) -> Value:
    """Return the value of a parameter as text; an output where only AWS knows it."""
    items = value if isinstance(value, list) else [value]
    texts = [scalar(item) for item in items]
    return ",".join(texts) if all(isinstance(t, str) for t in texts) else later


def facts(stack_set: StackSet) -> dict[str, Any]:
    """Return the entry of a stack set in a manifest, as far as rules use it."""
    # The name only matters to templates that refer to it: others share a run.
    named = {"name": stack_set.name} if STACK_NAME in stack_set.template else {}
    return named | {
        "targets": [
            {"account": t.account, "region": t.region} for t in stack_set.targets
        ],
        "parameters": _values(stack_set.parameters),
        "overrides": [
            {
                "account": o.account,
                "region": o.region,
                "parameters": _values(o.parameters),
            }
            for o in _overrides(stack_set)
        ],
        **_at_first(stack_set),
        "capabilities": sorted(stack_set.capabilities),
        **(stack_set.permissions() if stack_set.service_managed else {}),
    }


def _at_first(stack_set: StackSet) -> dict[str, Any]:
    first = {n: {"value": one.value} for n, one in stack_set.at_first.items()}
    return {"at_first": first} if first else {}


def _overrides(stack_set: StackSet) -> Iterator[Override]:
    """Yield the overrides, and the values that artifacts have at single targets."""
    yield from stack_set.overrides
    for artifact in stack_set.artifacts.values():
        for target in stack_set.targets:
            yield Override(artifact.values(target), target.region, target.account)


def _values(values: Mapping[str, Value]) -> dict[str, Any]:
    return {
        name: (
            {"output": str(value), "region": value.region, "account": value.account}
            if isinstance(value, Output)
            else value
        )
        for name, value in values.items()
    }
