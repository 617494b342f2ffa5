"""Read YAML 1.2 into nodes with their lines.

The nodes are built from ruamel.yaml's events. So every value has its line, its key and
its text as written (`012` is a number in YAML, and still `012` in a message); reading
goes on after duplicate keys; and size, depth and number of values are limited, counting
those that aliases repeat, so that a hostile file cannot use up memory.

ruamel.yaml is written in Python. Plain files without a mistake, which is most of them, are
read from libyaml's events in a twentieth of the time: only what both read alike.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapgen.config.problems import Keys, Problems, near, shown
from tapgen.errors import ConfigError
from tapgen.frozen import dataclass

if TYPE_CHECKING:  # slow to import, and needed only for what libyaml does not read
    from ruamel.yaml.error import MarkedYAMLError

MAX_BYTES = 1_000_000
MAX_LINE = 100_000  # ruamel.yaml takes time with the square of a token's length
MAX_DEPTH = 32
MAX_VALUES = 50_000

Scalar = str | int | float | bool | None
Content = Scalar | dict[str, "Node"] | list["Node"]


@dataclass(frozen=True, eq=False)
class Node:
    """A value in the file.

    `line` is the line of its key, from 1; `keys` are the keys from the top of the file.
    `text` is the value as written, where it has no quotes. `base` is the mapping that
    this one overlays.
    """

    value: Content
    line: int
    keys: Keys = ()
    text: str | None = None
    base: Node | None = None

    @property
    def mapping(self) -> dict[str, Node]:
        """The nodes by key; empty where this is not a mapping."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The nodes in order; empty where this is not a list."""
        return self.value if isinstance(self.value, list) else []

    def get(self, *keys: str) -> Node | None:
        """Return the node at a path of mapping keys, None where there is none."""
        node: Node | None = self
        for key in keys:
            node = node.mapping.get(key) if node else None
        return node

    def without(self, *keys: str) -> Node:
        """Return the same mapping without some keys."""
        others = {k: v for k, v in self.mapping.items() if k not in keys}
        return Node(others, self.line, self.keys, base=self.base)

    def data(self) -> Any:
        """Return the value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: node.data() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.data() for node in self.value]
        return self.value

    def shown(self) -> str:
        """Return the value as a message shows it."""
        if self.text and not isinstance(self.value, str):
            return self.text
        return shown(self.value)


def wrong(problems: Problems, node: Node, message: str, *keys: str | int) -> None:
    """Report a mistake at a node, or at keys below it that are missing.

    A mistake of the default is reported once, not again for every environment. One that
    only an environment has names the environment.
    """
    where = node.keys + keys
    environment = problems.environment
    if environment is not None and where[:2] != ("environments", environment):
        if problems.at(where):
            return
        message += f" (in environment {environment})"
    base = node.base
    if base is None or not problems.has(base.keys + keys, message):
        problems.add(node.line, where, message)


# Keys that exclude each other, by the path of their mapping: an overlay that gives one
# removes the other.
_EXCLUSIVE: dict[Keys, list[set[str]]] = {
    ("rollout",): [{"strategy", "preferences"}],
    ("rollout", "preferences"): [
        {"failure_tolerance_count", "failure_tolerance_percentage"},
        {"max_concurrent_count", "max_concurrent_percentage"},
    ],
}


# The same for a stack set, whatever its name.
_EXCLUSIVE_OF_STACK_SET = [{"regions", "targets"}, {"accounts", "targets"}]


def _exclusive(keys: Keys) -> list[set[str]]:
    if len(keys) == 2 and keys[0] == "stack_sets":
        return _EXCLUSIVE_OF_STACK_SET
    return _EXCLUSIVE.get(keys, [])


def _is_value(keys: Keys) -> bool:
    """Whether a mapping is one value, such as a reference to an output: an overlay
    replaces it, because a mix of two references is a third that nobody wrote."""
    return len(keys) == 4 and keys[0] == "stack_sets" and keys[2] == "parameters"


def overlay(base: Node, over: Node) -> Node:
    """Return `base` with the overlay `over`: mappings merge, other values are replaced."""
    mappings = isinstance(base.value, dict) and isinstance(over.value, dict)
    if not mappings or _is_value(base.keys):
        return over
    assert isinstance(base.value, dict) and isinstance(over.value, dict)
    merged = dict(base.value)
    for pair in _exclusive(base.keys):
        if pair & over.value.keys():
            merged = {
                k: v for k, v in merged.items() if k not in pair - over.value.keys()
            }
    for key, node in over.value.items():
        merged[key] = overlay(base.value[key], node) if key in merged else node
    return Node(merged, over.line, over.keys, base=base)


def read(path: Path, problems: Problems) -> Node | None:
    """Return the mapping in a file; None, with the reason reported, where it has none.

    Raises ConfigError where the file is a CloudFormation template: one mistake, not one
    for each of its keys.
    """
    text = _text(path, problems)
    if text is None:
        return None
    root = _parse(text, problems)
    if root is None or "blueprint" not in root.mapping:
        _refuse_template(path, text)
    return root


def _refuse_template(path: Path, text: str) -> None:
    from tapgen.template import decode  # not needed for any config

    if not decode.is_template(text):
        return
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-0123456789") or "main"
    here = path.parent
    folder = here if here.name == "templates" else here / "templates"
    raise ConfigError(
        [
            f"{path}: this is a CloudFormation template, not a config; keep templates in "
            f"a folder of their own, such as {folder}/. To roll it out, write a config "
            f"with blueprint: custom and stack_sets: {{{name}: {{template: "
            f"templates/{path.name}}}}}; tapgen new NAME writes one to start from"
        ]
    )


def _text(path: Path, problems: Problems) -> str | None:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            problems.add(0, (), f"this is {kind}; give a YAML file{_beside(path)}")
            return None
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        problems.add(0, (), f"no such file{_beside(path)}")
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add(
            0,
            (),
            f"cannot be read: {reason.lower()}; check the path and its permissions",
        )
        return None
    if len(content) > MAX_BYTES:
        problems.add(
            0, (), f"larger than {MAX_BYTES:,} bytes; split it into several systems"
        )
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(
            content.count(b"\n", 0, error.start) + 1,
            (),
            f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}; "
            "save the file as UTF-8",
        )
        return None


def _beside(path: Path) -> str:
    """Return the systems in the folder of a missing file, for a message."""
    folder = path if path.is_dir() else path.parent
    try:
        names = sorted(
            p.stem for p in folder.iterdir() if p.suffix in (".yaml", ".yml")
        )
    except OSError:
        return f"; there is no folder {folder}"
    if not names:
        return f"; no systems in {folder}"
    return f"; systems in {folder}: {', '.join(names[:20])}{near(path.stem, names)}"


def _parse(text: str, problems: Problems) -> Node | None:
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LINE:
            problems.add(
                number, (), f"longer than {MAX_LINE:,} characters; break the line"
            )
            return None
    return quickly(text) or thoroughly(text, problems)


# What libyaml (YAML 1.1) may read otherwise than ruamel.yaml (1.2): anchors, tags, blocks,
# escapes, ends of documents. Comments are left out first, but for those with a quote,
# which may be none.
_COMMENT = re.compile(r"(?:^| )#[^\"'\n]*$", re.MULTILINE)
_DIFFERENT = re.compile(r"[&*!%@`|>?\\]|^\.\.\.", re.MULTILINE)


def quickly(text: str) -> Node | None:
    """Return the mapping in a text without mistakes, as `thoroughly` does; None where it
    has one, or anything that libyaml may read differently."""
    if not text.replace("\n", "").isprintable():
        return None
    if _DIFFERENT.search(_COMMENT.sub("", text)):
        return None
    try:
        from yaml import YAMLError, events
        from yaml.cyaml import CParser
    except ImportError:  # PyYAML was built without libyaml
        return None
    problems = Problems(Path())  # what is wrong is said by `thoroughly`
    try:
        found = iter(CParser(text).get_event, None)
        root = _Composer(found, events, problems).document()
    except (_Stop, YAMLError):
        return None
    return root if root and isinstance(root.value, dict) and not problems else None


def thoroughly(text: str, problems: Problems) -> Node | None:
    """Return the mapping in a text; None, with the reason reported, where it has none."""
    from ruamel.yaml import YAML, events
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    yaml = YAML(typ="safe", pure=True)
    try:
        root = _Composer(yaml.parse(text), events, problems).document()
    except _Stop as stop:
        problems.add(stop.line, (), stop.message)
        return None
    except MarkedYAMLError as error:
        _note_syntax(error, text, problems)
        return None
    except ReaderError as error:
        before = text[: error.position]
        problems.add(
            before.count("\n") + 1,
            (),
            f"column {len(before) - before.rfind(chr(10))}: character "
            f"U+{error.character:04X} is not allowed in YAML; remove it",
        )
        return None
    except (YAMLError, ValueError, OverflowError) as error:
        # ruamel.yaml passes on what chr() says to an escape beyond Unicode.
        problems.add(1, (), f"not valid YAML: {error}")
        return None
    if root is None or root.value is None:
        problems.add(
            1, (), "the file is empty; give at least blueprint, suffix and regions"
        )
        return None
    if not isinstance(root.value, dict):
        problems.add(
            root.line,
            (),
            f"{root.shown()} is not a mapping; "
            "write keys and values, such as blueprint: NAME",
        )
        return None
    return root


def _note_syntax(error: MarkedYAMLError, text: str, problems: Problems) -> None:
    mark = error.problem_mark or error.context_mark
    is_word = (error.context or "").startswith("while scanning a simple key")
    if is_word:  # the problem is seen only where the next key begins
        mark = error.context_mark or mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    reason = str(error.problem or error.context)
    if error.problem and error.context and error.context.startswith("while parsing"):
        reason = f"{error.context}: {reason}"
    lines = text.splitlines()
    start = lines[line][: column + 1] if line < len(lines) else ""
    if start and "\t" in start and not start.strip():
        reason = "a tab in the indentation; indent with spaces"
    elif is_word:
        reason = "no colon behind a key; write KEY: VALUE"
    elif "mapping values are not allowed" in reason:
        reason += "; quote a value with a colon, and put each key on its own line"
    problems.add(line + 1, (), f"column {column + 1}: {reason}")


class _Stop(Exception):
    """Reading stops: the file exceeds a limit, or the rest has no meaning."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


# The core schema of YAML 1.2.2, section 10.3.2.
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Scalar] = dict.fromkeys(["", "~", "null", "Null", "NULL"])
_WORDS |= dict.fromkeys(["true", "True", "TRUE"], True)
_WORDS |= dict.fromkeys(["false", "False", "FALSE"], False)


def _scalar(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 100:  # no number of a config; int() refuses 4,300 digits anyway
        return text
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass
class _Composer:
    """Builds nodes from one document's events; `kinds` has their classes."""

    events: Iterator[Any]
    kinds: Any
    problems: Problems
    anchors: dict[str, Node] = field(default_factory=dict)
    values: int = 0

    def document(self) -> Node | None:
        """Return the only document; None when there is none."""
        root: Node | None = None
        for event in self.events:
            if not isinstance(event, self.kinds.DocumentStartEvent):
                continue
            line = event.start_mark.line + 1
            if root is not None:
                raise _Stop(line, "a second YAML document; keep one system per file")
            root = self.node(next(self.events), ())
        return root

    def node(self, event: Any, keys: Keys, line: int | None = None) -> Node:
        """Return the value that starts with an event."""
        line = line or event.start_mark.line + 1
        if isinstance(event, self.kinds.AliasEvent):
            if event.anchor not in self.anchors:
                raise _Stop(
                    line,
                    f"the alias *{event.anchor} has no anchor; define "
                    f"&{event.anchor} before it",
                )
            return self.moved(self.anchors[event.anchor], keys, line)
        self.count(line, keys)
        if event.tag is not None:
            self.problems.add(
                line, keys, f"the tag {shown(event.tag)} is not allowed; remove it"
            )
        if isinstance(event, self.kinds.MappingStartEvent):
            node = Node(self.pairs(keys), line, keys)
        elif isinstance(event, self.kinds.SequenceStartEvent):
            node = Node(self.elements(keys), line, keys)
        else:
            node = self.scalar(event, keys, line)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def scalar(self, event: Any, keys: Keys, line: int) -> Node:
        text: str = event.value
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            self.problems.add(
                line, keys, "half of a surrogate pair is not a character; remove it"
            )
            text = ""
        if event.style:
            return Node(text, line, keys)
        return Node(_scalar(text), line, keys, text=text)

    def elements(self, keys: Keys) -> list[Node]:
        found: list[Node] = []
        while not isinstance(event := next(self.events), self.kinds.SequenceEndEvent):
            found.append(self.node(event, (*keys, len(found))))
        return found

    def pairs(self, keys: Keys) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merges: list[Node] = []
        while not isinstance(event := next(self.events), self.kinds.MappingEndEvent):
            key = self.node(event, (*keys, "?"))
            value_event = next(self.events)
            if key.text == "<<":
                value = self.node(value_event, (*keys, "<<"), key.line)
                merges += value.items or [value]
                continue
            if not isinstance(key.value, str):
                self.problems.add(key.line, keys, _no_key(key))
            name = key.value if isinstance(key.value, str) else key.text or "?"
            value = self.node(value_event, (*keys, name), key.line)
            if isinstance(key.value, dict | list):
                continue
            if name in found:
                self.problems.add(
                    key.line,
                    value.keys,
                    f"given twice, first on line {found[name].line}; keep one",
                )
            found.setdefault(name, value)
        for merge in merges:
            self.merge(merge, found, keys)
        return found

    def merge(self, merge: Node, found: dict[str, Node], keys: Keys) -> None:
        """Add the keys of a mapping that `<<` merges, where they are not given."""
        if not isinstance(merge.value, dict):
            message = f"{merge.shown()} is not a mapping; merge a mapping, or a list of mappings"
            self.problems.add(merge.line, merge.keys, message)
        for name, node in merge.mapping.items():
            if name not in found:
                found[name] = self.moved(node, (*keys, name), node.line)

    def moved(self, node: Node, keys: Keys, line: int) -> Node:
        """Return a copy of a node for another place in the file."""
        self.count(line, keys)
        value = node.value
        if isinstance(value, dict):
            value = {k: self.moved(n, (*keys, k), n.line) for k, n in value.items()}
        elif isinstance(value, list):
            value = [self.moved(n, (*keys, i), n.line) for i, n in enumerate(value)]
        return Node(value, line, keys, node.text)

    def count(self, line: int, keys: Keys) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            raise _Stop(
                line,
                f"more than {MAX_VALUES:,} values, counting those that aliases repeat; "
                "split the file into several systems",
            )
        if len(keys) > MAX_DEPTH:
            raise _Stop(line, f"nested more than {MAX_DEPTH} levels deep; flatten it")


def _no_key(key: Node) -> str:
    if key.text is None:
        return f"{key.shown()} cannot be a key; give text"
    return f"the key {key.text or 'null'} is not text; quote it: \"{key.text}\""
