"""Resource types that do not exist, or not in the region of the stack.

ministack knows only the types that it has handlers for. `resources` passes in a
function that knows all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tapgen.emulator.cloudformation.patches.resource_work import Work, listen
from tapgen.emulator.cloudformation.template_checks import Template

_unknown_types: list[Callable[[frozenset[str]], frozenset[str]]] = []


def apply() -> None:
    """Look up each type before a resource of it is created, updated or deleted.

    A stack restored after a restart may have types that no template has named yet, and
    so may a nested one.
    """
    listen(_looked_up)


def _looked_up(work: Work) -> Work:
    for unknown in _unknown_types:
        unknown(frozenset({work.kind}))
    return work


def refuse_types(unknown: Callable[[frozenset[str]], frozenset[str]]) -> None:
    """Let `unknown` return the resource types of a template that are not available.

    It is called in the account and region of the stack, before anything is created.
    """
    _unknown_types[:] = [unknown]


def refuse_unavailable(template: Template, conditions: Mapping[str, bool]) -> None:
    """Raise ValueError when a template uses types that are not available."""
    used = frozenset(
        definition["Type"]
        for definition in (template.get("Resources") or {}).values()
        if conditions.get(definition.get("Condition", ""), True)
    )
    missing = frozenset().union(*(unknown(used) for unknown in _unknown_types))
    if missing:
        raise ValueError(
            "Template format error: Unrecognized resource types: "
            f"[{', '.join(sorted(missing))}]"
        )
