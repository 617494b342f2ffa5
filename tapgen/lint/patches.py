"""Changes to cfn-lint that make it more than twice as fast, with the same findings.

Each is offered upstream, as a patch with its reasons in `docs/upstream/`. Until a release
has them they are applied here, to exactly one version: at any other, lint runs as
cfn-lint is, and says so. `tests/unit/lint/test_patches.py` compares the findings of both.

Nothing else in tapgen changes what it imports.
"""

from __future__ import annotations

import itertools
import json
import logging
import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from importlib import metadata
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urljoin

from tapgen.lint import judged

LOGGER = logging.getLogger("cfnlint.jsonschema.validators")
VERSION = "1.58.0"
"""The version of cfn-lint that the patches are for."""


def note(installed: str | None = None) -> str | None:
    """Return what to say where lint runs without the patches; None where it has them."""
    found = installed or metadata.version("cfn-lint")
    if found == VERSION:
        return None
    return (
        f"cfn-lint {found} runs without tapgen's speed patches, which are for {VERSION}: "
        "the findings are the same, and take more than twice as long"
    )


@cache
def apply() -> None:
    """Change the imported cfn-lint, if it is the version that this is for."""
    if note() is not None:
        return
    from cfnlint.conditions import conditions
    from cfnlint.context.conditions import _conditions
    from cfnlint.context.context import Context, Path
    from cfnlint.jsonschema import _keywords, _keywords_cfn, _utils, validators
    from cfnlint.jsonschema._filter import FunctionFilter
    from cfnlint.rules import Rules
    from cfnlint.rules.functions._BaseFn import BaseFn
    from cfnlint.rules.jsonschema import CfnLintJsonSchema as lint_schema
    from cfnlint.rules.jsonschema.Base import BaseJsonSchema
    from cfnlint.schema.resolver import RefResolver
    from cfnlint.template import Template

    Context.evolve = _context_evolve
    Path.evolve = _copied
    Path.descend = _descend
    FunctionFilter.evolve = _copied
    keywords = {
        "allOf": judged.all_of,
        "enum": _enum_by(_keywords.enum),
        "if": judged.if_by(_keywords.if_),
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "properties": _properties,
    }
    BaseFn.validate = _validate_function
    for kind in (validators.CfnTemplateValidator, validators.StandardValidator):
        kind.evolve = _validator_evolve
        kind.is_type = _is_type
        kind.descend = _descend_to
        kind.iter_errors = _iter_errors_by(kind.iter_errors)
        kind(True).validators.update(keywords)
    _replaced["cfn_type"] = _type_by(_keywords_cfn.cfn_type)
    _replaced["enum"], _replaced["re"] = keywords["enum"], _Patterns
    judged.USUAL |= {
        "const": [_keywords.const],
        "enum": [_keywords.enum, keywords["enum"]],
        "pattern": [_keywords.pattern, _pattern],
        "properties": [_keywords.properties, _properties],
        "required": [_keywords.required],
        "type": [_keywords.type, _keywords_cfn.cfn_type, _replaced["cfn_type"]],
    }
    _keywords_cfn._raw_type = _raw_type
    lint_schema.cfn_type = _replaced["cfn_type"]
    _keywords.re = _utils.re = _Patterns
    Template._search_deep_keys = _search_deep_keys
    Template._cache_clear = _cache_clear
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
    if note() is not None:
        return
    if "E1101" in rules:
        type(rules["E1101"]).cfnLint = _cfn_lint
    if "E3012" in rules:
        type(rules["E3012"]).type = _primitive_by(type(rules["E3012"]).type)
    for name, keyword in (("E3012", "type"), ("E3030", "enum"), ("E3031", "pattern")):
        if name in rules:
            judged.USUAL[keyword].append(getattr(type(rules[name]), keyword))
    for name, its in _IMPORTED.items():
        for imported in its if name in rules else ():
            _globals(rules[name])[imported] = _replaced[imported]


_replaced: dict[str, Any] = {}
_IMPORTED = {
    "E1019": ["re"],
    "E1029": ["re"],
    "E3012": ["cfn_type"],
    "E3030": ["enum"],
    "I3042": ["re"],
    "W1020": ["re"],
}
"""Rule -> what it imports that is replaced."""


def _globals(rule: Any) -> dict[str, Any]:
    """Return the names of the module of a rule, which is not in `sys.modules`."""
    methods = (one for one in vars(type(rule)).values() if hasattr(one, "__globals__"))
    found: dict[str, Any] = next(methods).__globals__
    return found


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
    enabled = _enabled(self, cfn, config)

    def checked(rule_id: str, check: Any, *arguments: Any) -> Iterator[Any]:
        found = self.run_check(
            check, filename, rule_id, config, enabled, filename, cfn, *arguments
        )
        return self._filter_matches(enabled, found)  # type: ignore[no-any-return]

    for rule_id, rule in self.data.items():
        if not _is_usual(rule, "match") or not _is_usual(rule, "matchall"):
            yield from checked(rule_id, rule.matchall)
        elif rule_id in enabled:
            self._used_rules[rule_id] = rule
    by_type = _rules_by_type(self)
    for name, attributes in cfn.get_resources().items():
        kind, properties = attributes.get("Type"), attributes.get("Properties")
        if isinstance(kind, str) and isinstance(properties, dict):
            path = ["Resources", name, "Properties"]
            for _, rule in sorted(by_type.get("", []) + by_type.get(kind, [])):
                check = self.data[rule].matchall_resource_properties
                yield from checked(rule, check, properties, kind, path)


def _rules_by_type(self: Any) -> dict[str, list[tuple[int, str]]]:
    """Return type of resources -> its rules by number, and empty -> those of all."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, (rule_id, rule) in enumerate(self.data.items()):
        of_all = not _is_usual(rule, "matchall_resource_properties")
        for kind in {""} if of_all else {*rule.resource_property_types}:
            found.setdefault(kind, []).append((number, rule_id))
    return found


def _is_usual(rule: Any, method: str) -> bool:
    """Whether a rule has a method of all rules, which does nothing by itself."""
    from cfnlint.rules import CloudFormationLintRule

    return getattr(type(rule), method) is getattr(CloudFormationLintRule, method)


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


def _filter(self: Any, validator: Any, instance: Any, schema: Any) -> Iterable[Any]:
    from cfnlint.helpers import ToPy

    context = validator.context
    if "cfnContext" in schema:
        return ((instance, schema, validator),)
    if isinstance(instance, str):
        keyword = _keyword_of_text(self, instance, context.path.path)
        if keyword is not None:
            return ((instance, {keyword: schema}, validator),) if keyword else ()
    functions = context.functions
    if not functions:
        return ((instance, schema, validator),)
    standard, group = self._filter_schemas(schema, validator)
    if isinstance(instance, dict) and len(instance) == 1:
        (key,) = instance
        if key in functions:
            standard = {ToPy(key).py: standard}
    alone = (instance, standard, validator)
    if not group:
        return (alone,)
    return itertools.chain(_in_scenarios(validator, instance, group), (alone,))


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
        if rule.config_definition or not _is_usual(rule, "configure"):
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
def _compiled(pattern: Any) -> Any:
    import regex

    return regex.compile(pattern)


class _Patterns:
    """The functions of `regex`, which looks up a pattern and its flags at each call."""

    compile = _compiled

    @staticmethod
    def search(pattern: Any, text: str) -> Any:
        return _compiled(pattern).search(text)

    @staticmethod
    def match(pattern: Any, text: str) -> Any:
        return _compiled(pattern).match(text)

    @staticmethod
    def findall(pattern: Any, text: str) -> Any:
        return _compiled(pattern).findall(text)


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


# 0011: a template is searched once for all of its keys -------------------------------------


def _search_deep_keys(self: Any, wanted: Any, value: Any, path: Any) -> list[Any]:
    if value is not self.template:
        index = _indexed(value)
    elif (index := self.__dict__.get("_index")) is None:
        index = self._index = _indexed(value)
    if isinstance(wanted, str):
        found = index.get(wanted, [])
    elif hasattr(wanted, "match"):
        keys = [key for key in index if isinstance(key, str) and wanted.match(key)]
        found = sorted((place for key in keys for place in index[key]), key=_number)
    else:
        return []
    return [[*path, *way, step, inside[step]] for _, way, inside, step in found]


def _cache_clear(self: Any) -> None:
    self.search_deep_keys.cache_clear()
    self._index = None


_Place = tuple[int, tuple[Any, ...], Any, Any]
"""The number of a key in its template, the way to what it is in, that, and the key."""

_number = operator.itemgetter(0)


def _indexed(value: Any) -> dict[Any, list[_Place]]:
    """Return key -> its places in a template, from its beginning to its end."""
    found: dict[Any, list[_Place]] = {}
    numbers = itertools.count()

    def look(value: Any, way: tuple[Any, ...]) -> None:
        in_dict = isinstance(value, dict)
        for step in value if in_dict else range(len(value)):
            inner = value[step]
            if in_dict:
                found.setdefault(step, []).append((next(numbers), way, value, step))
            if isinstance(inner, (dict, list)):
                look(inner, (*way, step))

    if isinstance(value, (dict, list)):
        look(value, ())
    return found


# 0012: a simple condition of a schema is judged without making errors: in `judged` ---------


# 0013: a value is validated without steps in between ---------------------------------------


def _iter_errors_by(iter_errors: Any) -> Any:
    def quick(self: Any, instance: Any) -> Iterator[Any]:
        schema, validators = self.schema, self.validators
        if isinstance(schema, bool) or schema.get("$id"):
            yield from iter_errors(self, instance)
            return
        filtered = self.function_filter.filter(self, instance, schema)
        for its, wanted, validator in filtered:
            for keyword, value in wanted.items():
                check = validators.get(keyword)
                if check is None:
                    continue
                try:
                    for error in check(validator, value, its, wanted) or ():
                        yield _completed(self, error, keyword, value, its, wanted)
                except Exception as error:
                    LOGGER.debug(error, exc_info=True)
                    yield _failed(self, error, keyword, value, instance)

    return quick


def _completed(
    self: Any, error: Any, keyword: str, value: Any, instance: Any, schema: Any
) -> Any:
    from cfnlint.jsonschema._utils import custom_msg

    message = custom_msg(keyword, schema) or error.message
    if message is not None:
        error.message = message
    error._set(
        validator=keyword,
        validator_value=value,
        instance=instance,
        schema=schema,
        type_checker=self._type_checker,
    )
    if keyword not in ("if", "$ref"):
        error.schema_path.appendleft(keyword)
    return error


def _failed(
    self: Any, error: Exception, keyword: str, value: Any, instance: Any
) -> Any:
    from cfnlint.jsonschema.exceptions import ValidationError

    return ValidationError(
        f"Exception {str(error)!r} raised while validating {keyword!r}",
        validator=keyword,
        validator_value=value,
        instance=instance,
        schema=self.schema,
        schema_path=deque([keyword]),
    )


# 0014: a type and a reference that fit are seen at once -------------------------------------


def _type_by(cfn_type: Any) -> Any:
    def quick(validator: Any, types: Any, instance: Any, schema: Any) -> Any:
        if not validator.context.strict_types and _has_type(validator, types, instance):
            return ()
        return cfn_type(validator, types, instance, schema)

    return quick


def _primitive_by(type_of_rule: Any) -> Any:
    def type(self: Any, validator: Any, types: Any, instance: Any, schema: Any) -> Any:
        strict = self.config.get("strict") or validator.context.strict_types
        if not strict and _has_type(validator, types, instance):
            return ()
        return type_of_rule(self, validator, types, instance, schema)

    return type


def _has_type(validator: Any, types: Any, instance: Any) -> bool:
    for kind in types if isinstance(types, list) else [types]:
        if _raw_type(validator, kind, instance):
            return True
    return False


def _validate_function(
    self: Any, validator: Any, s: Any, instance: Any, schema: Any
) -> Iterator[Any]:
    from cfnlint.jsonschema.exceptions import ValidationError

    if validator.context.unresolvable_function_mode:
        message = f"Cannot resolve {self.fn.name} in composite validation"
        yield ValidationError(message, unknown=True)
        return
    found = [*self.fix_errors(self.validate_fn_output_types(validator, s, instance))]
    key, value = self.key_value(instance)
    if key != "Ref" or not judged.is_known(validator.context, value):
        own = self.schema(validator, instance)
        below = self.validator(validator, own).descend(value, own, path=key)
        found += self.fix_errors(below)
    yield from found or self.resolve(validator, s, instance, schema)
