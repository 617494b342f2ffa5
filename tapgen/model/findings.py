"""The findings of lint."""

from __future__ import annotations

from enum import StrEnum

from tapgen.frozen import dataclass


class Severity(StrEnum):
    """The severity of a finding, in cfn-lint's words."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATIONAL = "informational"


@dataclass(frozen=True, order=True)
class Finding:
    """A finding of lint at one place of one template.

    `path` are the keys from the top of the template down to the place; `line` and
    `column` are those of the committed file, from 1.
    """

    stack_set: str
    logical_id: str
    rule: str
    severity: Severity
    message: str
    path: tuple[str | int, ...] = ()
    file: str = ""
    line: int = 1
    column: int = 1
    url: str = ""
