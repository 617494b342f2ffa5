"""A rehearsal, as text and as JSON data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape

from tapgen.model import Target
from tapgen.model.rehearsals import FINDINGS, Rehearsal, Result, Trial
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.targets import target_list

_MARKS = {
    Result.GREEN: "[green]✓[/]",
    Result.RESTORED: "[green]✓[/]",
    Result.CONTINUES: "[yellow]![/]",
    Result.BY_HAND: "[red]✗[/]",
    Result.NOTHING: "[dim]-[/]",
    Result.UNTRIED: "[red]?[/]",
}
_MEANINGS = {
    Result.GREEN: "the rollout is green all the same",
    Result.RESTORED: "restored: everything is as before",
    Result.CONTINUES: "something is left; the next rollout goes on and is green",
    Result.BY_HAND: "to be mended by hand: the next rollout is not green",
    Result.NOTHING: "cannot fail: no resource of its stack changes",
    Result.UNTRIED: "not tried: the rollout did not get to the resource that was to fail",
}


@printable
def text(found: Rehearsal) -> str:
    """Return what the plan did on the copy, and what is left when each target fails."""
    name = found.system + (f" ({found.environment})" if found.environment else "")
    stacks = counted(found.copied.stacks, "deployed stack")
    lines = [f"[bold]rehearsal of {escape(name)}[/] on a copy of {stacks}"]
    lines += [f"  {escape(line)}" for line in _copied(found)]
    lines += [*_by_itself(found)]
    for result in sorted(Result, key=lambda r: r not in FINDINGS):
        some = [t for t in found.trials if t.result is result]
        if some:
            lines += ["", f"{_MARKS[result]} {_MEANINGS[result]}"]
            lines += [line for trial in some for line in _trial(trial)]
    return "\n".join([*lines, "", *_end(found)])


def _copied(found: Rehearsal) -> Iterator[str]:
    """Yield what the copy is not the same in."""
    if found.gates:
        yield f"{counted(found.gates, 'gate')} left out: nothing was waited for"
    yield from found.copied.assumed
    places: dict[str, list[Target]] = {}
    for name, target in found.copied.without:
        places.setdefault(name, []).append(target)
    for name, targets in places.items():
        yield f"{name} has no stack in {target_list(targets)}, and none in the copy"


def _by_itself(found: Rehearsal) -> Iterator[str]:
    what = (
        f"{counted(found.targets, 'stack instance')} in {counted(found.waves, 'wave')}"
    )
    if found.failures:
        yield f"[red]✗[/] the plan fails by itself ({what}):"
        yield from (f"    {escape(line)}" for line in found.failures)
    elif found.unfinished:
        steps = counted(found.unfinished, "step")
        yield f"[red]✗[/] the plan ran ({what}), and a new plan has {steps} again"
    else:
        yield f"[green]✓[/] the plan is green ({what}), and the plan after it is empty"
    for line in found.lost:
        yield f"    [yellow]![/] {escape(line)}"
    if found.differs:
        yield "[red]✗[/] the copy does not have the same plan as AWS:"
        yield from (f"    {escape(line)}" for line in found.differs)


def _trial(trial: Trial) -> Iterator[str]:
    at = f" at {trial.fails}" if trial.fails else ""
    yield f"    {escape(f'{trial.stack_set} in {trial.target} fails to {trial.action}{at}')}"
    if trial.equal:
        yield f"        the same for {escape(target_list(trial.equal))}"
    for line in trial.lost:
        yield f"        [red]lost:[/] {escape(line)}"
    for line in trial.left:
        yield f"        {escape(line)}"
    if trial.new:
        stay = "stays" if trial.new == 1 else "stay"
        yield f"        {counted(trial.new, 'new stack instance')} {stay}, complete"
    if trial.result is Result.BY_HAND and trial.next:
        yield f"        next rollout: {escape(trial.next)}"


def _end(found: Rehearsal) -> Iterator[str]:
    counts: dict[Result, int] = {}
    for trial in found.trials:
        counts[trial.result] = counts.get(trial.result, 0) + 1 + len(trial.equal)
    words = [f"{count} {result}" for result, count in counts.items()]
    mark = "[red]✗[/]" if found.has_findings else "[green]✓[/]"
    tried = counted(sum(counts.values()), "failing target")
    lost = sum(1 for t in found.trials if t.lost)
    data = f"; data is lost in {lost}" if lost else ""
    yield f"{mark} {tried}: {', '.join(words) or 'none was tried'}{data}"


def data(found: Rehearsal) -> dict[str, Any]:
    """Return the same as data."""
    return {
        "system": found.system,
        "environment": found.environment,
        "plan": {"targets": found.targets, "waves": found.waves},
        "copied": {
            "stacks": found.copied.stacks,
            "assumed": list(found.copied.assumed),
            "without_stack": [
                {"stack_set": name, **_target(target)}
                for name, target in found.copied.without
            ],
            "gates_left_out": found.gates,
        },
        "differs": list(found.differs),
        "failures": list(found.failures),
        "lost": list(found.lost),
        "unfinished": found.unfinished,
        "trials": [_data(trial) for trial in found.trials],
        "findings": found.has_findings,
    }


def _data(trial: Trial) -> dict[str, Any]:
    return {
        "stack_set": trial.stack_set,
        **_target(trial.target),
        "action": trial.action,
        "result": trial.result.name.lower(),
        "fails": trial.fails,
        "reason": trial.reason,
        "equal": [_target(target) for target in trial.equal],
        "left": list(trial.left),
        "new": trial.new,
        "lost": list(trial.lost),
        "next": trial.next,
    }


def _target(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}
