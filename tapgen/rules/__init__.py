"""A cfn-lint rule pack for what only shows once it is known where a template goes.

Runs in `tapgen lint`, and under cfn-lint itself: `cfn-lint --append-rules
tapgen.rules`. There, targets and parameter values come from the `manifest.json` beside
the template; without one, rules that need them say nothing. A rule that cannot decide
says nothing either.

Ids begin with E9500 and W9500. They are silenced and configured as all of cfn-lint's
are. Importing this package imports cfn-lint.

One module for each subject; `base` is what all rules share, `view` what they look at. May
use `system/` and `template/`. Begin reading at `base.Rule`, then `state`, the shortest.
"""

from __future__ import annotations

import inspect
from types import ModuleType

from tapgen.model import Finding, System
from tapgen.rules import (
    alarms,
    api,
    aurora,
    backup,
    dns,
    dynamodb,
    elsewhere,
    keys,
    limits,
    literals,
    names,
    once,
    rds,
    replication,
    security,
    services,
    state,
    system_view,
    together,
    wiring,
)
from tapgen.rules.base import Rule
from tapgen.rules.system_view import SystemRule

_MODULES: tuple[ModuleType, ...] = (
    names,
    literals,
    once,
    replication,
    dynamodb,
    elsewhere,
    aurora,
    rds,
    backup,
    keys,
    dns,
    api,
    alarms,
    security,
    services,
    state,
    limits,
    wiring,
    together,
)


def _rules(module: ModuleType) -> list[type[Rule]]:
    return [
        found
        for _, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Rule) and found.id and found.__module__ == module.__name__
    ]


ALL: tuple[type[Rule], ...] = tuple(
    sorted((r for m in _MODULES for r in _rules(m)), key=lambda rule: rule.id[1:])
)
"""Every rule, by number."""

# cfn-lint takes the rules from the names of the module it is given.
globals().update({rule.__name__: rule for rule in ALL})


def system(it: System) -> list[Finding]:
    """What the stack sets of a system do to each other; without files and lines."""
    return system_view.findings(it, [r() for r in ALL if issubclass(r, SystemRule)])


def theme(rule: type[Rule]) -> str:
    """What a rule is about: the name of its module."""
    return rule.__module__.rpartition(".")[2]
