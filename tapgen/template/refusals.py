"""Judge a change of one resource by the table of what AWS refuses.

Data in, data out: properties before and after, with what AWS would say and what to do.
The plan asks with evaluated properties, in which some values are known to AWS alone;
the embedded AWS asks with the values themselves. Only what is certain is refused: a
value that is not known counts as unchanged, unless it comes from a resource that is
certainly replaced (`moved`).
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from string import Formatter
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.refusals import REFUSALS, Refusal, Rule
from tapgen.knowledge.refusals.model import RENAME
from tapgen.template import replacements, schemas
from tapgen.template.custom_names import custom_name
from tapgen.template.places import value_at
from tapgen.template.values import equal, is_open, mapping, scalar, surely_differ

Properties = Mapping[str, Any]
_LETTERS = f"{string.ascii_letters}_- "  # what may stand before a version
VpcOf = Callable[[Any, bool], str | None]
"""Gives what tells apart the VPC of a subnet, before (False) or after (True) the
change; None where that is not known."""


def _nowhere(subnet: Any, after: bool) -> str | None:
    return None


@dataclass(frozen=True)
class Refused:
    """What AWS refuses about a change: the properties, its words, and what to do.

    `code` is the HandlerErrorCode, empty where CloudFormation itself speaks.
    """

    paths: tuple[str, ...]
    words: str
    advice: str
    source: str
    code: str = ""

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties as a reader sees them: `TimeToLiveSpecification.Enabled`."""
        return tuple(path.replace("/", ".") for path in self.paths)


def of(
    type_name: str,
    before: Properties,
    after: Properties,
    name: str = "",
    moved: Collection[str] = (),
    vpc_of: VpcOf = _nowhere,
) -> tuple[Refused, ...]:
    """Return everything that AWS certainly refuses about a change, each once.

    `name` is the resource's in AWS's words, its custom name or else its logical id.
    `moved` are top-level properties that certainly get another value, whatever is
    written there.
    """
    change = _Change(_generic(type_name), before, after, frozenset(moved), vpc_of)
    replacing = list(_replacing(change))
    found = [
        _refused(entry, change, name)
        for entry in _entries(change.type)
        if (entry.although_replaced or not _is_replaced(change, replacing))
        and _applies(entry, change)
    ]
    if replacing and not found:
        found += _by_name(change, replacing, name)
    return tuple(dict.fromkeys(found))


def reason(
    type_name: str,
    before: Properties,
    after: Properties,
    name: str,
    vpc_of: Callable[[str], str | None],
) -> tuple[str, str] | None:
    """Return AWS's words and the HandlerErrorCode of the first refusal; None when
    AWS refuses nothing. All values are known, and `vpc_of` knows every subnet."""
    found = of(
        type_name, before, after, name, vpc_of=lambda subnet, _: vpc_of(str(subnet))
    )
    return (found[0].words, found[0].code) if found else None


def of_type(logical_id: str) -> Refused:
    """Return what AWS says about a resource that gets another type."""
    return Refused(
        ("Type",),
        "Update of resource type is not permitted. The new template modifies resource "
        f"type of the following resources: [{logical_id}]",
        "give the resource another logical id, which makes a new one",
        "aws-quickstart/quickstart-amazon-eks#141",
    )


@dataclass(frozen=True)
class _Change:
    type: str
    before: Properties
    after: Properties
    moved: frozenset[str]
    vpc_of: VpcOf

    def differs(self, path: str, default: Any = None) -> bool:
        """Whether a property certainly gets another value."""
        if path.partition("/")[0] in self.moved:
            return True
        old, new = value_at(self.before, path), value_at(self.after, path)
        return surely_differ(
            default if old is None else old, default if new is None else new
        )

    def keeps(self, path: str) -> bool:
        """Whether a property certainly keeps its value."""
        old, new = value_at(self.before, path), value_at(self.after, path)
        return path.partition("/")[0] not in self.moved and equal(old, new)


def _generic(type_name: str) -> str:
    custom = type_name.startswith("Custom::")
    return "AWS::CloudFormation::CustomResource" if custom else type_name


@cache
def _entries(type_name: str) -> tuple[Refusal, ...]:
    return tuple(entry for entry in REFUSALS if entry.type == type_name)


def _refused(entry: Refusal, change: _Change, name: str) -> Refused:
    values = {
        key: scalar(value)
        for side in (change.before, change.after)
        for key, value in side.items()
        if isinstance(value, (str, int, float))
    }
    values |= {
        "old": _text(value_at(change.before, entry.path)),
        "new": _text(value_at(change.after, entry.path)),
        "property": entry.path,
        "name": name,
    }
    paths = (entry.path, *(entry.same if entry.rule is Rule.WITH_OTHERS else ()))
    return Refused(
        tuple(path for path in paths if path),
        _filled(entry.words, values),
        entry.advice,
        entry.source,
        entry.code,
    )


def _filled(words: str, values: Mapping[str, Any]) -> str:
    """The words with their placeholders filled in, as far as the values are known."""
    parts = [
        (text, None if field is None else str(values.get(field, "")))
        for text, field, _, _ in Formatter().parse(words)
    ]
    return "".join(f"{text}{value or ''}" for text, value in parts).replace(" :", ":")


# -- rules ---------------------------------------------------------------------------


def _applies(entry: Refusal, change: _Change) -> bool:
    return (
        _holds(entry.held, change.before)
        and _holds(entry.then, change.after)
        and _stays(entry, change)
        and _RULES[entry.rule](entry, change)
    )


def _stays(entry: Refusal, change: _Change) -> bool:
    """Whether what must not change keeps its value."""
    return entry.rule is Rule.WITH_OTHERS or all(map(change.keeps, entry.same))


def _holds(wanted: Mapping[str, tuple[str, ...]], properties: Properties) -> bool:
    for path, values in wanted.items():
        found = value_at(properties, path)
        if is_open(found) and values:
            return False
        if not values and found in (None, "", [], {}):
            return False
        if values and _text(found) not in values:
            return False
    return True


def _changed(entry: Refusal, change: _Change) -> bool:
    return change.differs(entry.path, entry.default)


def _decreased(entry: Refusal, change: _Change) -> bool:
    old, new = _numbers(entry, change)
    return old is not None and new is not None and new < old


def _rescaled(entry: Refusal, change: _Change) -> bool:
    old, new = _numbers(entry, change)
    return bool(old and new and (new > 2 * old or 2 * new < old))


def _numbers(entry: Refusal, change: _Change) -> tuple[float | None, float | None]:
    return _number(change.before, entry.path), _number(change.after, entry.path)


def _number(properties: Properties, path: str) -> float | None:
    try:
        return float(_text(value_at(properties, path)))
    except ValueError:
        return None


def _older(entry: Refusal, change: _Change) -> bool:
    old, new = _versions(entry, change)
    if not old or not new or old[0] != new[0]:
        return False
    for was, now in zip(old[1:], new[1:], strict=False):
        if was != now:
            return was.isdigit() and now.isdigit() and int(now) < int(was)
    return False


def _skips(entry: Refusal, change: _Change) -> bool:
    old, new = (numbers[1:3] for numbers in _versions(entry, change))
    if len(old) < 2 or len(new) < 2 or old[0] != new[0]:
        return False
    if not (old[1].isdigit() and new[1].isdigit()):
        return False
    return abs(int(new[1]) - int(old[1])) > 1


def _versions(entry: Refusal, change: _Change) -> tuple[list[str], list[str]]:
    """Both versions, as what stands before the numbers and the numbers."""
    old, new = (
        _version(_text(value_at(side, entry.path)))
        for side in (change.before, change.after)
    )
    return old, new


def _version(text: str) -> list[str]:
    numbers = text.lstrip(_LETTERS)
    return [text.removesuffix(numbers), *re.split(r"[._-]", numbers)] if text else []


def _removed(entry: Refusal, change: _Change) -> bool:
    old, new = value_at(change.before, entry.path), value_at(change.after, entry.path)
    return old not in (None, [], {}) and new in (None, [], {})


def _several(entry: Refusal, change: _Change) -> bool:
    items = _both_items(entry, change)
    return items is not None and len(items[0].keys() ^ items[1].keys()) > 1


def _item_changed(entry: Refusal, change: _Change) -> bool:
    items = _both_items(entry, change)
    if items is None:
        return False
    old, new = items
    return any(
        surely_differ(_parts(old[key], entry), _parts(new[key], entry))
        for key in old.keys() & new.keys()
    )


def _item_removed(entry: Refusal, change: _Change) -> bool:
    items = _both_items(entry, change)
    return items is not None and bool(items[0].keys() - items[1].keys())


def _parts(item: Mapping[str, Any], entry: Refusal) -> Any:
    return {p: item.get(p) for p in entry.parts} if entry.parts else item


def _both_items(
    entry: Refusal, change: _Change
) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    old, new = (_items(entry, side) for side in (change.before, change.after))
    return None if old is None or new is None else (old, new)


def _items(entry: Refusal, properties: Properties) -> Mapping[str, Any] | None:
    """The items of a list by their keys; None where one is not known."""
    found = value_at(properties, entry.path)
    if found is None:
        return {}
    if not isinstance(found, list):
        return None
    keys = [mapping(item).get(entry.key) for item in found]
    if not all(isinstance(key, str) for key in keys):
        return None
    return dict(zip(map(str, keys), found, strict=True))


def _with_others(entry: Refusal, change: _Change) -> bool:
    return change.differs(entry.path) and any(map(change.differs, entry.same))


def _anything(entry: Refusal, change: _Change) -> bool:
    return any(map(change.differs, {*change.before, *change.after}))


def _other_vpc(entry: Refusal, change: _Change) -> bool:
    """Whether no subnet after the change is in a VPC of one before it."""
    old, new = (
        {change.vpc_of(subnet, after) for subnet in _listed(value_at(side, entry.path))}
        for after, side in ((False, change.before), (True, change.after))
    )
    return bool(old and new) and None not in old | new and not old & new


_RULES: Mapping[Rule, Callable[[Refusal, _Change], bool]] = {
    Rule.CHANGED: _changed,
    Rule.DECREASED: _decreased,
    Rule.OLDER: _older,
    Rule.SKIPS_A_VERSION: _skips,
    Rule.RESCALED: _rescaled,
    Rule.REMOVED: _removed,
    Rule.SEVERAL_ITEMS: _several,
    Rule.ITEM_CHANGED: _item_changed,
    Rule.ITEM_REMOVED: _item_removed,
    Rule.WITH_OTHERS: _with_others,
    Rule.ANYTHING: _anything,
    Rule.OTHER_VPC: _other_vpc,
}


# -- replacements and names ----------------------------------------------------------


def _replacing(change: _Change) -> Iterator[str]:
    """The properties whose change certainly replaces the resource."""
    for path in sorted(schemas.create_only(change.type)):
        top = path.partition("/")[0]
        default = schemas.default(change.type, path) if top == path else None
        if "*" not in path and change.differs(path, default):
            yield path


def _is_replaced(change: _Change, replacing: Collection[str]) -> bool:
    """Whether the resource is, or may be, replaced: then nothing is updated."""
    perhaps = schemas.conditional_create_only(change.type)
    return bool(replacing) or any(
        not equal(value_at(change.before, path), value_at(change.after, path))
        and not replacements.never(change.type, path)
        for path in perhaps
        if "*" not in path
    )


def _by_name(
    change: _Change, replacing: Collection[str], name: str
) -> Iterator[Refused]:
    """What CloudFormation says when the name stands in the way of a replacement."""
    custom = custom_name(change.type)
    if custom is None:
        return
    names = custom.property.split("|")
    given = [value_at(change.before, one) for one in names]
    if any(value in (None, "") for value in given):
        return
    if not all(map(change.keeps, names)):
        return
    text = "|".join(_text(value) for value in given)
    words = _filled(custom.words, {"name": name if is_open(given) else text})
    yield Refused(tuple(replacing), words, RENAME, custom.source, custom.code)


# -- values --------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str:
    """A value as text: of a list of one its item, empty for none and for what is not
    known."""
    if isinstance(value, list):
        return _text(value[0]) if len(value) == 1 else ""
    found = scalar(value)
    return found if isinstance(found, str) else ""
