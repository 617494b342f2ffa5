"""Output formats of findings, for people and for tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Literal, cast
from urllib.parse import quote

from tapgen.model import Finding, Severity

Format = Literal["text", "json", "sarif", "junit", "github"]

HOME = "https://github.com/aws-cloudformation/cfn-lint"

Describe = Callable[[str], tuple[str, str]]
"""Returns a rule's short and its full description, by its id."""


def render(
    findings: Sequence[Finding],
    format: Format,
    stack_sets: Sequence[str],
    describe: Describe,
) -> str:
    """Return findings in a format; `stack_sets` are all that were checked."""
    if format == "sarif":
        return _sarif(findings, describe)
    others: Mapping[str, Callable[[Sequence[Finding], Sequence[str]], str]] = {
        "text": _text,
        "json": _json,
        "junit": _junit,
        "github": _github,
    }
    return others[format](findings, stack_sets)


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
        return f"clean: {checked or 'no findings'}\n"
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


def _sarif(findings: Sequence[Finding], describe: Describe) -> str:
    """Return SARIF 2.1.0, with the object model of cfn-lint's own formatter.

    Unlike that formatter, each result names its stack set and resource, and the order of
    rules is the same in every run.
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
                        information_uri=HOME,
                        rules=_sarif_rules(findings, describe),
                    )
                ),
                results=[_sarif_result(finding) for finding in findings],
            )
        ],
    )
    return json.dumps(json.loads(to_json(log)), indent=2) + "\n"


def _sarif_rules(findings: Sequence[Finding], describe: Describe) -> list[Any]:
    import sarif_om as sarif

    urls = {finding.rule: finding.url for finding in findings}
    described = []
    for rule, url in sorted(urls.items()):
        short, full = describe(rule)
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


_GITHUB_COMMANDS = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFORMATIONAL: "notice",
}


def _github(findings: Sequence[Finding], stack_sets: Sequence[str]) -> str:
    """Return workflow commands, which GitHub shows as annotations of lines.

    Source: "Workflow commands for GitHub Actions", setting an error message.
    """
    return "".join(
        f"::{_GITHUB_COMMANDS[f.severity]} file={_property(f.file)},line={f.line},"
        f"col={f.column},title={_property(f'{f.rule} in {f.stack_set}')}"
        f"::{_escaped(f.message)}\n"
        for f in findings
    )


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _junit(findings: Sequence[Finding], stack_sets: Sequence[str]) -> str:
    """Return one test case for each stack set, which fails with each finding."""
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
