"""Drift of a deployed system, as text and as JSON data: the same drift once, with all its
targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape

from tapgen.model import Target
from tapgen.plan.drift import Found, Proposal, Survey
from tapgen.report import grouping
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.outlook import shortened
from tapgen.report.targets import target_list


@printable
def text(found: Survey) -> str:
    """Return the drift of a system: what drifted, what is known to be none, and what could
    not be checked."""
    lines: list[str] = []
    for words, targets in grouping.texts((_words(d), d.target) for d in found.drifted):
        lines += [f"[red]![/] {escape(words)}", f"    {target_list(targets)}"]
    left_out = [(_left_out(one), one.target) for one in found.explained]
    if left_out:
        lines.append("[dim]left out, because nobody changed it:[/]")
    for words, targets in grouping.texts(left_out):
        lines += [f"  {escape(words)}", f"    {target_list(targets)}"]
    unread = [
        (f"{part} has drifted; what cannot be read: {why}", target)
        for part, target, why in found.unread
    ]
    unread += [(f"could not be checked: {n}; {why}", t) for n, t, why in found.unknown]
    unread += [(f"not checked: {p}; {why}", t) for p, t, why in found.unchecked]
    for words, targets in grouping.texts(unread):
        lines += [f"[yellow]?[/] {escape(words)}", f"    {target_list(targets)}"]
    return "\n".join([*lines, _summary(found)])


def _summary(found: Survey) -> str:
    if not found.instances:
        return "nothing is deployed, so nothing can drift"
    checked = found.instances - len(found.unchecked)
    drifted = {(d.stack_set, d.target) for d in found.drifted}
    drifted |= {(part, target) for part, target, _ in found.unread}
    words = f"{checked} of {counted(found.instances, 'instance')} checked, "
    words += f"{counted(len(drifted), 'instance')} drifted"
    if found.oldest:
        words += f"; oldest check {found.oldest:%Y-%m-%d %H:%M} UTC"
    mark = "[green]✓[/]" if found.clean else "[red]✗[/]"
    return f"{mark} {words}"


def _words(one: Found) -> str:
    what = f"{one.part}.{one.logical_id} ({one.type})"
    if one.difference is None:
        return f"{what} was deleted"
    path = one.difference.path.strip("/").replace("/", ".")
    kind, actual, wanted = (
        one.difference.kind,
        shortened(one.difference.actual),
        shortened(one.difference.expected),
    )
    if kind == "REMOVE":
        return f"{what}: {path} is absent, the template has {wanted}"
    if kind == "ADD":
        return f"{what}: {path} is {actual}, the template has no value"
    return f"{what}: {path} is {actual}, the template has {wanted}"


def _left_out(one: Found) -> str:
    assert one.explained
    return f"{_words(one)}; {one.explained.reason} ({one.explained.source})"


def data(found: Survey) -> dict[str, Any]:
    """Return the drift of a system as JSON data."""
    return {
        "instances": found.instances,
        "oldest": found.oldest.isoformat() if found.oldest else None,
        "drifted": [_data(d) for d in found.drifted],
        "left_out": [
            {**_data(d), "reason": d.explained.reason, "source": d.explained.source}
            for d in found.explained
            if d.explained
        ],
        "unread": [
            {"part": part, **_target(target), "reason": why}
            for part, target, why in found.unread
        ],
        "unknown": [
            {"resource": name, **_target(t), "reason": why}
            for name, t, why in found.unknown
        ],
        "unchecked": [
            {"part": part, **_target(t), "reason": why}
            for part, t, why in found.unchecked
        ],
    }


def _data(one: Found) -> dict[str, Any]:
    difference = one.difference
    return {
        "part": one.part,
        "stack_set": one.stack_set,
        **_target(one.target),
        "logical_id": one.logical_id,
        "type": one.type,
        "deleted": difference is None,
        "path": difference.path if difference else None,
        "kind": difference.kind if difference else None,
        "expected": difference.expected if difference else None,
        "actual": difference.actual if difference else None,
    }


def _target(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}


# -- the way back ----------------------------------------------------------------------


@printable
def proposals(found: Iterable[Proposal], left: Mapping[Target, Sequence[str]]) -> str:
    """Return what drift-aware change sets would do, and what is not reverted, and why."""
    lines = ["[bold]to be reverted, by a change set of each stack[/]"]
    changes = [
        (line, one.target)
        for one in found
        for change in one.changes
        for line in _of(change)
    ]
    for words, targets in grouping.texts(changes):
        lines += [f"  [yellow]~[/] {escape(words)}", f"      {target_list(targets)}"]
    if not changes:
        lines = ["nothing can be reverted by change sets"]
    if any(left.values()):
        lines.append("[bold]not reverted[/]")
    rest = [(why, target) for target, reasons in left.items() for why in reasons]
    for words, targets in grouping.texts(rest):
        lines += [f"  [red]![/] {escape(words)}", f"      {target_list(targets)}"]
    return "\n".join(lines)


def _of(change: Any) -> Iterator[str]:
    what = f"{change.logical_id} ({change.type})"
    if change.action == "Add":
        yield f"{what}: create it again"
        return
    if change.action == "SyncWithActual":
        yield f"{what}: it is as the template says; only its drift status changes"
        return
    for detail in change.details:
        path = detail.path.removeprefix("/Properties").strip("/").replace("/", ".")
        was = "absent" if detail.before is None else shortened(detail.before)
        will = "absent" if detail.after is None else shortened(detail.after)
        yield f"{what}: {path or detail.name} from {was} to {will}"
    if not change.details:
        yield f"{what}: {change.action.lower()}"


def proposals_data(
    found: Iterable[Proposal], left: Mapping[Target, Sequence[str]]
) -> dict[str, Any]:
    """Return the same as JSON data."""
    return {
        "change_sets": [
            {
                **_target(one.target),
                "stack_id": one.stack_id,
                "change_set": one.id,
                "changes": [line for change in one.changes for line in _of(change)],
            }
            for one in found
        ],
        "left": [
            {**_target(target), "reason": why}
            for target, reasons in left.items()
            for why in reasons
        ],
    }
