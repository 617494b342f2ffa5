"""A rule pack for cfn-lint: mistakes that only show for the target regions.

Runs in `tapgen lint`, and under cfn-lint itself: `cfn-lint --append-rules
tapgen.rules`. There, targets and parameter values come from the `manifest.json` beside
the template; without one, rules that need them report nothing. A rule that cannot
decide reports nothing either.

Ids begin with E9500 and W9500. They are silenced and configured like all of cfn-lint's
rules. Importing this package imports cfn-lint.

Begin reading at `base.Rule`, then `state`, the shortest module of rules. A module in
`_MODULES` holds the rules of one theme and is named after it (`theme`). The others help
them: `view` has a template as evaluated for each target, `system_view` a whole system,
`wide` either of them; `in_system` runs the rules about one template with the values of a
system. `values` reads what may be unknown, `arn_properties` and `load_balancers` hold
facts about AWS that several rules need, and `pages` writes the documentation. May use
`system/` and `template/`.

To add a rule:

1. Write one class in the module of its theme, with the next free number: a
   `base.ResourceRule` for resources of certain types, a `base.Rule` for a whole
   template, a `wide.WideRule` for resources and what they refer to, a
   `system_view.SystemRule` for several stack sets, or a `system_view.SystemsRule` for
   several systems. It states all of `id`,
   `shortdesc` (what it finds), `description` (what happens in AWS, and what to do),
   `source_url` (the page of AWS that says so), and the examples `bad`, `good` and `at`;
   `base.Rule` explains each. `ALL` finds the class by itself; a new theme is a new
   module in `_MODULES`.
2. `python -m tests.rules.examples` writes `tests/rules/fixtures/ID/bad.yaml` and
   `good.yaml`, with a `manifest.json` if the rule has a `deployment`. `tests/rules`
   lints them: the rule finds `bad` at `at`, nothing finds `good`, and cfn-lint alone
   finds neither.
3. `tapgen rules list --output markdown > docs/rules.md` regenerates the page.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import ModuleType

from tapgen.model import Finding, System
from tapgen.rules import (
    alarms,
    api,
    aurora,
    backup,
    boundaries,
    contexts,
    dns,
    dynamodb,
    elsewhere,
    environments,
    iam,
    in_system,
    keys,
    limits,
    literals,
    names,
    networks,
    once,
    rds,
    references,
    replication,
    security,
    services,
    state,
    system_view,
    together,
    whole,
    wiring,
)
from tapgen.rules.base import Rule
from tapgen.rules.system_view import SystemRule, SystemsRule

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
    networks,
    references,
    api,
    alarms,
    security,
    iam,
    boundaries,
    services,
    state,
    contexts,
    limits,
    wiring,
    together,
    environments,
    whole,
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

# Modules whose rules about one template are run again with the values of a system.
_VALUES = tuple(
    m for m in _MODULES if m not in (contexts, limits, security, state, whole)
)

# cfn-lint takes the rules from the names in the module that it is given.
globals().update({rule.__name__: rule for rule in ALL})


def system(it: System) -> list[Finding]:
    """Return what the system rules find in a system, without files and lines."""
    view = system_view.SystemView(it)
    found = system_view.findings(view, [r() for r in ALL if issubclass(r, SystemRule)])
    alone = [rule() for module in _VALUES for rule in _rules(module)]
    its = in_system.findings(
        view, [rule for rule in alone if not isinstance(rule, SystemRule)]
    )
    return list(dict.fromkeys([*found, *(system_view.finding(*one) for one in its)]))


def between(systems: Sequence[System]) -> list[tuple[System, Finding]]:
    """Return what the rules about several systems find, each with the system to change,
    without files and lines."""
    rules = [r() for r in ALL if issubclass(r, SystemsRule)]
    return system_view.findings_between(systems, rules)


def theme(rule: type[Rule]) -> str:
    """Return the theme of a rule: the name of its module."""
    return rule.__module__.rpartition(".")[2]
