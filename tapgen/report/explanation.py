"""Why a run failed, as text and as JSON data: the causes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.markup import escape

from tapgen.model import Target
from tapgen.report import history
from tapgen.report.control import printable
from tapgen.report.counting import counted
from tapgen.report.targets import target_list
from tapgen.rollout.advice import advice
from tapgen.rollout.explain import Cause, Consequence, Explanation

_KINDS = {
    "gate": "a gate",
    "step": "a step",
    "operation": "an operation",
    "resource": "a resource",
    "validation": "validation before the deployment",
    "hook": "a CloudFormation hook",
}


@printable
def text(one: Explanation, ways: Iterable[str] = ()) -> str:
    """Return an explanation as text: causes, what to do, consequences; `ways` are lines
    with how to go on. Causes that differ in their targets only are shown once."""
    lines = [
        f"[bold]run {one.run.run}[/] of tapgen {escape(one.run.command)} by "
        f"{escape(one.run.who)} on {escape(one.run.host)}: {escape(_state(one))}"
    ]
    lines += causes(one)
    lines += map(escape, pending(one))
    lines += [f"[yellow]not read:[/] {escape(line)}" for line in one.unread]
    return "\n".join([*lines, *map(escape, ways)])


def causes(one: Explanation) -> Iterator[str]:
    """Yield lines with markup: why a run failed, what to do, and what did not happen
    because of it; or that nothing has failed."""
    forward = [c for c in one.causes if not c.back]
    back = [c for c in one.causes if c.back]
    for word, found in (("failed", forward), ("restoring failed", back)):
        for first, targets in grouped(found):
            yield from _cause(word, first, targets)
    if not one.causes:
        yield nothing(one)
    if one.consequences:
        yield "because of it:"
    yield from (f"  {escape(line)}" for line in consequences(one.consequences))


def pending(one: Explanation) -> Iterator[str]:
    """Yield lines about operations of which the journal has no result, and about failures
    that a resume has overcome."""
    for p in one.pending:
        yield f"no result in the journal: {p.operation} of {p.stack_set}, now {p.status}"
    if one.earlier:
        yield f"{counted(one.earlier, 'failure')} of earlier attempts: see tapgen history"


def _state(one: Explanation) -> str:
    words = one.run.result
    if words == "open":
        words += f" ({one.progress})"
    return words


def nothing(one: Explanation) -> str:
    """Return that nothing has failed, as far as is known."""
    if one.unread:
        return "no failure is known, but not everything could be read"
    return "nothing has failed"


def grouped(causes: Iterable[Cause]) -> list[tuple[Cause, list[Target]]]:
    """Return causes that are the same but for their targets, with these."""
    found: dict[Any, tuple[Cause, list[Target]]] = {}
    for cause in causes:
        f = cause.failure
        key = (f.stack_set, f.logical_id, f.type, f.reason, cause.kind, cause.property)
        _, targets = found.setdefault(key, (cause, []))
        if f.target:
            targets.append(f.target)
    return [*found.values()]


def what_failed(cause: Cause) -> str:
    """Return the resource that failed, or what else did."""
    f = cause.failure
    return f"{f.logical_id} ({f.type})" if f.logical_id else _KINDS[cause.kind]


def _cause(word: str, cause: Cause, targets: list[Target]) -> Iterator[str]:
    f = cause.failure
    where = " in ".join(filter(None, [f.stack_set, target_list(targets)]))
    what = what_failed(cause)
    yield f"[red]✗ {word}:[/] {escape(what)}{escape(f', {where}' if where else '')}"
    yield f"    {escape(f.reason)}"
    if cause.property:
        yield f"    property: {escape(cause.property)}"
    if cause.kind in ("validation", "hook"):
        yield f"    refused by {_KINDS[cause.kind]}"
    at = f"{cause.at[:10]} {cause.at[11:19]} UTC"
    yield f"    {escape(', '.join(filter(None, [at, cause.operation])))}"
    if hint := advice(f.reason):
        yield f"    [bold]→[/] {escape(hint)}"


def consequences(found: Iterable[Consequence]) -> Iterator[str]:
    """Yield what did not happen because of a cause, the same in several targets once."""
    places: dict[tuple[str, int, str], list[Target] | None] = {}
    for c in found:
        key = c.kind, c.wave, c.stack_set
        known = places.setdefault(key, [])
        if c.targets is None or known is None:
            places[key] = None
        else:
            known += c.targets
    for (kind, wave, name), targets in places.items():
        number = f" (wave {wave})" if wave else ""
        where = "all its instances" if targets is None else target_list(targets)
        yield f"{kind}{number}: {name} in {where}"


def data(one: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON data."""
    return {
        "run": history.data(one.run),
        "progress": one.progress,
        "causes": [_cause_data(c) for c in one.causes],
        "consequences": [
            {
                "kind": c.kind,
                "stack_set": c.stack_set,
                "wave": c.wave or None,
                "operation": c.operation or None,
                "targets": (
                    None if c.targets is None else [_target(t) for t in c.targets]
                ),
            }
            for c in one.consequences
        ],
        "pending": [
            {"stack_set": p.stack_set, "operation": p.operation, "status": p.status}
            for p in one.pending
        ],
        "earlier": one.earlier,
        "unread": list(one.unread),
    }


def _cause_data(cause: Cause) -> dict[str, Any]:
    failure = cause.failure
    return {
        "kind": cause.kind,
        "stack_set": failure.stack_set,
        "target": failure.target and _target(failure.target),
        "logical_id": failure.logical_id,
        "type": failure.type,
        "property": cause.property,
        "reason": failure.reason,
        "advice": advice(failure.reason),
        "stack_id": failure.stack_id,
        "operation": cause.operation,
        "at": cause.at,
        "back": cause.back,
    }


def _target(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}
