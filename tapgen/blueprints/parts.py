"""Assemble a system of stack sets from the parts of a blueprint.

A part is one template with the values of its parameters. `assemble` gives every part
its targets, fills in the common values (suffix, regions, region role), and refuses a
blueprint whose parts do not fit together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from troposphere import Template

from tapgen.blocks import frame, names
from tapgen.blueprints import python
from tapgen.blueprints.encoding import Recipe
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.frozen import dataclass
from tapgen.model import (
    SAME,
    AtFirst,
    Output,
    Override,
    Permission,
    StackSet,
    System,
    Target,
    Value,
)
from tapgen.system import templates_out

_ACCOUNT = "0" * 12

# Types that require a capability, and the property that requires the stronger one.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStackSet.html
_IAM_NAMES = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}


@dataclass(frozen=True)
class Part:
    """A part of a system: one template, in the regions of one role.

    `role` is a region role, `every`, or `global` (the primary region, for resources
    that an account has once). `template` may be the function that returns it: tapgen
    then reports its errors with the name of the part. A `Recipe` is made once for all
    environments. `outputs` are all outputs of the
    template. `values` are the values of its parameters, `by_role` those that differ
    between region roles. `Output.region` may be a region role. `at_first` is what
    parameters have in new stacks, until those of other parts are there.
    """

    name: str
    role: str
    template: Template | Recipe | Callable[[], Template]
    outputs: tuple[str, ...]
    values: Mapping[str, Value] = field(default_factory=dict)
    by_role: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    at_first: Mapping[str, AtFirst] = field(default_factory=dict)


def assemble(config: Config, parts: Iterable[Part]) -> System:
    """Return the system of a config from these parts, in this order.

    Raises BlueprintError with every name that is too long, every output that is
    declared but not in the template (or the reverse), and every parameter without a
    value (or value without a parameter).
    """
    outputs = {}
    built: list[tuple[Part, Mapping[str, Any]]] = []
    for part in parts:
        outputs[part.name] = part.outputs
        built.append(_built(config, part))
    problems = [
        f"{config.system}: {part.name}: {problem}"
        for part, body in built
        for problem in _problems(config, part, body, outputs)
    ]
    if problems:
        raise BlueprintError("\n".join(problems))
    system = empty(config)
    stack_sets = tuple(_stack_set(config, system, part, body) for part, body in built)
    return replace(system, stack_sets=stack_sets)


def _built(config: Config, part: Part) -> tuple[Part, Mapping[str, Any]]:
    """Return the part with its template, from a function if needed, and its data."""
    template, file = part.template, None
    if isinstance(template, Recipe):
        return part, template.data()
    where = f"{config.system}: {part.name}"
    if not isinstance(template, Template):
        file = python.source(template)
        with python.reported(file, where):
            template = template()
    if not isinstance(template, Template):
        given = type(template).__name__
        raise BlueprintError(f"{where}: returns {given}; return a troposphere.Template")
    with python.reported(file, where):
        return replace(part, template=template), template.to_dict()


def empty(config: Config) -> System:
    """Return the system of a config, without its stack sets."""
    return System(
        name=config.system,
        blueprint=config.blueprint,
        suffix=config.suffix,
        regions=config.regions,
        admin=config.admin,
        stack_sets=(),
        rollout=config.rollout,
        tags={
            "Project": config.system,
            "Environment": config.suffix,
            "ManagedBy": "tapgen",
            **config.tags,
        },
        environment=config.environment,
        pass_roles=config.pass_roles,
        permissions=tuple(
            Permission(action, "*")
            for actions in config.permissions.values()
            for action in actions
        ),
        granted_types=frozenset(config.permissions),
        delegated=config.delegated,
        callers=config.callers,
        goals=config.goals,
        usage=config.usage,
    )


def _roles(config: Config, part: Part) -> tuple[str, ...]:
    """Return the region roles of a part; the first of a system is its primary one."""
    if part.role == frame.EVERY:
        return tuple(config.regions)
    return (next(iter(config.regions)) if part.role == frame.GLOBAL else part.role,)


def _stack_set(
    config: Config, system: System, part: Part, body: Mapping[str, Any]
) -> StackSet:
    first, *others = _roles(config, part)
    text = (
        part.template.text()
        if isinstance(part.template, Recipe)
        else templates_out.render(body)
    )
    values = _values(config, part, body, first)
    return StackSet(
        name=f"{system.prefix}-{part.name}",
        part=part.name,
        template=text,
        role=part.role,
        targets=tuple(
            Target(account, config.regions[role])
            for role in (first, *others)
            for account in config.accounts
        ),
        parameters=values,
        overrides=tuple(
            Override(_differing(values, its), region=config.regions[role])
            for role in others
            for its in [_values(config, part, body, role)]
        ),
        at_first=part.at_first,
        depends_on=part.depends_on,
        capabilities=capabilities(body, text),
        tags=system.tags,
    )


def _values(
    config: Config, part: Part, body: Mapping[str, Any], role: str
) -> dict[str, Value]:
    """Return the values of a part in a region role, in the order of its parameters."""
    given: dict[str, Value] = {
        names.SUFFIX: config.suffix,
        **{f"{r.title()}Region": region for r, region in config.regions.items()},
        names.ROLE: role,
        **part.values,
        **part.by_role.get(role, {}),
    }
    return {
        name: _real(config, given[name])
        for name in body.get("Parameters", {})
        if name in given
    }


def _differing(
    first: Mapping[str, Value], values: Mapping[str, Value]
) -> dict[str, Value]:
    """Return the values of a part in a role that differ from those in the first one."""
    return {name: v for name, v in values.items() if first.get(name) != v}


def _real(config: Config, value: Value) -> Value:
    """Return the value with its region role replaced by the region."""
    if isinstance(value, Output) and value.region != SAME:
        return replace(value, region=config.regions[value.region])
    return value


def capabilities(body: Mapping[str, Any], text: str) -> tuple[str, ...]:
    """Return the capabilities that a template with this text requires."""
    found = [r for r in body["Resources"].values() if r["Type"] in _IAM_NAMES]
    wanted = ["CAPABILITY_IAM"] if found else []
    if any(_IAM_NAMES[r["Type"]] in r.get("Properties", {}) for r in found):
        wanted = ["CAPABILITY_NAMED_IAM"]
    if "Transform" in body or "Fn::Transform" in text:
        wanted.append("CAPABILITY_AUTO_EXPAND")
    return tuple(wanted)


def _problems(
    config: Config,
    part: Part,
    body: Mapping[str, Any],
    outputs: Mapping[str, tuple[str, ...]],
) -> Iterator[str]:
    longest = {
        names.SUFFIX: config.suffix,
        names.ROLE: max(config.regions, key=len),
        "AWS::AccountId": _ACCOUNT,
        "AWS::Region": max(config.regions.values(), key=len),
    }
    yield from names.too_long(body, longest)
    given = set(body.get("Outputs", {}))
    for name in sorted(given ^ set(part.outputs)):
        where = "template" if name in given else "declaration"
        yield f"output {name} is only in the {where} of the part"
    parameters = body.get("Parameters", {})
    for role in _roles(config, part):
        values = _values(config, part, body, role)
        for name in sorted(set(parameters) - set(values)):
            if "Default" not in parameters[name]:
                yield f"parameter {name} has no value in {role}"
        taken = {**part.values, **part.by_role.get(role, {})}
        for name in sorted(set(taken) - set(parameters)):
            yield f"the template has no parameter {name}"
        for value in values.values():
            if isinstance(value, Output):
                if value.output not in outputs.get(value.part, ()):
                    yield f"no part has the output {value}"
