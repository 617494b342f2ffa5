"""Translate pydantic's errors to problems: line, key, value given, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from tapgen.config.canonical import is_a
from tapgen.config.document import Node, wrong
from tapgen.config.problems import MOST, Key, Problems, listed, near, shown

_KINDS: Mapping[str, str] = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "none_required": "empty",
}
_LIMITS: Mapping[str, str] = {
    "greater_than_equal": "is too small; give at least {ge}",
    "greater_than": "is too small; give more than {gt}",
    "less_than_equal": "is too large; give at most {le}",
    "less_than": "is too large; give less than {lt}",
    "too_short": "has {actual_length} entries; give at least {min_length}",
    "too_long": "has {actual_length} entries; give at most {max_length}",
    "string_too_short": "is too short; give at least {min_length} characters",
    "string_too_long": "is too long; give at most {max_length} characters",
    "string_pattern_mismatch": "has the wrong form; give text that matches {pattern}",
}


Model = TypeVar("Model", bound=BaseModel)


def explained(problems: Problems, node: Node, model: type[Model]) -> Model | None:
    """Return the values of a node; None, with the reasons reported, if any is wrong."""
    try:
        return model.model_validate(node.data())
    except ValidationError as error:
        report(problems, node, error, model)
        return None


def report(
    problems: Problems, node: Node, error: ValidationError, model: type[BaseModel]
) -> None:
    """Report every error that a model found in the data of a node."""
    for details in error.errors(include_url=False, include_input=False):
        at, rest = _place(node, details["loc"])
        kind = details["type"]
        if kind == "extra_forbidden":
            names = sorted(_names(model, details["loc"][:-1]))
            message = f"unknown key; allowed: {', '.join(names) or 'none'}"
            if len(problems) < MOST:
                message += near(at.keys[-1], names)
        elif kind == "missing":
            field = _field(model, details["loc"])
            message = "missing; give it a value" + (f" ({field})" if field else "")
        else:
            given = shown(at.keys[-1]) if rest == ("[key]",) else at.shown()
            context = details.get("ctx", {})
            message = _message(at, given, kind, details["msg"], context)
            rest = ()
        wrong(problems, at, message, *rest)


def _place(node: Node, loc: tuple[Key, ...]) -> tuple[Node, tuple[Key, ...]]:
    """Return the innermost node of a location, and the keys that are not in the file.

    Besides keys, pydantic's locations hold names of the types that a union tried.
    """
    rest: tuple[Key, ...] = ()
    for key in loc:
        inner: Node | None = None
        if isinstance(key, int):
            inner = node.items[key] if key < len(node.items) else None
        elif key in node.mapping:
            inner = node.mapping[key]
        if inner is None:
            rest = (key,)
        else:
            node, rest = inner, ()
    return node, rest


def _message(
    node: Node, given: str, kind: str, reason: str, context: Mapping[str, Any]
) -> str:
    if kind in ("value_error", "assertion_error"):
        return "; ".join(str(context["error"]).splitlines())
    if kind in _KINDS:
        return f"{given} is not {_KINDS[kind]}" + _cure(node, _KINDS[kind])
    if kind in _LIMITS:
        return f"{given} {_LIMITS[kind].format(**context)}"
    if kind in ("literal_error", "enum"):
        words = re.findall(r"'([^']*)'", context["expected"])
        allowed = listed(words) if words else context["expected"]
        return f"{given} is not allowed; give {allowed}{near(node.value, words)}"
    if reason.startswith("Input "):
        return f"{given} {reason[6:]}"
    return f"{given} is refused: {reason[:1].lower()}{reason[1:]}"


def _cure(node: Node, kind: str) -> str:
    """Return what to write instead."""
    written = node.text or ""
    if kind == "text" and written and is_a(node.keys, "duration"):
        return "; give a whole number with ms, s, m or h, such as 10m"
    if kind == "text" and written:
        return f'; quote it: "{written}"'
    if kind == "a list" and not isinstance(node.value, dict | None):
        plain = isinstance(node.value, str) and written
        item = written if plain else f'"{written or node.value}"'
        return f"; write it as a list: [{item}]" if len(item) < 60 else "; give a list"
    if kind == "a mapping":
        return "; give keys and values, or remove the key"
    if kind == "true or false" or "number" in kind:
        return f"; give {kind}" + " without quotes" * isinstance(node.value, str)
    return f"; give {kind}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _at(model: type[BaseModel], loc: tuple[Key, ...]) -> list[type[BaseModel]]:
    """Return the models that can be at a location: several for a union."""
    models = [model]
    for key in loc:
        inner = [
            deeper
            for outer in models
            for name, field in outer.model_fields.items()
            if key in (name, field.alias)
            for deeper in _models(field.annotation)
        ]
        models = inner or [m for m in models if m.__name__ == key] or models
    return models


def _names(model: type[BaseModel], loc: tuple[Key, ...]) -> set[str]:
    return {
        field.alias or name
        for inner in _at(model, loc)
        for name, field in inner.model_fields.items()
    }


def _field(model: type[BaseModel], loc: tuple[Key, ...]) -> str | None:
    """Return the description of a field, to follow a colon."""
    for inner in _at(model, loc[:-1]):
        for name, field in inner.model_fields.items():
            if loc[-1] in (name, field.alias) and field.description:
                text = field.description.rstrip(".")
                first = text.partition(" ")[0]
                return (
                    text
                    if first[1:] != first[1:].lower()
                    else first.lower() + text[len(first) :]
                )
    return None
