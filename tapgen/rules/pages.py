"""Rules as text: the page docs/rules.md, and one rule for the terminal."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from tapgen.rules import ALL, theme
from tapgen.rules.base import Rule
from tapgen.rules.system_view import SystemRule, SystemsRule
from tapgen.rules.values import get, items

_LONG = 40
"""Lines shown of an example that is wrong because of its size."""

_INTRODUCTION = """\
# Rules

`tapgen lint` runs these rules together with those of cfn-lint. They find mistakes that \
only show for the target accounts and regions, and properties that AWS services reject \
although they match the resource schemas.
This page is generated: `tapgen rules list --output markdown > docs/rules.md`.

The rules also run under cfn-lint itself:

```sh
cfn-lint --append-rules tapgen.rules -t templates_out/secure_network/network.json
```

To check several templates at once, exclude the manifests beside them:

```sh
cfn-lint --append-rules tapgen.rules --ignore-templates 'templates_out/*/manifest*.json' \\
  -t 'templates_out/secure_network/*.json'
```

Targets, parameter values and capabilities then come from the `manifest.json` beside \
the template; without one, rules that need them report nothing.
Rules about a whole system need several templates and run in `tapgen lint` only.
A rule reports nothing if it cannot decide, because a value is known only in AWS or a \
macro may change the template.

## Silencing and configuring

These rules are silenced and configured like those of cfn-lint: with `ignore_checks` \
and `configure_rules` in `.cfnlintrc` or in the metadata of a template, and with \
`ignore_checks` in the metadata of a resource.
In metadata, W9563 requires a reason:

```yaml
Metadata:
  cfn-lint:
    config: {ignore_checks: [E9501]}
    reasons: {E9501: this stack set targets one region}
```

"""


def page(rules: Iterable[type[Rule]] = ALL) -> str:
    """Return all rules in Markdown, by theme."""
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
    if issubclass(rule, SystemsRule):
        return "Compares environments and systems: `tapgen lint` only."
    if issubclass(rule, SystemRule):
        example = (
            " In the example, `rollout.permissions_boundary` is `required`."
            if rule.rollout.permissions_boundary
            else ""
        )
        return f"Checks a whole system: `tapgen lint` only.{example}"
    if not rule.deployment:
        return ""
    needs = "Needs the targets of the template. " if rule.needs_targets else ""
    return f"{needs}In the example, {_where(rule.deployment)}."


def _where(deployment: Mapping[str, Any]) -> str:
    targets = items(deployment, "targets")
    accounts = {get(t, "account") for t in targets}
    places = [
        f"{t['account']}/{t['region']}" if len(accounts) > 1 else str(t["region"])
        for t in targets
    ]
    parts = [f"the template targets {' and '.join(places)}"]
    for name, value in (deployment.get("parameters") or {}).items():
        parts.append(f"{name} is `{value}`")
    for override in items(deployment, "overrides"):
        for name, value in override["parameters"].items():
            parts.append(f"{name} is `{value}` in {override['region']}")
    if deployment.get("permission_model") == "SERVICE_MANAGED":
        parts.append("the stack set has service-managed permissions")
    if deployment.get("auto_deployment"):
        parts.append("automatic deployment is enabled")
    for capability in deployment.get("capabilities", ()):
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
    """Return one rule as plain text: what breaks, its source, wrong and right."""
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
