"""The vocabulary in which refusals are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from tapgen.frozen import dataclass

RENAME = (
    "give it another name, or another logical id and another name, and let its users "
    "follow; to keep the name, roll out twice: first without the resource, then with "
    "it, which deletes it and what it holds"
)
"""What to do then."""


class Rule(StrEnum):
    """What about a property AWS refuses in an update."""

    CHANGED = "has another value"
    DECREASED = "is a smaller number"
    OLDER = "is an older version"
    SKIPS_A_VERSION = "is more than one minor version away"
    RESCALED = "is more than doubled, or less than half"
    REMOVED = "was given and is no more"
    SEVERAL_ITEMS = "has more than one item added or removed"
    ITEM_CHANGED = "has an item that differs"
    ITEM_REMOVED = "lacks an item that it had"
    WITH_OTHERS = "changes together with other properties"
    ANYTHING = "any property changes"
    OTHER_VPC = "names subnets of another VPC"


@dataclass(frozen=True)
class Refusal:
    """One kind of update that AWS refuses.

    `path` is a property, nested ones joined with `/`; `rule` says which change of it.
    `words` are AWS's, in which `{old}`, `{new}`, `{name}` (of the resource) and
    `{property}` are filled in, and top-level properties by their names. `code` is the
    HandlerErrorCode; empty where CloudFormation itself speaks.

    `held` says what must be so before the update and `then` what must be so after it:
    path → the values that count, none for any value that is given, an empty text for
    no value. `same` are paths that must not change (of WITH_OTHERS: the others). `key`
    tells the items of a list apart; `parts` are the properties of an item that count,
    all where there are none. `default` is what counts where a template gives no value.
    What a replacement would get around is not refused when the resource is replaced
    anyhow, but for `although_replaced`.

    `before` → `after` is an example that AWS refuses, `before` → `neutral` one of the
    same property, or near it, that it takes. `checked` is a second source, which was
    not used to write the entry.
    """

    type: str
    path: str
    rule: Rule
    words: str
    advice: str
    source: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    neutral: Mapping[str, Any]
    code: str = "InvalidRequest"
    held: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    then: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    same: tuple[str, ...] = ()
    key: str = ""
    parts: tuple[str, ...] = ()
    default: Any = None
    although_replaced: bool = False
    checked: str = ""
