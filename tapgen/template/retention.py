"""Find what a change deletes while its resource stays: older, expired or no longer kept.

Data in, data out. What AWS deletes is in the tables of `knowledge/retention.py`; this
compares the values before and after a change, and the scopes of S3's lifecycle rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapgen.knowledge.retention import (
    DOCUMENTS,
    FOREVER,
    LIFECYCLES,
    RETENTIONS,
    SWITCHES,
    Document,
    Retention,
    Switch,
)
from tapgen.template.places import Pair, pairs, value_at
from tapgen.template.values import equal, is_open, mapping


def lost(kind: str, before: Any, after: Any) -> Iterator[tuple[bool, str]]:
    """Yield what AWS deletes, in words; with each, whether it is there already. False
    stands for what is only kept for a shorter time in the future."""
    for one in RETENTIONS:
        if one.type == kind:
            yield from _shorter(one, before, after)
    for switch in SWITCHES:
        if switch.type == kind:
            yield from _switched(switch, before, after)
    for document in DOCUMENTS:
        if document.type == kind:
            yield from _other_rules(document, before, after)
    if kind in LIFECYCLES:
        yield from ((True, words) for words in _expired(before, after))


def _shorter(one: Retention, before: Any, after: Any) -> Iterator[tuple[bool, str]]:
    if one.unless and value_at(after, one.unless) is not None:
        return
    for pair in pairs(before, after, one.path, one.key):
        if equal(pair.old, pair.new) or not _counts(one, pair, before, after):
            continue
        words = _cut(one, pair)
        if words:
            yield not one.future, words


def _counts(one: Retention, pair: Pair, before: Any, after: Any) -> bool:
    """Whether the number matters: what it is about is on before and after."""
    if not one.only:
        return pair.item is None or pair.both
    switches = pairs(before, after, one.only, one.key)
    on = [p for p in switches if p.item == pair.item]
    return all(equal(p.old, True) and equal(p.new, True) for p in on) and bool(on)


def _cut(one: Retention, pair: Pair) -> str:
    """Return what a smaller number deletes; empty if it deletes nothing."""
    old, new = _number(one, pair.old), _number(one, pair.new)
    if old == 0:
        return ""  # nothing is kept
    place = f"{pair.name} {_shown(old, one)} → {_shown(new, one)}"
    if old is None or new is None:
        return f"{pair.name} changes: {one.what} may be deleted sooner"
    if new >= old:
        return ""
    verb = "are" if one.sure else "may be"
    if one.future:
        return (
            f"{place}: new {one.what} are deleted sooner; those that are there keep "
            "their time"
        )
    if new == 0:
        return f"{place}: all {one.what} {verb} deleted"
    if one.unit in ("copies", "intervals"):
        return f"{place}: the oldest {one.what} {verb} deleted"
    return f"{place}: {one.what} older than {_shown(new, one)} {verb} deleted"


def _number(one: Retention, value: Any) -> float | None:
    """Return the number that a value stands for; None for one known later."""
    if value is None:
        return one.absent
    named = dict(one.names)
    if str(value) in named:
        return named[str(value)]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return FOREVER if number in one.forever else number


def _shown(number: float | None, one: Retention) -> str:
    if number is None:
        return "?"
    if number == FOREVER:
        return "forever"
    unit = one.unit[:-1] if number == 1 and one.unit.endswith("s") else one.unit
    unit = "copy" if unit == "copie" else unit
    return f"{number:g} {unit}" if number < 1e6 else f"{number:.0f} {unit}"


def _switched(one: Switch, before: Any, after: Any) -> Iterator[tuple[bool, str]]:
    for pair in pairs(before, after, one.path, one.key):
        if pair.item is not None and not pair.both:
            continue
        was, now = equal(pair.old, one.on), equal(pair.new, one.on)
        left, entered = (now, was) if one.starts else (was, now)
        unknown = is_open(pair.old) or is_open(pair.new)
        if left and not entered:
            verb = "may be" if unknown else "is"
            turned = f"{verb} turned {'on' if one.starts else 'off'}"
            yield True, f"{one.label or pair.name} {turned}: {one.lost}"


# -- documents -----------------------------------------------------------------------


def _other_rules(one: Document, before: Any, after: Any) -> Iterator[tuple[bool, str]]:
    old, new = value_at(before, one.path), value_at(after, one.path)
    if new is None or equal(old, new):
        return
    sooner = (
        [name for name in one.counts if _lines(old).get(name) != _lines(new).get(name)]
        if _is_lines(new)
        else _new_rules(old, new, one.counts)
    )
    name = one.path.rpartition("/")[2]
    if one.type == "AWS::MSK::Configuration":
        sooner = [
            name
            for name in sooner
            if _below(_lines(new).get(name), _lines(old).get(name))
        ]
    if sooner:
        rules = f" ({', '.join(sooner)})" if all(sooner) else ""
        yield True, f"{name} changes{rules}: {one.what} may be deleted sooner"


def _is_lines(text: Any) -> bool:
    return isinstance(text, str) and not text.lstrip().startswith(("{", "["))


def _lines(text: Any) -> dict[str, str]:
    """Return the names and values of a text with a `name=value` in each line."""
    found = (line.partition("=") for line in str(text or "").splitlines())
    return {name.strip(): value.strip() for name, is_pair, value in found if is_pair}


def _below(new: str | None, old: str | None) -> bool:
    """Whether a number gets smaller; one that is absent is the default of Kafka, which
    is unknown here, and -1 is no limit."""
    if new is None or old is None:
        return new != "-1"
    try:
        now, was = float(new), float(old)
    except ValueError:
        return True
    return now != -1 and (was == -1 or now < was)


def _new_rules(old: Any, new: Any, counts: Sequence[str]) -> list[str]:
    """Return a name for each rule that deletes more than the rules before it did."""
    known = [_parted(rule, counts) for rule in _rules(old)]
    found = []
    for rule in _rules(new):
        rest, numbers = _parted(rule, counts)
        held = any(
            rest == other and all(n >= o for n, o in zip(numbers, least, strict=False))
            for other, least in known
            if len(numbers) == len(least)
        )
        if not held:
            found.append(str(rule.get("description") or rule.get("rulePriority") or ""))
    return found


def _rules(text: Any) -> list[Mapping[str, Any]]:
    """Return the rules of a policy; a policy that cannot be read is one rule."""
    if text is None:
        return []
    try:
        read = json.loads(text) if isinstance(text, str) else text
        rules = read.get("rules", read.get("Rules"))
    except (ValueError, AttributeError, RecursionError):
        return [{"text": text}]
    if not isinstance(rules, list) or not all(isinstance(r, Mapping) for r in rules):
        return [{"text": text}]
    return list(rules)


def _parted(rule: Any, counts: Sequence[str]) -> tuple[str, list[float]]:
    """Return a rule without its numbers and words for people, and the numbers."""
    numbers: list[float] = []

    def without(node: Any) -> Any:
        if isinstance(node, Mapping):
            copied = {}
            for name in sorted(node, key=str):
                if name in counts and isinstance(node[name], (int, float)):
                    numbers.append(float(node[name]))
                elif name not in ("description", "rulePriority"):
                    copied[name] = without(node[name])
            return copied
        return [without(item) for item in node] if isinstance(node, list) else node

    return json.dumps(without(rule), sort_keys=True, default=str), numbers


# -- lifecycle rules -----------------------------------------------------------------

# What expires → where its number stands in a rule. The older of two spellings is last.
_EXPIRES: Mapping[str, tuple[str, ...]] = {
    "objects": ("ExpirationInDays",),
    "earlier versions": (
        "NoncurrentVersionExpiration/NoncurrentDays",
        "NoncurrentVersionExpirationInDays",
    ),
}


def _expired(before: Any, after: Any) -> Iterator[str]:
    """Yield what S3 deletes sooner than before, one text for each rule and kind."""
    old, new = _lifecycle(before), _lifecycle(after)
    status = value_at(after, "VersioningConfiguration/Status")
    hidden = "; their versions stay" if equal(status, "Enabled") else ""
    for rule in new:
        for what, places in _EXPIRES.items():
            days = _days(rule, places)
            if days is not None and not _is_held(rule, days, old, places):
                words = f"{what}{_limits(rule)} older than {_in_days(days)} are deleted"
                words = "" if is_open(days) else words
                words = words or f"{what} may be deleted sooner"
                yield f"{_change(rule, days, old, places)}: {words}" + (
                    hidden if what == "objects" else ""
                )
        date = rule.get("ExpirationDate")
        if date is not None and not any(
            equal(date, other.get("ExpirationDate")) and _covers(other, rule)
            for other in old
        ):
            yield f"{_title(rule)}: objects{_limits(rule)} are deleted on {date}{hidden}"


def _lifecycle(properties: Any) -> list[Mapping[str, Any]]:
    """Return the lifecycle rules that are on."""
    rules = value_at(properties, "LifecycleConfiguration/Rules")
    found = rules if isinstance(rules, list) else []
    return [
        rule
        for rule in found
        if isinstance(rule, Mapping) and equal(rule.get("Status"), "Enabled")
    ]


def _days(rule: Mapping[str, Any], places: Sequence[str]) -> Any:
    found = (value_at(rule, place) for place in places)
    return next((value for value in found if value is not None), None)


def _is_held(
    rule: Mapping[str, Any],
    days: Any,
    others: Sequence[Mapping[str, Any]],
    places: Sequence[str],
) -> bool:
    """Whether a rule of before already deletes as much, as soon."""
    return any(
        _covers(other, rule)
        and _newer(other) <= _newer(rule)
        and _no_later(_days(other, places), days)
        for other in others
    )


def _newer(rule: Mapping[str, Any]) -> float:
    found = value_at(rule, "NoncurrentVersionExpiration/NewerNoncurrentVersions")
    return _float(found) or 0


def _no_later(one: Any, other: Any) -> bool:
    if one is None:
        return False
    first, second = _float(one), _float(other)
    if first is None or second is None:
        return equal(one, other)
    return first <= second


def _float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Whether one rule is about all objects of another."""
    for name in ("Filter", "ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if wide.get(name) is not None and not equal(wide[name], narrow.get(name)):
            return False
    prefix, other = wide.get("Prefix") or "", narrow.get("Prefix") or ""
    if not equal(prefix, other):
        texts = isinstance(prefix, str) and isinstance(other, str)
        if not (texts and other.startswith(prefix)):
            return False
    tags = narrow.get("TagFilters") or []
    wanted = wide.get("TagFilters") or []
    both = isinstance(tags, list) and isinstance(wanted, list)
    return both and all(any(equal(w, t) for t in tags) for w in wanted)


def _limits(rule: Mapping[str, Any]) -> str:
    prefix = rule.get("Prefix")
    return f" below {prefix}" if isinstance(prefix, str) and prefix else ""


def _title(rule: Mapping[str, Any]) -> str:
    name = rule.get("Id")
    return f"lifecycle rule {name}" if isinstance(name, str) else "lifecycle rule"


def _change(
    rule: Mapping[str, Any],
    days: Any,
    others: Sequence[Mapping[str, Any]],
    places: Sequence[str],
) -> str:
    """Return the title of a rule with its days, before and after."""
    name = rule.get("Id")
    same = [o for o in others if name is not None and equal(o.get("Id"), name)]
    was = _days(mapping(same[0]), places) if same else None
    label = places[0].rpartition("/")[2]
    if was is None or equal(was, days):
        return _title(rule)
    return f"{_title(rule)}: {label} {was} → {_in_days(days)}"


def _in_days(days: Any) -> str:
    if is_open(days):
        return "?"
    return f"{days} day" if equal(days, 1) else f"{days} days"
