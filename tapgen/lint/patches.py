"""Changes to cfn-lint that make it twice as fast, with the same findings.

Each is offered upstream, as a patch with its reasons in `docs/upstream/`. Until a release
has them they are applied here, to exactly one version: at any other, lint runs as
cfn-lint is, and says so. `tests/unit/lint/test_patches.py` compares the findings of both.

Nothing else in tapgen changes what it imports.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from typing import Any

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
    from cfnlint.context.context import Context, Path
    from cfnlint.jsonschema import validators
    from cfnlint.jsonschema._filter import FunctionFilter
    from cfnlint.rules import Rules
    from cfnlint.rules.jsonschema.Base import BaseJsonSchema

    Context.evolve = _context_evolve
    Path.evolve = _copied
    Path.descend = _descend
    FunctionFilter.evolve = _copied
    for kind in (validators.CfnTemplateValidator, validators.StandardValidator):
        kind.evolve = _validator_evolve
    validators.create = _creator(validators.StandardValidator)
    BaseJsonSchema.extend_validator = _extend_validator
    Rules.run = _run


def apply_to(rules: Any) -> None:
    """Change the loaded rules: cfn-lint loads their modules by file, so that they are
    known by their ids only."""
    if note() is None and "E1101" in rules:
        type(rules["E1101"]).cfnLint = _cfn_lint


# 0001: a copy instead of asking for the fields, 700,000 times for 60 templates -----------


def _copied(self: Any, **changes: Any) -> Any:
    found = object.__new__(type(self))
    found.__dict__.update(self.__dict__)
    found.__dict__.update(changes)
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
    changes = {
        name: getattr(self, name) + deque([value])
        for name, value in steps.items()
        if value is not None
    }
    return _copied(self, **changes)


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


def _enabled(self: Any, cfn: Any, config: Any) -> set[str]:
    """Prepare the rules as `Rules.run` does, and return the ids of those in use."""
    enabled = set()
    for rule_id, rule in self.data.items():
        rule.configure(
            config.configure_rules.get(rule_id, None), config.include_experimental
        )
        rule.initialize(cfn)
        if self.is_rule_enabled(rule_id, config):
            enabled.add(rule_id)
    for rule_id, rule in self.data.items():
        for key in rule.child_rules.keys():
            if key in self.data:
                rule.child_rules[key] = self.data.get(key)
        for parent in rule.parent_rules:
            if parent in self.data:
                self.data[parent].child_rules[rule_id] = rule
    return enabled


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
