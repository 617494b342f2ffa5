"""Make control characters visible: what AWS or a template says never steers a terminal.

An escape sequence in a value could hide a line of a plan, or change the title of the
window (CWE-150). Everything that is printed for people passes `visible`; JSON has escapes
of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")

# C0 without tab and line feed, DEL, C1, what reorders text (marks of direction), line and
# paragraph separators (Unicode, chapter 23), and surrogates, which cannot be printed.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return a text with `\\x1b` or `\\u202e` in the place of each control character;
    tabs and line feeds stay."""
    return _CONTROL.sub(_escaped, text)


def printable(function: Callable[P, str]) -> Callable[P, str]:
    """Let a function return its text with control characters visible."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> str:
        return visible(function(*args, **kwargs))

    return inner


def shell_word(value: str) -> str:
    """Return a value as a word of a shell, with control characters as escapes: `$'…'`
    (Bash, ksh and zsh: ANSI-C quoting)."""
    if not _CONTROL.search(value) and "\n" not in value:
        return shlex.quote(value)
    quoted = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"$'{visible(quoted)}'"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
