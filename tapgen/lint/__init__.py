"""Checks a system's templates with cfn-lint, for exactly the regions they go to.

cfn-lint runs inside this process, with the rules of `tapgen.rules` beside its own: the
rules are loaded once (loading costs as much as checking a small template), every region
of a template is checked in one run (four times cheaper than one run per region), and
templates are spread over forked processes where that is safe. Verdicts can be kept
(`tapgen.lint.result_cache`): where all are known, cfn-lint is not even imported. A template may
carry cfn-lint's own `Metadata` (`ignore_checks` for the template, or for one resource),
and a `.cfnlintrc` is honoured as cfn-lint does; both silence our rules as well.

May use `rules/`, `system/`, `template/` and `cache/`. Begin reading at `check`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from tapgen.errors import ConfigError
from tapgen.lint import forms, result_cache
from tapgen.lint.forms import HOME, Format
from tapgen.lint.result_cache import Verdicts
from tapgen.model import Finding, Output, Override, Severity, StackSet, System, Value
from tapgen.system import checks
from tapgen.template import decode, loops, schemas

EXIT_BITS: Mapping[Severity, int] = {
    Severity.ERROR: 2,
    Severity.WARNING: 4,
    Severity.INFORMATIONAL: 8,
}
"""cfn-lint's exit status is the union of these."""

_NAMED = ("Resources", "Parameters", "Outputs", "Conditions", "Mappings", "Rules")
# cfn-lint's rule ids for a template that cannot be parsed, and for one that makes
# cfn-lint itself stumble.
_PARSE_ERROR = "E0000"
_RULE_ERROR = "E0002"
# What cfn-lint raises where it takes for granted that, say, a resource is an object.
MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
# Below this many templates, starting processes costs more than it saves.
_WORTH_FORKING = 3


@dataclass(frozen=True)
class _Job:
    """One cfn-lint run: a template text, the regions it goes to, and what the rules of
    tapgen know about that: JSON of entries of a manifest, with commas between."""

    template: str
    regions: tuple[str, ...]
    facts: str


def check(
    system: System,
    folder: Path,
    on_progress: Callable[[str], None] | None = None,
    processes: int | None = None,
    cache: Path | None = None,
    only: Collection[str] | None = None,
) -> list[Finding]:
    """What cfn-lint and tapgen's rules find in a system, in the order of its stack sets.

    As `check_all`; `only` names the stack sets to check, by default all. What is found
    about the system is found about all of it.
    """
    return check_all([system], folder, on_progress, processes, cache, only)


def check_all(
    systems: Sequence[System],
    folder: Path,
    on_progress: Callable[[str], None] | None = None,
    processes: int | None = None,
    cache: Path | None = None,
    only: Collection[str] | None = None,
) -> list[Finding]:
    """What is found in several systems, in their order, each finding once.

    As `check_each`.
    """
    found = check_each(systems, folder, on_progress, processes, cache, only)
    return list(dict.fromkeys(finding for its in found for finding in its))


def check_each(
    systems: Sequence[System],
    folder: Path,
    on_progress: Callable[[str], None] | None = None,
    processes: int | None = None,
    cache: Path | None = None,
    only: Collection[str] | None = None,
) -> list[list[Finding]]:
    """What is found in each of several systems, in the order of its stack sets.

    `folder` is where the templates are committed: files are named
    `<folder>/<system>/<part>.json` in findings, but the text checked is the stack
    set's own. Where users wrote the template as YAML or JSON, their file is named. `on_progress` is called with the name of each stack set that is done;
    `processes` defaults to the number of processors; `cache` is a folder to keep
    verdicts in. Raises ConfigError when `.cfnlintrc` cannot be used.
    """
    chosen = [
        (system, s)
        for system in systems
        for s in system.stack_sets
        if only is None or s.name in only
    ]
    jobs = {(system.name, s.name): _job(system, s) for system, s in chosen}
    kept = result_cache.open_folder(cache) if cache and chosen else None
    results: dict[_Job, list[Finding]] = {}
    # Stack sets that share text and regions share one run.
    unique = list(dict.fromkeys(jobs.values()))
    for done, found in _all(unique, processes or os.cpu_count() or 1, kept):
        results[done] = found
        for (_, name), job in jobs.items():
            if on_progress and job == done:
                on_progress(name)
    each: list[list[Finding]] = []
    for system in systems:
        together = _together(system, kept)
        shown: dict[Finding, None] = {}
        for its, s in chosen:
            if its is not system:
                continue
            mine = [f for f in together if f.stack_set == s.name]
            found = [*results[jobs[system.name, s.name]], *mine]
            file = folder / system.name / f"{s.part}.json"
            for finding in sorted(_in_file(found, s, file), key=_order):
                shown[replace(finding, stack_set=s.name)] = None
        each.append(list(shown))
    return each


def keepable(templates: Iterable[str], findings: Iterable[Finding]) -> bool:
    """Whether what was found in templates depends on nothing but what `verdicts` takes
    into account, and says what is wrong with them, not with a rule."""
    return all(map(result_cache.keepable, templates)) and _trusted(findings)


def _order(finding: Finding) -> tuple[int, int, str, str, list[str]]:
    where = [*map(str, finding.path)]
    return finding.line, finding.column, finding.rule, finding.message, where


def exit_code(findings: Iterable[Finding]) -> int:
    """cfn-lint's exit status: 2 for errors, 4 warnings, 8 informational, added up."""
    code = 0
    for finding in findings:
        code |= EXIT_BITS[finding.severity]
    return code


def render(
    findings: Sequence[Finding], format: Format, stack_sets: Sequence[str] = ()
) -> str:
    """Findings as text for people, or as JSON, SARIF 2.1.0, JUnit XML or GitHub's
    annotations for tools.

    `stack_sets` names everything that was checked, so that what is clean shows too.
    """
    return forms.render(findings, format, stack_sets, _described)


def _described(rule: str) -> tuple[str, str]:
    """A rule's short and its full description; its id where it is not known."""
    known = _rules()
    if rule not in known:
        return rule, rule
    return known[rule].shortdesc, known[rule].description


# Running -----------------------------------------------------------------------------


def _job(system: System, stack_set: StackSet) -> _Job:
    regions = {target.region for target in stack_set.targets}
    # A stack set that goes nowhere yet is checked for where the system goes.
    regions = regions or {*system.regions.values()} or {system.admin.region}
    facts = json.dumps(_facts(stack_set), sort_keys=True)
    return _Job(stack_set.template, tuple(sorted(regions)), facts)


def _facts(stack_set: StackSet) -> dict[str, Any]:
    """What a manifest says of a stack set, as far as rules look at it."""
    return {
        "targets": [
            {"account": t.account, "region": t.region} for t in stack_set.targets
        ],
        "parameters": _values(stack_set.parameters),
        "overrides": [
            {
                "account": o.account,
                "region": o.region,
                "parameters": _values(o.parameters),
            }
            for o in _overrides(stack_set)
        ],
        "capabilities": sorted(stack_set.capabilities),
        **(stack_set.permissions() if stack_set.service_managed else {}),
    }


def _overrides(stack_set: StackSet) -> Iterator[Override]:
    """The overrides, and what artifacts give at single targets."""
    yield from stack_set.overrides
    for artifact in stack_set.artifacts.values():
        for target in stack_set.targets:
            yield Override(artifact.values(target), target.region, target.account)


def _values(values: Mapping[str, Value]) -> dict[str, Any]:
    return {
        name: (
            {"output": str(value), "region": value.region, "account": value.account}
            if isinstance(value, Output)
            else value
        )
        for name, value in values.items()
    }


def _in_file(findings: Sequence[Finding], s: StackSet, file: Path) -> list[Finding]:
    """Findings with the file that people correct: what they wrote the template in, with
    the lines there, or else the one that is committed."""
    if s.source and findings:
        try:
            text = s.source.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            text = ""  # gone since the template was read
        places = decode.places(text, [f.path for f in findings]) if text else None
        if places:
            source = _shown(s.source)
            return [
                replace(finding, file=source, line=line, column=column)
                for finding, (line, column) in zip(findings, places, strict=True)
            ]
    return [replace(finding, file=_shown(file)) for finding in findings]


def _shown(path: Path) -> str:
    """Below the working folder as a relative path, which code scanning requires."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _all(
    jobs: Sequence[_Job], processes: int, kept: Verdicts | None
) -> Iterator[tuple[_Job, list[Finding]]]:
    """Every job with its findings: those known from before first."""
    left = []
    for job in jobs:
        known = kept.get(_key(kept, job)) if kept else None
        if known is None:
            left.append(job)
        else:
            yield job, known
    for job, found in _run_all(left, processes):
        if kept and keepable([job.template], found):
            kept.put(_key(kept, job), found)
        yield job, found
    if kept and left:
        kept.prune()


def _key(kept: Verdicts, job: _Job) -> str:
    return kept.key("template", job.template, " ".join(job.regions), job.facts)


def _trusted(findings: Iterable[Finding]) -> bool:
    """Whether a verdict says what is wrong with a template, not with a rule."""
    return all(finding.rule != _RULE_ERROR for finding in findings)


def _run_all(
    jobs: Sequence[_Job], processes: int
) -> Iterator[tuple[_Job, list[Finding]]]:
    """Every job with its findings, in whatever order they finish."""
    batches = _batches(jobs)
    # Forking shares the loaded rules. It is unsafe while other threads run (a lock
    # they hold stays locked in the child), and unreliable outside Linux.
    safe = sys.platform == "linux" and threading.active_count() == 1
    if len(batches) < _WORTH_FORKING or processes < 2 or not safe:
        for batch in batches:
            yield from _run_batch(batch)
        return
    _rules()
    # The largest first, so that no process is left with it at the end.
    batches.sort(key=lambda batch: -len(batch[0].template))
    context = multiprocessing.get_context("fork")
    processes = min(processes, len(batches))
    with context.Pool(processes, initializer=_ignore_ctrl_c) as pool:
        for found in pool.imap_unordered(_run_batch, batches):
            yield from found


_Batch = tuple[_Job, ...]
"""Jobs with the same template, which one run can clear of everything."""


def _batches(jobs: Sequence[_Job]) -> list[_Batch]:
    """Jobs that may share a run; see `_run_batch`."""
    by_template: dict[str, list[_Job]] = {}
    for job in jobs:
        by_template.setdefault(job.template, []).append(job)
    several = any(len(same) > 1 for same in by_template.values())
    found: list[_Batch] = []
    # Informational rules may speak only where all regions have something (I2530).
    careful = several and any(c.startswith("I") for c in _config(()).include_checks)
    for same in by_template.values():
        if len(same) > 1 and not careful and _alike(same):
            found.append(tuple(same))
        else:
            found += [(job,) for job in same]
    return found


def _alike(jobs: Sequence[_Job]) -> bool:
    """Whether every type of a template has one schema in all regions of these jobs.

    Then what is clean in all of the regions is clean in each: what cfn-lint looks up
    by region beside schemas only ever adds errors and warnings. Transforms are done with the first region's values, so that these go alone.
    """
    body = checks.body(jobs[0].template)
    resources = body.get("Resources")
    if "Transform" in body or not isinstance(resources, dict):
        return False
    regions = sorted({region for job in jobs for region in job.regions})
    for resource in resources.values():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if not isinstance(kind, str) or not schemas.same_everywhere(kind, regions):
            return False
    return True


def _run_batch(batch: _Batch) -> list[tuple[_Job, list[Finding]]]:
    """The findings of each job: one run for all their regions and, only where that
    finds something, one for each of them to tell whose it is."""
    if len(batch) > 1:
        regions = sorted({region for job in batch for region in job.regions})
        facts = ",".join(dict.fromkeys(job.facts for job in batch))
        if not _run(_Job(batch[0].template, tuple(regions), facts)):
            return [(job, []) for job in batch]
    return [(job, _run(job)) for job in batch]


def _ignore_ctrl_c() -> None:
    """Ctrl-C reaches the whole process group; the parent ends its children itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@cache
def _rules() -> Any:
    """cfn-lint's rules, those a `.cfnlintrc` appends, and ours; loading takes 0.7 s
    cold."""
    from cfnlint.runner import Runner

    from tapgen.rules import ALL

    rules = Runner(_config(())).rules
    for rule in ALL:
        if rule.id not in rules:  # a `.cfnlintrc` may append our pack as well
            rules.register(rule())
    return rules


def _config(regions: Sequence[str]) -> Any:
    from cfnlint.config import ConfigMixIn
    from cfnlint.exceptions import CfnLintExitException

    try:
        return ConfigMixIn(regions=list(regions)) if regions else ConfigMixIn()
    except CfnLintExitException as error:
        raise ConfigError([f".cfnlintrc: {error}; correct or remove it"]) from error


def _run(job: _Job) -> list[Finding]:
    """One cfn-lint run over one template; findings without a stack set's name."""
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
    return sorted(found, key=_order)


def _matches(job: _Job) -> list[Any]:
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import run_template_by_data

    from tapgen.rules.view import placed

    template, errors = decode_str(job.template)
    if errors:
        return list(errors)
    stack_sets = json.loads(f"[{job.facts}]")
    written = None
    if loops.TRANSFORM in loops.transforms(template):
        written = json.loads(job.template)
        _know_items(template, stack_sets)
    with placed(stack_sets, written):
        return list(run_template_by_data(template, _config(job.regions), _rules()))


def _know_items(template: Any, stack_sets: Sequence[Mapping[str, Any]]) -> None:
    """Give the parameters that loops go through the items of all targets as default:
    cfn-lint makes some up where it knows none, and knows no targets."""
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


# The system as a whole ---------------------------------------------------------------


def _together(system: System, kept: Verdicts | None) -> list[Finding]:
    """What the stack sets of a system do to each other; findings without a file."""
    whole = [
        [s.name, s.part, s.template, _facts(s), sorted(s.depends_on)]
        for s in system.stack_sets
    ]
    key = kept.key("system", json.dumps(whole, sort_keys=True)) if kept else ""
    known = kept.get(key) if kept else None
    if known is None:
        known = _judged(system)
        if kept and all(result_cache.keepable(s.template) for s in system.stack_sets):
            kept.put(key, known)
    return known


def _judged(system: System) -> list[Finding]:
    from tapgen import rules

    try:
        found = rules.system(system)
    except RecursionError:
        return []  # what is nested so deeply is refused as a template
    texts = {s.name: s.template for s in system.stack_sets}
    shown: list[Finding] = []
    for name, group in groupby(found, key=lambda f: f.stack_set):
        shown += _located(texts[name], list(group))
    return shown


def _located(text: str, findings: Sequence[Finding]) -> list[Finding]:
    """Findings of one template with their lines, less those that are silenced."""
    from cfnlint.decode.decode import decode_str
    from cfnlint.template import Template

    body, errors = decode_str(text)
    if errors or not isinstance(body, dict):
        return list(findings)
    config = _config(())
    template = Template(None, body)
    try:
        config.set_template_args(body)
        silenced = template.get_directives()
    except MALFORMED:
        return list(findings)  # cfn-lint's own finding about it has the place
    shown = []
    for finding in findings:
        if finding.logical_id in silenced.get(finding.rule, ()):
            continue
        if _rules().is_rule_enabled(finding.rule, config):
            at = template.get_location_yaml(body, list(finding.path)) or (0, 0)
            shown.append(replace(finding, line=at[0] + 1, column=at[1] + 1))
    return shown


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
    """A cfn-lint match as plain data; its strings are subclasses with positions."""
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
