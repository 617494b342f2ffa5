"""All that is known of one run, as text and as JSON data; `page.run` shows it as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.markup import escape

from tapgen.model import Target
from tapgen.report import data as plans
from tapgen.report import drill, explanation, history, watching
from tapgen.report.control import printable
from tapgen.report.targets import target_list
from tapgen.rollout.history import OPEN
from tapgen.rollout.ran import Ran
from tapgen.rollout.versions import Fate, Version
from tapgen.rollout.watching import life_words

Place = tuple[str, Fate, str, str]
"""A stack set, what became of its target, and the templates before and after."""


def versions(found: Iterable[Version]) -> dict[Place, list[Target]]:
    """Return the targets with the same version of the same stack set together."""
    places: dict[Place, list[Target]] = {}
    for one in found:
        key = one.stack_set, one.fate, one.before, one.after
        places.setdefault(key, []).append(one.target)
    return places


def short(template: str) -> str:
    """Return the digest of a template in few characters."""
    return template.removeprefix("sha256:")[:12] or "no stack"


@printable
def text(one: Ran, lines: Iterable[str] = ()) -> str:
    """Return a run in short: how it ended, why it failed, its gates, and which version its
    targets have. `lines` come last."""
    run = one.view.run
    found = history.head(run)
    if run.result == OPEN:
        found.append(escape(f"{life_words(one.view)}: {one.view.progress}"))
    found += explanation.causes(one.explanation)
    found += map(escape, explanation.pending(one.explanation))
    for gate in one.gates:
        found += [line.strip() for line in history.entry_lines(gate)[:1]]
    found += map(escape, _versions(one))
    if one.drill:
        found += map(escape, drill.lines(one.drill))
    found += [f"[yellow]not read:[/] {escape(line)}" for line in one.unread]
    return "\n".join([*found, *map(escape, (*one.ways, *lines))])


def _versions(one: Ran) -> Iterator[str]:
    prefix = f"{one.view.prefix}-"
    for (name, fate, before, after), targets in versions(one.versions).items():
        words = (" or " if fate is Fate.UNKNOWN else " → ").join(
            f"template {short(one)}" if one else short(one)
            for one in dict.fromkeys((before, after))
        )
        part = name.removeprefix(prefix)
        yield f"{fate}: {part} in {target_list(targets)}, {words}"


def data(one: Ran) -> dict[str, Any]:
    """Return a run as JSON data; times are in seconds and UTC. The plan is as it was agreed,
    without what a run does not need of it."""
    looked = watching.data(one.view)
    why = explanation.data(one.explanation)
    agreed = plans.plan(one.plan, one.allowed) if one.plan else None
    return {
        **{key: looked[key] for key in ("run", "life", "progress", "seconds")},
        **{key: why[key] for key in ("causes", "consequences", "pending", "earlier")},
        "versions": [
            {
                "stack_set": v.stack_set,
                **_target(v.target),
                "fate": str(v.fate),
                "before": v.before or None,
                "after": None if v.fate is Fate.UNKNOWN else v.after or None,
            }
            for v in one.versions
        ],
        "steps": looked["steps"],
        "timeline": [history.entry_data(entry) for entry in one.entries],
        "resources": [
            {
                "stack_set": stack.stack_set,
                **_target(stack.target),
                "logical_id": r.logical_id,
                "type": r.type,
                "status": r.status,
                "since": r.since,
                "until": r.until,
            }
            for stack in one.works.stacks
            for r in stack.resources
        ],
        "stacks_left_out": one.works.left_out,
        "plan": agreed and {key: agreed[key] for key in ("waves", "gates")},
        "drill": drill.data(one.drill) if one.drill else None,
        "unread": list(one.unread),
    }


def _target(target: Target) -> dict[str, str]:
    return {"account": target.account, "region": target.region}
