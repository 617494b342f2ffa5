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

FOUND = "Tapgen::Found"
"""The key of a dictionary with the value that an SSM parameter has, in place of its
name."""

_MARKS = "\ue000", "\ue001"  # private use: in no template
_MARKED = re.compile("%s([^%s%s]*)%s" % (_MARKS[0], *_MARKS, _MARKS[1]))

PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")
"""A placeholder of `Fn::Sub`, with what is in it."""


def equal(left: Any, right: Any) -> bool:
    """Whether two evaluated values are equal to CloudFormation.

    `true` equals `"true"`, 5 equals "5", text joined by `Fn::Sub` equals the same text
    joined by `Fn::Join`, and `A.B` equals the list of both in `Fn::GetAtt`.
    """
    shapes = _shape(left), _shape(right)
    if dict in shapes and (is_function(left) or is_function(right)):
        return bool(normal(left) == normal(right))
    if shapes[0] is not shapes[1]:
        return False
    if dict in shapes:
        return left.keys() == right.keys() and all(
            equal(value, right[key]) for key, value in left.items()
        )
    if list in shapes:
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(scalar(left) == scalar(right))


def _shape(value: Any) -> type:
    if isinstance(value, list):
        return list
    return dict if isinstance(value, Mapping) else str


def identical(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON, whatever the order of keys: 1 is not true."""
    texts = [json.dumps(one, sort_keys=True, default=str) for one in (left, right)]
    return texts[0] == texts[1]


def normal(node: Any) -> Any:
    """Return the one form of all values that are equal to this one.

    Numbers and booleans are text. Text that AWS has to join is a dictionary with the
    key `JOINED` and its pieces: literals, and values that only AWS can fill in.
    """
    if isinstance(node, list):
        return list(map(normal, node))
    if not isinstance(node, Mapping):
        return scalar(node)
    match node:
        case {"Fn::Sub": str(text), **more} if not more:
            return joined(normal(value) for _, value in _parts(text, {}))
        case {"Fn::Sub": [str(text), Mapping() as local], **more} if not more:
            return joined(normal(value) for _, value in _parts(text, local))
        case {"Fn::Join": [str(between), list(items)], **more} if not more:
            parts = [part for item in items for part in (between, item)]
            return joined(map(normal, parts[1:]))
        case {"Fn::GetAtt": list(names), **more} if not more and all(
            isinstance(name, str) for name in names
        ):
            return {"Fn::GetAtt": ".".join(names)}
    return {str(key): normal(value) for key, value in node.items()}


JOINED = ""
"""The key of a text in pieces; see `normal`."""


def joined(parts: Iterable[Any]) -> Any:
    """Return normal forms as one text: texts inside texts flat, neighbouring literals
    joined."""
    pieces: list[Any] = []
    for part in (p for whole in parts for p in pieces_of(whole)):
        if isinstance(part, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += part
        elif part != "":
            pieces.append(part)
    return pieces[0] if len(pieces) == 1 else {JOINED: pieces} if pieces else ""


def pieces_of(form: Any) -> list[Any]:
    """Return the pieces of a normal form: itself where it is not joined text."""
    if isinstance(form, Mapping) and form.keys() == {JOINED}:
        return list(form[JOINED])
    return [form]


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


def surely_differ(old: Any, new: Any) -> bool:
    """Whether two evaluated values differ, whatever AWS fills in."""
    if not (is_open(old) or is_open(new)):
        return not equal(old, new)
    match old, new:
        case {"Fn::Select": [first, items]}, {"Fn::Select": [second, others]}:
            return equal(items, others) and surely_differ(first, second)
        case list(), list():
            pairs = zip(old, new, strict=False)
            return len(old) == len(new) and any(surely_differ(*pair) for pair in pairs)
    forms = normal(old), normal(new)
    if is_text(forms[0]) and is_text(forms[1]):
        return _literals_differ(*map(pieces_of, forms))
    plain = isinstance(old, Mapping) and isinstance(new, Mapping)
    if plain and not (is_function(old) or is_function(new)):
        names = old.keys() & new.keys()
        return any(surely_differ(old[name], new[name]) for name in names)
    return False


def is_text(form: Any) -> bool:
    """Whether a normal form is text that is known in part at least."""
    return isinstance(form, str) or any(isinstance(p, str) for p in pieces_of(form))


def _literals_differ(old: list[Any], new: list[Any]) -> bool:
    """Whether texts with the same open pieces in the same order differ."""
    open_pieces = [[p for p in side if not isinstance(p, str)] for side in (old, new)]
    return open_pieces[0] == open_pieces[1] and old != new


def is_function(node: Any) -> bool:
    """Whether a value is an intrinsic function, or stands for one."""
    return isinstance(node, Mapping) and any(
        key in ("Ref", LATER) or str(key).startswith("Fn::") for key in node
    )


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
    return (name for name, _ in uses(node))


def uses(node: Any, whole: bool = True) -> Iterator[tuple[str, bool]]:
    """Yield every reference in an evaluated value, as `references` does, and whether all
    of it is in the value: `Fn::If` may leave it out, `Fn::Select` and others take a part.
    """
    if isinstance(node, list):
        for item in node:
            yield from uses(item, whole)
    elif isinstance(node, Mapping):
        match node:
            case {"Ref": str(name)}:
                yield name, whole
            case {"Fn::GetAtt": str() | list() as found}:
                text = found if isinstance(found, str) else ".".join(map(str, found))
                yield text, whole
            case {"Fn::Sub": str(text) | [str(text), _]} if len(node) == 1:
                # The value of each placeholder; a text may have one of them twice.
                given = node["Fn::Sub"]
                local = mapping(given[1]) if isinstance(given, list) else {}
                used = {name: value for name, value in _parts(text, local) if name}
                yield from uses(list(used.values()), whole)
            case _:
                for name, value in node.items():
                    partial = str(name).startswith("Fn::") and name not in _WHOLE
                    yield from uses(value, whole and not partial)


# Functions whose value changes with each of their arguments.
_WHOLE = ("Fn::Join", "Fn::Base64", "Fn::ToJsonString", "Fn::Sub")


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
