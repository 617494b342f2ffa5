"""The parameters of a step: old values, new values, and the lines that show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import HIDDEN, Action
from tapgen.plan import Plan, Reference, Step, Value
from tapgen.report.values import difference, short
from tapgen.template.evaluate import no_echo
from tapgen.template.parameters import complete, parameters_of


@dataclass(frozen=True)
class Parameter:
    """A parameter of a step: `old` are the current values of its instances, None where
    there is none; `default` says that the value is the template's default."""

    name: str
    value: Value
    old: frozenset[str | None] = frozenset()
    default: bool = False
    hidden: bool = False

    @property
    def differs(self) -> bool:
        """Whether an update changes the value of an instance, as far as known."""
        return bool(self.old) and self.old != {self.value}


def of(plan: Plan, step: Step) -> list[Parameter]:
    """Return the parameters that a step sets, and those whose default differs from the
    current value of an instance, by name."""
    if step.action is Action.DELETE:
        return []
    template = plan.system.part(step.part).template
    declared = parameters_of(template)
    before = _before(plan, step)
    found = []
    for name, value in sorted(complete(step.values, template).items()):
        one = Parameter(
            name,
            value,
            frozenset(values.get(name) for values in before),
            default=name not in step.values,
            hidden=no_echo(declared.get(name, {})),
        )
        if not one.default or (one.differs and HIDDEN not in one.old):
            found.append(one)
    return found


def lines(plan: Plan, step: Step, *, details: bool = False) -> Iterator[str]:
    """Yield the lines of parameters that change; with `details` of every parameter."""
    for one in of(plan, step):
        later = isinstance(one.value, Reference)
        if details or (
            not step.conditional and (one.differs or (later and not one.old))
        ):
            yield from _lines(plan, one)


def _lines(plan: Plan, one: Parameter) -> Iterator[str]:
    name, value = one.name, one.value
    end = " (default)" if one.default else ""
    if isinstance(value, Reference):
        where = ", ".join(map(str, value.sources))
        wave = plan.wave_of(value)
        yield f"{name} = {value} of {where} (known after wave {wave})"
    elif one.hidden:
        yield f"{name} = (hidden){end}"
    elif not one.differs:
        yield f"{name} = {short(value)}{end}"
    elif len(one.old) == 1:
        (old,) = one.old
        yield from (f"{name}: {line}{end}" for line in difference(old, value))
    else:
        was = " / ".join(sorted(map(short, one.old)))
        yield f"{name}: {was} → {short(value)}{end}"


def _before(plan: Plan, step: Step) -> list[Mapping[str, Any]]:
    """The values of each instance that a step updates, as they are by then."""
    if step.action is not Action.UPDATE:
        return []
    template = plan.system.part(step.part).template
    earlier = [complete(values, template) for values in step.before.values()]
    found = plan.observed.get(step.stack_set)
    if found is None:
        return [*earlier]
    there = (
        t
        for t in step.targets
        if t in found.instances and t not in step.before
        if not found.instances[t].has_no_stack
    )
    now = (complete(found.values(t), found.template_of(t)) for t in there)
    return [*earlier, *now]
