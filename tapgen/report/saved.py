"""Plans as files: written by `tapgen plan --out`, applied by `tapgen rollout --plan`.

A saved plan is evidence, not a script: the rollout plans again, and refuses unless the
result is the same plan. It then reports what has changed since. The file contains no
values of NoEcho parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tapgen.errors import PlanError
from tapgen.frozen import dataclass
from tapgen.model import Observed, System, Target, Unit, digest
from tapgen.plan import Plan
from tapgen.report import data

FORMAT = 2


@dataclass(frozen=True)
class Saved:
    """A saved plan: its system, what the user allowed, whether every stack was read for
    it, and all its content."""

    system: str
    environment: str | None
    allowed: tuple[str, ...]
    read_stacks: bool
    content: Mapping[str, Any]


def dump(plan: Plan, allowed: Iterable[str], *, read_stacks: bool = False) -> str:
    """Return the text of a saved plan; `allowed` are exact names."""
    body = _body(plan, allowed, read_stacks)
    return json.dumps(body | {"seal": digest(body)}, indent=2) + "\n"


def load(text: str, name: str) -> Saved:
    """Read what `dump` wrote; `name` is for messages.

    Raises PlanError for a text that is no plan, has another format, or was edited.
    """
    try:
        body = json.loads(text)
        seal = body.pop("seal")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise PlanError(
            f"{name}: not a saved plan; create one with tapgen plan --out FILE"
        ) from None
    if body.get("format") != FORMAT:
        raise PlanError(
            f"{name}: has plan format {body.get('format')!r}, this tapgen reads format "
            f"{FORMAT}; plan again"
        )
    if seal != digest(body):
        raise PlanError(f"{name}: was edited after it was saved; plan again")
    allowed = tuple(body["allowed"])
    read = bool(body["read_stacks"])
    return Saved(body["system"], body["environment"], allowed, read, body)


def check(saved: Saved, plan: Plan, name: str) -> None:
    """Raise PlanError unless the new plan is the saved one.

    The error names what has changed: a stack set's template, parameters, targets or tags,
    or what is deployed.
    """
    now = _body(plan, saved.allowed, saved.read_stacks)
    if now == saved.content:
        return
    changed = list(_changes(saved.content, now)) or ["the steps of the plan differ"]
    raise PlanError(
        f"{name}: out of date, nothing was changed; plan again\n" + "\n".join(changed)
    )


def resolved(saved: Saved, system: System, name: str) -> System:
    """Return a system with the accounts and targets that it has in its saved plan, without
    asking AWS.

    Raises PlanError where the plan is of another system, or the system's file has changed
    since; `name` is for messages.
    """
    own = (system.name, system.environment, system.suffix)
    planned = tuple(saved.content[key] for key in ("system", "environment", "suffix"))
    if own != planned:
        raise PlanError(
            f"{name}: is a plan of {_title(*planned)}, not of {_title(*own)}; "
            "name that system and its environment"
        )
    wanted = saved.content["wanted"]
    names = system.organizational_units
    found = system.resolve(
        saved.content["admin"]["account"], {n: Unit(n, ()) for n in names}
    )
    stack_sets = tuple(
        replace(s, targets=_targets(wanted.get(s.name, {}))) if s.service_managed else s
        for s in found.stack_sets
    )
    found = replace(found, stack_sets=stack_sets)
    # Who belongs to a unit, only the plan knows; the rest is in the file.
    facts = ("template", "parameters", "targets")
    now = {n: [one[f] for f in facts] for n, one in _wanted(found).items()}
    if now != {n: [one[f] for f in facts] for n, one in wanted.items()}:
        raise PlanError(
            f"{name}: out of date, the system's file has changed since; plan again"
        )
    return found


def _title(system: str, environment: str | None, suffix: str) -> str:
    return f"{system}{f' -e {environment}' if environment else ''} (suffix {suffix})"


def _targets(wanted: Mapping[str, Any]) -> tuple[Target, ...]:
    pairs = (str(target).rpartition("/") for target in wanted.get("targets", ()))
    return tuple(Target(account, region) for account, _, region in pairs)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in ("system", "environment", "suffix", "admin", "rollout"):
        if old.get(key) != new.get(key):
            yield f"{key}: was {old.get(key)}, is {new.get(key)}"
    for part in ("wanted", "deployed"):
        before, after = old.get(part, {}), new.get(part, {})
        for stack_set in sorted({*before, *after}):
            was, now = before.get(stack_set), after.get(stack_set)
            if was is None or now is None:
                yield f"{stack_set}: {'now' if was is None else 'no longer'} {part}"
                continue
            for fact in sorted({*was, *now}):
                if was.get(fact) != now.get(fact):
                    yield f"{stack_set}: {part} {fact} changed"


def _body(plan: Plan, allowed: Iterable[str], read_stacks: bool) -> dict[str, Any]:
    system = plan.system
    body = {
        "format": FORMAT,
        "system": system.name,
        "environment": system.environment,
        "suffix": system.suffix,
        "admin": {"account": system.admin.account, "region": system.admin.region},
        "rollout": digest(repr(system.rollout)),
        "allowed": sorted(allowed),
        "read_stacks": read_stacks,
        "wanted": _wanted(system),
        "deployed": {name: _deployed(o) for name, o in plan.observed.items()},
        "plan": data.plan(plan, allowed),
    }
    copy: dict[str, Any] = json.loads(json.dumps(body, sort_keys=True))
    return copy


def _wanted(system: System) -> dict[str, Any]:
    """Digests, not values: they show that something changed, not what."""
    return {
        s.name: {
            "template": digest(s.template),
            "parameters": digest(repr((sorted(s.parameters.items()), s.overrides))),
            "targets": sorted(map(str, s.targets)),
            "tags": digest(dict(s.tags)),
            "permissions": digest(s.permissions()),
        }
        for s in system.stack_sets
    }


def _deployed(found: Observed) -> dict[str, Any]:
    instances = {
        str(target): [str(i.status), dict(i.overrides), dict(i.outputs or {})]
        + ([i.template, dict(i.parameters or {})] if i.template else [])
        for target, i in sorted(found.instances.items())
    }
    return {
        "template": digest(found.template),
        "parameters": digest(dict(found.parameters)),
        "instances": digest(instances),
        "tags": digest(dict(found.tags)),
    }
