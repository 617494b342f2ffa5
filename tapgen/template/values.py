"""Evaluated values: compare them, and find what only AWS can fill in.

A value that cannot be computed without AWS is the intrinsic function it was written
with, with everything inside it evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_DEPTH = 100
"""The depth below which a template is left as written; AWS's own limit is lower."""

LATER = "Tapgen::Later"
"""The key of a dictionary that stands for a value known only during a rollout."""

_MARKS = "\ue000", "\ue001"  # private use: in no template
_MARKED = re.compile("%s([^%s%s]*)%s" % (_MARKS[0], *_MARKS, _MARKS[1]))

PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
"""A placeholder of `Fn::Sub`, with what is in it."""


def equal(left: Any, right: Any) -> bool:
    """Whether two evaluated values are equal to CloudFormation.

    `true` equals `"true"`, 5 equals "5", and text joined by `Fn::Sub` equals the same
    text joined by `Fn::Join`.
    """
    texts = pieces(left), pieces(right)
    if texts[0] or texts[1]:
        left, right = texts[0] or [left], texts[1] or [right]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            equal(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(scalar(left) == scalar(right))


def pieces(node: Any) -> list[Any]:
    """Return the pieces of a text that AWS has to join: literals, and values that only
    AWS can fill in, in order. Empty for anything else."""
    match node:
        case {"Fn::Sub": str(text), **more} if not more:
            return _merged(value for _, value in _parts(text, {}))
        case {"Fn::Sub": [str(text), Mapping() as local], **more} if not more:
            return _merged(value for _, value in _parts(text, local))
        case {"Fn::Join": [str(between), list(items)], **more} if not more:
            parts = [part for item in items for part in (between, item)]
            return _merged(parts[1:])
    return []


def _parts(text: str, local: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a text: no name and a literal, or the name of a placeholder and
    its value, by default the function that it stands for."""
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if number % 2 == 0:
            yield "", part.replace("${!", "${")
        elif part in local:
            yield part, local[part]
        else:
            name, dot, attribute = part.partition(".")
            yield part, {"Fn::GetAtt": [name, attribute]} if dot else {"Ref": name}


def _merged(parts: Iterable[Any]) -> list[Any]:
    """Flatten texts inside texts, and join neighbouring literals."""
    found: list[Any] = []
    for part in (p for whole in parts for p in pieces(whole) or [whole]):
        part = scalar(part)
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return found


def substituted(text: str, local: Mapping[str, Any]) -> Any:
    """Return a text of `Fn::Sub` with evaluated values for its placeholders.

    Where a value is open, the result is an `Fn::Sub`, whose literal `${` is `${!`: what
    a value holds is no placeholder.
    """
    parts = [
        (name, scalar(piece))
        for name, value in _parts(text, local)
        for piece in pieces(value) or [value]
    ]
    inside = {_placeholder(piece) for _, piece in parts}
    done, literal, left = "", "", dict[str, Any]()
    for name, piece in parts:
        if isinstance(piece, str):
            literal += piece
            continue
        shown = _placeholder(piece)
        if not shown:
            shown = name
            while shown in inside or left.get(shown, piece) != piece:
                shown += "X"  # the name of a resource, or of another value
            left[shown] = piece
        done += f"{_escaped(literal)}${{{shown}}}"
        literal = ""
    if not done:
        return literal
    done += _escaped(literal)
    return {"Fn::Sub": [done, left]} if left else {"Fn::Sub": done}


def _escaped(literal: str) -> str:
    return literal.replace("${", "${!")


def _placeholder(piece: Any) -> str:
    """Return what stands for a reference between `${` and `}`; empty for anything else."""
    match piece:
        case {"Ref": str(name), **more} if not more:
            return name
        case {"Fn::GetAtt": [*names], **more} if not more:
            return ".".join(names) if all(isinstance(n, str) for n in names) else ""
    return ""


def text(value: Any) -> str:
    """Return a value as one text, with references as `Fn::Sub` has them. Whatever else
    is no text is shown as JSON."""
    shown = (scalar(piece) for piece in pieces(value) or [value])
    return "".join(
        piece if isinstance(piece, str) else _as_text(piece) for piece in shown
    )


def _as_text(piece: Any) -> str:
    if isinstance(piece, Mapping) and piece.keys() == {LATER}:
        return f"${{{piece[LATER]}}}"
    name = _placeholder(piece)
    return f"${{{name}}}" if name else json.dumps(piece, sort_keys=True)


def many(value: Any) -> list[Any]:
    """Return the items of a list, of a single value as a list of one, or none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def marked(text: str) -> str:
    """Return a text between marks, which stay around it in whatever it becomes part of.

    `Scope.decided` compares and looks up without marks.
    """
    return text.join(_MARKS)


def unmarked(node: Any, names: Mapping[str, str] = {}) -> Any:
    """Return a value without marks; a marked text that is a key of `names` becomes its
    value."""
    if isinstance(node, str):
        found = _MARKED.sub(lambda match: names.get(match[1], match[1]), node)
        return found.replace(_MARKS[0], "").replace(_MARKS[1], "")
    if isinstance(node, list):
        return [unmarked(item, names) for item in node]
    if isinstance(node, Mapping):
        return {key: unmarked(value, names) for key, value in node.items()}
    return node


def may_vanish(node: Any) -> bool:
    """Whether a value may be `AWS::NoValue`, which leaves out what has it."""
    match node:
        case {"Ref": "AWS::NoValue"}:
            return True
        case {"Fn::If": [_, yes, no]}:
            return may_vanish(yes) or may_vanish(no)
    return False


def is_open(node: Any) -> bool:
    """Whether a value contains something that only AWS can fill in."""
    if isinstance(node, list):
        return any(map(is_open, node))
    if not isinstance(node, Mapping):
        return False
    names = ("Ref", "Condition", LATER)
    if len(node) == 1 and any(k in names or str(k).startswith("Fn::") for k in node):
        return True
    return any(map(is_open, node.values()))


def references(node: Any) -> Iterator[str]:
    """Yield every `resource` (a Ref) and `resource.attribute` (a GetAtt) in an evaluated
    value."""
    match node:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name
        case {"Fn::GetAtt": [*names]}:
            yield ".".join(map(str, names))
        case {"Fn::Sub": str(text) | [str(text), _]} if len(node) == 1:
            # The value of each placeholder; a text may have one of them twice.
            given = node["Fn::Sub"]
            local = mapping(given[1]) if isinstance(given, list) else {}
            used = {name: value for name, value in _parts(text, local) if name}
            yield from references(list(used.values()))
        case Mapping():
            yield from references(list(node.values()))
        case [*items]:
            for item in items:
                yield from references(item)


def later(node: Any) -> Iterator[str]:
    """Yield the name of every value in an evaluated one that is known only later."""
    if isinstance(node, list):
        for item in node:
            yield from later(item)
    elif isinstance(node, Mapping):
        if isinstance(node.get(LATER), str):
            yield node[LATER]
        else:
            yield from later(list(node.values()))


def scalar(value: Any) -> Any:
    """Return numbers and booleans as CloudFormation's text, anything else as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value, or an empty mapping for one that is not a mapping."""
    return value if isinstance(value, Mapping) else {}
