"""Loops in templates, `Fn::ForEach`: check them, and expand them.

A loop repeats a fragment for each item of a collection. The item replaces `${Name}` and
`&{Name}` in the keys of the fragment (with `&` only its letters and digits), `${Name}` in
`Fn::Sub`, and the bare name in `Ref`. Any other text stays as it is.

Source: "Fn::ForEach" and "AWS::LanguageExtensions transform" in CloudFormation's
template reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TRANSFORM = "AWS::LanguageExtensions"
LOOP = "Fn::ForEach::"
MOST_NESTED = 5

MOST_VALUES = 200_000
"""The maximum number of keys and values after expansion. A template of 1 MB, the largest
that CloudFormation allows, has fewer; five nested loops could create billions."""

SECTIONS = ("Conditions", "Resources", "Outputs")
"""The sections that may have loops."""

# The attribute that every entry of a section needs.
_MUST = {"Resources": "Type", "Outputs": "Value"}
_NEED_TRANSFORM = ("Fn::Length", "Fn::ToJsonString")
_PLACEHOLDER = re.compile(r"([$&])\{([A-Za-z0-9]+)\}")
_NAME = re.compile(r"[A-Za-z0-9]+")
_TOO_MANY = (
    f"loops create more than {MOST_VALUES:,} values, far more than CloudFormation allows; "
    "give fewer items"
)

Template = Mapping[str, Any]
Resolve = Callable[[Any], Any]
"""Returns a collection's items where they are known; otherwise anything but a list."""


def transforms(body: Template) -> list[Any]:
    """Return the transforms that a template declares."""
    found = body.get("Transform", [])
    return found if isinstance(found, list) else [found]


def parameters(body: Template) -> set[str]:
    """Return the names that collections of loops refer to."""
    found: set[str] = set()
    waiting: list[Any] = [body.get(section) for section in SECTIONS]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, Mapping):
            for key, value in node.items():
                if key.startswith(LOOP) and _shape(value) is None:
                    found |= set(_refs(value[1]))
                waiting.append(value)
    return found


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping) and isinstance(node.get("Ref"), str):
        yield node["Ref"]
    elif isinstance(node, (list, Mapping)):
        for item in node.values() if isinstance(node, Mapping) else node:
            yield from _refs(item)


# What is wrong whatever the values ------------------------------------------------------


def mistakes(body: Template) -> list[str]:
    """Return a line with its place for each mistake in the loops of a template, whatever
    their items; `[]` when there is none."""
    look = _Look(
        declared=TRANSFORM in transforms(body),
        taken={str(name) for name in _mapping(body.get("Resources"))},
    )
    for section, content in body.items():
        look.node(content, (section,), ())
    return look.found


@dataclass
class _Look:
    declared: bool
    taken: set[str]
    found: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def wrong(self, path: tuple[str, ...], message: str) -> None:
        self.found.append(f"{'.'.join(path)}: {message}")

    def node(self, node: Any, path: tuple[str, ...], around: tuple[str, ...]) -> None:
        if isinstance(node, list):
            for item in node:
                self.node(item, path, around)
        elif isinstance(node, Mapping):
            for key, inner in node.items():
                if key.startswith(LOOP):
                    self.loop(key, inner, (*path, key), around)
                    continue
                if key in _NEED_TRANSFORM and not self.declared:
                    self.wrong(path, f"{key} needs Transform: {TRANSFORM}")
                self.node(inner, (*path, key), around)

    def loop(
        self, key: str, loop: Any, path: tuple[str, ...], around: tuple[str, ...]
    ) -> None:
        if not self.declared:
            self.wrong(path, f"a loop needs Transform: {TRANSFORM}")
            return
        if path[0] not in SECTIONS:
            self.wrong(
                path,
                f"a loop is only allowed in {', '.join(SECTIONS)}; write the items out",
            )
            return
        self.name(key, path)
        problem = _shape(loop)
        if problem:
            self.wrong(path, problem)
            return
        identifier, _, fragment = loop
        if identifier in around:
            self.wrong(
                path,
                f"an outer loop has the identifier {identifier} too; give another one",
            )
        if len(around) + 1 > MOST_NESTED:
            self.wrong(
                path,
                f"{len(around) + 1} nested loops; CloudFormation allows {MOST_NESTED}; "
                "write one of them out",
            )
            return
        for name, inner in fragment.items():
            if not name.startswith(LOOP):
                self.repeated(name, inner, path, identifier)
        self.node(fragment, path, (*around, identifier))

    def repeated(
        self, key: str, inner: Any, path: tuple[str, ...], identifier: str
    ) -> None:
        if identifier not in {name for _, name in _PLACEHOLDER.findall(key)}:
            self.wrong(
                path,
                f"{key} would have the same name for each item; give it a name with "
                f"${{{identifier}}} or &{{{identifier}}}",
            )
        needed = _MUST.get(path[0]) if _of_section(path) else None
        if needed and not (isinstance(inner, Mapping) and needed in inner):
            self.wrong((*path, key), f"has no {needed}")

    def name(self, key: str, path: tuple[str, ...]) -> None:
        name = key.removeprefix(LOOP)
        if not _NAME.fullmatch(name):
            self.wrong(
                path,
                f"the loop has no valid name; write {LOOP}NAME with letters and digits",
            )
        elif name in self.names:
            self.wrong(path, "another loop has this name; give it its own")
        elif name in self.taken:
            self.wrong(path, f"a resource is called {name}; give the loop another name")
        self.names.add(name)


def _shape(loop: Any) -> str | None:
    """Return what is wrong with the three parts of a loop."""
    if not (isinstance(loop, list) and len(loop) == 3):
        return (
            "a loop needs a list of three: identifier, collection, fragment to repeat"
        )
    identifier, collection, fragment = loop
    if not (isinstance(identifier, str) and _NAME.fullmatch(identifier)):
        return f"the identifier {identifier!r} may only have letters and digits"
    if not isinstance(collection, (list, Mapping)):
        return (
            f"the collection is {collection!r}; give a list, or a Ref to a parameter "
            "of type CommaDelimitedList"
        )
    if not (isinstance(fragment, Mapping) and fragment):
        return "the fragment to repeat must be a mapping, such as names to resources"
    return None


# Written out ----------------------------------------------------------------------------


def written_out(body: Template, resolve: Resolve) -> tuple[Template, tuple[str, ...]]:
    """Return the template with its loops expanded, and a line with its place for each
    mistake in their items.

    `resolve` evaluates a collection. A loop whose items are unknown creates nothing, and
    a malformed loop stays as it is. Without the transform no loop is expanded.
    """
    if TRANSFORM not in transforms(body):
        return body, ()
    writer = _Writer(resolve)
    sections = {
        name: writer.mapping(body[name], {}, (name,))
        for name in SECTIONS
        if isinstance(body.get(name), Mapping)
    }
    return {**body, **sections}, tuple(dict.fromkeys(writer.found))


@dataclass
class _Writer:
    resolve: Resolve
    found: list[str] = field(default_factory=list)
    values: int = 0

    def wrong(self, path: tuple[str, ...], message: str) -> None:
        self.found.append(f"{'.'.join(path)}: {message}")

    def node(self, node: Any, bound: Mapping[str, str], path: tuple[str, ...]) -> Any:
        self.values += 1
        if isinstance(node, list):
            return [self.node(item, bound, path) for item in node]
        if not isinstance(node, Mapping):
            return node
        match node:
            case {"Ref": str(name)} if name in bound and len(node) == 1:
                return bound[name]
            case {"Fn::Sub": str(text)} if len(node) == 1:
                return _sub(text, bound)
            case {"Fn::Sub": [str(text), Mapping() as local]} if len(node) == 1:
                inner = {n: v for n, v in bound.items() if n not in local}
                values = self.mapping(local, bound, path)
                return {"Fn::Sub": [_filled(text, inner, "$"), values]}
        return self.mapping(node, bound, path)

    def mapping(
        self, node: Mapping[str, Any], bound: Mapping[str, str], path: tuple[str, ...]
    ) -> dict[str, Any]:
        expanded: dict[str, Any] = {}
        for key, value in node.items():
            if not (key.startswith(LOOP) and _shape(value) is None):
                self.put(expanded, key, self.node(value, bound, (*path, key)), path)
                continue
            for name, inner in self.loop(value, bound, (*path, key)):
                self.put(expanded, name, inner, (*path, key))
        return expanded

    def put(
        self, expanded: dict[str, Any], key: str, value: Any, path: tuple[str, ...]
    ) -> None:
        if key in expanded:
            self.wrong(path, f"{key} is created twice; give each its own name")
        expanded.setdefault(key, value)

    def loop(
        self, loop: list[Any], bound: Mapping[str, str], path: tuple[str, ...]
    ) -> Iterator[tuple[str, Any]]:
        identifier, collection, fragment = loop
        for item in self.items(collection, bound, path):
            if self.values > MOST_VALUES:
                self.wrong(path[:2], _TOO_MANY)
                return
            own = {**bound, identifier: item}
            self.values += 1
            for key, value in fragment.items():
                if key.startswith(LOOP) and _shape(value) is None:
                    yield from self.loop(value, own, (*path, key))
                    continue
                name = _filled(key, own, "$&")
                if _of_section(path) and not _NAME.fullmatch(name):
                    meant = key.replace("${", "&{")
                    self.wrong(
                        path,
                        f"the name {name!r} may only have letters and digits; "
                        + (f"write {meant}" if meant != key else "give other items"),
                    )
                    continue
                yield name, self.node(value, own, (*path, name))

    def items(
        self, collection: Any, bound: Mapping[str, str], path: tuple[str, ...]
    ) -> list[str]:
        found = self.resolve(self.node(collection, bound, path))
        items = found if isinstance(found, list) else [found]
        if not all(isinstance(item, (str, int, float)) for item in items):
            self.wrong(
                path,
                f"the collection {collection!r} is only known in a rollout; give a "
                "list, or a Ref to a parameter of type CommaDelimitedList that has a "
                "value or a default",
            )
            return []
        if not isinstance(found, list) or any(isinstance(i, bool) for i in items):
            self.wrong(path, f"the collection is {found!r}; give a list of strings")
            return []
        if not found or "" in found:
            self.wrong(path, "the collection is empty or has an empty item; give items")
        return [str(item) for item in found if item != ""]


def _of_section(path: tuple[str, ...]) -> bool:
    """Whether a loop creates entries of a section, so that its keys are logical ids."""
    return all(part.startswith(LOOP) for part in path[1:])


def _filled(text: str, bound: Mapping[str, str], forms: str) -> str:
    """Return a text with the items of outer loops filled in; `&` drops other characters."""

    def fill(match: re.Match[str]) -> str:
        form, name = match.groups()
        if form not in forms or name not in bound:
            return match[0]
        item = bound[name]
        return re.sub(r"[^0-9A-Za-z]", "", item) if form == "&" else item

    return _PLACEHOLDER.sub(fill, text)


def may_be(key: str, name: str) -> bool:
    """Whether a key in a loop can become a name for some items."""
    parts = [re.escape(part) for part in _PLACEHOLDER.split(key)[::3]]
    return len(parts) > 1 and re.fullmatch(".*".join(parts), name) is not None


def _sub(text: str, bound: Mapping[str, str]) -> Any:
    """Return an `Fn::Sub`, or its text where no variable remains: names of conditions and
    resources must be text."""
    done = _filled(text, bound, "$")
    return {"Fn::Sub": done} if done == text or "${" in done else done


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
