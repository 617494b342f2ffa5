"""Macros and includes of a template, in AWS's order.

"CloudFormation processes macros from the deepest level first, then those of the
template in the order of the list" (CloudFormation guide, "Perform custom processing with
template macros"). The messages are those of recorded answers: localstack/localstack,
test_template_engine.py::TestMacros.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Template = Mapping[str, Any]
Invoke = Callable[[str, Mapping[str, Any]], Any]
"""Calls the macro of a name with an event. LookupError when there is no such macro."""

INCLUDE = "AWS::Include"
_BY_MINISTACK = frozenset({"AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"})
_NOT_EXPANDED = ("Parameters", "AWSTemplateFormatVersion", "Transform")


class TransformError(Exception):
    """A transform that fails; the message is AWS's."""


@dataclass(frozen=True)
class Place:
    """Where a template is expanded, and with which values of its parameters."""

    account: str
    region: str
    parameters: Mapping[str, Any]


def calls_macros(template: Any) -> bool:
    """Whether a template names a transform that is not AWS's own."""
    if not isinstance(template, Mapping):
        return False
    declared = [name for name, _ in _declared(template)]
    return any(_is_macro(name) for name in declared) or any(
        _embeds_macro(value)
        for section, value in template.items()
        if section not in _NOT_EXPANDED
    )


def needs_expansion(template: Template) -> bool:
    """Whether a template has transforms that ministack alone would pass over."""
    declared = {name for name, _ in _declared(template)}
    return not declared <= _BY_MINISTACK or calls_macros(template)


def expand(
    template: Template,
    place: Place,
    invoke: Invoke,
    include: Callable[[Any], Mapping[str, Any]],
    apply: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Return the template after all its transforms; TransformError when one fails.

    `include` reads a snippet by its location; `apply` does what AWS's other transforms
    do, those that a template declares, and what is included within it.
    """
    expanded: dict[str, Any] = {
        section: (
            value if section in _NOT_EXPANDED else _embedded(value, place, invoke)
        )
        for section, value in template.items()
    }
    expanded.pop("Transform", None)
    waiting: list[Any] = []
    for name, entry in _declared(template):
        if name in _BY_MINISTACK:
            waiting.append(entry)
            continue
        if waiting:
            expanded = apply({**expanded, "Transform": waiting})
            expanded.pop("Transform", None)
            waiting = []
        parameters = entry.get("Parameters") if isinstance(entry, Mapping) else None
        if name == INCLUDE:
            snippet = include((parameters or {}).get("Location"))
            expanded = _merged(expanded, snippet)
        elif _is_macro(name):
            result = _called(name, expanded, parameters or {}, place, invoke)
            if not isinstance(result, Mapping):
                raise TransformError(_malformed(name, place))
            expanded = dict(result)
        else:
            raise TransformError(
                f"Transform {name} is not emulated by the embedded AWS; expand the "
                "template first, or try it on a real account"
            )
    return apply({**expanded, "Transform": waiting} if waiting else expanded)


def _is_macro(name: str) -> bool:
    return not name.startswith("AWS::")


def _declared(template: Template) -> list[tuple[str, Any]]:
    """The transforms of the whole template, by name."""
    given = template.get("Transform")
    entries = given if isinstance(given, list) else [given]
    named = [
        (entry.get("Name") if isinstance(entry, Mapping) else entry, entry)
        for entry in entries
    ]
    return [(name, entry) for name, entry in named if isinstance(name, str)]


def _macro_of(node: Any) -> Mapping[str, Any] | None:
    """The macro that a part of a template calls, None for none."""
    spec = node.get("Fn::Transform") if isinstance(node, Mapping) else None
    name = spec.get("Name") if isinstance(spec, Mapping) else None
    return spec if isinstance(name, str) and name != INCLUDE else None


def _embeds_macro(node: Any) -> bool:
    if isinstance(node, Mapping):
        return _macro_of(node) is not None or any(map(_embeds_macro, node.values()))
    return isinstance(node, list) and any(map(_embeds_macro, node))


def _embedded(node: Any, place: Place, invoke: Invoke) -> Any:
    """Expand the macros within a part of a template, the deepest first."""
    if isinstance(node, list):
        return [_embedded(item, place, invoke) for item in node]
    if not isinstance(node, Mapping):
        return node
    inner = {name: _embedded(item, place, invoke) for name, item in node.items()}
    spec = _macro_of(inner)
    if spec is None:
        return inner
    fragment = {name: v for name, v in inner.items() if name != "Fn::Transform"}
    return _called(spec["Name"], fragment, spec.get("Parameters") or {}, place, invoke)


def _called(
    name: str,
    fragment: Any,
    parameters: Mapping[str, Any],
    place: Place,
    invoke: Invoke,
) -> Any:
    """Return what a macro makes of a fragment."""
    request = str(uuid.uuid4())
    event = {
        "region": place.region,
        "accountId": place.account,
        "fragment": fragment,
        "transformId": f"{place.account}::{name}",
        "params": _resolved(parameters, place),
        "requestId": request,
        "templateParameterValues": dict(place.parameters),
    }
    try:
        answer = invoke(name, event)
    except LookupError:
        raise TransformError(
            f"No transform named {place.account}::{name} found."
        ) from None
    if not isinstance(answer, Mapping) or answer.get("requestId") != request:
        raise TransformError(_malformed(name, place))
    if str(answer.get("status", "")).lower() == "success" and "fragment" in answer:
        return answer["fragment"]
    if "status" not in answer:
        raise TransformError(_malformed(name, place))
    given = answer.get("errorMessage")
    reason = f"failed with: {given}." if given else "failed without an error message."
    raise TransformError(f"Transform {place.account}::{name} {reason}")


def _malformed(name: str, place: Place) -> str:
    return f"Received malformed response from transform {place.account}::{name}"


def _resolved(parameters: Any, place: Place) -> Any:
    """The parameters of a macro, with references to parameters of the template."""
    if isinstance(parameters, list):
        return [_resolved(item, place) for item in parameters]
    if not isinstance(parameters, Mapping):
        return parameters
    if list(parameters) == ["Ref"]:
        return place.parameters.get(parameters["Ref"], parameters["Ref"])
    return {name: _resolved(item, place) for name, item in parameters.items()}


def _merged(template: Mapping[str, Any], snippet: Mapping[str, Any]) -> dict[str, Any]:
    """A template with the sections of a snippet; of two equal keys, the snippet's."""
    merged = dict(template)
    for section, value in snippet.items():
        known = merged.get(section)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[section] = {**known, **value} if both and known else value
    return merged
