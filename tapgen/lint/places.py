"""The file and line where a finding is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from tapgen.model import Finding, Severity, StackSet
from tapgen.template import decode

REPEATED = "W0000"
"""The id of the warning about a key given twice; cfn-lint's error for it is E0000."""
DUPLICATES = "https://github.com/aws-cloudformation/cfn-lint/issues/35"


def in_file(findings: Sequence[Finding], s: StackSet, file: Path) -> list[Finding]:
    """Return the findings with the file that people edit: the source of the template,
    with its lines, or else the committed template."""
    if s.source and findings:
        text = _text(s.source)
        places = decode.places(text, [f.path for f in findings]) if text else None
        if places:
            source = _shown(s.source)
            return [
                replace(finding, file=source, line=line, column=column)
                for finding, (line, column) in zip(findings, places, strict=True)
            ]
    return [replace(finding, file=_shown(file)) for finding in findings]


def repeated(s: StackSet) -> list[Finding]:
    """Return a warning for each key that the source of a template has more than once."""
    if not s.source:
        return []
    return [_twice(path, lines, s.source) for path, lines in _repeated(_text(s.source))]


@lru_cache
def _repeated(text: str) -> list[tuple[tuple[str | int, ...], list[int]]]:
    return decode.repeated(text) if text else []


def _twice(path: tuple[str | int, ...], lines: list[int], source: Path) -> Finding:
    shown = ", ".join(map(str, lines[:-1]))
    return Finding(
        stack_set="",
        logical_id=str(path[1]) if path[0] == "Resources" and len(path) > 1 else "",
        rule=REPEATED,
        severity=Severity.WARNING,
        message=(
            f"the key {path[-1]!r} is given on line {shown} and on line {lines[-1]}; "
            f"CloudFormation takes the value on line {lines[-1]}; keep one"
        ),
        path=path,
        file=_shown(source),
        line=lines[-1],
        url=DUPLICATES,
    )


def _text(source: Path) -> str:
    """Return the text of a source; empty where it is gone since it was read."""
    try:
        return source.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def _shown(path: Path) -> str:
    """Return a path below the working folder as relative: code scanning requires it."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
