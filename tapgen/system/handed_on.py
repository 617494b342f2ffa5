"""Outputs that are handed on by name, through Parameter Store (`Output.by_name`).

The stack set that has the output writes it into an SSM parameter of its account and
region, and the one that takes it has a parameter of a type
`AWS::SSM::Parameter::Value<…>`. All targets get the same name, so one operation serves
all of them. tapgen says which lines a template lacks, and never edits it.

Source: "Systems Manager parameter types" and "Supplied parameter types" (CloudFormation
user guide), `AWS::SSM::Parameter` (CloudFormation template reference).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from tapgen.knowledge.parameter_forms import SSM_VALUE
from tapgen.model import SAME, Output, StackSet
from tapgen.system.parameter_values import element
from tapgen.template.evaluate import Evaluated
from tapgen.template.values import equal, mapping

PARAMETER = "AWS::SSM::Parameter"
"""The type of the resource that writes a value."""

_SUFFIX = "EnvironmentSuffix"
_PLAIN = {"Number": "String", "CommaDelimitedList": "List<String>"}
# What type the SSM parameter has that a list or a single value is read from.
_TYPES = {True: "StringList", False: "String"}


def elsewhere(value: Output) -> Iterator[str]:
    """Yield a line where a reference names more than its own account and region."""
    places = {"region": value.region, "account": value.account}
    named = [key for key, place in places.items() if place != SAME]
    named += ["all"] if value.all else []
    if named:
        yield (
            f"by: ssm hands {value} on within one account and region; remove "
            f"{' and '.join(named)}, or remove by to hand on the value itself"
        )


def of_value(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a parameter as the value has to fit it: constraints are for the name."""
    hidden = {k: parameter[k] for k in ("NoEcho",) if k in parameter}
    return {"Type": _inner(str(parameter.get("Type"))), **hidden}


def _inner(kind: str) -> str:
    return kind.removeprefix(SSM_VALUE).removesuffix(">")


def unread(name: str, parameter: Mapping[str, Any], value: Output) -> Iterator[str]:
    """Yield a line where a parameter would take the name for the value."""
    kind = str(parameter.get("Type"))
    if not kind.startswith(SSM_VALUE):
        wanted = f"{SSM_VALUE}{_PLAIN.get(kind, kind)}>"
        yield (
            f"by: ssm gives the name of an SSM parameter, and a {kind} does not read "
            f"{value} from it; write Type: {wanted} at parameter {name} of the template"
        )


def unwritten(
    parameter: Mapping[str, Any], value: Output, source: StackSet, there: Evaluated
) -> Iterator[str]:
    """Yield a line where the template of the output's stack set, evaluated at the
    target, does not write the SSM parameter as it is read: with what to add."""
    name, output = value.ssm_name(source.prefix), there.outputs.get(value.output)
    whole = str(parameter.get("Type"))
    kind = _TYPES[element(_inner(whole))[1]]
    written = {
        logical_id: mapping(resource.get("Properties"))
        for logical_id, resource in there.resources.items()
        if resource.get("Type") == PARAMETER
    }
    for logical_id, given in written.items():
        if given.get("Name") == name:
            what = f"{source.part}.{logical_id}"
            if given.get("Type") != kind:
                yield f"{what} is a {given.get('Type')}, and {whole} reads a {kind}"
            if not equal(given.get("Value"), output):
                yield f"{what} has another value than output {value}; give it the same"
            return
    for logical_id, given in written.items():
        if equal(given.get("Value"), output):
            yield (
                f"{source.part}.{logical_id} has the value of {value}, and another name "
                f'than by: ssm reads; give it "Name": {json.dumps(_name(name, source))}, '
                "or write a second one"
            )
            return
    yield (
        f"{source.part} does not write {value} into an SSM parameter; add to the "
        f"resources of its template: {_lines(value, kind, name, source)}"
    )


def _name(name: str, source: StackSet) -> Any:
    """The name of an SSM parameter as a template writes it for every environment."""
    suffix = source.prefix.rpartition("-")[2]
    if source.values(source.targets[0]).get(_SUFFIX) != suffix:
        return name
    return {"Fn::Sub": name.replace(f"-{suffix}/", f"-${{{_SUFFIX}}}/", 1)}


def _lines(value: Output, kind: str, name: str, source: StackSet) -> str:
    """The resource that writes an output, in JSON, which YAML takes as well."""
    body = json.loads(source.template)
    output = mapping(mapping(body.get("Outputs")).get(value.output))
    taken = mapping(body.get("Resources"))
    ids = (f"{value.output}Parameter{n or ''}" for n in count())
    condition = {k: output[k] for k in ("Condition",) if k in output}
    properties = {
        "Name": _name(name, source),
        "Type": kind,
        "Value": output.get("Value"),
    }
    resource = {"Type": PARAMETER, **condition, "Properties": properties}
    logical_id = next(one for one in ids if one not in taken)
    return f"{json.dumps(logical_id)}: {json.dumps(resource)}"
