"""Judge the simple conditions of cfn-lint's schemas: patch 0012 of `patches`.

A schema that depends on something says `if` a property is this text, or one like it,
`then` what holds. cfn-lint validates the condition: it makes a validator, a context and
errors with messages for each of them, 20,000 times for 68 templates, and only asks
whether there is an error. Nearly all are about a few properties, and those are text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.frozen import dataclass

USUAL: dict[str, list[Any]] = {}
"""Keyword -> the functions that check it as usual; another one is left to validate."""

_MOST_KNOWN = 8_192
_IF_THEN = {"if", "then"}
_KEYWORDS = {"const", "enum", "pattern", "type"}
_NO_VALUE = {"Ref": "AWS::NoValue"}
_TEXTS = {"string", "number", "integer", "boolean"}
_TRUTHS = ("true", "false")


@dataclass(frozen=True)
class _Check:
    """What a condition wants of a property: any text (`is_text`, also said of other
    values), or one of these, or one that has this pattern."""

    is_text: bool
    one_of: frozenset[str] | None
    like: Any

    def judge(self, value: Any, functions: bool) -> bool | None:
        if isinstance(value, (dict, list)) and self.is_text and not functions:
            return False
        if not _is_plain(value) or value.lower() in _TRUTHS:
            return None
        if self.one_of is not None and value not in self.one_of:
            return False
        return self.like is None or self.like.search(value) is not None


@dataclass(frozen=True)
class _Simple:
    """A condition that can be judged: about properties and what is required, or about
    the transforms of the template, or the way to the place in it."""

    checks: tuple[tuple[str, _Check], ...] = ()
    required: tuple[str, ...] = ()
    transform: str | None = None
    way: Any = None


class Judge:
    """Judges the conditions for one value, as validation would."""

    def __init__(self, validator: Any, instance: Any) -> None:
        self.validator, self.instance = validator, instance
        self.able: bool | None = None

    def judge(self, condition: Any) -> bool | None:
        """Return whether a condition holds; None where only validation can tell."""
        simple = _simple(condition)
        if simple is None:
            return None
        if simple.transform or simple.way:
            return self._surroundings(simple)
        if self.able is None:
            self.able = self._is_able()
        return self._properties(simple) if self.able else None

    def _surroundings(self, simple: _Simple) -> bool | None:
        context = self.validator.context
        if not _is_plain(self.instance, context.path.path):
            return None
        if simple.transform:
            return simple.transform in context.transforms.transforms
        here = "/".join(map(str, context.path.path))
        if not _is_plain(here) or not self._is_usual("pattern"):
            return None
        return simple.way.search(here) is not None

    def _properties(self, simple: _Simple) -> bool | None:
        instance = self.instance
        functions = bool(self.validator.context.functions)
        held = True
        for name, check in simple.checks:
            if name in instance:
                its = check.judge(instance[name], functions)
                if its is None:
                    return None
                held = held and its
        return held and all(name in instance for name in simple.required)

    def _is_able(self) -> bool:
        context, instance = self.validator.context, self.instance
        if not isinstance(instance, dict) or context.path.value_path:
            return False
        if not all(map(self._is_usual, USUAL)):
            return False
        if not context.functions:
            return True
        if len(instance) == 1:
            (name,) = instance
            if str(name).startswith("Fn::") or name in context.functions:
                return False
        return not any(map(_may_vary, instance.values()))

    def _is_usual(self, keyword: str) -> bool:
        found = self.validator.validators.get(keyword)
        if keyword == "pattern" and self.validator.cfn.has_serverless_transform():
            return False  # its rule has an exception then
        return getattr(found, "__func__", found) in USUAL[keyword]


def is_known(context: Any, value: Any) -> bool:
    """Whether `Ref` certainly takes a value: the name of something in the template. With
    the language extensions it may be a function as well."""
    from cfnlint.helpers import TRANSFORM_LANGUAGE_EXTENSION

    return (
        isinstance(value, str)
        and "{{" not in value
        and TRANSFORM_LANGUAGE_EXTENSION not in context.transforms.transforms
        and (
            value in context.parameters
            or value in context.resources
            or value in context.pseudo_parameters
            or value in context.ref_values
        )
    )


def if_by(if_: Any) -> Any:
    """Return cfn-lint's `if`, for conditions that are judged where that is possible."""

    def quick(validator: Any, condition: Any, instance: Any, schema: Any) -> Any:
        held = Judge(validator, instance).judge(condition)
        if held is None:
            return if_(validator, condition, instance, schema)
        branch = "then" if held else "else"
        if branch not in schema:
            return ()
        then = schema[branch]
        return _quiet(validator).descend(instance, then, schema_path=branch)

    return quick


def all_of(validator: Any, schemas: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Do as cfn-lint's `allOf`, without a step down for what does not apply."""
    validator, judge = _quiet(validator), Judge(validator, instance)
    for index, part in enumerate(schemas):
        applies = not isinstance(part, dict) or part.keys() != _IF_THEN
        if applies or judge.judge(part["if"]) is not False:
            yield from validator.descend(instance, part, schema_path=index)


def _quiet(validator: Any) -> Any:
    quiet = validator.function_filter.evolve(add_cfn_lint_keyword=False)
    return validator.evolve(function_filter=quiet)


def _is_plain(value: Any, path: Any = ()) -> bool:
    """Whether a value is text that is no reference, not even perhaps."""
    from cfnlint.helpers import PSEUDOPARAMS

    if not isinstance(value, str) or "{{" in value:
        return False
    return value not in PSEUDOPARAMS or "Ref" in path


def _may_vary(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_may_vary, value))
    return isinstance(value, dict) and ("Fn::If" in value or value == _NO_VALUE)


_known: dict[int, tuple[Any, _Simple | None]] = {}


def _simple(condition: Any) -> _Simple | None:
    """Return a condition in the form to judge it by; None for one that is not simple."""
    known = _known.get(id(condition))
    if known is None or known[0] is not condition:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[id(condition)] = (condition, _as_simple(condition))
    return known[1]


def _as_simple(condition: Any) -> _Simple | None:
    match condition:
        case {"dynamicValidation": {"transformCheck": str(name), **other}, **more}:
            return None if more or other or not name else _Simple(transform=name)
        case {"dynamicValidation": {"pathCheck": str(start), **other}, **more}:
            like = None if more or other or not start else _pattern(f"^{start}.*$")
            return _Simple(way=like) if like else None
        case {"properties": Mapping() as properties, **more}:
            required = more.pop("required", [])
            checks = {name: _as_check(wanted) for name, wanted in properties.items()}
            if not more and isinstance(required, list) and None not in checks.values():
                return _Simple(tuple(checks.items()), tuple(required))  # type: ignore[arg-type]
    return None


def _as_check(wanted: Any) -> _Check | None:
    if not isinstance(wanted, dict) or not wanted.keys() <= _KEYWORDS:
        return None
    types = wanted.get("type", [])
    types = {types} if isinstance(types, str) else {*types}
    if types and not (types <= _TEXTS and "string" in types):
        return None
    every = wanted.get("enum"), [wanted["const"]] if "const" in wanted else None
    allowed = [{*texts} for texts in every if texts is not None]
    for text in (text for texts in allowed for text in texts):
        if not isinstance(text, str) or text.lower() in _TRUTHS:
            return None
    like = _pattern(wanted["pattern"]) if "pattern" in wanted else None
    if like is None and "pattern" in wanted:
        return None
    one_of = frozenset.intersection(*map(frozenset, allowed)) if allowed else None
    return _Check(bool(types), one_of, like)


def _pattern(text: str) -> Any:
    import regex

    try:
        return regex.compile(text)
    except regex.error:
        return None  # which cfn-lint says
