"""CloudFormation's query protocol, both ways, as its service model defines it.

`parse` turns the fields of a request into typed values and refuses what the model
does not allow, in AWS's words; `answer` and `refusal` write AWS's XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
FAULT_STATUS = 500


class ServiceError(Exception):
    """What AWS answers instead of a result: error code, message, HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ServiceError:
    """CloudFormation's ValidationError."""
    return ServiceError("ValidationError", message)


@cache
def _model() -> Any:
    # botocore takes 0.2 s to load: only when the first request needs it.
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    data = Loader().load_service_model("cloudformation", "service-2")
    return ServiceModel(data, "cloudformation")


@cache
def known_actions() -> frozenset[str]:
    """Every action of CloudFormation's service model."""
    return frozenset(_model().operation_names)


@cache
def _status_of(code: str) -> int:
    for name in _model().shape_names:
        error = _model().shape_for(name).metadata.get("error", {})
        if name == code or error.get("code") == code:
            return int(error.get("httpStatusCode", 400))
    return 400


def modelled(code: str, message: str) -> ServiceError:
    """An error of the service model, with the HTTP status the model gives it."""
    return ServiceError(code, message, _status_of(code))


def fields(body: bytes) -> dict[str, str]:
    """The fields of a form body; ServiceError when it is no form."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50_000)
    except (UnicodeDecodeError, ValueError) as error:
        raise ServiceError("MalformedQueryString", f"{error}") from error
    return dict(pairs)


def parse(action: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The typed parameters of a request, without those that were not sent.

    All violations of the service model are gathered in one ValidationError, worded
    and joined as CloudFormation does.
    """
    tree: dict[str, Any] = {}
    for name, value in given.items():
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            below = node.get(parent)
            if not isinstance(below, dict):
                below = node[parent] = {}
            node = below
        if not isinstance(node.get(last), dict):
            node[last] = value
    problems: list[str] = []
    shape = _model().operation_model(action).input_shape
    values: dict[str, Any] = (
        _structure(shape, tree, "", problems) if shape is not None else {}
    )
    if problems:
        plural = "s" if len(problems) > 1 else ""
        raise invalid(
            f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}"
        )
    return values


def _problem(value: Any, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: Member must {rule}"


def _value(shape: Any, node: Any, path: str, problems: list[str]) -> Any:
    if shape.type_name == "structure":
        return _structure(shape, node if isinstance(node, dict) else {}, path, problems)
    if shape.type_name == "list":
        return _list(shape, node, path, problems)
    if not isinstance(node, str):
        problems.append(_problem("{}", path, "be a single value"))
        return None
    if shape.type_name == "boolean":
        if node.lower() not in ("true", "false"):
            problems.append(_problem(node, path, "be true or false"))
        return node.lower() == "true"
    if shape.type_name in ("integer", "long"):
        return _integer(shape, node, path, problems)
    problems += _string_problems(shape, node, path)
    return node


def _structure(
    shape: Any, tree: dict[str, Any], path: str, problems: list[str]
) -> dict[str, Any]:
    values = {}
    for name, member in shape.members.items():
        below = f"{path}.{_lower(name)}" if path else _lower(name)
        if name in tree:
            values[name] = _value(member, tree[name], below, problems)
        elif name in shape.required_members:
            problems.append(_problem(None, below, "not be null"))
    return values


def _list(shape: Any, node: Any, path: str, problems: list[str]) -> list[Any]:
    # An empty list is sent as `Name=`, which is not the same as not sending it.
    members = node.get("member", {}) if isinstance(node, dict) else {}
    if (isinstance(node, str) and node) or not isinstance(members, dict):
        problems.append(_problem(node, path, "be a list"))
        return []
    if not all(re.fullmatch(r"[0-9]{1,6}", index) for index in members):
        problems.append(_problem(", ".join(members), path, "be numbered"))
        return []
    values = [
        _value(shape.member, members[index], f"{path}.{index}.member", problems)
        for index in sorted(members, key=int)
    ]
    problems += _size_problems(shape, len(values), values, path)
    return values


def _integer(shape: Any, text: str, path: str, problems: list[str]) -> int | None:
    if not re.fullmatch(r"-?[0-9]{1,10}", text):
        problems.append(_problem(text, path, "be an integer"))
        return None
    number = int(text)
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and number < low:
        problems.append(
            _problem(number, path, f"have value greater than or equal to {low}")
        )
    if high is not None and number > high:
        problems.append(
            _problem(number, path, f"have value less than or equal to {high}")
        )
    return number


def _size_problems(shape: Any, size: int, value: Any, path: str) -> list[str]:
    found = []
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        rule = f"have length greater than or equal to {low}"
        found.append(_problem(value, path, rule))
    if high is not None and size > high:
        rule = f"have length less than or equal to {high}"
        found.append(_problem(value, path, rule))
    return found


def _string_problems(shape: Any, text: str, path: str) -> list[str]:
    found = _size_problems(shape, len(text), text, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, text):
        rule = f"satisfy regular expression pattern: {pattern}"
        found.append(_problem(text, path, rule))
    if shape.enum and text not in shape.enum:
        rule = f"satisfy enum value set: [{', '.join(shape.enum)}]"
        found.append(_problem(text, path, rule))
    return found


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def answer(action: str, result: Mapping[str, Any]) -> bytes:
    """The XML answer of an action; members that the model lacks are an error."""
    shape = _model().operation_model(action).output_shape
    inner = ""
    if shape is not None:
        inner = f"<{action}Result>{''.join(_members(shape, result))}</{action}Result>"
    return (
        f'<{action}Response xmlns="{NAMESPACE}">{inner}'
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    ).encode()


def refusal(error: ServiceError) -> bytes:
    """The XML answer that carries an error."""
    kind = "Receiver" if error.status >= FAULT_STATUS else "Sender"
    return (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{kind}</Type>'
        f"<Code>{escape(error.code)}</Code>"
        f"<Message>{_text(error.message)}</Message></Error>"
        f"<RequestId>{uuid4()}</RequestId></ErrorResponse>"
    ).encode()


def _members(shape: Any, values: Mapping[str, Any]) -> Iterator[str]:
    unknown = set(values) - set(shape.members)
    if unknown:
        raise KeyError(f"{shape.name} has no {', '.join(sorted(unknown))}")
    for name, value in values.items():
        if value is not None:
            yield f"<{name}>{_serial(shape.members[name], value)}</{name}>"


def _serial(shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        return "".join(_members(shape, value))
    if shape.type_name == "list":
        member = shape.member
        return "".join(f"<member>{_serial(member, v)}</member>" for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    return _text(str(value))


# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def _text(text: str) -> str:
    # An XML parser reads a bare carriage return as a line feed.
    return escape(_NOT_XML.sub("�", text), {"\r": "&#13;"})
