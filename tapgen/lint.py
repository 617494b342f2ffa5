"""Checks a system's templates with cfn-lint, for exactly the regions they go to.

cfn-lint runs inside this process: the rules are loaded once (loading costs as much as
checking a small template), every region of a template is checked in one run (four
times cheaper than one run per region), and templates are spread over forked processes
where that is safe. A template may carry cfn-lint's own `Metadata` (`ignore_checks`
for the template, or for one resource), and a `.cfnlintrc` is honoured as cfn-lint does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote

from tapgen.errors import ConfigError
from tapgen.model import Finding, Severity, StackSet, System

Format = Literal["text", "json", "sarif", "junit"]

EXIT_BITS: Mapping[Severity, int] = {
    Severity.ERROR: 2,
    Severity.WARNING: 4,
    Severity.INFORMATIONAL: 8,
}
"""cfn-lint's exit status is the union of these."""

_NAMED = ("Resources", "Parameters", "Outputs", "Conditions", "Mappings", "Rules")
_HOME = "https://github.com/aws-cloudformation/cfn-lint"
# cfn-lint's rule ids for a template that cannot be parsed, and for one that makes
# cfn-lint itself stumble.
_PARSE_ERROR = "E0000"
_RULE_ERROR = "E0002"
# What cfn-lint raises where it takes for granted that, say, a resource is an object.
_MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
# Below this many templates, starting processes costs more than it saves.
_WORTH_FORKING = 3


@dataclass(frozen=True)
class _Job:
    """One cfn-lint run: a template text and the regions it goes to."""

    template: str
    regions: tuple[str, ...]


def check(
    system: System,
    folder: Path,
    on_progress: Callable[[str], None] | None = None,
    processes: int | None = None,
) -> list[Finding]:
    """What cfn-lint finds in a system's templates, in the order of its stack sets.

    `folder` is where the templates are committed: files are named
    `<folder>/<system>/<part>.json` in findings, but the text checked is the stack
    set's own. `on_progress` is called with the name of each stack set that is done;
    `processes` defaults to the number of processors. Raises ConfigError when
    `.cfnlintrc` cannot be used.
    """
    jobs = {s.name: _job(system, s) for s in system.stack_sets}
    results: dict[_Job, list[Finding]] = {}
    # Stack sets that share text and regions share one run.
    unique = list(dict.fromkeys(jobs.values()))
    for done, found in _run_all(unique, processes or os.cpu_count() or 1):
        results[done] = found
        for name, job in jobs.items():
            if on_progress and job == done:
                on_progress(name)
    return [
        replace(finding, stack_set=stack_set.name, file=file)
        for stack_set in system.stack_sets
        for file in [_shown(folder / system.name / f"{stack_set.part}.json")]
        for finding in results[jobs[stack_set.name]]
    ]


def exit_code(findings: Iterable[Finding]) -> int:
    """cfn-lint's exit status: 2 for errors, 4 warnings, 8 informational, added up."""
    code = 0
    for finding in findings:
        code |= EXIT_BITS[finding.severity]
    return code


def render(
    findings: Sequence[Finding], format: Format, stack_sets: Sequence[str] = ()
) -> str:
    """Findings as text for people, or as JSON, SARIF 2.1.0 or JUnit XML for tools.

    `stack_sets` names everything that was checked, so that what is clean shows too.
    """
    formats: Mapping[Format, Callable[[Sequence[Finding], Sequence[str]], str]] = {
        "text": _text,
        "json": _json,
        "sarif": _sarif,
        "junit": _junit,
    }
    return formats[format](findings, stack_sets)


# Running -----------------------------------------------------------------------------


def _job(system: System, stack_set: StackSet) -> _Job:
    regions = {target.region for target in stack_set.targets}
    # A stack set that goes nowhere yet is checked for where the system goes.
    regions = regions or {*system.regions.values()} or {system.admin.region}
    return _Job(stack_set.template, tuple(sorted(regions)))


def _shown(path: Path) -> str:
    """Below the working folder as a relative path, which code scanning requires."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _run_all(
    jobs: Sequence[_Job], processes: int
) -> Iterator[tuple[_Job, list[Finding]]]:
    """Every job with its findings, in whatever order they finish."""
    # Forking shares the loaded rules. It is unsafe while other threads run (a lock
    # they hold stays locked in the child), and unreliable outside Linux.
    safe = sys.platform == "linux" and threading.active_count() == 1
    if len(jobs) < _WORTH_FORKING or processes < 2 or not safe:
        yield from ((job, _run(job)) for job in jobs)
        return
    _rules()
    context = multiprocessing.get_context("fork")
    with context.Pool(min(processes, len(jobs)), initializer=_ignore_ctrl_c) as pool:
        yield from pool.imap_unordered(_run_with_job, jobs)


def _ignore_ctrl_c() -> None:
    """Ctrl-C reaches the whole process group; the parent ends its children itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_with_job(job: _Job) -> tuple[_Job, list[Finding]]:
    return job, _run(job)


@cache
def _rules() -> Any:
    """cfn-lint's rules, and those a `.cfnlintrc` appends; loading takes 0.7 s cold."""
    from cfnlint.runner import Runner

    return Runner(_config(())).rules


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
    except _MALFORMED as error:
        message = f"cfn-lint cannot read this template: {error}; check its shape"
        return [_broken(_RULE_ERROR, message)]
    return sorted(
        found, key=lambda f: (f.line, f.column, f.rule, f.message, [*map(str, f.path)])
    )


def _matches(job: _Job) -> list[Any]:
    from cfnlint.decode.decode import decode_str
    from cfnlint.runner import run_template_by_data

    template, errors = decode_str(job.template)
    if errors:
        return list(errors)
    return list(run_template_by_data(template, _config(job.regions), _rules()))


def _broken(rule: str, message: str, at: json.JSONDecodeError | None = None) -> Finding:
    return Finding(
        stack_set="",
        logical_id="",
        rule=rule,
        severity=Severity.ERROR,
        message=message,
        line=at.lineno if at else 1,
        column=at.colno if at else 1,
        url=_HOME,
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


# Rendering ---------------------------------------------------------------------------


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _counts(findings: Sequence[Finding]) -> str:
    parts = []
    for severity in Severity:
        number = sum(f.severity is severity for f in findings)
        if number and severity is Severity.INFORMATIONAL:
            parts.append(f"{number} informational")
        elif number:
            parts.append(_count(number, severity.value))
    return ", ".join(parts)


def _place(finding: Finding) -> str:
    where = f"{finding.file}:{finding.line}:{finding.column}"
    return "/".join(map(str, finding.path)) + f" ({where})" if finding.path else where


def _text(findings: Sequence[Finding], stack_sets: Sequence[str]) -> str:
    checked = f"{_count(len(stack_sets), 'stack set')} checked" if stack_sets else ""
    if not findings:
        return f"clean: {checked or 'nothing found'}\n"
    lines = []
    for name, group in groupby(findings, key=lambda f: f.stack_set):
        its = list(group)
        lines.append(f"{name}: {_counts(its)}")
        for finding in its:
            lines.append(f"  {finding.rule} {finding.severity}: {finding.message}")
            lines.append(f"    at {_place(finding)}")
        lines.append("")
    affected = len({f.stack_set for f in findings})
    total = f"{_counts(findings)} in {_count(affected, 'stack set')}"
    lines.append(f"{total} ({checked})" if checked else total)
    return "\n".join(lines) + "\n"


def _json(findings: Sequence[Finding], stack_sets: Sequence[str]) -> str:
    return json.dumps([asdict(f) for f in findings], indent=2) + "\n"


_SARIF_LEVELS = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFORMATIONAL: "note",
}


def _sarif(findings: Sequence[Finding], stack_sets: Sequence[str]) -> str:
    """SARIF 2.1.0, through the object model cfn-lint's own formatter uses.

    Unlike that formatter it names the stack set and the resource of each result, and
    the order of rules does not vary between runs.
    """
    import sarif_om as sarif
    from cfnlint.version import __version__ as version
    from jschema_to_python.to_json import to_json

    log = sarif.SarifLog(
        version="2.1.0",
        schema_uri="https://json.schemastore.org/sarif-2.1.0.json",
        runs=[
            sarif.Run(
                tool=sarif.Tool(
                    driver=sarif.ToolComponent(
                        name="cfn-lint",
                        version=version,
                        information_uri=_HOME,
                        rules=_sarif_rules(findings),
                    )
                ),
                results=[_sarif_result(finding) for finding in findings],
            )
        ],
    )
    return json.dumps(json.loads(to_json(log)), indent=2) + "\n"


def _sarif_rules(findings: Sequence[Finding]) -> list[Any]:
    import sarif_om as sarif

    urls = {finding.rule: finding.url for finding in findings}
    known = _rules() if urls else {}
    described = []
    for rule, url in sorted(urls.items()):
        has = rule in known
        short = known[rule].shortdesc if has else rule
        full = known[rule].description if has else rule
        described.append(
            sarif.ReportingDescriptor(
                id=rule,
                short_description=sarif.MultiformatMessageString(text=short),
                full_description=sarif.MultiformatMessageString(text=full),
                help_uri=url or None,
            )
        )
    return described


def _sarif_result(finding: Finding) -> Any:
    import sarif_om as sarif

    name = "/".join(filter(None, (finding.stack_set, finding.logical_id)))
    return sarif.Result(
        rule_id=finding.rule,
        level=_SARIF_LEVELS[finding.severity],
        message=sarif.Message(text=finding.message),
        locations=[
            sarif.Location(
                physical_location=sarif.PhysicalLocation(
                    artifact_location=sarif.ArtifactLocation(uri=quote(finding.file)),
                    region=sarif.Region(
                        start_line=finding.line, start_column=finding.column
                    ),
                ),
                logical_locations=[
                    sarif.LogicalLocation(
                        name=finding.logical_id or finding.stack_set,
                        fully_qualified_name=name,
                    )
                ],
            )
        ],
    )


def _junit(findings: Sequence[Finding], stack_sets: Sequence[str]) -> str:
    """One test case for each stack set; it fails with each of its findings."""
    from junit_xml import TestCase, TestSuite, to_xml_report_string

    cases = {
        name: TestCase(name=name, classname="tapgen.lint", allow_multiple_subelements=1)
        for name in [*stack_sets, *(f.stack_set for f in findings)]
    }
    for finding in findings:
        cases[finding.stack_set].add_failure_info(
            message=f"{finding.rule} {finding.message} at {_place(finding)}",
            output=finding.url,
            failure_type=finding.severity.value,
        )
    suite = TestSuite("tapgen lint", list(cases.values()))
    return cast(str, to_xml_report_string([suite], prettyprint=True))
