"""Plans, outcomes and observed systems as text with rich's styles.

Meaning never hangs on colour alone: every mark is also a character or a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape

from tapgen import diff, risk
from tapgen.explain import advice
from tapgen.intrinsics import no_echo
from tapgen.model import Action, Target
from tapgen.plan import Plan, Reference, Step, Value, parameters_of
from tapgen.report import outlook as ahead
from tapgen.report.outlook import Outlook
from tapgen.report.places import targets
from tapgen.report.values import difference, short
from tapgen.rollout import Outcome

MARKS = {
    "CURRENT": "[green]✓ CURRENT[/]",
    "OUTDATED": "[yellow]~ OUTDATED[/]",
    "INOPERABLE": "[red]✗ INOPERABLE[/]",
    "SUCCEEDED": "[green]✓ done[/]",
    "FAILED": "[red]✗ failed[/]",
    "RUNNING": "[cyan]… running[/]",
    "PENDING": "[dim]· waits[/]",
    "CANCELLED": "[yellow]- cancelled[/]",
    "missing": "[red]? missing[/]",
}
NOT_COMPARABLE = "not comparable, values that CloudFormation hides"
"""What stands before `Plan.not_comparable`."""

_SIGNS = {
    Action.CREATE: "[green]+[/]",
    Action.UPDATE: "[yellow]~[/]",
    Action.DELETE: "[red]-[/]",
}
_VERBS = {
    diff.Verb.ADD: "[green]+[/]",
    diff.Verb.CHANGE: "[yellow]~[/]",
    diff.Verb.REMOVE: "[red]-[/]",
}
_VERDICTS = {
    diff.Verdict.REFUSED: "[red]✗[/]",
    diff.Verdict.REPLACES: "[red]±[/]",
    diff.Verdict.MAY_REPLACE: "[yellow]±?[/]",
}


def plan(made: Plan, *, details: bool = False, outlook: Outlook | None = None) -> str:
    """A plan as lines, with what to expect of it where that is given; with `details`
    every parameter and resource is listed."""
    asleep = [f"{name} in {target}" for name, target in made.asleep]
    left = [f"left alone, as accounts are suspended: {', '.join(asleep)}"]
    if not made:
        done = f"[green]{escape(_title(made))}: nothing to do[/]"
        return "\n".join([done, *(left if asleep else []), *_not_comparable(made)])
    lines = [f"[bold]{escape(_title(made))}[/]", *_first(made)]
    lines += left if asleep else []
    lines += ahead.first(outlook) if outlook else ()
    for number, wave in enumerate(made.waves, 1):
        lines.append(f"\n[bold]wave {number}[/]")
        for step in wave:
            lines += _step(made, step, details=details)
            lines += _changes(step, details=details)
    if made.uploads:
        lines.append("\n[bold]artifacts, before the first wave[/]")
        lines += [f"  [green]↑[/] {escape(str(u))}" for u in made.uploads]
    if made.not_comparable:
        lines += ["", *_not_comparable(made)]
    lines.append(f"\n{summary(made)}")
    lines += ahead.last(outlook, details=details) if outlook else ()
    return "\n".join(lines)


def _not_comparable(made: Plan) -> list[str]:
    return [f"{NOT_COMPARABLE}: {', '.join(made.not_comparable)}"] * bool(
        made.not_comparable
    )


def differences(
    found: Sequence[tuple[str, Target, tuple[diff.Resource, ...]]],
) -> str:
    """What differs, by (part, target); targets that differ alike are shown once."""
    alike: dict[tuple[str, str], list[Target]] = {}
    shown: dict[tuple[str, str], tuple[diff.Resource, ...]] = {}
    for part, target, changes in found:
        key = (part, repr(changes))
        alike.setdefault(key, []).append(target)
        shown[key] = changes
    lines: list[str] = []
    for (part, _), places in alike.items():
        changes = shown[part, _]
        lines.append(f"[bold]{part or 'template'}[/] in {targets(places)}")
        lines += _resources(changes)
        gone = risk.replaced(changes)
        lines += [f"      [red]![/] {risk.Kind.REPLACEMENT}: {gone}"] if gone else []
        for change in changes:
            lines += [f"      [red]![/] {escape(str(one))}" for one in risk.of(change)]
    return "\n".join(lines)


def risks(made: Plan) -> dict[risk.Kind, dict[str, list[Target]]]:
    """Kind → what → where, of everything a reviewer has to look at first.

    Of stack instances that are new, only what becomes public.
    """
    found: dict[risk.Kind, dict[str, list[Target]]] = {}
    for step in made.steps:
        for target, changes in () if step.conditional else step.changes.items():
            gone = risk.replaced(changes)
            if gone:
                named = found.setdefault(risk.Kind.REPLACEMENT, {})
                named.setdefault(f"{step.part}: {gone}", []).append(target)
            for change in changes:
                for one in risk.of(change):
                    if (
                        step.action is Action.CREATE
                        and one.kind is not risk.Kind.PUBLIC
                    ):
                        continue
                    what = f"{step.part}.{one.logical_id} ({one.type}): {one.detail}"
                    found.setdefault(one.kind, {}).setdefault(what, []).append(target)
    return {kind: found[kind] for kind in risk.Kind if kind in found}


def _first(made: Plan) -> Iterator[str]:
    for kind, named in risks(made).items():
        yield f"\n[bold red]{kind}[/]"
        for what, places in named.items():
            yield f"  [red]![/] {escape(what)}"
            yield f"      {targets(places)}"


def status(made: Mapping[str, Any]) -> str:
    """The data of `report.data.status` as lines, one for each instance."""
    rows = [("stack set", "account", "region", "status")]
    for s in made["stack_sets"]:
        for instance in s["instances"]:
            note = MARKS[instance["status"]]
            if instance["status"] != "CURRENT":
                note += f"  {instance['detailed_status'] or ''}"
                note += f": {escape(instance['reason'])}" if instance["reason"] else ""
            rows.append((s["name"], instance["account"], instance["region"], note))
        for target in s["missing"]:
            mark = MARKS["missing"]
            rows.append((s["name"], target["account"], target["region"], mark))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    return "\n".join([f"[bold]{lines[0]}[/]", *lines[1:]])


def outcome(ended: Outcome, *, look: str, resume: str) -> str:
    """How a rollout ended, the root cause first, and what to do next: the command
    lines to look and to go on with."""
    if ended.green:
        return f"[green]✓ done:[/] {_count(len(ended.done), 'stack set')} green"
    lines = []
    if ended.failures:
        lines.append("[red]✗ failed[/]")
        for failure in ended.failures:
            lines.append(f"  {escape(str(failure))}")
            hint = advice(failure.reason)
            lines += [f"    [bold]→[/] {escape(hint)}"] if hint else []
    if ended.interrupted:
        lines.append(
            "[yellow]interrupted[/]: no operation of this rollout runs any more"
        )
    if ended.restored:
        lines.append(f"put back as it was: {', '.join(ended.restored)}")
    if ended.left:
        lines.append(f"changed and not finished: {', '.join(ended.left)}")
    lines.append(f"look with: {escape(look)}; go on with: {escape(resume)}")
    return "\n".join(lines)


def _title(made: Plan) -> str:
    system = made.system
    name = f"{system.name} ({system.suffix})"
    return f"{name}, stack sets in {system.admin}"


def _step(made: Plan, step: Step, *, details: bool) -> Iterator[str]:
    why = escape("; ".join(step.reasons))
    verb = str(step.action).lower()
    condition = "[dim]perhaps[/] " if step.conditional else ""
    sign = _SIGNS[step.action]
    yield f"  {sign} {condition}{verb} [bold]{step.stack_set}[/]  [dim]{why}[/]"
    yield f"      {targets(step.targets)}"
    for name, value in sorted(step.values.items()):
        if details or _is_news(made, step, name, value):
            yield f"      {escape(_parameter(made, step, name, value))}"


def _is_news(made: Plan, step: Step, name: str, value: Value) -> bool:
    """Whether a parameter's value is worth a line without being asked."""
    if step.conditional:
        return False
    if isinstance(value, Reference):
        return True
    found = made.observed.get(step.stack_set)
    if step.action is not Action.UPDATE or not found:
        return False
    return any(found.values(t).get(name) != value for t in step.targets)


def _parameter(made: Plan, step: Step, name: str, value: Value) -> str:
    if isinstance(value, Reference):
        where = ", ".join(map(str, value.sources))
        wave = made.wave_of(value)
        return f"{name} = {value} of {where} (known after wave {wave})"
    if _hidden(made, step, name):
        return f"{name} = (hidden)"
    found = made.observed.get(step.stack_set)
    old = (
        {found.values(t).get(name, "") for t in step.targets}
        if found and step.action is Action.UPDATE
        else set()
    )
    if old and old != {value}:
        return f"{name}: {' / '.join(sorted(map(short, old)))} → {short(value)}"
    return f"{name} = {short(value)}"


def _hidden(made: Plan, step: Step, name: str) -> bool:
    template = made.system.part(step.part).template
    return no_echo(parameters_of(template).get(name, {}))


def changes_alike(
    step: Step,
) -> list[tuple[tuple[Target, ...], tuple[diff.Resource, ...]]]:
    """(targets, what happens to their resources), targets that change alike together."""
    alike: dict[str, list[Target]] = {}
    for target, changes in step.changes.items():
        alike.setdefault(repr(changes), []).append(target)
    return [(tuple(group), step.changes[group[0]]) for group in alike.values()]


def _changes(step: Step, *, details: bool) -> Iterator[str]:
    """What happens to resources; targets to which the same happens, once."""
    if step.conditional:
        return
    groups = changes_alike(step)
    for places, changes in groups:
        if len(groups) > 1:
            yield f"      in {targets(places)}:"
        if step.action is not Action.UPDATE and not details:
            yield f"      {_SIGNS[step.action]} {_count(len(changes), 'resource')}"
        else:
            yield from _resources(changes)


def _resources(changes: Sequence[diff.Resource]) -> Iterator[str]:
    for change in sorted(changes, key=_gravity):
        mark = _VERDICTS.get(change.verdict, _VERBS[change.verb])
        verdict = "" if change.verb is not diff.Verb.CHANGE else f" {change.verdict}"
        kept = (
            ", what it leaves is kept" if change.kept and verdict == " replaces" else ""
        )
        data = " [bold red]holds data[/]" if change.loses_data else ""
        name = f"{change.logical_id} [dim]{change.type}[/]"
        yield f"      {mark} {name}{verdict}{data}{kept}"
        for p in change.properties:
            because = "" if p.verdict is diff.Verdict.IN_PLACE else f"  [{p.verdict}]"
            for line in difference(p.old, p.new):
                yield escape(f"          {diff.show(p.path)}: {line}{because}")


def _gravity(change: diff.Resource) -> tuple[bool, bool, int]:
    """What AWS refuses first, then what may lose data, then replacements."""
    refused = change.verdict is diff.Verdict.REFUSED
    order = -list(diff.Verdict).index(change.verdict)
    return not refused, not change.loses_data, order


def summary(made: Plan) -> str:
    """How many stack instances a plan makes, changes and deletes."""
    counts = {action: 0 for action in (Action.CREATE, Action.UPDATE, Action.DELETE)}
    perhaps = 0
    for step in made.steps:
        if step.conditional:
            perhaps += len(step.targets)
        else:
            counts[step.action] += len(step.targets)
    words = [
        f"{_count(n, 'stack instance')} to {str(action).lower()}"
        for action, n in counts.items()
        if n
    ]
    if perhaps:
        words.append(f"{perhaps} perhaps to update")
    return f"{', '.join(words)}, in {_count(len(made.waves), 'wave')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
