"""Values and their differences as lines."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from tapgen.report.counting import counted
from tapgen.template.values import LATER

_MAX_VALUE = 60  # characters of a value shown in a line
_BEFORE = 20  # of these, how many stand before the first difference
_MAX_ITEMS = 6  # added and removed items of a list, each a line


def short(value: Any) -> str:
    """Return a value as a line: text unchanged, anything else as JSON, long ones cut."""
    return _cut(_text(value), 0, _MAX_VALUE)


def difference(old: Any, new: Any, *, width: int = _MAX_VALUE) -> tuple[str, ...]:
    """Return what differs, as lines: `old → new`, for lists the added and removed items.

    Values longer than `width` characters are cut around their first difference, so that
    the shown parts differ too.
    """
    found = tuple(_lines(old, new, width))
    more = len(found) - _MAX_ITEMS
    rest = (f"… and {counted(more, 'item')} more",) if more > 0 else ()
    return (*found[:_MAX_ITEMS], *rest)


def whole_difference(old: Any, new: Any) -> tuple[str, ...]:
    """Return what differs, with nothing cut."""
    return tuple(_lines(old, new, sys.maxsize))


def _lines(old: Any, new: Any, width: int) -> Iterator[str]:
    if isinstance(new, dict) and LATER in new:
        yield _cut(_text(new), 0, width)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(old, new, width)
    else:
        yield " → ".join(_cut_together(_text(old), _text(new), width))


def _items(old: Sequence[Any], new: Sequence[Any], width: int) -> Iterator[str]:
    """`- item` and `+ item`, in pairs where possible."""
    before, after = [_canonical(i) for i in old], [_canonical(i) for i in new]
    gone, come = Counter(before) - Counter(after), Counter(after) - Counter(before)
    if not gone and not come:
        yield "the same items in another order"
    for was, now in zip_longest(gone.elements(), come.elements()):
        if was is not None and now is not None:
            was, now = _cut_together(_plain(was), _plain(now), width)
            yield f"- {was}"
            yield f"+ {now}"
        elif was is not None:
            yield f"- {_cut(_plain(was), 0, width)}"
        else:
            yield f"+ {_cut(_plain(str(now)), 0, width)}"


def _canonical(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=str, ensure_ascii=False)


def _plain(text: str) -> str:
    """The item of a list from its JSON."""
    return _text(json.loads(text))


def _text(value: Any) -> str:
    if value is None:
        return "(absent)"
    if isinstance(value, dict) and LATER in value:
        return f"({value[LATER]})"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\n", "⏎")


def _cut_together(old: str, new: str, width: int) -> tuple[str, str]:
    """Both texts, cut at the same place when one of them is too long."""
    if max(len(old), len(new)) <= width:
        return old, new
    pairs = enumerate(zip(old, new, strict=False))
    apart = next((n for n, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, apart - _BEFORE)
    return _cut(old, start, width), _cut(new, start, width)


def _cut(text: str, start: int, width: int) -> str:
    left = "…" if start else ""
    end = start + width - len(left)
    if len(text) <= end:
        return left + text[start:]
    return f"{left}{text[start : end - 1]}…"
