"""Regular expressions of parameters: CloudFormation reads them as Java does.

`pattern` returns what Python reads in the same way. Source: "AllowedPattern" in
CloudFormation's user guide, and the documentation of Java's `Pattern` class.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ALPHA, _DIGIT = "a-zA-Z", "0-9"
_PUNCTUATION = r"!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~"
_CLASSES = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": _ALPHA,
    "Digit": _DIGIT,
    "Alnum": _ALPHA + _DIGIT,
    "Punct": _PUNCTUATION,
    "Graph": _ALPHA + _DIGIT + _PUNCTUATION,
    "Print": _ALPHA + _DIGIT + _PUNCTUATION + " ",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
    "L": r"^\W\d_",
    "IsAlphabetic": r"^\W\d_",
    "N": r"\d",
    "Nd": r"\d",
    "IsDigit": r"\d",
    "Lu": "A-Z",
    "Ll": "a-z",
}
_SHORT = {"d": "0-9", "w": "a-zA-Z_0-9", "s": r" \t\n\x0b\f\r"}
_ESCAPES = {"z": r"\Z", "Z": r"(?=\n?\Z)", "h": r"[ \t]", "R": r"(?:\r\n|[\n-\r])"}


@lru_cache
def pattern(text: str) -> re.Pattern[str] | None:
    """Return a pattern of Java for Python; None for one that cannot be translated."""
    try:
        return re.compile(_Reader(text).expression())
    except (re.error, ValueError, OverflowError, RecursionError):
        return None


def matches(text: str, value: str) -> bool | None:
    """Whether a pattern matches a whole value; None where nobody knows."""
    found = pattern(text)
    return None if found is None else found.fullmatch(value) is not None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def expression(self) -> str:
        done = ""
        while self.at < len(self.text):
            one = self.take()
            if one == "\\":
                done += self.escape()
            elif one == "[":
                done += self.characters()
            elif one == "(" and self.text.startswith("?<", self.at):
                done += self.group()
            else:
                done += one
        return done

    def take(self) -> str:
        if self.at >= len(self.text):
            raise ValueError("the pattern ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def group(self) -> str:
        """Return the start of a group with a name, or of a look behind."""
        look = self.text[self.at + 2 : self.at + 3] in ("=", "!")
        self.at += 2
        return "(?<" if look else "(?P<"

    def escape(self) -> str:
        one = self.take()
        if one == "Q":
            return re.escape(self.quoted())
        if one in "pP":
            inside = self.named()
            return f"[{_outside(inside)}]" if one == "P" else f"[{inside}]"
        if one == "k" and self.text.startswith("<", self.at):
            name, _, _ = self.text[self.at + 1 :].partition(">")
            self.at += len(name) + 2
            return f"(?P={name})"
        if one.lower() in _SHORT:
            return f"[{'^' * one.isupper()}{_SHORT[one.lower()]}]"
        return _ESCAPES.get(one, _plain(one))

    def quoted(self) -> str:
        inside, _, rest = self.text[self.at :].partition("\\E")
        self.at = len(self.text) - len(rest)
        return inside

    def named(self) -> str:
        r"""Return the characters of `\p{…}`, as they are in a set."""
        name = self.take()
        if name == "{":
            name, _, rest = self.text[self.at :].partition("}")
            self.at = len(self.text) - len(rest)
        if name not in _CLASSES:
            raise ValueError(f"{name} is no class that is known here")
        return _CLASSES[name]

    def characters(self) -> str:
        """Return a set, `[…]`: Java has sets in sets, and hyphens after a class."""
        negated = self.text.startswith("^", self.at)
        self.at += negated
        done, after_class, first = "", False, True
        while True:
            one = self.take()
            if one == "]" and not first:
                return f"[{'^' * negated}{done}]"
            first = False
            if one == "[":
                done += self.inner()
                after_class = True
            elif one == "&" and self.text.startswith("&", self.at):
                raise ValueError("an intersection of sets")
            elif one == "\\":
                item = self.member()
                after_class = len(item) > 2 or item in (r"\D", r"\S", r"\W")
                done += item
            elif one == "-" and (after_class or self.before_class()):
                done += r"\-"
                after_class = False
            else:
                done += re.escape(one) if one in "[]^&|~" else one
                after_class = False

    def inner(self) -> str:
        """Return the members of a set in a set: its union with what is around it."""
        found = self.characters()[1:-1]
        if found.startswith("^"):
            raise ValueError("a negated set in a set")
        return found

    def before_class(self) -> bool:
        ahead = self.text[self.at : self.at + 2]
        return ahead[:1] == "[" or ahead in (r"\d", r"\s", r"\w", r"\p", r"\D", r"\W")

    def member(self) -> str:
        one = self.take()
        if one == "Q":
            return re.escape(self.quoted())
        if one in "pP":
            inside = self.named()
            if one == "P" or inside.startswith("^"):
                raise ValueError("a negated class in a set")
            return inside
        return _SHORT.get(one, _plain(one))


def _plain(one: str) -> str:
    """Return an escape that Python has too; Java also escapes what needs none."""
    if one.isascii() and one.isalnum():
        return f"\\{one}"
    return re.escape(one)


def _outside(inside: str) -> str:
    return inside.removeprefix("^") if inside.startswith("^") else f"^{inside}"
