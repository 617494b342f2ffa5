"""The templates of a system as each target gets them, for scanners.

A scanner that reads a template as written cannot judge a value that is a parameter.
Parameters, mappings, conditions and look-ups are filled in here, as numbers and booleans
where a resource takes nothing else: CloudFormation converts them too. What only AWS knows
stays as written: references to resources, outputs of other stack sets that are not
literals, values of SSM parameters, and NoEcho parameters, whose values are never
written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tapgen.model import Output, StackSet, System, Target
from tapgen.system import checks
from tapgen.system.templates_out import written
from tapgen.template import evaluate, schemas
from tapgen.template.values import mapping

_ALWAYS: Mapping[bool, Any] = {
    True: {"Fn::Equals": ["true", "true"]},
    False: {"Fn::Equals": ["true", "false"]},
}


def files(system: System) -> dict[str, str]:
    """Return path → template of every target of a system."""
    parts = {s.part: s for s in system.stack_sets}
    return {
        f"{system.name}/{system.suffix}/{s.part}/{target.account}.{target.region}.json": (
            written(template(s, target, parts))
        )
        for s in system.stack_sets
        for target in s.targets
    }


def template(
    stack_set: StackSet, target: Target, parts: Mapping[str, StackSet]
) -> dict[str, Any]:
    """Return the template of a stack set as a target gets it.

    `parts` are the stack sets whose outputs it may take.
    """
    body, values = _known(stack_set, target, parts)
    found = evaluate.evaluate(body, values, target)
    resources = {
        name: {
            key: (
                schemas.typed(str(resource.get("Type")), value)
                if key == "Properties"
                else value
            )
            for key, value in resource.items()
            if key != "Condition" or found.conditions.get(str(value)) is None
        }
        for name, resource in found.resources.items()
    }
    outputs = {
        name: _output(mapping(mapping(body.get("Outputs")).get(name)), name, found)
        for name in found.outputs
    }
    filled = {
        **{k: body[k] for k in _AS_WRITTEN if k in body},
        "Metadata": _without_form(body.get("Metadata")),
        "Resources": resources,
        "Outputs": outputs,
    }
    text = json.dumps(filled)
    filled["Conditions"] = {
        name: _valid(condition)
        for name, condition in found.undecided.items()
        if f'"Condition": "{name}"' in text or f'"Fn::If": ["{name}"' in text
    }
    text = json.dumps(filled)
    filled["Parameters"] = {
        name: one
        for name, one in mapping(body.get("Parameters")).items()
        if name not in values and _refers(text, name)
    }
    if "Fn::FindInMap" in text:
        filled["Mappings"] = body.get("Mappings")
    return {k: v for k, v in filled.items() if v or k == "Resources"}


_AS_WRITTEN = ("AWSTemplateFormatVersion", "Description", "Transform")


def _without_form(metadata: Any) -> dict[str, Any]:
    """Return the metadata of a template without the form for its parameters."""
    form = "AWS::CloudFormation::Interface"
    return {k: v for k, v in mapping(metadata).items() if k != form}


def _known(
    stack_set: StackSet, target: Target, parts: Mapping[str, StackSet]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a template whose unknown parameters have no default, and the values that
    are known."""
    body = dict(evaluate.parsed(stack_set.template))
    given = stack_set.values(target)
    declared: dict[str, Any] = {}
    values: dict[str, str] = {}
    for name, about in mapping(body.get("Parameters")).items():
        parameter = mapping(about)
        value = _literal(given.get(name, parameter.get("Default")), target, parts)
        hidden = evaluate.no_echo(parameter)
        of_ssm = str(parameter.get("Type")).startswith("AWS::SSM::")
        if value is None or hidden or of_ssm:
            declared[name] = {
                key: one
                for key, one in parameter.items()
                if key != "Default" or (of_ssm and not hidden)
            }
        else:
            declared[name] = parameter
            values[name] = value
    return {**body, "Parameters": declared}, values


def _literal(
    value: Any, target: Target, parts: Mapping[str, StackSet], depth: int = 0
) -> str | None:
    """Return a parameter value as text; None if only AWS knows it."""
    if not isinstance(value, Output):
        return None if value is None or isinstance(value, dict) else _text(value)
    source = parts.get(value.part)
    places = checks.sources(value, target, source) if source else ()
    if source is None or not places or depth > len(parts):
        return None
    found = [_output_of(source, at, value.output, parts, depth) for at in places]
    return None if None in found else ",".join(str(one) for one in found)


def _output_of(
    source: StackSet,
    at: Target,
    output: str,
    parts: Mapping[str, StackSet],
    depth: int,
) -> str | None:
    body, values = evaluate.parsed(source.template), {}
    for name, value in source.values(at).items():
        known = _literal(value, at, parts, depth + 1)
        about = mapping(mapping(body.get("Parameters")).get(name))
        if known is not None and not evaluate.no_echo(about):
            values[name] = known
    one = mapping(mapping(body.get("Outputs")).get(output))
    alone = {**body, "Resources": {}, "Outputs": {output: one}}
    found = evaluate.evaluate(alone, values, at).outputs.get(output)
    return found if isinstance(found, str) else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _output(
    about: Mapping[str, Any], name: str, found: evaluate.Evaluated
) -> dict[str, Any]:
    whole = {
        key: value
        for key, value in about.items()
        if key != "Condition" or found.conditions.get(str(value)) is None
    }
    whole["Value"] = found.outputs[name]
    if name in found.exports:
        whole["Export"] = {"Name": found.exports[name]}
    return whole


def _valid(node: Any) -> Any:
    """Return a condition with an expression in place of each known outcome."""
    if isinstance(node, bool):
        return _ALWAYS[node]
    if isinstance(node, Mapping):
        return {k: v if k == "Fn::Equals" else _valid(v) for k, v in node.items()}
    return [_valid(each) for each in node] if isinstance(node, list) else node


def _refers(text: str, name: str) -> bool:
    return f'"Ref": "{name}"' in text or f"${{{name}}}" in text
