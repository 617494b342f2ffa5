"""Values in answers, by JSONPath."""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")  # of a JSONPath like $.Members[0].Status


def select(answer: Any, selector: str) -> str | None:
    """Return the value at a JSONPath of names and positions, as text; None without one."""
    for name, position in _STEP.findall(selector):
        try:
            answer = answer[name] if name else answer[int(position)]
        except (LookupError, TypeError):
            return None
    return None if answer is None else str(answer)
