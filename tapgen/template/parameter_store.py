"""What a template reads from Systems Manager's Parameter Store when its stack is deployed.

A parameter of a type `AWS::SSM::Parameter::Value<…>` has the name of an SSM parameter as
its value. Every update of the stack reads the current value, also with UsePreviousValue
(user guide, "Systems Manager parameter types"), and DescribeStacks returns the one that
was read last. A dynamic reference without a version is read again only where something
else in the template changes: else an update is answered "No updates are to be performed"
(aws-cloudformation/cloudformation-coverage-roadmap issue 844), and no answer of AWS has
the value that a stack got.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.knowledge.parameter_forms import SSM_VALUE
from tapgen.template import evaluate
from tapgen.template.parameters import complete, parameters_of
from tapgen.template.values import FOUND

_LATEST = re.compile(r"\{\{resolve:(ssm(?:-secure)?):([^:{}]+)\}\}")


def reads(template: str) -> bool:
    """Whether a template text has a parameter of an SSM type."""
    return SSM_VALUE in template


def names(template: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the SSM parameters that a template reads, by the parameter that
    has them. Those of NoEcho parameters and those known later are left out."""
    if not reads(template):
        return {}
    given = complete(values, template)
    return {
        name: given[name]
        for name, declared in parameters_of(template).items()
        if str(declared.get("Type", "")).startswith(SSM_VALUE)
        and not evaluate.no_echo(declared)
        and isinstance(given.get(name), str)
    }


def named(template: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all SSM parameters that a template reads; `*` for one that is
    known later."""
    if not reads(template):
        return
    given = complete(values, template)
    for name, declared in parameters_of(template).items():
        if str(declared.get("Type", "")).startswith(SSM_VALUE):
            yield given[name] if isinstance(given.get(name), str) else "*"


def latest(resources: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names in dynamic references without a version, in evaluated resources."""
    for value in resources.values():
        if isinstance(value, str):
            yield from (name for _, name in _LATEST.findall(value))
        elif isinstance(value, Mapping):
            yield from latest(value)
        elif isinstance(value, list):
            yield from latest({str(n): one for n, one in enumerate(value)})


def sides(
    old: tuple[str, Mapping[str, Any]],
    new: tuple[str, Mapping[str, Any]],
    resolved: Mapping[str, str],
    current: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of two templates with those of SSM parameters filled in.

    `resolved` are, by parameter, those that the stack has; `current`, by the name of the
    SSM parameter, those there are now. Where only one of them is known, neither is filled
    in: an unknown value is no difference.
    """
    before, after = dict(old[1]), dict(new[1])
    had, has = names(*old), names(*new)
    for name in {*had, *has}:
        was, now = resolved.get(name), current.get(has.get(name, ""))
        if name in had and name in has and (was is None or now is None):
            continue
        if name in had and was is not None:
            before[name] = {FOUND: was}
        if name in has and now is not None:
            after[name] = {FOUND: now}
    return before, after


def changed(
    old: tuple[str, Mapping[str, Any]],
    new: tuple[str, Mapping[str, Any]],
    resolved: Mapping[str, str],
    current: Mapping[str, str],
) -> dict[str, tuple[str, str]]:
    """Return the parameters that keep the name of their SSM parameter, while its value
    has changed since the stack read it: old and new value."""
    had, has = names(*old), names(*new)
    return {
        name: (resolved[name], current[ssm])
        for name, ssm in has.items()
        if had.get(name) == ssm
        and name in resolved
        and current.get(ssm, resolved[name]) != resolved[name]
    }
