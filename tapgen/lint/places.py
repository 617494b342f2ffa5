"""The file and line where a finding is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tapgen.model import Finding, StackSet
from tapgen.template import decode


def in_file(findings: Sequence[Finding], s: StackSet, file: Path) -> list[Finding]:
    """Return the findings with the file that people edit: the source of the template,
    with its lines, or else the committed template."""
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
    """Return a path below the working folder as relative: code scanning requires it."""
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()
