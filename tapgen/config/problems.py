"""The mistakes in a config file: where, what was given, what is allowed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from tapgen.errors import ConfigError

MOST = 100
"""The number of problems reported at once; more would not help anybody."""

Key = str | int
Keys = tuple[Key, ...]


class Problems:
    """Collects the mistakes in one file, to report them in the order of its lines.

    `environment` is the one whose overlay is being checked, None for the default.
    """

    def __init__(self, file: Path) -> None:
        self.environment: str | None = None
        self._file = file
        self._found: dict[tuple[int, str], None] = {}
        self._messages: set[tuple[Keys, str]] = set()
        self._keys: set[Keys] = set()

    def add(self, line: int, keys: Keys, message: str) -> None:
        """Add a mistake, with its line (0: the file itself) and its key."""
        where = dotted(keys)
        self._found[(line, f"{where}: {message}" if where else message)] = None
        self._messages.add((keys, message))
        self._keys.add(keys)

    def has(self, keys: Keys, message: str) -> bool:
        """Whether this message was reported at this key."""
        return (keys, message) in self._messages

    def at(self, keys: Keys) -> bool:
        """Whether any mistake was reported at this key."""
        return keys in self._keys

    def error(self) -> ConfigError:
        """Return the error with all mistakes, each once, by line."""
        found = sorted(self._found, key=lambda problem: problem[0])
        lines = [
            f"{self._file}:{line}: {text}" if line else f"{self._file}: {text}"
            for line, text in found[:MOST]
        ]
        if len(found) > MOST:
            lines.append(f"{self._file}: and {len(found) - MOST} more problems")
        return ConfigError(lines)

    def __iter__(self) -> Iterator[Keys]:
        """The keys at which there are mistakes."""
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._found)


def dotted(keys: Keys) -> str:
    """Return the path of a key as people write it: `rollout.order[0]`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += "." * bool(text) + (key if _is_plain(key) else shown(key))
    return text


def _is_plain(key: str) -> bool:
    odd = key.endswith(":") or set(key) & set(" .[]'\"")
    return bool(key) and key.isprintable() and not odd


def shown(value: Any) -> str:
    """Return a value as a message shows it, on one line and not too long."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if not isinstance(value, str):
        return json.dumps(value)
    return repr(value if len(value) <= 60 else value[:57] + "...")


def listed(words: Iterable[str]) -> str:
    """Return words as `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def near(given: object, allowed: Collection[str]) -> str:
    """Return `; did you mean …?` where an allowed word is similar, else nothing."""
    if not isinstance(given, str) or len(given) > 80:
        return ""
    # Swapped letters first: for `us-esat-1`, difflib likes us-west-1 as well.
    for word in allowed:
        if sorted(word) == sorted(given) and word != given:
            return f"; did you mean {word!r}?"
    from difflib import get_close_matches  # a config that is right needs no help

    lower = {word.lower().replace("-", "_"): word for word in allowed}
    close = get_close_matches(given.lower().replace("-", "_"), lower, 1)
    return f"; did you mean {lower[close[0]]!r}?" if close else ""
