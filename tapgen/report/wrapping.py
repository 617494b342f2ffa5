"""Lines that fit the width of a terminal: broken between words, with a hanging indent.

Only for terminals: in a pipe or file a line stays one line, so that grep finds all of it.
A word is never cut, and neither is a command behind a colon, which somebody may copy: the
terminal itself wraps one that is too long (decision 68).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import TextIO

Length = Callable[[str], int]
"""How many columns a text takes."""

_WORD = re.compile(r"(?<=: )(?:tapgen|aws|pip|git|curl) [^;]+;?|(?<= )[-+~] \S+|\S+")
# Spaces, a time, and a mark such as `!` or `±?`.
_MARK = re.compile(
    r" *(?:\d+\.\d s +|\d\d:\d\d:\d\d +)?(?:[^\w\s\"'({\[]{1,2} +)?(?=\S)"
)
_INDENT = 2


def folds(line: str, width: int, length: Length = len) -> Iterator[tuple[int, int]]:
    """Yield where each part of a line begins and ends, so that parts fit a width; all but
    the first are to be printed below an indent of `hanging` columns."""
    if length(line) <= width:
        yield 0, len(line)
        return
    room, start, end = width, 0, 0
    for word in _WORD.finditer(line):
        if end and length(line[start : word.end()]) > room:
            yield start, end
            start, room = word.start(), width - hanging(line, width)
        end = word.end()
    yield start, end


def hanging(line: str, width: int) -> int:
    """Return how far the continuation of a line is indented: to what is behind its
    time and mark, or a little more than the line itself, and never more than half of the width.
    """
    mark = _MARK.match(line)
    indent = mark.end() if mark else 0
    if not line[:indent].strip():
        indent += _INDENT
    return min(indent, width // 2)


def wrapped(text: str, width: int) -> str:
    """Return a plain text with lines that fit a width."""
    return "\n".join(
        f"{' ' * hanging(line, width) if start else ''}{line[start:end]}"
        for line in text.split("\n")
        for start, end in folds(line, width)
    )


def fitting(text: str, stream: TextIO) -> str:
    """Return a plain text as it is to be printed to a stream: wrapped if that is a
    terminal, whose width COLUMNS overrides."""
    if not stream.isatty():
        return text
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else 0
    return wrapped(text, width or os.get_terminal_size(stream.fileno()).columns or 80)
