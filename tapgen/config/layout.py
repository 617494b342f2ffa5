"""Lay out a text of YAML: indentation, order of keys, spaces, blank lines, quotes.

It goes through the events of ruamel.yaml, and copies each scalar as it was written; so it
never has to know what a value or a tag means. Comments and blank lines are what is between
two events. A comment belongs to the key after it, to the key before it where it is indented
below that, or to the end of the block whose elements are indented as it is. Begin reading
at `text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tapgen.config.problems import Keys
from tapgen.errors import ConfigError

WIDTH = 100
"""The longest line on which a flow collection, such as `{a: 1}`, stays one line."""

Order = Callable[[Keys], tuple[str, ...]]
Scalar = Callable[[Keys, str], str]

_INDENT = "  "
_PREFIX = re.compile(r"(?:[!&]\S*[ \t]*)*")
_BLANK_OR_COMMENT = re.compile(r"[ \t]*(#[^\n]*)?")
_SPACE = re.compile(r"(?:[ \t\n]|(?<![^ \t\n])#[^\n]*)*")
_TRAILING = re.compile(r"(?:[ \t]+(#[^\n]*)|[ \t]*)(?=\n)")


def text(source: str, path: Path, order: Order, scalar: Scalar) -> str:
    """Return a text in canonical form; lines end with a line feed.

    `order` gives the order of a mapping's keys by the keys above it, empty to keep it;
    `scalar` the form of a plain scalar. Raises ConfigError for what has no canonical form.
    """
    return _Layout(source if source.endswith("\n") else f"{source}\n", path).text(
        order, scalar
    )


@dataclass
class _Part:
    """A value in the text, from `start` (of its tag or anchor) to `end`.

    `items` are the elements of a list, `pairs` those of a mapping. A scalar has a `value`,
    an alias has none of the three.
    """

    start: int
    end: int
    style: str | None = None
    flow: bool = False
    value: str | None = None
    items: list[_Part] | None = None
    pairs: list[tuple[_Part, _Part]] | None = None

    @property
    def is_collection(self) -> bool:
        return self.items is not None or self.pairs is not None

    @property
    def children(self) -> Iterator[_Part]:
        yield from self.items or ()
        for pair in self.pairs or ():
            yield from pair


@dataclass
class _Entry:
    """A key and its value, or an element of a list: `lead` has the comments and blank
    lines before it, `lines` the rest, indented relative to it. Where it `keeps` the line
    feeds behind it (`|+`), blank lines there would be text."""

    name: str = ""
    lead: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    keeps: bool = False


class _Layout:
    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        self._path = path
        self._at = 0  # everything before it is laid out
        self._keeps = False  # whether what is just before it keeps line feeds

    def text(self, order: Order, scalar: Scalar) -> str:
        events = self._events()
        anchored = any(getattr(event, "anchor", None) for event in events)
        # Nothing moves where it could leave an alias in front of its anchor.
        self._order: Order = (lambda _: ()) if anchored else order
        self._scalar = scalar
        head = self._head(events[1])
        root = _compose(events[2], iter(events[3:]))
        if root.flow or not root.is_collection:
            raise self._unusual(root.start, "this is not a block of lines KEY: VALUE")
        lead, lines = self._block(root, (), 0, -1)
        if self._source[self._at :].strip():
            raise self._unusual(
                self._next(), "this comes after the end of the document"
            )
        return "\n".join([*head, *lead, *lines, ""])

    def _events(self) -> list[Any]:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            return [*YAML(typ="safe", pure=True).parse(self._source)]
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._unusual(
                mark.index if mark else 0, str(error.problem or error.context)
            ) from None
        except (YAMLError, ValueError) as error:
            raise self._unusual(0, f"not valid YAML: {error}") from None

    def _head(self, start: Any) -> list[str]:
        """Return the lines up to the marker of a document, where it has one."""
        if not start.explicit:
            return []
        marker = start.end_mark.index - 3
        if not self._source.startswith("---", marker):
            raise self._unusual(0, "a directive has no canonical form")
        lead = self._gap(marker)
        self._at = marker + 3
        return [*_without_blanks(lead), "---"]

    def _block(
        self, part: _Part, keys: Keys, indent: int, floor: int
    ) -> tuple[list[str], list[str]]:
        """Return the comments before a block collection, and its lines.

        Comments behind it belong to it where they are indented as its elements are, and
        more than `floor`.
        """
        column = self._column(self._next())
        if part.pairs is None:
            entries = [*self._elements(part.items or [], keys, indent)]
        else:
            entries = _sorted(
                [*self._pairs(part.pairs, keys, indent)], self._order(keys)
            )
        first = entries[0]
        lines = [*first.lines]
        for before, entry in pairwise(entries):
            lines += _without_blanks(entry.lead) if before.keeps else entry.lead
            lines += entry.lines
        behind = self._behind(max(column, floor + 1) if floor >= 0 else 0)
        self._keeps = entries[-1].keeps
        lines += _without_blanks(behind) if self._keeps else behind
        self._keeps = self._keeps and not behind
        return _without_blanks(first.lead), lines

    def _pairs(
        self, pairs: Iterable[tuple[_Part, _Part]], keys: Keys, indent: int
    ) -> Iterator[_Entry]:
        for key, value in pairs:
            if key.value is None or self._next() != key.start:
                raise self._unusual(
                    self._next(), "a key must be plain text: KEY: VALUE"
                )
            entry = _Entry(key.value, self._gap(key.start))
            head = self._single(key, None)
            if "\n" in head:
                raise self._unusual(key.start, "a key must be on one line")
            self._at = self._source.index(":", key.end) + 1
            column = self._column(key.start)
            self._put(entry, f"{head}:", value, (*keys, key.value), column, indent)
            entry.keeps = self._keeps
            yield entry

    def _elements(
        self, items: Iterable[_Part], keys: Keys, indent: int
    ) -> Iterator[_Entry]:
        for number, item in enumerate(items):
            dash = self._next()
            entry = _Entry("", self._gap(dash))
            self._at = dash + 1
            column = self._column(dash)
            self._put(entry, "-", item, (*keys, number), column, indent)
            entry.keeps = self._keeps
            yield entry

    def _put(
        self,
        entry: _Entry,
        head: str,
        part: _Part,
        keys: Keys,
        column: int,
        indent: int,
    ) -> None:
        """Add what is at `part` to an entry that begins with `head`."""
        self._keeps = False
        if part.is_collection and not part.flow:
            self._put_block(entry, head, part, keys, column, indent)
            return
        if part.start < part.end:  # else the value is left out
            entry.lead += self._gap(part.start)
        if part.style in ("|", ">"):
            lines = self._literal(part, column)
        elif part.is_collection:
            lines = self._flow_lines(part, keys, column, head, indent)
        else:
            lines = self._single(part, keys).split("\n")
        if part.start < part.end:
            self._at = part.end
        first = f"{head} {lines[0]}".rstrip(" ")
        entry.lines += [first, *lines[1:]]
        comment = self._trailing()
        if comment and len(lines) > 1:
            entry.lead.append(comment[1])
        elif comment:
            entry.lines[-1] = _beside(first, comment[0] - column, comment[1])
        if part.style not in ("|", ">"):  # in a block scalar it would be text
            entry.lines += _indented(self._behind(column + 1))

    def _put_block(
        self,
        entry: _Entry,
        head: str,
        part: _Part,
        keys: Keys,
        column: int,
        indent: int,
    ) -> None:
        prefix = self._prefix(part)
        if prefix:
            entry.lead += self._gap(part.start)
            self._at = part.start + len(prefix)
            head = f"{head} {prefix}"
        comment = self._trailing()
        lead, lines = self._block(part, keys, indent + len(_INDENT), column)
        if head == "-":
            entry.lead += [*([comment[1]] if comment else []), *lead]
            entry.lines = [f"- {lines[0]}", *_indented(lines[1:])]
        else:
            first = _beside(head, comment[0] - column, comment[1]) if comment else head
            entry.lines = [first, *_indented([*lead, *lines])]

    def _single(self, part: _Part, keys: Keys | None) -> str:
        """Return a scalar or an alias; the lines after its first are indented."""
        given = self._source[part.start : part.end]
        prefix = self._prefix(part)
        body = given[len(prefix) :].lstrip()
        if "\n" in body:
            first, *others = body.split("\n")
            rest = [
                one.lstrip() if re.search(r"\\\s+$", one) else one.strip()
                for one in others
            ]
            body = "\n".join([first.rstrip(), *_indented(rest)])
        elif part.style == "'" and part.value is not None:
            if not set(part.value) & set('"\\') and part.value.isprintable():
                body = f'"{part.value}"'
        elif not part.style and not prefix and keys is not None:
            body = self._scalar(keys, body)
        return f"{prefix} {body}".strip(" ")

    def _literal(self, part: _Part, column: int) -> list[str]:
        """Return the lines of a block scalar, and set its end; YAML's own is behind the
        comments after it."""
        end = self._source.index("\n", part.start)
        header = self._source[part.start : end]
        marks = re.search(r"[|>]([-+0-9]*)[ \t]*(?:#.*)?$", header)
        assert marks, "ruamel.yaml has read it"
        explicit = re.sub("[-+]", "", marks[1])
        margin = column + int(explicit) if explicit else None
        lines: list[str] = []
        ends = end
        for line in self._source[end + 1 :].split("\n")[:-1]:
            is_blank = not line.strip(" ")
            indented = len(line) - len(line.lstrip(" "))
            if not is_blank and margin is None and indented > column:
                margin = indented
            if not is_blank and (margin is None or indented < margin):
                break
            lines.append(line)
            ends += len(line) + 1
        self._keeps = "+" in marks[1]
        if not self._keeps:
            while lines and not lines[-1].strip(" "):
                ends -= len(lines.pop()) + 1
        part.end = ends
        cut, pad = (column, "") if explicit else (margin or 0, _INDENT)
        shifted = [f"{pad}{line[cut:]}" if line[cut:] else "" for line in lines]
        return [header.rstrip(), *shifted]

    def _flow_lines(
        self, part: _Part, keys: Keys, column: int, head: str, indent: int
    ) -> list[str]:
        """Return the lines of a flow collection, the first of them beside `head`: one if it
        fits, else those of a block; as it is, where it has comments."""
        if not self._is_plain(part):
            first, *others = self._source[part.start : part.end].split("\n")
            rest = [one[min(column, len(one) - len(one.lstrip())) :] for one in others]
            return [first.rstrip(), *(one.rstrip() for one in rest)]
        line = self._flow(part, keys)
        if indent + len(head) + 1 + len(line) <= WIDTH or not any(part.children):
            return [line]
        prefix = self._prefix(part)
        first, *others = self._unfolded(part, keys, indent + len(_INDENT))
        if head == "-" and not prefix:
            return [first, *_indented(others)]
        return [prefix, *_indented([first, *others])]

    def _unfolded(self, part: _Part, keys: Keys, indent: int) -> list[str]:
        """Return the lines of a flow collection as a block."""
        lines: list[str] = []
        for head, value, inner in self._members(part, keys):
            line = self._flow(value, inner)
            fits = indent + len(head) + 1 + len(line) <= WIDTH
            if fits or not any(value.children):
                lines.append(f"{head} {line}")
                continue
            first, *others = self._unfolded(value, inner, indent + len(_INDENT))
            prefix = self._prefix(value)
            if head == "-" and not prefix:
                lines += [f"- {first}", *_indented(others)]
            else:
                lines += [f"{head} {prefix}".strip(), *_indented([first, *others])]
        return lines

    def _flow(self, part: _Part, keys: Keys) -> str:
        """Return a plain flow collection, or a scalar in one, on one line."""
        if not part.is_collection:
            return self._single(part, keys)
        members = [
            f"{head} {self._flow(value, inner)}".removeprefix("- ")
            for head, value, inner in self._members(part, keys)
        ]
        start, end = "[]" if part.pairs is None else "{}"
        return f"{self._prefix(part)} {start}{', '.join(members)}{end}".strip()

    def _members(self, part: _Part, keys: Keys) -> Iterator[tuple[str, _Part, Keys]]:
        for number, item in enumerate(part.items or ()):
            yield "-", item, (*keys, number)
        pairs = [
            (self._single(key, None), key, value) for key, value in part.pairs or ()
        ]
        order = self._order(keys)
        pairs.sort(key=lambda pair: _rank(pair[1].value, order))
        for name, key, value in pairs:
            yield f"{name}:", value, (*keys, key.value or "")

    def _is_plain(self, part: _Part) -> bool:
        """Whether a flow collection can be written on one line: no comments, no scalars
        of several lines, no key or value left out."""
        between, at = "", part.start + len(self._prefix(part))
        for child in part.children:
            between += self._source[at : child.start]
            if child.is_collection:
                if not self._is_plain(child):
                    return False
            else:
                given = self._source[child.start : child.end]
                if not given or "\n" in given:
                    return False
            at = child.end
        between += self._source[at : part.end]
        names = [key.value for key, _ in part.pairs or ()]
        return None not in names and not between.strip(" \t\n,:[]{}")

    def _prefix(self, part: _Part) -> str:
        """Return the tag and the anchor of a value."""
        found = _PREFIX.match(self._source, part.start)
        return found[0].strip() if found and part.start < part.end else ""

    def _column(self, at: int) -> int:
        return at - self._source.rfind("\n", 0, at) - 1

    def _next(self) -> int:
        """Return where the next value begins, behind spaces and comments."""
        found = _SPACE.match(self._source, self._at)
        return found.end() if found else self._at

    def _gap(self, until: int) -> list[str]:
        """Return the comments and blank lines up to a place, and go there."""
        between = self._source[self._at : until].split("\n")
        found: list[str] = []
        for number, line in enumerate(between):
            match = _BLANK_OR_COMMENT.fullmatch(line)
            if not match:
                raise self._unusual(
                    until, f"this has no canonical form: {line.strip()}"
                )
            comment = (match[1] or "").rstrip()
            inner = 0 < number < len(between) - 1
            if comment or (inner and found[-1:] != [""]):
                found.append(comment)
        self._at = until
        return found

    def _trailing(self) -> tuple[int, str] | None:
        """Return the column and text of the comment on this line, and go to its end."""
        match = _TRAILING.match(self._source, self._at)
        if not match:
            return None
        self._at = match.end()
        if match[1] is None:
            return None
        return self._column(match.start(1)), match[1].rstrip()

    def _behind(self, column: int) -> list[str]:
        """Return the comments from here that are indented at least so far."""
        lines: list[str] = []
        claimed, at = 0, self._at
        for line in self._source[self._at :].split("\n"):
            match = _BLANK_OR_COMMENT.fullmatch(line)
            if not match or (match[1] and match.start(1) < column):
                break
            at += len(line) + 1
            if match[1]:
                lines.append(match[1].rstrip())
                claimed = len(lines)
                self._at = at - 1
            elif len(lines) and lines[-1] != "":
                lines.append("")
            elif not lines and at - len(line) - 1 > self._at:
                lines.append("")
        return lines[:claimed]

    def _unusual(self, at: int, what: str) -> ConfigError:
        line = self._source.count("\n", 0, at) + 1
        return ConfigError([f"{self._path}:{line}: cannot be formatted: {what}"])


def _compose(event: Any, events: Iterator[Any]) -> _Part:
    """Return the value that begins with an event, and goes on with the next ones."""
    start, end = event.start_mark.index, event.end_mark.index
    kind = type(event).__name__
    if kind == "AliasEvent":
        return _Part(start, end)
    if kind == "ScalarEvent":
        return _Part(start, end, event.style, value=event.value)
    part = _Part(start, end, flow=bool(event.flow_style))
    children: list[_Part] = []
    while not type(inner := next(events)).__name__.endswith("EndEvent"):
        children.append(_compose(inner, events))
    part.end = max(end, inner.end_mark.index)
    if kind == "MappingStartEvent":
        part.pairs = [*zip(children[::2], children[1::2], strict=True)]
    else:
        part.items = children
    return part


def _rank(name: str | None, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def _sorted(entries: list[_Entry], order: tuple[str, ...]) -> list[_Entry]:
    """Return the entries of a mapping in an order; what is above the first one stays, but
    for the comment right at it."""
    moved = sorted(entries, key=lambda entry: _rank(entry.name, order))
    first, old = moved[0], entries[0]
    if first is not old:
        head = len(old.lead) - [*reversed(old.lead), ""].index("")
        above, old.lead = old.lead[:head], old.lead[head:]
        if first.lead[:1] == [""]:
            old.lead.insert(0, "")
        first.lead = [*above, *_without_blanks(first.lead)]
    return moved


def _beside(line: str, column: int, comment: str) -> str:
    """Return a line with a comment behind it, in its old column where there is room."""
    return f"{line.ljust(column - 2)}  {comment}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"{_INDENT}{line}" if line else "" for line in lines]


def _without_blanks(lines: list[str]) -> list[str]:
    """Return lines without blank ones in front."""
    first = next((n for n, line in enumerate(lines) if line), len(lines))
    return lines[first:]
