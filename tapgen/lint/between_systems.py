"""Findings between systems of one folder, environments included: names they share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tapgen.cache.store import Store
from tapgen.lint import result_cache
from tapgen.lint.jobs import facts
from tapgen.lint.places import in_file
from tapgen.lint.result_cache import ResultCache
from tapgen.lint.system_rules import located
from tapgen.model import Finding, System


def findings(
    systems: Sequence[System], folder: Path, cache: ResultCache | None
) -> list[list[Finding]]:
    """Return the findings between these systems, for each system those about it.

    `folder` has the committed templates, as for `check`.
    """
    found: list[list[Finding]] = [[] for _ in systems]
    if len(systems) < 2:
        return found
    key = _key("between", systems, cache)
    raw = cache.get(key) if cache and key else None
    if raw is None:
        raw = _compared(systems)
        if cache and key:
            cache.put(key, raw)
    for number, system in enumerate(systems):
        for s in system.stack_sets:
            # The name alone does not tell systems in several regions apart.
            mine = [f for f in raw if (f.file, f.stack_set) == (str(number), s.name)]
            file = folder / system.name / f"{s.part}.json"
            found[number] += in_file(mine, s, file)
    return found


def names(system: System, cache: ResultCache | None) -> frozenset[str]:
    """Return what the resources of a system have for themselves: no other system of the
    folder may have any of it."""
    key = _key("names", [system], cache)
    store = Store(cache.folder) if cache and key else None
    text = store.get(key) if store else None
    if text is None:
        from tapgen.rules import environments
        from tapgen.rules.system_view import SystemView

        owners = environments.owners(SystemView(system))
        text = json.dumps(sorted({repr(owner.name) for owner in owners}))
        if store:
            store.put(key, text)
    return frozenset(json.loads(text))


def sharing(names_of: Mapping[Path, Iterable[str]]) -> set[Path]:
    """Return the configs that have a name in common with another one."""
    first: dict[str, Path] = {}
    found: set[Path] = set()
    for path, its in names_of.items():
        for name in its:
            other = first.setdefault(name, path)
            if other != path:
                found |= {other, path}
    return found


def _compared(systems: Sequence[System]) -> list[Finding]:
    """Return the findings with their lines; the number of the system is their file."""
    from tapgen import rules

    try:
        between = rules.between(systems)
    except RecursionError:
        return []  # lint of the template itself reports nesting this deep
    numbers = {id(system): number for number, system in enumerate(systems)}
    return [
        replace(one, file=str(numbers[id(system)]))
        for system, finding in between
        for s in system.stack_sets
        if s.name == finding.stack_set
        for one in located(s.template, [finding])
    ]


def _key(what: str, systems: Sequence[System], cache: ResultCache | None) -> str:
    """Return the key of a result; empty where it cannot be cached."""
    stack_sets = [s for system in systems for s in system.stack_sets]
    if not cache or not all(result_cache.is_cacheable(s.template) for s in stack_sets):
        return ""
    whole = [
        [system.name, system.environment, str(system.admin)]
        + [[s.name, s.part, s.template, facts(s)] for s in system.stack_sets]
        for system in systems
    ]
    return cache.key(what, json.dumps(whole, sort_keys=True))
