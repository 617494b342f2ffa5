"""Shipped systems as they were deployed before: what an upgrade begins with.

    python -m tests.emulated.before serverless_api v1.2.0

records in `deployed_before/` the templates of a version (anything that git names) that
differ from those of now; null for a part that it did not have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapgen.model import StackSet, System
from tapgen.plan import Plan
from tests.systems import look

FOLDER = Path(__file__).parent / "deployed_before"


def before(system: System) -> System:
    """Return a system with its recorded templates, and of its values those they take."""
    recorded = json.loads((FOLDER / f"{system.name}.json").read_text())
    gone = {part for part, template in recorded.items() if template is None}
    return replace(
        system,
        stack_sets=tuple(
            _with(s, recorded[s.part], gone) if s.part in recorded else s
            for s in system.stack_sets
            if s.part not in gone
        ),
    )


def _with(s: StackSet, template: Mapping[str, Any], gone: set[str]) -> StackSet:
    declared = template.get("Parameters", {})

    def taken(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in declared}

    return replace(
        s,
        template=json.dumps(template),
        parameters=taken(s.parameters),
        overrides=tuple(
            replace(o, parameters=taken(o.parameters)) for o in s.overrides
        ),
        at_first=taken(s.at_first),
        depends_on=tuple(part for part in s.depends_on if part not in gone),
    )


def losses(the_plan: Plan) -> set[str]:
    """What a plan deletes, or replaces, of what holds data."""
    return {
        f"{step.part}.{change.logical_id}"
        for step in the_plan.steps
        for changes in step.changes.values()
        for change in changes
        if change.loses_data
    }


def record(name: str, version: str) -> None:
    """Write what `before` reads."""
    parts = {}
    for s in look.shipped(name).stack_sets:
        file = f"{version}:templates_out/{name}/{s.part}.json"
        found = subprocess.run(["git", "show", file], capture_output=True, text=True)
        then = None if found.returncode else json.loads(found.stdout)
        if then != json.loads(s.template):
            parts[s.part] = then
    # A line for each part.
    lines = ",\n".join(
        f"{json.dumps(part)}: {json.dumps(template, separators=(',', ':'))}"
        for part, template in parts.items()
    )
    (FOLDER / f"{name}.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    record(*sys.argv[1:3])
