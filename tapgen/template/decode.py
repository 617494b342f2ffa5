"""Read CloudFormation templates as people write them: JSON, or YAML with short forms.

YAML is read from PyYAML's events, which libyaml creates, so a large template takes
milliseconds. Scalars follow YAML 1.1 as in CloudFormation, without its traps:
`012345678901` stays an account id, `22:22` a pair of ports, `17.10` a version. Aliases and
merges, which CloudFormation does not support, are expanded.

Source: "CloudFormation template formats" and "Intrinsic function reference" in
CloudFormation's user guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import yaml

from tapgen.errors import TemplateError
from tapgen.template import loops, shape
from tapgen.template.values import scalar

MAX_BYTES = 4_000_000
"""The largest file to read: CloudFormation allows 1 MB, and comments do not count."""

MAX_DEPTH = 100
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep; flatten it"
MAX_VALUES = 500_000
_MOST_MISTAKES = 20

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WITHOUT_PREFIX = frozenset({"Ref", "Condition"})
_FUNCTIONS = frozenset(
    "And Base64 Cidr Contains EachMemberEquals EachMemberIn Equals FindInMap "
    "GetAtt GetAZs GetStackOutput If ImportValue Join Length Not Or RefAll Select "
    "Split Sub ToJsonString Transform ValueOf ValueOfAll".split()
)

# https://yaml.org/type/bool.html and so on, less octals, sexagesimals and timestamps.
_TRUE = frozenset("yes Yes YES true True TRUE on On ON".split())
_FALSE = frozenset("no No NO false False FALSE off Off OFF".split())
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9_]*)\.[0-9_]*|\.[0-9_]+)([eE][-+][0-9]+)?")

# JSON's brackets, and its texts, which may hold more of them.
_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')

_ESCAPED = re.compile(r"\\(.)")

# Keys that only a template has, at its top.
_SECTIONS = frozenset({"AWSTemplateFormatVersion", "Resources", "Transform"})

# Tags of YAML's own types, which a scalar has anyway.
_PLAIN = "tag:yaml.org,2002:"
_UNQUOTED = (None, "")  # the style of a scalar, in PyYAML and in libyaml


def template(
    text: str,
    name: str,
    expand: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the template in a text, as CloudFormation's JSON, sections in their order.

    `name` is the file in messages. `expand` puts in what other files have of the
    template, before it is checked. Of a key given twice the last counts, as in
    CloudFormation (see `repeated`). Raises TemplateError with the line of unreadable
    text, of an unknown short form, and of each value of a wrong kind (`shape`).
    """
    if len(text.encode()) > MAX_BYTES:
        raise TemplateError(f"{name}: larger than {MAX_BYTES:,} bytes; split it")
    found = data(text, name)
    if not isinstance(found, dict):
        raise TemplateError(
            f"{name}:1: not a mapping; start with keys such as Resources"
        )
    body: dict[str, Any] = expand(found) if expand else found
    resources = body.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise TemplateError(f"{name}: no Resources; give at least one resource")
    _check_sections(body, name)
    wrong = list(islice(shape.mistakes(body), _MOST_MISTAKES))
    if wrong:
        found = places(text, [path for path, _ in wrong])
        lines = [f":{line}" for line, _ in found] if found else [""] * len(wrong)
        raise TemplateError(
            "\n".join(
                f"{name}{line}: {'.'.join(map(str, path))} {message}"
                for line, (path, message) in zip(lines, wrong, strict=True)
            )
        )
    _write_texts(body)
    return body


def data(text: str, name: str) -> Any:
    """Return what is in a file of JSON or YAML that a template refers to.

    Raises TemplateError with the line of unreadable text.
    """
    return _json(text, name) if text.lstrip().startswith("{") else _yaml(text, name)


def _check_sections(body: dict[str, Any], name: str) -> None:
    for section in ("Parameters", "Outputs", "Conditions", "Mappings"):
        found = body.get(section, {})
        if found is None:
            raise TemplateError(
                f"{name}: {section} has no value, and CloudFormation allows no nulls"
                " in templates; remove it or give it entries"
            )
        if not isinstance(found, dict):
            raise TemplateError(f"{name}: {section} is not a mapping")


def _write_texts(body: dict[str, Any]) -> None:
    """Write booleans among the values of parameters as CloudFormation's text."""
    for declared in body.get("Parameters", {}).values():
        if "Default" in declared:
            declared["Default"] = _as_text(declared["Default"])
        if "AllowedValues" in declared:
            declared["AllowedValues"] = [*map(_as_text, declared["AllowedValues"])]


def _as_text(value: Any) -> Any:
    return scalar(value) if isinstance(value, bool) else value


def is_template(text: str) -> bool:
    """Whether a text has a section at its top that only CloudFormation templates have.

    What comes after a mistake in it does not count.
    """
    if text.lstrip().startswith("{"):
        try:
            return bool(_SECTIONS & dict(json.loads(text)).keys())
        except (RecursionError, ValueError):
            pass  # flow mappings of YAML begin with a brace, too
    try:
        return any(key in _SECTIONS for key in _top_keys(text))
    except yaml.YAMLError:
        return False


def _top_keys(text: str) -> Iterator[str]:
    """The keys of the mapping that a text of YAML holds, one after the other."""
    depth, is_key = 0, True
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            if depth == 0 and isinstance(event, yaml.SequenceStartEvent):
                return
            depth += 1
        elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 1:
                if is_key and isinstance(event, yaml.ScalarEvent):
                    yield event.value
                is_key = not is_key


def places(
    text: str, paths: Iterable[tuple[str | int, ...]]
) -> list[tuple[int, int]] | None:
    """Return line and column, from 1, of the key or item at each of these paths.

    Where a path is not written out, the place is that of the innermost key around it.
    None for a text whose places are unknown: JSON that is not YAML.
    """
    root = _composed(text)
    return root and [_at(root, path) for path in paths]


def repeated(text: str) -> list[tuple[tuple[str | int, ...], list[int]]]:
    """Return the path of each key that a mapping in a text has more than once, and its
    lines; CloudFormation takes the last (aws-cloudformation/cfn-lint#35).

    Empty for a text whose places are unknown: JSON that is not YAML.
    """
    found: list[tuple[tuple[str | int, ...], list[int]]] = []
    seen: set[int] = set()
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), _composed(text))]
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen:
            continue  # an alias
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [((*path, n), item) for n, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, list[int]] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or (
                    key.value == "<<" and key.style in _UNQUOTED
                ):
                    continue
                lines.setdefault(key.value, []).append(key.start_mark.line + 1)
                waiting.append(((*path, key.value), value))
            found += [((*path, k), at) for k, at in lines.items() if len(at) > 1]
    return sorted(found, key=lambda one: one[1])


def _composed(text: str) -> Any:
    """Return the nodes of a text; None for JSON that is not YAML."""
    if text.lstrip().startswith("{"):
        # JSON may be indented by tabs, and escape slashes.
        text = _ESCAPED.sub(lambda m: "/" if m[1] == "/" else m[0], text)
        text = text.replace("\t", " ")
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return None


def _at(node: Any, path: tuple[str | int, ...]) -> tuple[int, int]:
    mark = node.start_mark
    for step in path:
        if _is_short_form(node, step):
            continue
        found = _child(node, step)
        if found is None:
            break
        key, node = found
        mark = key.start_mark
    return mark.line + 1, mark.column + 1


def _is_short_form(node: Any, step: str | int) -> bool:
    """Whether a step is the long form of a tag: `Fn::Sub` for `!Sub`."""
    return bool(node.tag == f"!{str(step).removeprefix('Fn::')}")


def _child(node: Any, step: str | int) -> tuple[Any, Any] | None:
    """Return the key, or item, and the value at a step."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        item = node.value[step] if step < len(node.value) else None
        return item and (item, item)
    if isinstance(node, yaml.MappingNode):
        named = ((k, v) for k, v in node.value if k.value == str(step))
        # Of a key given twice the last counts.
        return max(named, key=_line, default=None) or next(
            _looped(node, str(step)), None
        )
    return None


def _line(pair: tuple[Any, Any]) -> int:
    return int(pair[0].start_mark.index)


def _looped(node: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """Yield the fragments of loops in a mapping that may have a name."""
    for key, value in node.value:
        loop = value.value if str(key.value).startswith(loops.LOOP) else []
        if len(loop) == 3 and isinstance(loop[2], yaml.MappingNode):
            fragment = loop[2].value
            yield from ((k, v) for k, v in fragment if loops.may_be(k.value, name))
            yield from _looped(loop[2], name)


# JSON -----------------------------------------------------------------------------------


def _json(text: str, name: str) -> Any:
    """Read JSON; a flow mapping of YAML starts with a brace too."""
    try:
        found = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        pass  # the place that is too deep is found below
    except json.JSONDecodeError as error:
        try:
            return _yaml(text, name)
        except TemplateError:
            where = f"{name}:{error.lineno}: column {error.colno}"
            raise TemplateError(f"{where}: {error.msg.lower()}") from None
    except ValueError as error:
        raise TemplateError(f"{name}: {error}") from None
    too_deep = _too_deep(text)
    if too_deep is not None:
        line = text.count("\n", 0, too_deep) + 1
        raise TemplateError(f"{name}:{line}: {_TOO_DEEP}")
    return found


def _too_deep(text: str) -> int | None:
    """Return where JSON becomes nested too deeply; None where it does not."""
    depth = 0
    for token in _BRACKET.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return token.start()
        elif token[0] in "]}":
            depth -= 1
    return None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number; give another value")


# YAML -----------------------------------------------------------------------------------


def _yaml(text: str, name: str) -> Any:
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except _Wrong as error:
        raise TemplateError(f"{name}:{error.line}: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}: column {mark.column + 1}" if mark else name
        raise TemplateError(f"{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise TemplateError(f"{name}: not valid YAML: {reason}") from None


class _Wrong(Exception):
    def __init__(self, event: Any, message: str) -> None:
        super().__init__(message)
        self.line = event.start_mark.line + 1


@dataclass
class _Composer:
    """Builds data from one document's events."""

    events: Iterator[Any]
    anchors: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    values: int = 0

    def document(self) -> Any:
        found: Any = None
        seen = False
        for event in self.events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if seen:
                raise _Wrong(
                    event, "a second YAML document; keep one template per file"
                )
            found, seen = self.node(next(self.events), 0), True
        return found

    def node(self, event: Any, depth: int) -> Any:
        """Return the value that starts with an event."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        self.count(event, 1)
        if depth > MAX_DEPTH:
            raise _Wrong(event, _TOO_DEEP)
        before = self.values
        value = self.content(event, depth)
        if event.tag and event.tag != "!" and not event.tag.startswith(_PLAIN):
            value = _long_form(event, value)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
            self.sizes[event.anchor] = self.values - before + 1
        return value

    def alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            raise _Wrong(
                event,
                f"the alias *{event.anchor} has no anchor; define &{event.anchor} before it",
            )
        # Repeated values count again, so that a short file cannot grow without limit.
        self.count(event, self.sizes[event.anchor])
        return self.anchors[event.anchor]

    def content(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self.pairs(depth)
        if isinstance(event, yaml.SequenceStartEvent):
            found = []
            while not isinstance(inner := next(self.events), yaml.SequenceEndEvent):
                found.append(self.node(inner, depth + 1))
            return found
        typed = event.tag is None or event.tag.startswith(_PLAIN)
        text = event.style not in _UNQUOTED or event.tag == f"{_PLAIN}str"
        return event.value if text or not typed else _scalar(event.value)

    def pairs(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Any] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event)
            value = self.node(next(self.events), depth + 1)
            if key == "<<" and event.style in _UNQUOTED:
                merged += value if isinstance(value, list) else [value]
                continue
            found[key] = value
        for other in merged:
            if not isinstance(other, dict):
                raise _Wrong(
                    event, "not a mapping; merge a mapping, or a list of mappings"
                )
            found = {**other, **found}
        return found

    def key(self, event: Any) -> str:
        """Return a key as it is written: `80: …` in a mapping has the key "80"."""
        if isinstance(event, yaml.AliasEvent):
            found = self.alias(event)
            if isinstance(found, str):
                return found
        if not isinstance(event, yaml.ScalarEvent):
            raise _Wrong(event, "a mapping or a list cannot be a key; give text")
        self.count(event, 1)
        if event.anchor is not None:
            self.anchors[event.anchor], self.sizes[event.anchor] = event.value, 1
        return str(event.value)

    def count(self, event: Any, number: int) -> None:
        self.values += number
        if self.values > MAX_VALUES:
            raise _Wrong(
                event,
                f"more than {MAX_VALUES:,} values, counting those that aliases repeat",
            )


def _scalar(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if len(text) < 20 and _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if len(text) < 20 and _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        # As text, the version 17.10 is not 17.1.
        return number if repr(number) == text else text
    return text


def _long_form(event: Any, value: Any) -> dict[str, Any]:
    """Return `!Sub x` as `{"Fn::Sub": x}`."""
    name = event.tag.removeprefix("!")
    if name in _WITHOUT_PREFIX:
        return {name: value}
    if name not in _FUNCTIONS:
        raise _Wrong(
            event, f"{event.tag} is not a short form in CloudFormation; correct it"
        )
    if name == "GetAtt" and isinstance(value, str):
        logical_id, dot, attribute = value.partition(".")
        if not dot:
            raise _Wrong(event, f"!GetAtt {value}: give RESOURCE.ATTRIBUTE")
        value = [logical_id, attribute]
    return {f"Fn::{name}": value}
