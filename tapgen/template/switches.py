"""Find properties that newly make a resource public.

Data in, data out. The table is in `knowledge/exposure.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.knowledge.exposure import SWITCHES, Switch
from tapgen.template.places import values_at
from tapgen.template.values import equal, is_open, text


def exposed(kind: str, before: Any, after: Any) -> Iterator[str]:
    """Yield what makes a resource public that did not before, in words. `before` and
    `after` are its properties, None for none."""
    for switch in SWITCHES:
        if after is not None and (not switch.types or kind in switch.types):
            yield from _exposed(switch, before, after)


def _exposed(switch: Switch, before: Any, after: Mapping[str, Any]) -> Iterator[str]:
    had, has = ([*values_at(side, switch.path)] for side in (before or {}, after))
    if before is None and not (switch.new and has):
        return
    was, now = (sum(_is_on(switch, value) for value in side) for side in (had, has))
    if before is not None and switch.absent:
        was, now = was or int(not had), now or int(not has)
    name = switch.path.removesuffix("/*").rpartition("/")[2]
    words = f": {switch.words}" if switch.words else ""
    if now > was:
        yield f"{name} {_became(switch, had, has)}{words}"
    elif not was and had != has and any(map(is_open, has)):
        yield f"{name} becomes {text(has[0])}, which is known only later{words}"


def _is_on(switch: Switch, value: Any) -> bool:
    if switch.on:
        return any(equal(value, one) for one in switch.on)
    return bool(switch.off) and not any(equal(value, one) for one in switch.off)


def _became(switch: Switch, had: list[Any], has: list[Any]) -> str:
    if switch.off == ("true",):
        return "is turned off"
    if not switch.on and not switch.off:
        return "is dropped"
    value = next((one for one in has if _is_on(switch, one)), None)
    became = "the default of AWS" if value is None else text(value)
    return f"becomes {became}" + (f", it was {text(had[0])}" if had else "")
