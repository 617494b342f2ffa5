"""Check a system's templates with cfn-lint, for exactly the regions they are deployed to.

`check` and its variants collect findings, `render` prints them, and `exit_code` sums
them up. A `jobs.Job` is one template with its regions. `cfn_lint` runs a job, with the
rules of `tapgen.rules` beside cfn-lint's own: rules are loaded once (that costs as much
as checking a small template), and one run checks all regions of a template (four times
cheaper than one run per region). `processes` spreads jobs over forked processes,
`ahead` checks while a rollout reads what is deployed, and `quick` has the first answer,
without cfn-lint. `system_rules` compares stack sets with each other, `between_systems`
systems, `places` finds the line in the source, `result_cache` caches results by content
hash: where all are cached, cfn-lint is not even imported. `forms` has the output formats.

A template may carry cfn-lint's own `Metadata` (`ignore_checks` for the template, or for
one resource), and a `.cfnlintrc` is honoured as cfn-lint does; both silence our rules
as well.

May use `rules/`, `system/`, `template/` and `cache/`. Begin reading at `check`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tapgen.lint import between_systems, forms, quick, result_cache
from tapgen.lint.between_systems import sharing
from tapgen.lint.cfn_lint import describe, is_about_template, order, rules
from tapgen.lint.forms import Format
from tapgen.lint.jobs import Job, job_for, with_nested
from tapgen.lint.places import in_file, repeated
from tapgen.lint.processes import run_all
from tapgen.lint.result_cache import ResultCache
from tapgen.lint.system_rules import system_findings
from tapgen.model import Finding, Severity, System

__all__ = [
    "EXIT_BITS",
    "Format",
    "check",
    "check_all",
    "check_between",
    "check_each",
    "check_quickly",
    "exit_code",
    "is_cacheable",
    "names",
    "render",
    "sharing",
]

EXIT_BITS: Mapping[Severity, int] = {
    Severity.ERROR: 2,
    Severity.WARNING: 4,
    Severity.INFORMATIONAL: 8,
}
"""cfn-lint's exit status is the union of these."""


def check(
    system: System,
    folder: Path,
    on_progress: Callable[[str], None] | None = None,
    processes: int | None = None,
    cache: Path | None = None,
    only: Collection[str] | None = None,
) -> list[Finding]:
    """Return the findings of cfn-lint and tapgen's rules in a system.

    As `check_each`; `only` names the stack sets to check, by default all. Rules about
    the whole system still read all of its stack sets.
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
    """Return the findings in several systems, in their order, each finding once.

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
    on_first: Callable[[list[Finding]], None] | None = None,
) -> list[list[Finding]]:
    """Return the findings in each of several systems, in the order of its stack sets.

    The text checked is that of the stack set. A finding names the user's own template
    file where there is one, else the committed `<folder>/<system>/<part>.json`.
    `on_progress` is called with the name of each stack set that is done; `processes`
    defaults to the number of processors; `cache` is a folder to cache results in.
    `on_first` is called with the first answer about what is not cached, before cfn-lint
    has any: the findings of cloudformation-validate, where it is installed.
    Raises ConfigError where a `.cfnlintrc` cannot be used.
    """
    chosen = [
        (system, s)
        for system in systems
        for whole in system.stack_sets
        if only is None or whole.name in only
        for s in with_nested(whole)
    ]
    jobs = {(system.name, s.name): job_for(system, s) for system, s in chosen}
    results_cache = result_cache.open_folder(cache) if cache and chosen else None
    results: dict[Job, list[Finding]] = {}
    # Stack sets that share text and regions share one run.
    unique = list(dict.fromkeys(jobs.values()))
    together: list[list[Finding]] = []

    def look_at_systems() -> None:
        together.extend(system_findings(one, results_cache) for one in systems)

    count = processes or os.cpu_count() or 1
    for done, found in _results(
        unique, count, results_cache, on_first, look_at_systems
    ):
        results[done] = found
        for (_, name), job in jobs.items():
            if on_progress and job == done:
                on_progress(name)
    each: list[list[Finding]] = []
    for system, about_all in zip(systems, together, strict=True):
        unique_findings: dict[Finding, None] = {}
        for its, s in chosen:
            if its is not system:
                continue
            mine = [f for f in about_all if f.stack_set == s.name]
            found = [*results[jobs[system.name, s.name]], *mine]
            file = folder / system.name / f"{s.part}.json"
            placed = [*in_file(found, s, file), *repeated(s)]
            for finding in sorted(placed, key=order):
                unique_findings[replace(finding, stack_set=s.name)] = None
        each.append(list(unique_findings))
    return each


def check_between(
    systems: Sequence[System], folder: Path, cache: Path | None = None
) -> list[list[Finding]]:
    """Return the findings between systems, such as the environments of one config, for
    each system those about it; `folder` and `cache` as for `check_each`."""
    opened = result_cache.open_folder(cache) if cache else None
    return between_systems.findings(systems, folder, opened)


def names(systems: Iterable[System], cache: Path | None = None) -> frozenset[str]:
    """Return what these systems have for themselves: another system of the folder that
    has any of it collides with them (`check_between` says where)."""
    opened = result_cache.open_folder(cache) if cache else None
    found = (between_systems.names(system, opened) for system in systems)
    return frozenset().union(*found)


def check_quickly(
    systems: Sequence[System], folder: Path, files: Sequence[Path] = ()
) -> tuple[list[Finding], list[str]]:
    """Return what cloudformation-validate finds in systems and in committed templates,
    and the stack sets that were checked.

    Raises TapgenError where it is not installed, ConfigError for an unreadable file.
    """
    chosen = {
        (s.name, job_for(system, s)): s
        for system in systems
        for whole in system.stack_sets
        for s in with_nested(whole)
    }
    places = {(name, job): file for file in files for name, job in quick.listed(file)}
    jobs = list(dict.fromkeys(job for _, job in (*chosen, *places)))
    found = dict(zip(jobs, quick.check(jobs), strict=True))
    result: dict[Finding, None] = {}
    paths = {
        s.name: folder / system.name / f"{s.part}.json"
        for system in systems
        for whole in system.stack_sets
        for s in with_nested(whole)
    }
    for (name, job), s in chosen.items():
        placed = [*in_file(found[job], s, paths[name]), *repeated(s)]
        for finding in sorted(placed, key=order):
            result[replace(finding, stack_set=name)] = None
    for (name, job), file in places.items():
        for finding in sorted(found[job], key=order):
            result[replace(finding, stack_set=name, file=file.as_posix())] = None
    return list(result), list(dict.fromkeys(name for name, _ in (*chosen, *places)))


def is_cacheable(templates: Iterable[str], findings: Iterable[Finding]) -> bool:
    """Whether findings in templates may be cached: they depend only on what the key
    covers, and none of them is about a failing rule."""
    return all(map(result_cache.is_cacheable, templates)) and is_about_template(
        findings
    )


def exit_code(findings: Iterable[Finding]) -> int:
    """Return cfn-lint's exit status: 2 for errors, 4 warnings, 8 informational, summed."""
    code = 0
    for finding in findings:
        code |= EXIT_BITS[finding.severity]
    return code


def render(
    findings: Sequence[Finding], format: Format, stack_sets: Sequence[str] = ()
) -> str:
    """Return findings as text for people, or for tools as JSON, SARIF 2.1.0, JUnit XML
    or GitHub's annotations.

    `stack_sets` names everything that was checked, so that clean ones are listed too.
    """
    return forms.render(findings, format, stack_sets, describe)


def _results(
    jobs: Sequence[Job],
    processes: int,
    cache: ResultCache | None,
    on_first: Callable[[list[Finding]], None] | None,
    meanwhile: Callable[[], None],
) -> Iterator[tuple[Job, list[Finding]]]:
    """Yield every job with its findings, cached ones first; `meanwhile` is called once."""
    missing = []
    for job in jobs:
        cached = cache.get(_key(cache, job)) if cache else None
        if cached is None:
            missing.append(job)
        else:
            yield job, cached
    if on_first and missing and quick.is_installed():
        _first_answer(missing, on_first)
    for job, found in run_all(missing, processes, meanwhile):
        if cache and is_cacheable([job.template], found):
            cache.put(_key(cache, job), found)
        yield job, found
    if cache and missing:
        cache.prune()


def _first_answer(
    jobs: Sequence[Job], on_first: Callable[[list[Finding]], None]
) -> None:
    """Have cloudformation-validate check the jobs while cfn-lint's rules are loaded."""
    started = quick.start(jobs)
    rules()
    found = quick.answer(started)
    if found is not None:
        on_first(list(dict.fromkeys(f for each in found for f in each)))


def _key(cache: ResultCache, job: Job) -> str:
    return cache.key("template", job.template, " ".join(job.regions), job.facts)
