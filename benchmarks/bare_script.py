"""The peer of `tapgen templates`: the same templates as a bare Troposphere script.

`transcribe` writes out what somebody would type who needs exactly these templates and
no tool: straight-line calls of troposphere's classes (awacs for policies), every value
a literal, importing only the service modules that occur. Running it gives templates
equal to the ones it was transcribed from, which `run.py` checks before it measures.

What the script leaves out, and tapgen does in the same time: reading and checking YAML
(pydantic, ruamel.yaml), the command line (click), choosing what to build, the checks of
names and outputs, least-privilege actions from the registry schemas, environments,
manifests, digests, and leaving unchanged files alone.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from awacs import aws as awacs
from troposphere import AWSProperty, Tags

# Intrinsic functions whose arguments troposphere's classes take in CloudFormation's
# order; every other one is written as it stands in the template.
_SPREAD = {
    "Fn::And": "And",
    "Fn::Cidr": "Cidr",
    "Fn::Equals": "Equals",
    "Fn::FindInMap": "FindInMap",
    "Fn::GetAtt": "GetAtt",
    "Fn::If": "If",
    "Fn::Join": "Join",
    "Fn::Not": "Not",
    "Fn::Or": "Or",
    "Fn::Select": "Select",
    "Fn::Split": "Split",
    "Fn::Sub": "Sub",
}
_SINGLE = {
    "Fn::GetAZs": "GetAZs",
    "Fn::ImportValue": "ImportValue",
    "Ref": "Ref",
}
_SECTIONS = {
    "Parameters": ("add_parameter", "Parameter"),
    "Outputs": ("add_output", "Output"),
}

_HEAD = '''\
import sys
from pathlib import Path

import awacs.aws as awacs
from troposphere import (
    And, Cidr, Equals, FindInMap, GetAtt, GetAZs, If, ImportValue, Join, Not, Or,
    Output, Parameter, Ref, Select, Split, Sub, Tag, Tags, Template,
)


class Raw:
    """A resource with a property that troposphere's classes do not have."""

    def __init__(self, title, body):
        self.title, self.body = title, body

    def to_dict(self):
        return self.body
'''

_TAIL = """\

def main(folder):
    for path, build in ALL.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(build().to_json(indent=2) + "\\n")


main(Path(sys.argv[1]))
"""


def transcribe(templates: Mapping[str, str]) -> str:
    """A script that writes these templates (path -> JSON text) into the folder given
    as its argument."""
    modules: set[str] = set()
    functions = []
    names = {path: f"template_{n}" for n, path in enumerate(sorted(templates))}
    for path, name in names.items():
        lines = _lines(json.loads(templates[path]), modules)
        functions.append(f"\ndef {name}():\n    " + "\n    ".join(lines) + "\n")
    imports = [f"from troposphere import {module}\n" for module in sorted(modules)]
    every = "".join(f"    {path!r}: {name},\n" for path, name in names.items())
    return "".join([_HEAD, *imports, *functions, f"\nALL = {{\n{every}}}\n", _TAIL])


def _lines(body: Mapping[str, Any], modules: set[str]) -> Iterator[str]:
    """The statements that build one template."""
    yield "t = Template()"
    if "AWSTemplateFormatVersion" in body:
        yield f"t.set_version({body['AWSTemplateFormatVersion']!r})"
    if "Description" in body:
        yield f"t.set_description({body['Description']!r})"
    if "Metadata" in body:
        yield f"t.set_metadata({_plain(body['Metadata'])})"
    for name, condition in body.get("Conditions", {}).items():
        yield f"t.add_condition({name!r}, {_plain(condition)})"
    for name, rule in body.get("Rules", {}).items():
        yield f"t.add_rule({name!r}, {_plain(rule)})"
    for name, mapping in body.get("Mappings", {}).items():
        yield f"t.add_mapping({name!r}, {mapping!r})"
    for section, (add, kind) in _SECTIONS.items():
        for name, values in body.get(section, {}).items():
            yield f"t.{add}({kind}({name!r}, **{_plain(values)}))"
    for name, resource in body["Resources"].items():
        yield f"t.add_resource({_resource(name, resource, modules)})"
    yield "return t"


def _resource(name: str, resource: Mapping[str, Any], modules: set[str]) -> str:
    """The expression for a resource; for what troposphere's classes refuse (a property
    they do not have, a function where they want text), the resource as it is."""
    known = set(modules)
    try:
        made = _built(name, resource, known)
        scope: dict[str, Any] = {}
        exec(_HEAD + "".join(f"from troposphere import {m}\n" for m in known), scope)
        eval(made, scope).to_dict()
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"Raw({name!r}, {dict(resource)!r})"
    modules |= known
    return made


def _built(name: str, resource: Mapping[str, Any], modules: set[str]) -> str:
    kind = _class_of(resource["Type"])
    modules.add(_module(kind))
    arguments = _arguments(kind, resource.get("Properties", {}))
    for attribute, value in resource.items():
        if attribute not in ("Type", "Properties"):
            arguments.append(f"{attribute}={_plain(value)}")
    made = f"{_name(kind)}({', '.join([repr(name), *arguments])})"
    # Troposphere asks for an Engine even of a read replica, which takes its source's.
    replica = "SourceDBInstanceIdentifier" in resource.get("Properties", {})
    return f"{made}.no_validation()" if replica else made


def _class_of(type_name: str) -> type[Any]:
    service = type_name.split("::")[1].lower()
    service = {"lambda": "awslambda"}.get(service, service)  # a word of Python's
    module = importlib.import_module(f"troposphere.{service}")
    for found in vars(module).values():
        if getattr(found, "resource_type", None) == type_name:
            kind: type[Any] = found
            return kind
    raise LookupError(f"troposphere.{service} has no class for {type_name}")


def _module(kind: type[Any]) -> str:
    return kind.__module__.removeprefix("troposphere.").removeprefix("validators.")


def _name(kind: type[Any]) -> str:
    return f"{_module(kind)}.{kind.__name__}"


def _arguments(kind: type[Any], values: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}={_typed(value, kind.props[name][0])}" for name, value in values.items()
    ]


def _typed(value: Any, expected: Any) -> str:
    """The expression for a property's value, with the classes troposphere expects."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        condition, yes, no = value["Fn::If"]
        return f"If({condition!r}, {_typed(yes, expected)}, {_typed(no, expected)})"
    if isinstance(value, list):
        if _is_property(expected, Tags):
            pairs = [f"Tag({t['Key']!r}, {_plain(t['Value'])})" for t in value]
            return f"Tags({', '.join(pairs)})"
        member = expected[0] if isinstance(expected, list) else None
        return f"[{', '.join(_typed(one, member) for one in value)}]"
    if isinstance(value, dict) and _is_property(expected, AWSProperty):
        if not _intrinsic(value):
            return f"{_name(expected)}({', '.join(_arguments(expected, value))})"
    text = _plain(value)
    # A few properties want a plain dictionary where the others take awacs.
    wants_plain = expected is dict and text.startswith("awacs.")
    return f"{text}.JSONrepr()" if wants_plain else text


def _is_property(expected: Any, base: type[Any]) -> bool:
    return isinstance(expected, type) and issubclass(expected, base)


def _intrinsic(value: Mapping[str, Any]) -> str | None:
    if len(value) != 1:
        return None
    name = next(iter(value))
    return name if name == "Ref" or name.startswith("Fn::") else None


def _plain(value: Any) -> str:
    """The expression for a value that troposphere takes as it is."""
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    function = _intrinsic(value)
    if function in _SPREAD and isinstance(value[function], list):
        return f"{_SPREAD[function]}({', '.join(map(_plain, value[function]))})"
    if function in _SINGLE or function == "Fn::Sub":
        name = {**_SINGLE, **_SPREAD}[str(function)]
        return f"{name}({_plain(value[str(function)])})"
    if "Statement" in value and isinstance(value["Statement"], list):
        return _policy(value)
    return "{%s}" % ", ".join(f"{k!r}: {_plain(v)}" for k, v in value.items())


def _policy(document: Mapping[str, Any]) -> str:
    statements = ", ".join(map(_statement, document["Statement"]))
    rest = [f"{k}={v!r}" for k, v in document.items() if k != "Statement"]
    arguments = [f"Statement=[{statements}]", *rest]
    return f"awacs.PolicyDocument({', '.join(arguments)})"


def _statement(statement: Mapping[str, Any]) -> str:
    arguments = []
    for name, value in statement.items():
        if name in ("Action", "NotAction"):
            text = f"[{', '.join(map(_action, value))}]"
        elif name in ("Principal", "NotPrincipal") and isinstance(value, dict):
            ((kind, who),) = value.items()
            text = f"awacs.Principal({kind!r}, {_plain(who)})"
        elif name in ("Principal", "NotPrincipal"):
            text = f"awacs.Principal({value!r})"
        elif name == "Condition":
            text = _conditions(value)
        else:
            text = _plain(value)
        arguments.append(f"{name}={text}")
    return f"awacs.Statement({', '.join(arguments)})"


def _action(action: str) -> str:
    return f"awacs.Action({', '.join(map(repr, action.split(':', 1)))})"


def _conditions(block: Mapping[str, Mapping[str, Any]]) -> str:
    known = {
        found.condition: name
        for name, found in vars(awacs).items()
        if isinstance(getattr(found, "condition", None), str)
    }
    elements = [
        f"awacs.{known[operator]}({_plain(tests)})" for operator, tests in block.items()
    ]
    return f"awacs.Condition([{', '.join(elements)}])"
