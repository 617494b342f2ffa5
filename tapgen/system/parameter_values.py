"""Check the values of parameters against the types and constraints of a template.

Source: "Parameters syntax" and "Supplied parameter types" in CloudFormation's user guide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapgen.template import evaluate, java_patterns

_SECRET = "(hidden)"
_BY_REFERENCE = (
    "pass secrets by reference: {{resolve:secretsmanager:…}} or "
    "{{resolve:ssm-secure:…}}"
)
_VALUE_BYTES = 4096
_CONSTRAINTS = ("AllowedValues", "AllowedPattern", "MinLength", "MaxLength")

# Parameter type → the resource type whose Ref it takes, and the form of its values.
IDS: Mapping[str, tuple[str, str]] = {
    "AWS::EC2::Instance::Id": ("AWS::EC2::Instance", r"i-[0-9a-f]+"),
    "AWS::EC2::SecurityGroup::Id": ("AWS::EC2::SecurityGroup", r"sg-[0-9a-f]+"),
    "AWS::EC2::Subnet::Id": ("AWS::EC2::Subnet", r"subnet-[0-9a-f]+"),
    "AWS::EC2::VPC::Id": ("AWS::EC2::VPC", r"vpc-[0-9a-f]+"),
    "AWS::EC2::Volume::Id": ("AWS::EC2::Volume", r"vol-[0-9a-f]+"),
    "AWS::Route53::HostedZone::Id": ("AWS::Route53::HostedZone", r"[A-Z0-9]{1,32}"),
}
_LOOKS: Mapping[str, str] = {
    **{kind: pattern for kind, (_, pattern) in IDS.items()},
    "AWS::EC2::AvailabilityZone::Name": r"[a-z]{2}(-[a-z0-9]+)+[a-z]",
    "AWS::EC2::Image::Id": r"ami-[0-9a-f]+",
}


def given(parameter: Mapping[str, Any], value: str) -> Iterator[str]:
    """Yield what is wrong with a value that a user gives for a parameter."""
    if evaluate.no_echo(parameter) and _in_clear(parameter, value):
        yield f"{_SECRET} is a NoEcho parameter in plain text; {_BY_REFERENCE}"
        return
    yield from literal(parameter, value)


def literal(parameter: Mapping[str, Any], value: str) -> Iterator[str]:
    """Yield what is wrong with a value for a parameter of a template."""
    kind, listed = element(str(parameter.get("Type")))
    hidden = evaluate.no_echo(parameter)
    if len(value.encode()) > _VALUE_BYTES:
        yield f"{len(value.encode())} bytes; CloudFormation allows {_VALUE_BYTES}"
    if "{{resolve:" in value:
        yield from _by_reference(parameter, kind, value)
        return
    items = [item.strip() for item in value.split(",")] if listed else [value]
    for item in items:
        shown = _SECRET if hidden else repr(item)
        for problem in _item(parameter, kind, item):
            yield f"{shown} {problem}"


def _by_reference(parameter: Mapping[str, Any], kind: str, value: str) -> Iterator[str]:
    """Yield the constraints that a dynamic reference breaks: CloudFormation compares
    them with its text, and looks the value up when it creates a resource
    ("Dynamic references" in the user guide)."""
    shown = _SECRET if evaluate.no_echo(parameter) else repr(value)
    if kind == "Number":
        yield (
            f"{shown} is a dynamic reference, and a Number has only digits; make the "
            "parameter a String"
        )
        return
    keys = [key for key in _CONSTRAINTS if key in parameter and kind == "String"]
    broken = [k for k in keys if any(_item({k: parameter[k]}, kind, value))]
    if broken:
        yield (
            f"{shown} is a dynamic reference, whose text breaks {', '.join(broken)}: "
            "CloudFormation compares the text, not the value behind it; remove "
            f"{'it' if len(broken) == 1 else 'them'} from the template"
        )


def _item(parameter: Mapping[str, Any], kind: str, item: str) -> Iterator[str]:
    allowed = parameter.get("AllowedValues")
    if isinstance(allowed, list) and not any(_equal(kind, item, a) for a in allowed):
        words = ", ".join(str(text_of(a)) for a in allowed)
        yield f"is not among the allowed values: {words}{_why(parameter)}"
    check = {"Number": _number, "String": _string}.get(kind)
    if check:
        yield from check(parameter, item)
    elif kind in _LOOKS and not re.fullmatch(_LOOKS[kind], item):
        yield f"is not an {kind}; give one that matches {_LOOKS[kind]}"


def _number(parameter: Mapping[str, Any], item: str) -> Iterator[str]:
    number = _float(item)
    if number is None:
        yield "is not a number"
        return
    for key, word, breaks in _bounds("Value", number):
        limit = _float(str(parameter.get(key)))
        if limit is not None and breaks(limit):
            yield f"is {word} than {key} {parameter[key]}{_why(parameter)}"


def _string(parameter: Mapping[str, Any], item: str) -> Iterator[str]:
    for key, word, breaks in _bounds("Length", len(item)):
        limit = _float(str(parameter.get(key)))
        if limit is not None and breaks(limit):
            words = {"less": "shorter", "more": "longer"}
            yield f"is {words[word]} than {key} {parameter[key]}{_why(parameter)}"
    pattern = parameter.get("AllowedPattern")
    if isinstance(pattern, str) and java_patterns.matches(pattern, item) is False:
        yield f"does not match {pattern}{_why(parameter)}"


def _bounds(what: str, number: float) -> list[tuple[str, str, Callable[[float], bool]]]:
    return [
        (f"Min{what}", "less", lambda limit: number < limit),
        (f"Max{what}", "more", lambda limit: number > limit),
    ]


def _why(parameter: Mapping[str, Any]) -> str:
    description = parameter.get("ConstraintDescription")
    return f" ({description})" if description else ""


def _float(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _equal(kind: str, item: str, allowed: Any) -> bool:
    text = str(text_of(allowed))
    if kind == "Number":
        return _float(item) is not None and _float(item) == _float(text)
    return item == text


def text_of(value: Any) -> str | None:
    """Return a constant as CloudFormation's text, None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def element(kind: str) -> tuple[str, bool]:
    """Return the type of a parameter's elements, and whether it is a list of them."""
    listed = re.fullmatch(r"List<(.+)>", kind)
    if listed:
        return listed[1], True
    return ("String", True) if kind == "CommaDelimitedList" else (kind, False)


def _in_clear(parameter: Mapping[str, Any], value: str) -> bool:
    """Whether a value may be a secret itself, and not a reference to one."""
    if str(parameter.get("Type")).startswith("AWS::SSM::"):
        return False
    value = value.strip()
    return bool(value) and "{{resolve:" not in value and not value.startswith("arn:")
