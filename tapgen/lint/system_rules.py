"""Findings about a whole system: how its stack sets affect each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from tapgen.lint import cfn_lint, result_cache
from tapgen.lint.cfn_lint import MALFORMED
from tapgen.lint.jobs import facts
from tapgen.lint.result_cache import ResultCache
from tapgen.model import Finding, System


def system_findings(system: System, cache: ResultCache | None) -> list[Finding]:
    """Return the findings across the stack sets of a system, cached or new.

    They have no file yet.
    """
    whole = [
        [s.name, s.part, s.template, facts(s), sorted(s.depends_on)]
        for s in system.stack_sets
    ]
    about = [
        system.blueprint,
        system.prefix,
        system.rollout.permissions_boundary,
        whole,
    ]
    key = cache.key("system", json.dumps(about, sort_keys=True)) if cache else ""
    found = cache.get(key) if cache else None
    if found is None:
        found = _check(system)
        cacheable = all(
            result_cache.is_cacheable(s.template) for s in system.stack_sets
        )
        if cache and cacheable:
            cache.put(key, found)
    return found


def _check(system: System) -> list[Finding]:
    from tapgen import rules

    try:
        found = rules.system(system)
    except RecursionError:
        return []  # lint of the template itself reports nesting this deep
    texts = {s.name: s.template for s in system.stack_sets}
    found_in: list[Finding] = []
    for name, group in groupby(found, key=lambda f: f.stack_set):
        found_in += located(texts[name], list(group))
    return found_in


def located(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """Add lines to the findings of one template, and drop those that are ignored."""
    from cfnlint.decode.decode import decode_str
    from cfnlint.template import Template

    body, errors = decode_str(text)
    if errors or not isinstance(body, dict):
        return list(findings)
    config = cfn_lint.config(())
    template = Template(None, body)
    try:
        config.set_template_args(body)
        ignored = template.get_directives()
    except MALFORMED:
        return list(findings)  # cfn-lint itself reports what is malformed
    placed = []
    for finding in findings:
        if finding.logical_id in ignored.get(finding.rule, ()):
            continue
        if cfn_lint.rules().is_rule_enabled(finding.rule, config):
            at = template.get_location_yaml(body, list(finding.path)) or (0, 0)
            placed.append(replace(finding, line=at[0] + 1, column=at[1] + 1))
    return placed
