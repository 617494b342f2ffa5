"""Run cfn-lint inside this process, with its own rules and ours, for one job.

cfn-lint is imported inside functions: importing it takes about half a second, and
cached results need none of it.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from tapgen.errors import ConfigError
from tapgen.lint import patches
from tapgen.lint.forms import HOME
from tapgen.lint.jobs import Job
from tapgen.lint.places import REPEATED
from tapgen.model import Finding, Severity
from tapgen.template import loops

_NAMED = ("Resources", "Parameters", "Outputs", "Conditions", "Mappings", "Rules")
# cfn-lint's rule ids for a template that cannot be parsed, and for an exception inside
# a rule.
_PARSE_ERROR = "E0000"
_RULE_ERROR = "E0002"
MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""The exceptions of cfn-lint where it expects, say, a resource to be an object."""


def order(finding: Finding) -> tuple[int, int, str, str, list[str]]:
    """Return the key to sort findings of one template by: line, column, rule."""
    where = [*map(str, finding.path)]
    return finding.line, finding.column, finding.rule, finding.message, where


def describe(rule: str) -> tuple[str, str]:
    """Return a rule's short and its full description; its id for an unknown rule."""
    if rule == REPEATED:
        what = "A key is given twice"
        return what, f"{what}; CloudFormation takes the last value"
    known = rules()
    if rule not in known:
        return rule, rule
    return known[rule].shortdesc, known[rule].description


def is_about_template(findings: Iterable[Finding]) -> bool:
    """Whether all findings are about the template, and none about a failing rule."""
    return all(finding.rule != _RULE_ERROR for finding in findings)


@cache
def rules() -> Any:
    """Return cfn-lint's rules, those that a `.cfnlintrc` appends, and ours.

    Loading them takes 0.7 s cold; later calls return the same rules.
    """
    with _lasting():
        from cfnlint.runner import Runner

        from tapgen.rules import ALL

        patches.apply()
        rules = Runner(config(())).rules
        patches.apply_to(rules)
        _take_fractions(rules)
        for rule in ALL:
            if rule.id not in rules:  # a `.cfnlintrc` may append our pack as well
                rules.register(rule())
    return rules


def _take_fractions(rules: Any) -> None:
    """Let metadata have a version such as 1.3: its values are any JSON, and cfn-lint
    takes no number with a fraction
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/metadata-section-structure.html).
    """
    rule = rules["E4002"] if "E4002" in rules else None
    kinds = rule.schema["definitions"]["metadata"]["type"] if rule else ["number"]
    if "number" not in kinds:
        kinds.append("number")


@contextmanager
def _lasting() -> Iterator[None]:
    """Import and load what lasts as long as the process: looking for garbage in it takes
    a quarter of that time, and some of every later search."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def config(regions: Sequence[str]) -> Any:
    """Return cfn-lint's configuration for these regions, `.cfnlintrc` included.

    Raises ConfigError where a `.cfnlintrc` cannot be used.
    """
    from cfnlint.config import ConfigMixIn
    from cfnlint.exceptions import CfnLintExitException

    try:
        return ConfigMixIn(regions=list(regions)) if regions else ConfigMixIn()
    except CfnLintExitException as error:
        raise ConfigError([f".cfnlintrc: {error}; correct or remove it"]) from error


def run(job: Job) -> list[Finding]:
    """Run cfn-lint over one template; the findings have no stack set yet."""
    try:
        json.loads(job.template)
    except json.JSONDecodeError as error:
        return [_broken(_PARSE_ERROR, f"not JSON: {error.msg}", error)]
    except RecursionError:
        return [_broken(_PARSE_ERROR, "not a template: nested too deeply")]
    try:
        found = {_finding(match): None for match in _matches(job)}
    except MALFORMED as error:
        message = f"cfn-lint cannot read this template: {error}; check its shape"
        return [_broken(_RULE_ERROR, message)]
    return sorted(found, key=order)


def _matches(job: Job) -> list[Any]:
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import run_template_by_data

    from tapgen.rules.view import View, placed
    from tapgen.rules.whole import ReferenceToNothing, decided, is_decided

    template, errors = decode_str(job.template)
    if errors:
        return list(errors)
    stack_sets = json.loads(f"[{job.facts}]")
    written = None
    if loops.TRANSFORM in loops.transforms(template):
        written = json.loads(job.template)
        _set_items(template, stack_sets)
    with placed(stack_sets, written):
        matches = list(run_template_by_data(template, config(job.regions), rules()))
    if all(match.rule.id not in ReferenceToNothing.replaces for match in matches):
        return matches
    known = decided(View(json.loads(job.template), tuple(stack_sets), written))
    return [m for m in matches if not is_decided(known, m.rule.id, str(m.message))]


def _set_items(template: Any, stack_sets: Sequence[Mapping[str, Any]]) -> None:
    """Set the default of each parameter that a loop iterates over to the items of all
    targets: cfn-lint invents items where there are none, and has no targets."""
    from tapgen.rules import view

    places = [(entry, t) for entry in stack_sets for t in view.targets(entry)]
    values = [view.given_values(entry, target) for entry, target in places]
    declared = template.get("Parameters")
    for name in loops.parameters(template) & set(declared or ()):
        parameter = declared[name]
        if not isinstance(parameter, dict):
            continue
        given = [own.get(name, parameter.get("Default")) for own in values]
        texts = [text for text in given if isinstance(text, str)]
        if "List" in str(parameter.get("Type")):
            items = dict.fromkeys(i.strip() for text in texts for i in text.split(","))
            texts = [",".join(items)] if texts else []
        parameter |= {"Default": text for text in texts[:1]}


def _broken(rule: str, message: str, at: json.JSONDecodeError | None = None) -> Finding:
    return Finding(
        stack_set="",
        logical_id="",
        rule=rule,
        severity=Severity.ERROR,
        message=message,
        line=at.lineno if at else 1,
        column=at.colno if at else 1,
        url=HOME,
    )


def _finding(match: Any) -> Finding:
    """Return a cfn-lint match as plain data; its strings are subclasses with positions."""
    steps = getattr(match, "path", None) or ()
    path = tuple(s if isinstance(s, int) else str(s) for s in steps)
    named = len(path) > 1 and path[0] in _NAMED and isinstance(path[1], str)
    return Finding(
        stack_set="",
        logical_id=str(path[1]) if named else "",
        rule=match.rule.id,
        severity=Severity(match.rule.severity),
        message=str(match.message),
        path=path,
        line=match.linenumber,
        column=match.columnnumber,
        url=match.rule.source_url,
    )
