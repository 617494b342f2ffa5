"""Placeholders for parameters whose values nobody knows yet.

AWS looks up values of some types in the account (`knowledge.parameter_forms`), and
checks constraints. So a parameter that takes a placeholder becomes one of a plain type
without constraints, where it has such a type or constraints. Data in, data out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tapgen.knowledge.parameter_forms import FORMS, LIST, SSM_VALUE, TEXT, TEXT_LIST
from tapgen.template.parameters import parameters_of
from tapgen.template.values import scalar

_LIMITS = (
    *("AllowedPattern", "MaxLength", "MaxValue", "MinLength", "MinValue"),
    "ConstraintDescription",
)


def fill(template: str, missing: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the template that takes placeholders for these parameters, and those."""
    declared = parameters_of(template)
    found: dict[str, str] = {}
    plain: dict[str, Any] = {}
    for name in missing:
        found[name], changed = _placeholder(declared.get(name, {}))
        if changed:
            plain[name] = changed
    if not plain:
        return template, found
    body = json.loads(template)
    return json.dumps({**body, "Parameters": {**declared, **plain}}), found


def _placeholder(declared: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A value for a parameter, and another declaration where it needs one."""
    kind = str(declared.get("Type", "String"))
    plain = kind
    if kind.startswith(SSM_VALUE):
        plain = kind.removeprefix(SSM_VALUE).removesuffix(">")
    elif declared.get("AllowedValues"):
        return str(scalar(declared["AllowedValues"][0])), {}
    listed = plain == TEXT_LIST or plain.startswith(LIST)
    inner = plain
    if plain.startswith(LIST):
        inner = plain.removeprefix(LIST).removesuffix(">")
    form = FORMS.get(inner, TEXT)
    value = ",".join(_several(form)) if listed else form
    needed = TEXT_LIST if listed else "Number" if inner == "Number" else "String"
    if kind == needed and not any(limit in declared for limit in _LIMITS):
        return value, {}
    rest = {k: v for k, v in declared.items() if k not in (*_LIMITS, "AllowedValues")}
    return value, {**rest, "Type": needed}


def _several(form: str) -> Iterator[str]:
    """Three different values of one form, for what selects one of a list."""
    for end in "abc" if form.endswith("a") else "123":
        yield form[:-1] + end
