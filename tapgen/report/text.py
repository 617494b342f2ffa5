"""Plans, outcomes and observed systems as text with rich's styles.

Colour never carries meaning alone: every mark is also a character or a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from rich.markup import escape

from tapgen.model import Action, Target
from tapgen.plan import Plan, Step
from tapgen.report import grouping
from tapgen.report import outlook as ahead
from tapgen.report import unread
from tapgen.report.columns import columns
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.outlook import Outlook
from tapgen.report.targets import target_list
from tapgen.report.values import difference
from tapgen.rollout import Fate, Outcome
from tapgen.rollout.advice import advice
from tapgen.template import diff, risk

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
NOT_COMPARABLE = "not compared, CloudFormation hides NoEcho values"
"""The words before `Plan.not_comparable`."""

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
_REPLACEMENT_MARKS = {
    diff.Verdict.REFUSED: "[red]✗[/]",
    diff.Verdict.REPLACES: "[red]±[/]",
    diff.Verdict.MAY_REPLACE: "[yellow]±?[/]",
}


# What guards only a stack says nothing where the whole stack goes.
_OF_STACKS = (
    *(risk.Kind.IAM, risk.Kind.PROTECTION),
    *(risk.Kind.NEVER, risk.Kind.REVIEW, risk.Kind.CONSTRAINED),
)
_MOST_NAMES = 4  # resources that a line names


@printable
def plan(
    the_plan: Plan, *, details: bool = False, outlook: Outlook | None = None
) -> str:
    """Return a plan as lines, with its outlook if given; with `details` all parameters
    and resources."""
    away = [f"[yellow]{escape(line)}[/]" for line in unread.plan(the_plan)]
    suspended = [f"{name} in {target}" for name, target in the_plan.suspended]
    left = [f"skipped, their accounts are suspended: {', '.join(suspended)}"]
    if not the_plan:
        done = f"[green]{escape(_title(the_plan))}: no changes[/]"
        if away:
            done = (
                f"[yellow]{escape(_title(the_plan))}: no changes in what can be read[/]"
            )
        notes = [*_recorded_later(the_plan), *_not_comparable(the_plan)]
        about = (*not_known(the_plan), *the_plan.writers, *the_plan.shifts)
        notes += [escape(line) for line in about]
        notes += ahead.alone(outlook)
        return "\n".join([done, *away, *(left if suspended else []), *notes])
    lines = [f"[bold]{escape(_title(the_plan))}[/]", *away]
    about = (*the_plan.writers, *the_plan.sources, *the_plan.shifts)
    lines += [f"[yellow]{escape(line)}[/]" for line in about]
    lines += _first(risks(the_plan))
    lines += left if suspended else []
    lines += ahead.first(outlook) if outlook else ()
    for shown_waves in grouping.waves(the_plan, details=details):
        lines.append(f"\n[bold]{shown_waves}[/]")
        for shown in shown_waves.steps:
            lines += _step(the_plan, shown)
            lines += _changes(shown.step, details=details)
        lines += _gates(shown_waves)
    if the_plan.uploads:
        lines.append("\n[bold]artifacts to upload, before wave 1[/]")
        lines += [f"  [green]↑[/] {escape(str(u))}" for u in the_plan.uploads]
    if later := _recorded_later(the_plan):
        lines += ["", *later]
    if the_plan.not_comparable:
        lines += ["", *_not_comparable(the_plan)]
    if unknown := not_known(the_plan):
        lines += ["", *map(escape, unknown)]
    lines.append(f"\n{summary(the_plan)}")
    lines += ahead.last(outlook, details=details) if outlook else ()
    return "\n".join(lines)


def recorded_later(the_plan: Plan) -> list[str]:
    """What CloudFormation does not apply by itself, as a line where there is any."""
    parts = [
        f"{part} ({', '.join(sections)})" for part, sections in the_plan.recorded_later
    ]
    return [f"recorded with the next change: {', '.join(parts)}"] if parts else []


def _recorded_later(the_plan: Plan) -> list[str]:
    return [escape(line) for line in recorded_later(the_plan)]


def not_known(the_plan: Plan) -> list[str]:
    """The SSM parameters that cannot be compared, as a line where there are any."""
    names = [f"{name} of {part} ({why})" for part, name, why in the_plan.not_known]
    line = "cannot be known whether the values of SSM parameters have changed"
    return [f"{line}: {', '.join(names)}"] if names else []


def _not_comparable(the_plan: Plan) -> list[str]:
    return [f"{NOT_COMPARABLE}: {', '.join(the_plan.not_comparable)}"] * bool(
        the_plan.not_comparable
    )


@printable
def differences(
    found: Sequence[tuple[str, Target, tuple[diff.Resource, ...]]],
    others: Iterable[tuple[str, Target, tuple[diff.Entry, ...]]] = (),
) -> str:
    """Return the differences by (part, target), risks first; targets with the same
    differences once, then the `others`, outside of the resources."""
    parts: dict[str, dict[Target, tuple[diff.Resource, ...]]] = {}
    outside: dict[str, dict[str, list[Target]]] = {}
    for part, target, changes in found:
        parts.setdefault(part, {})[target] = changes
    for part, target, entries in others:
        parts.setdefault(part, {})
        for line in map(_entry, entries):
            outside.setdefault(part, {}).setdefault(line, []).append(target)
    lines = list(_first(_by_kind(one for row in found for one in _risky(*row))))
    for part, own in parts.items():
        lines += [""] if lines else []
        for group in grouping.groups(own):
            title = f"[bold]{part or 'template'}[/] in {target_list(group.targets)}"
            lines.append(f"{title}{but(group)}")
            lines += _resources(group)
        lines += _outside(part, outside.get(part, {}))
    return "\n".join(lines).lstrip("\n")


def _entry(one: diff.Entry) -> str:
    said = "; ".join(difference(one.old, one.new))
    return escape(f"      {one.section}.{diff.show(one.path)}: {said}")


def _outside(part: str, lines: Mapping[str, Sequence[Target]]) -> Iterator[str]:
    groups: dict[tuple[Target, ...], list[str]] = {}
    for line, targets in lines.items():
        groups.setdefault(tuple(targets), []).append(line)
    for targets, own in groups.items():
        title = f"[bold]{part or 'template'}[/] in {target_list(targets)}"
        yield f"{title}, outside of its resources"
        yield from own


def risks(the_plan: Plan) -> dict[risk.Kind, dict[str, list[Target]]]:
    """Return kind → what → where, of everything to review first.

    Of new stack instances, only what becomes public.
    """
    return _by_kind(
        (kind, what, target)
        for step in the_plan.steps
        if not step.conditional
        for kind, what, target in _risks_of(step)
        if kind is risk.Kind.PUBLIC or not the_plan.is_new(step, target)
    )


def _risks_of(step: Step) -> Iterator[tuple[risk.Kind, str, Target]]:
    """Yield kind, what and where of every risk of a step; changes that targets share are
    judged once."""
    whole = step.action is Action.DELETE
    judged: dict[int, list[tuple[risk.Kind, str, Target]]] = {}
    for where, changes in step.changes.items():
        if id(changes) not in judged:
            judged[id(changes)] = [*_risky(step.part, where, changes, whole=whole)]
        for kind, what, _ in judged[id(changes)]:
            yield kind, what, where


def _risky(
    part: str,
    target: Target,
    changes: Sequence[diff.Resource],
    *,
    whole: bool = False,
) -> Iterator[tuple[risk.Kind, str, Target]]:
    """(kind, what, where) of every risk at one target. Where the `whole` stack goes, what
    guarded only that stack is none."""
    gone = risk.replaced(changes)
    if gone:
        yield risk.Kind.REPLACEMENT, f"{part}: {gone}" if part else gone, target
    for change in sorted(changes, key=lambda c: not risk.comes_first(c)):
        for one in risk.of(change):
            if whole and one.kind in _OF_STACKS and not risk.is_wide(change):
                continue
            name = f"{part}.{one.logical_id}" if part else one.logical_id
            yield one.kind, f"{name} ({one.type}): {one.detail}", target


def _by_kind(
    found: Iterable[tuple[risk.Kind, str, Target]],
) -> dict[risk.Kind, dict[str, list[Target]]]:
    """Kind → what → where; texts that differ only by account and region as one."""
    kinds: dict[risk.Kind, list[tuple[str, Target]]] = {}
    for kind, what, target in found:
        kinds.setdefault(kind, []).append((what, target))
    return {
        kind: dict(grouping.texts(kinds[kind])) for kind in risk.Kind if kind in kinds
    }


def _first(found: Mapping[risk.Kind, Mapping[str, Sequence[Target]]]) -> Iterator[str]:
    for kind, named in found.items():
        yield f"\n[bold red]{kind}[/]"
        for what, places in named.items():
            yield f"  [red]![/] {escape(what)}"
            yield f"      {target_list(places)}"


@printable
def status(found: Mapping[str, Any], *, width: int | None = None) -> str:
    """Return the data of `report.data.status` as lines, one for each instance; `width` is
    that of a terminal."""
    rows = [("stack set", "account", "region", "status")]
    for s in found["stack_sets"]:
        for instance in s["instances"]:
            note = MARKS[instance["status"]]
            if instance["status"] != "CURRENT":
                note += f"  {instance['detailed_status'] or ''}"
                note += f": {escape(instance['reason'])}" if instance["reason"] else ""
                note += f" ({escape(instance['meaning'])})"
            rows.append((s["name"], instance["account"], instance["region"], note))
        for target in s["missing"]:
            mark = f"{MARKS['missing']} ({escape(target['meaning'])})"
            rows.append((s["name"], target["account"], target["region"], mark))
    return "\n".join(columns(rows, width, headings=1))


@printable
def outcome(
    ended: Outcome,
    *,
    look: str,
    resume: str,
    back: str = "",
    verb: str = "deployed",
    left_out: Iterable[str] = (),
) -> str:
    """Return how a rollout ended, the root cause first, and the commands to check the
    result (`look`), to continue, and to undo it (`back`). `verb` says what happened to
    the stack sets, `left_out` what the plan did not do."""
    if ended.green and ended.back:
        return "\n".join([_restored(ended), *_fates(ended)])
    if ended.green:
        done = f"[green]✓ done:[/] {counted(len(ended.done), 'stack set')} {verb}"
        return "\n".join([done, *(f"[yellow]![/] {escape(one)}" for one in left_out)])
    lines = []
    if ended.failures:
        lines.append("[red]✗ failed[/]")
        for failure in ended.failures:
            lines.append(f"  {escape(str(failure))}")
            hint = advice(failure.reason)
            lines += [f"    [bold]→[/] {escape(hint)}"] if hint else []
    if ended.interrupted:
        lines.append(
            "[yellow]interrupted[/]: no operation of this rollout is still running"
        )
    lines += _fates(ended)
    if ended.open:
        lines.append(f"run {ended.run} stays open")
    undo = f"; undo with: {escape(back)}" if back else ""
    lines.append(f"check with: {escape(look)}; continue with: {escape(resume)}{undo}")
    return "\n".join(lines)


def _restored(ended: Outcome) -> str:
    """How far the way back has led, where nothing failed on it."""
    if not (ended.left or ended.restored or ended.undone):
        return "[green]✓ nothing to restore:[/] the run has changed nothing"
    if not ended.left:
        return "[green]✓ restored[/]"
    if ended.restored or ended.undone:
        return "[yellow]~ restored in part[/]"
    return "[red]✗ nothing was restored[/]"


def _fates(ended: Outcome) -> Iterator[str]:
    """What became of each stack instance, those that are as they were first."""
    grouped: dict[tuple[Fate, str], list[Target]] = {}
    for one in ended.instances:
        grouped.setdefault((one.fate, one.stack_set), []).append(one.target)
    for fate in Fate:
        for (kind, name), targets in grouped.items():
            if kind is fate:
                yield f"{fate}: {name} in {target_list(targets)}"
    shown = {one.stack_set for one in ended.instances}
    if whole := [name for name in ended.restored if name not in shown]:
        yield f"{Fate.RESTORED}: {', '.join(whole)}"
    shown |= {*ended.acts}
    rest = [name for name in ended.left if name not in shown]
    if rest:
        yield f"{Fate.LEFT}: {', '.join(rest)}"
    for words in ended.acts:
        yield f"done and not taken back: {escape(words)}"


def _title(the_plan: Plan) -> str:
    system = the_plan.system
    name = f"{system.name} ({system.suffix})"
    return f"{name}, stack sets in {system.admin}"


def _step(the_plan: Plan, shown: grouping.StepLines) -> Iterator[str]:
    step = shown.step
    why = escape("; ".join(step.reasons))
    action = the_plan.does(step)
    condition = "[dim]may[/] " if step.conditional else ""
    sign = _SIGNS[action]
    does = str(action).lower()
    yield f"  {sign} {condition}{does} [bold]{step.stack_set}[/]  [dim]{why}[/]"
    if step.targets:  # an empty stack set has none
        yield f"      {target_list(step.targets)}"
    yield from (f"      {escape(line)}" for line in shown.lines)


def gate_title(waves: grouping.Waves) -> str:
    """Return the word before a gate of these waves."""
    return "gate" if waves.first == waves.last else "gate after each wave"


def _gates(waves: grouping.Waves) -> Iterator[str]:
    for gate in waves.gates:
        yield f"  [cyan]|[/] {gate_title(waves)}: {escape(str(gate))}"


def _changes(step: Step, *, details: bool) -> Iterator[str]:
    """The resource changes of a step; targets with the same changes once."""
    if step.conditional:
        return
    groups = grouping.groups(step.changes)
    for group in groups:
        if len(groups) > 1:
            yield f"      in {target_list(group.targets)}{but(group)}:"
        if step.action is not Action.UPDATE and not details:
            number = counted(group.shared + len(group.changes), "resource")
            yield f"      {_SIGNS[step.action]} {number}{_apart(group)}"
        else:
            yield from _resources(group)
        if alters_nothing(step, group):
            yield "      no resource changes"


def but(group: grouping.Group) -> str:
    """Return the words after the targets of a group that shares changes with the first."""
    return ", otherwise the same" if group.shared else ""


def _apart(group: grouping.Group) -> str:
    """The resources in which a group differs from the first, in words."""
    if not group.shared:
        return ""
    words = [
        ("with", [c.logical_id for c in group.changes]),
        ("without", group.without),
    ]
    return "".join(f", {word} {_few(names)}" for word, names in words if names)


def without(group: grouping.Group) -> str:
    """Return the resources that change in the first group only, in words."""
    return f"without {_few(group.without)}"


def _few(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def alters_nothing(step: Step, group: grouping.Group) -> bool:
    """Whether an update changes only the template's text."""
    only_text = step.reasons == ("template differs",)
    return only_text and not group.changes and not group.shared


def _resources(group: grouping.Group) -> Iterator[str]:
    for change in sorted(group.changes, key=gravity):
        mark = _REPLACEMENT_MARKS.get(change.verdict, _VERBS[change.verb])
        verdict = "" if change.verb is not diff.Verb.CHANGE else f" {change.verdict}"
        retained = (
            ", old one retained" if change.retained and verdict == " replaces" else ""
        )
        data = " [bold red]holds data[/]" if change.loses_data else ""
        name = f"{change.logical_id} [dim]{change.type}[/]"
        yield f"      {mark} {name}{verdict}{data}{retained}"
        for p in change.properties:
            because = because_of(p)
            for line in difference(p.old, p.new):
                yield escape(f"          {diff.show(p.path)}: {line}{because}")
    if group.shared and group.without:
        yield f"      {without(group)}"


def because_of(place: diff.Property) -> str:
    """What follows a difference: its verdict if it is not in place, and what it
    interrupts."""
    in_place = place.verdict is diff.Verdict.IN_PLACE
    words = [place.interruption, "" if in_place else str(place.verdict)]
    said = ", ".join(filter(None, words))
    return f"  [{said}]" if said else ""


def gravity(change: diff.Resource) -> tuple[bool, bool, int]:
    """Return a sort key: what AWS refuses first, then possible data loss, then replacements."""
    refused = change.verdict is diff.Verdict.REFUSED
    order = -list(diff.Verdict).index(change.verdict)
    return not refused, not change.loses_data, order


def summary(the_plan: Plan) -> str:
    """Return how many stack instances a plan creates, updates and deletes."""
    counts = {action: 0 for action in (Action.CREATE, Action.UPDATE, Action.DELETE)}
    perhaps = 0
    for step in the_plan.steps:
        if step.conditional:
            perhaps += len(step.targets)
        else:
            new = sum(map(partial(the_plan.is_new, step), step.targets))
            counts[Action.CREATE] += new
            counts[step.action] += len(step.targets) - new
    words = [
        f"{counted(n, 'stack instance')} to {str(action).lower()}"
        for action, n in counts.items()
        if n
    ]
    if perhaps:
        words.append(f"{perhaps} that may need an update")
    return f"{', '.join(words)}, in {counted(len(the_plan.waves), 'wave')}"
