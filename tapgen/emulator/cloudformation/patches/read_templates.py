"""Templates that are sent again: a stack set sends the same one to each of its stacks.

What depends on the text of a template alone is found once. A template is known by its
text from when it is read until the end of the request; a copy of it, or what a transform
has made of it, is another one, of which nothing is known.
"""

from __future__ import annotations

import contextvars
from collections.abc import Hashable, Mapping
from hashlib import sha256
from typing import Any

_REMEMBERED = 1024  # facts
_read: contextvars.ContextVar[tuple[Any, bytes] | None] = contextvars.ContextVar(
    "tapgen_read_template", default=None
)
_facts: dict[tuple[bytes, Hashable], None] = {}


def reading(template: Mapping[str, Any], text: str) -> None:
    """Know a template by the text from which it was just read."""
    _read.set((template, sha256(text.encode()).digest()))


def known(template: Any, fact: Hashable) -> bool:
    """Whether a fact about a template was noted."""
    read = _read.get()
    return read is not None and read[0] is template and (read[1], fact) in _facts


def note(template: Any, fact: Hashable) -> None:
    """Keep a fact that follows from the text of a template."""
    read = _read.get()
    if read is not None and read[0] is template:
        while len(_facts) >= _REMEMBERED:
            _facts.pop(next(iter(_facts)), None)
        _facts[read[1], fact] = None
