"""Rules as text for people: the page docs/rules.md, and one rule for the terminal."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from tapgen.rules import ALL, theme
from tapgen.rules.base import Rule
from tapgen.rules.system_view import SystemRule
from tapgen.rules.values import get, items

_LONG = 40
"""Lines of an example that are shown; what is too large is a mistake by its size."""

_INTRODUCTION = """\
# Rules

What `tapgen lint` finds beside what cfn-lint finds: mistakes that only show once it is \
known where a template goes, and what the services refuse although the schemas let it \
pass.
This page is made from the rules: `tapgen rules list --output markdown > docs/rules.md`.

The rules also run under cfn-lint itself:

```sh
cfn-lint --append-rules tapgen.rules -t templates_out/secure_network/network.json
```

Several at once, without the manifests that lie beside them and are no templates:

```sh
cfn-lint --append-rules tapgen.rules --ignore-templates 'templates_out/*/manifest*.json' \\
  -t 'templates_out/secure_network/*.json'
```

Targets, parameter values and capabilities then come from the `manifest.json` beside \
the template; without one, rules that need them say nothing.
Rules about a whole system see several templates and run in `tapgen lint` only.
A rule that cannot decide, because something is known only in AWS or a macro may change \
the template, says nothing.

## Silencing and configuring

As with all of cfn-lint's rules: `ignore_checks` and `configure_rules` in `.cfnlintrc` \
or in the metadata of a template, `ignore_checks` in the metadata of a resource.
In metadata, W9563 asks for a reason beside it:

```yaml
Metadata:
  cfn-lint:
    config: {ignore_checks: [E9501]}
    reasons: {E9501: this stack set goes to one region}
```

"""


def page(rules: Iterable[type[Rule]] = ALL) -> str:
    """All rules in Markdown, by theme."""
    lines = [_INTRODUCTION, "## All rules\n\n"]
    lines.append("| Rule | Theme | What it finds |\n| --- | --- | --- |\n")
    for rule in rules:
        link = f"[{rule.id}](#{rule.id.lower()})"
        lines.append(f"| {link} | {theme(rule)} | {rule.shortdesc} |\n")
    themes: dict[str, list[type[Rule]]] = {}
    for rule in rules:
        themes.setdefault(theme(rule), []).append(rule)
    for name, its in themes.items():
        module = sys.modules[its[0].__module__]
        lines.append(f"\n## Theme: {name}\n\n{inspect.getdoc(module)}\n")
        lines += [_section(rule) for rule in its]
    return "".join(lines)


def _section(rule: type[Rule]) -> str:
    about = "\n\n".join(filter(None, [rule.description, _needs(rule)]))
    found = f"Found at `{rule.at}`:\n\n" if rule.at else ""
    return (
        f"\n### {rule.id}\n\n**{rule.shortdesc}.** {about}\n\n"
        f"Source: <{rule.source_url}>\n\n"
        f"{found}```yaml\n{_short(rule.bad)}```\n\n"
        f"Right:\n\n```yaml\n{_short(rule.good)}```\n"
    )


def _needs(rule: type[Rule]) -> str:
    if issubclass(rule, SystemRule):
        return "About a whole system: `tapgen lint` only."
    if not rule.goes:
        return ""
    needs = "Needs to know where the template goes. " if rule.needs_targets else ""
    return f"{needs}In the example, {_where(rule.goes)}."


def _where(goes: Mapping[str, Any]) -> str:
    targets = items(goes, "targets")
    accounts = {get(t, "account") for t in targets}
    places = [
        f"{t['account']}/{t['region']}" if len(accounts) > 1 else str(t["region"])
        for t in targets
    ]
    parts = [f"it goes to {' and '.join(places)}"]
    for name, value in (goes.get("parameters") or {}).items():
        parts.append(f"{name} is `{value}`")
    for override in items(goes, "overrides"):
        for name, value in override["parameters"].items():
            parts.append(f"{name} is `{value}` in {override['region']}")
    if goes.get("permission_model") == "SERVICE_MANAGED":
        parts.append("the stack set has service-managed permissions")
    if goes.get("auto_deployment"):
        parts.append("accounts that join get it by themselves")
    for capability in goes.get("capabilities", ()):
        parts.append(f"the stack set has {capability}")
    return ", ".join(parts)


def _short(example: str) -> str:
    lines = [
        line if len(line) <= 120 else f"{line[:100]} …" for line in example.splitlines()
    ]
    if len(lines) > _LONG and len(lines) > 100:
        lines = [*lines[:_LONG], "# … and so on"]
    return "\n".join(lines) + "\n"


def explain(rule: type[Rule]) -> str:
    """One rule in plain text: what breaks, where AWS says so, wrong and right."""
    found = f"  # found at {rule.at}" if rule.at else ""
    where = _needs(rule).replace("`", "")
    return (
        f"{rule.id}: {rule.shortdesc}\n\n{textwrap.fill(rule.description, 80)}\n"
        + (f"{textwrap.fill(where, 80)}\n" if where else "")
        + f"\nSource: {rule.source_url}\n\nWrong:{found}\n\n"
        + _indented(_short(rule.bad))
        + "\nRight:\n\n"
        + _indented(_short(rule.good))
    )


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())
