"""Changes to cfn-lint that make it twice as fast, with the same findings.

Each is offered upstream, as a patch with its reasons in `docs/upstream/`. Until a release
has them they are applied here, to exactly one version: at any other, lint runs as
cfn-lint is, and says so. `tests/unit/lint/test_patches.py` compares the findings of both.

Nothing else in tapgen changes what it imports.
"""

from __future__ import annotations

import json
import operator
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from importlib import metadata
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urljoin

VERSION = "1.58.0"
"""The version of cfn-lint that the patches are for."""


def note(installed: str | None = None) -> str | None:
    """Return what to say where lint runs without the patches; None where it has them."""
    found = installed or metadata.version("cfn-lint")
    if found == VERSION:
        return None
    return (
        f"cfn-lint {found} runs without tapgen's speed patches, which are for {VERSION}: "
        "the findings are the same, and take twice as long"
    )


@cache
def apply() -> None:
    """Change the imported cfn-lint, if it is the version that this is for."""
    if note() is not None:
        return
    from cfnlint.conditions import conditions
    from cfnlint.context.conditions import _conditions
    from cfnlint.context.context import Context, Path
    from cfnlint.jsonschema import _keywords, _keywords_cfn, validators
    from cfnlint.jsonschema._filter import FunctionFilter
    from cfnlint.rules import Rules
    from cfnlint.rules.jsonschema.Base import BaseJsonSchema
    from cfnlint.schema.resolver import RefResolver
    from cfnlint.template import Template

    Context.evolve = _context_evolve
    Path.evolve = _copied
    Path.descend = _descend
    FunctionFilter.evolve = _copied
    keywords = {
        "enum": _enum_by(_keywords.enum),
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "properties": _properties,
    }
    for kind in (validators.CfnTemplateValidator, validators.StandardValidator):
        kind.evolve = _validator_evolve
        kind.is_type = _is_type
        kind.descend = _descend_to
        kind(True).validators.update(keywords)
    _keywords_cfn._raw_type = _raw_type
    Template._search_deep_keys = _search_deep_keys
    validators.create = _creator(validators.StandardValidator)
    BaseJsonSchema.extend_validator = _extend_validator
    Rules.run = _run
    RefResolver.__post_init__ = _start
    RefResolver.resolve_fragment = _resolve_fragment
    RefResolver._get_subschemas_cache = _subschemas
    FunctionFilter.filter = _filter
    FunctionFilter._filter_schemas = _filter_schemas
    conditions.Conditions.satisfiable = _remembered(conditions.Conditions.satisfiable)
    if find_spec("pycosat") is None:
        for module in (conditions, _conditions):
            module.satisfiable = partial(module.satisfiable, algorithm="dpll2")


def apply_to(rules: Any) -> None:
    """Change the loaded rules: cfn-lint loads their modules by file, so that they are
    known by their ids only."""
    if note() is None and "E1101" in rules:
        type(rules["E1101"]).cfnLint = _cfn_lint


# 0001: a copy instead of asking for the fields, 700,000 times for 60 templates -----------


_new, _set = object.__new__, object.__setattr__


def _copied(self: Any, **changes: Any) -> Any:
    found = _new(type(self))
    _set(found, "__dict__", self.__dict__ | changes)
    return found


def _context_evolve(self: Any, **changes: Any) -> Any:
    if "ref_values" in changes:
        changes["ref_values"] = {**self.ref_values, **changes["ref_values"]}
    found = _copied(self, **changes)
    found.__dict__.pop("module_names", None)  # cached, and no field
    return found


def _descend(self: Any, **steps: Any) -> Any:
    from cfnlint.helpers import FUNCTIONS

    step = steps.get("cfn_path")
    if step in FUNCTIONS:
        raise ValueError(f"{step!r} cannot be in 'cfn_path'")
    if isinstance(step, int):
        raise ValueError(f"{step!r} cannot be an integer")
    found = _copied(self)
    values = found.__dict__
    for name, value in steps.items():
        if value is not None:
            values[name] = values[name].copy()
            values[name].append(value)
    return found


# 0002: a subclass with three attributes instead of a new dataclass, 2,000 times ----------


def _validator_evolve(self: Any, **changes: Any) -> Any:
    found = _copied(self, **changes)
    if found.context is None or found.resolver is None:
        found.__post_init__()
    return found


def _creator(base: type[Any]) -> Callable[..., Any]:
    from cfnlint.jsonschema._filter import FunctionFilter
    from cfnlint.jsonschema._format import cfn_format_checker
    from cfnlint.jsonschema._types import cfn_type_checker
    from cfnlint.template import Template

    class Light(base):  # type: ignore[misc]
        own_validators: Any
        own_filter: Any
        own_resolvers: Any

        def __init__(
            self,
            schema: Any = True,
            resolver: Any = None,
            function_filter: Any = None,
            cfn: Any = None,
            context: Any = None,
        ) -> None:
            self._type_checker = cfn_type_checker
            self.format_checker = cfn_format_checker
            self.schema = schema
            self.validators = self.own_validators
            self.resolver = resolver
            self.function_filter = function_filter or self.own_filter
            self.cfn = Template(None, {}) if cfn is None else cfn
            self.context = context
            self.fn_resolvers = self.own_resolvers
            self.__post_init__()

    def create(
        validators: Any = None, function_filter: Any = None, fn_resolvers: Any = None
    ) -> Any:
        own = {
            "own_validators": validators or {},
            "own_filter": function_filter or FunctionFilter(),
            "own_resolvers": fn_resolvers or {},
        }
        return type("Validator", (Light,), own)

    return create


def _extend_validator(
    self: Any, validator: Any, schema: Any, context: Any, validators: Any = None
) -> Any:
    from cfnlint.schema.resolver import RefResolver

    every = self._get_validators()
    if validators:
        every.update(validators)
    return validator.extend(validators=every)(
        schema=schema,
        cfn=validator.cfn,
        context=context,
        resolver=RefResolver.from_schema(schema),
    )


# 0003: rules of a resource by its type --------------------------------------------------


def _run(self: Any, filename: str | None, cfn: Any, config: Any) -> Iterator[Any]:
    from cfnlint.rules import CloudFormationLintRule

    enabled = _enabled(self, cfn, config)

    def checked(rule_id: str, check: Any, *arguments: Any) -> Iterator[Any]:
        found = self.run_check(
            check, filename, rule_id, config, enabled, filename, cfn, *arguments
        )
        return self._filter_matches(enabled, found)  # type: ignore[no-any-return]

    for rule_id, rule in self.data.items():
        yield from checked(rule_id, rule.matchall)
    usual = CloudFormationLintRule.matchall_resource_properties
    for name, attributes in cfn.get_resources().items():
        kind, properties = attributes.get("Type"), attributes.get("Properties")
        if isinstance(kind, str) and isinstance(properties, dict):
            path = ["Resources", name, "Properties"]
            for rule_id, rule in self.data.items():
                check = rule.matchall_resource_properties
                own = getattr(check, "__func__", None) is not usual
                if own or kind in rule.resource_property_types:
                    yield from checked(rule_id, check, properties, kind, path)


# 0004: the rules of a keyword, without going through a hundred at each place -------------


def _cfn_lint(
    self: Any, validator: Any, keywords: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    from cfnlint.jsonschema._utils import Unset

    by_keyword = _by_keyword(self)
    evolved = None
    for keyword in keywords:
        for rule in by_keyword.get(keyword, ()):
            if evolved is None:
                quiet = validator.function_filter.evolve(add_cfn_lint_keyword=False)
                evolved = validator.evolve(function_filter=quiet)
            for error in rule.validate(evolved, keyword, instance, schema):
                if error.rule is None and isinstance(error.validator, Unset):
                    error.rule = rule
                yield error


def _by_keyword(self: Any) -> dict[Any, list[Any]]:
    children = tuple(self.child_rules.values())
    if self.__dict__.get("_children") != children:
        found: dict[Any, list[Any]] = {}
        for rule in children:
            if rule is not None and rule.id:
                for keyword in rule.keywords:
                    found.setdefault(keyword, []).append(rule)
        self._children, self._rules_of = children, found
    known: dict[Any, list[Any]] = self._rules_of
    return known


# 0005: a schema is searched for the names of its parts once, not by each resolver -------


_NAMES = ("$id", "id", "$anchor", "$dynamicAnchor")
_searched: dict[int, tuple[Any, dict[str, list[Any]]]] = {}
_MOST_SEARCHED = 4_096


def _named(document: Any) -> dict[str, list[Any]]:
    """Return keyword -> the parts of a schema that have it, breadth first."""
    known = _searched.get(id(document))
    if known is None or known[0] is not document:
        found: dict[str, list[Any]] = {name: [] for name in _NAMES}
        waiting = deque([document])
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                for name in _NAMES:
                    if name in part:
                        found[name].append(part)
                waiting.extendleft(part.values())
        if len(_searched) >= _MOST_SEARCHED:
            _searched.clear()
        known = _searched[id(document)] = (document, found)
    return known[1]


_joined = cache(urljoin)


def _start(self: Any) -> None:
    self._scopes_stack = [self.base_uri]
    self._cache = self._cache or _remembering(self.resolve_from_url)
    self._cache_cfn_pointer = self._cache_cfn_pointer or _remembering(
        self.resolve_cfn_pointer
    )
    self._urljoin_cache = self._urljoin_cache or _joined
    self.store = {} if self.store is None else self.store


def _remembering(function: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the same as `lru_cache`, which takes longer to make than to use."""
    known: dict[str, Any] = {}

    def remembering(key: str) -> Any:
        if key not in known:
            known[key] = function(key)
        return known[key]

    return remembering


def _subschemas(self: Any) -> dict[str, list[Any]]:
    return _named(self.referrer)


def _resolve_fragment(self: Any, document: Any, fragment: str) -> Any:
    fragment = fragment.lstrip("/")
    if not fragment:
        return document
    named = _named(document)
    for keyword in ("id", "$id"):
        for part in named[keyword]:
            if f"#{fragment}" == part[keyword]:
                return part
    for step in unquote(fragment).split("/"):
        document = _part(document, step.replace("~1", "/").replace("~0", "~"), fragment)
    return document


def _part(document: Any, step: Any, fragment: str) -> Any:
    from cfnlint.schema.resolver._exceptions import RefResolutionError

    if isinstance(document, Sequence):
        try:
            step = int(step)
        except ValueError:
            pass
    try:
        return document[step]
    except (TypeError, LookupError) as error:
        message = f"Unresolvable JSON pointer: {fragment!r}"
        raise RefResolutionError(message) from error


# 0006: what kind of value it is, and which keywords are for groups, is asked once --------


def _is_type(self: Any, instance: Any, type: str) -> bool:
    from cfnlint.jsonschema.exceptions import UnknownType

    checks = self._type_checker.type_checkers
    if type not in checks:
        raise UnknownType(type, instance, self.schema)
    return checks[type](self._type_checker, instance)  # type: ignore[no-any-return]


def _filter(self: Any, validator: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from cfnlint.helpers import ToPy

    context = validator.context
    if "cfnContext" in schema:
        yield instance, schema, validator
        return
    if isinstance(instance, str):
        keyword = _keyword_of_text(self, instance, context.path.path)
        if keyword is not None:
            if keyword:
                yield instance, {keyword: schema}, validator
            return
    if not context.functions:
        yield instance, schema, validator
        return
    standard, group = self._filter_schemas(schema, validator)
    if group:
        yield from _in_scenarios(validator, instance, group)
    if isinstance(instance, dict) and len(instance) == 1:
        (key,) = instance
        if key in context.functions:
            standard = {ToPy(key).py: standard}
    yield instance, standard, validator


def _in_scenarios(validator: Any, instance: Any, schema: Any) -> Iterator[Any]:
    context = validator.context
    for its, scenario in context.conditions.evolve_from_instance(
        instance, context=context
    ):
        if its is not None:
            evolved = context.evolve(conditions=scenario)
            yield its, schema, validator.evolve(context=evolved)


def _keyword_of_text(self: Any, text: str, path: Any) -> str | None:
    """Return the keyword that checks a dynamic reference or a pseudo parameter; empty
    where nothing does, None for any other text."""
    from cfnlint.helpers import (
        FUNCTIONS,
        PSEUDOPARAMS,
        REGEX_DYN_REF,
        REGEX_DYN_REF_SPACES,
    )

    if self.validate_dynamic_references:
        if REGEX_DYN_REF.findall(text):
            others = {*FUNCTIONS} - {"Fn::If"}
            return "" if any(step in others for step in path) else "dynamicReference"
        if REGEX_DYN_REF_SPACES.search(text):
            return "dynamicReferenceSpaces"
    pseudo = text in PSEUDOPARAMS and "Ref" not in path
    return "rawPseudoParameter" if pseudo else None


def _filter_schemas(self: Any, schema: Any, validator: Any) -> tuple[Any, Any]:
    from cfnlint.helpers import ensure_list
    from cfnlint.jsonschema._filter import _all_types

    path = validator.context.path
    if path.path and path.path[-1] == "Fn::If":
        return schema, None
    grouping = _group_functions(tuple(self.group_functions))
    standard: dict[str, Any] = {}
    group: dict[str, Any] = {}
    for key, value in schema.items():
        (group if key in grouping else standard)[key] = value
    if self.add_cfn_lint_keyword and "$ref" not in standard:
        standard["cfnLint"] = ensure_list(standard.get("cfnLint", []))
        standard["cfnLint"].append("/".join(path.cfn_path))
    kind = standard.get("type", [])
    if "object" in ensure_list(kind) and not _OBJECTS & standard.keys():
        standard["patternProperties"] = {".*": {"type": _all_types}}
    if "array" in kind and "items" not in standard:
        standard["items"] = {"type": _all_types}
    return standard, group


_OBJECTS = {"properties", "additionalProperties", "patternProperties"}


@cache
def _group_functions(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


# 0007: whether conditions can hold together is worked out once -----------------------------


def _remembered(satisfiable: Any) -> Any:
    def remembered(self: Any, conditions: Any, parameter_values: Any) -> Any:
        key = (tuple(conditions.items()), repr(parameter_values))
        known = self.__dict__.setdefault("_satisfied", {})
        if key not in known:
            known[key] = satisfiable(self, conditions, parameter_values)
        return known[key]

    return remembered


# 0008: the configuration is read once for all rules ---------------------------------------


def _enabled(self: Any, cfn: Any, config: Any) -> set[str]:
    """Prepare the rules as `Rules.run` does, and return the ids of those in use."""
    enabled = set()
    experimental, given = config.include_experimental, config.configure_rules
    wanted = {
        "include_experimental": experimental,
        "ignore_rules": config.ignore_checks,
        "include_rules": config.include_checks,
        "mandatory_rules": config.mandatory_checks,
    }
    for rule_id, rule in self.data.items():
        rule.configure(given.get(rule_id, None), experimental)
        rule.initialize(cfn)
        if rule.is_enabled(**wanted):
            enabled.add(rule_id)
    for rule_id, rule in self.data.items():
        for key in rule.child_rules.keys():
            if key in self.data:
                rule.child_rules[key] = self.data.get(key)
        for parent in rule.parent_rules:
            if parent in self.data:
                self.data[parent].child_rules[rule_id] = rule
    return enabled


# 0009: one step down is one copy of the validator and one of its context ------------------


def _descend_to(
    self: Any,
    instance: Any,
    schema: Any,
    path: str | int | None = None,
    schema_path: str | int | None = None,
    property_path: str | None = None,
) -> Iterator[Any]:
    context = self.context
    steps = context.path.descend(path=path, cfn_path=property_path)
    lower = _context_evolve(context, path=steps)
    evolved = _validator_evolve(self, schema=schema, context=lower)
    for error in evolved.iter_errors(instance):
        if path is not None:
            error.path.appendleft(path)
        if schema_path is not None:
            error.schema_path.appendleft(schema_path)
        yield error


def _properties(
    validator: Any, properties: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for name, subschema in properties.items():
        if name in instance:
            key = next(k for k in instance if k == name)  # which knows its place
            yield from validator.descend(
                instance[name],
                subschema,
                path=key,
                schema_path=name,
                property_path=name,
            )


# 0010: patterns are compiled once, and membership is asked of the list --------------------


@cache
def _compiled(pattern: str) -> Any:
    from cfnlint.jsonschema._keywords import re

    return re.compile(pattern)


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from cfnlint.jsonschema.exceptions import ValidationError

    if not isinstance(instance, (str, int, float, bool)):
        return
    text = instance if isinstance(instance, str) else json.dumps(instance)
    if not _compiled(pattern).search(text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for key, value in instance.items():
            if isinstance(key, str) and _compiled(pattern).search(key):
                yield from validator.descend(
                    value,
                    subschema,
                    path=key,
                    schema_path=pattern,
                    property_path="*",
                )


def _enum_by(enum: Any) -> Any:
    def quick(validator: Any, enums: Any, instance: Any, schema: Any) -> Iterator[Any]:
        # What is not in the list may still be equal to something in it: "True" to true.
        if not (isinstance(instance, str) and instance in enums):
            yield from enum(validator, enums, instance, schema)

    return quick


def _raw_type(validator: Any, kind: Any, instance: Any) -> bool:
    from cfnlint.helpers import BOOLEAN_STRINGS

    if kind in ("object", "array", "null") or instance is None:
        return validator.is_type(instance, kind)  # type: ignore[no-any-return]
    if kind == "string":
        return not isinstance(instance, (dict, list))
    if kind in ("number", "integer"):
        if isinstance(instance, bool):
            return False
        try:
            (float if kind == "number" else int)(instance)
        except (ValueError, TypeError):
            return False
        return True
    if kind == "boolean":
        return isinstance(instance, bool) or instance in [*BOOLEAN_STRINGS]
    return False


# 0011: a template is searched without a list of the way to each place ---------------------


def _search_deep_keys(self: Any, wanted: Any, value: Any, path: Any) -> list[Any]:
    if isinstance(wanted, str):
        fits: Callable[[Any], Any] = partial(operator.eq, wanted)
    elif hasattr(wanted, "match"):
        fits = partial(_matches, wanted)
    else:
        return []
    return [*_places(value, [*path], fits)]


def _matches(pattern: Any, key: Any) -> Any:
    return isinstance(key, str) and pattern.match(key)


def _places(value: Any, way: list[Any], fits: Callable[[Any], Any]) -> Iterator[Any]:
    if not isinstance(value, (dict, list)):
        return
    for step in value if isinstance(value, dict) else range(len(value)):
        inner = value[step]
        if isinstance(value, dict) and fits(step):
            yield [*way, step, inner]
        if isinstance(inner, (dict, list)):
            yield from _places(inner, [*way, step], fits)
