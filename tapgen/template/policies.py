"""Find the policies of a resource, whom they are for, and what else gives permissions.

Data in, data out. Most schemas say which properties take a document;
`knowledge/policies.py` says which of these are no policies, and which texts are some.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tapgen.knowledge.policies import (
    ATTACHED,
    GIVEN_TO,
    NAMED,
    OTHERS,
    PRIVATE,
    TEXTS,
    WITHOUT,
)
from tapgen.template import grants, schemas
from tapgen.template.places import values_at
from tapgen.template.values import equal, is_open, many, mapping, text

Found = tuple[bool, str]
"""Whether anybody gets it, and in words what."""


@cache
def paths(kind: str) -> tuple[str, ...]:
    """Return the properties of a type that hold policies, as paths."""
    if kind in _STATEMENTS:
        return ()
    found = {path for path in schemas.objects(kind) if re.fullmatch(NAMED, _name(path))}
    others = {path for path in found if f"{kind} {path}" in OTHERS}
    return tuple(sorted(found - others | {*TEXTS.get(kind, ())}))


def widened(kind: str, before: Any, after: Any) -> Iterator[Found]:
    """Yield what the policies of a resource newly grant, in words; with each, whether to
    anybody. `before` and `after` are its properties, None for none."""
    for path in _places(kind):
        had, has = (_documents(kind, path, side) for side in (before, after))
        if before and after and not path.count("*"):
            had, has = had or _without(kind), has or _without(kind)
        yield from _of(kind, had, has)
        if _hidden(path, after) and not equal(
            [*values_at(before, path)], [*values_at(after, path)]
        ):
            yield False, f"{_name(path)} is known only later and may grant more"
    yield from _for_others(kind, before, after)
    for name, words in ATTACHED.get(kind, {}).items():
        for one in _added(name, before, after):
            yield False, f"{words} {one}"


def no_longer_denied(kind: str, before: Any) -> Iterator[Found]:
    """Yield what the policies of a resource deny, which goes with it."""
    for path in _places(kind):
        yield from grants.widened(_documents(kind, path, before), [])


def _of(kind: str, before: list[Any], after: list[Any]) -> Iterator[Found]:
    for public, words in grants.widened(before, after):
        yield public and kind not in PRIVATE, words


def _for_others(kind: str, before: Any, after: Any) -> Iterator[Found]:
    """Yield what those get to whom a policy is newly given."""
    if not before or not after:
        return
    documents = [one for path in _places(kind) for one in _documents(kind, path, after)]
    for name in GIVEN_TO.get(kind, ()):
        for one in _added(name, before, after):
            for public, words in _of(kind, [], documents):
                yield public, f"is newly given to {one}: {words}"


def _added(name: str, before: Any, after: Any) -> Iterator[str]:
    had = {text(one) for one in many(mapping(before).get(name))}
    for one in map(text, many(mapping(after).get(name))):
        if one not in had:
            yield one


def _places(kind: str) -> tuple[str, ...]:
    return (*paths(kind), *(("",) if kind in _STATEMENTS else ()))


def _documents(kind: str, path: str, properties: Any) -> list[Any]:
    if not isinstance(properties, Mapping) or not properties:
        return []
    if not path:
        return [{"Statement": _STATEMENTS[kind](properties)}]
    found = map(_read, values_at(properties, path))
    return [one for one in found if one is not None]


def _without(kind: str) -> list[Any]:
    return [WITHOUT[kind]] if kind in WITHOUT else []


def _hidden(path: str, properties: Any) -> bool:
    """Whether a policy is there that only AWS can read."""
    return bool(path) and any(
        _read(value) is None and is_open(value)
        for value in values_at(properties, path)
        if value is not None
    )


def _read(value: Any) -> Any:
    """Return a policy as data, also one that is written as text."""
    if (
        isinstance(value, list)
        or isinstance(value, Mapping)
        and not _is_function(value)
    ):
        return value
    try:
        return json.loads(text(value))
    except (ValueError, RecursionError):
        return None


def _is_function(value: Mapping[str, Any]) -> bool:
    """Whether a mapping is an intrinsic function."""
    return len(value) == 1 and any(k == "Ref" or k.startswith("Fn::") for k in value)


def _name(path: str) -> str:
    return path.removesuffix("/*").rpartition("/")[2]


# -- permissions that are written as properties ----------------------------------------


def _invoker(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the statement that Lambda creates for a permission (AddPermission).

    A function URL of type NONE admits every caller, signed or not: that limits nobody.
    """
    limits = {
        "SourceArn": ("ArnLike", "aws:SourceArn"),
        "SourceAccount": ("StringEquals", "aws:SourceAccount"),
        "PrincipalOrgID": ("StringEquals", "aws:PrincipalOrgID"),
        "EventSourceToken": ("StringEquals", "lambda:EventSourceToken"),
        "FunctionUrlAuthType": ("StringEquals", "lambda:FunctionUrlAuthType"),
        "InvokedViaFunctionUrl": ("Bool", "lambda:InvokedViaFunctionUrl"),
        "OrganizationId": ("StringEquals", "aws:PrincipalOrgID"),  # of a layer
    }
    conditions: dict[str, dict[str, Any]] = {}
    for name, (operator, key) in limits.items():
        if properties.get(name) is not None and properties[name] != "NONE":
            conditions.setdefault(operator, {})[key] = properties[name]
    return {
        "Effect": "Allow",
        "Principal": properties.get("Principal"),
        "Action": properties.get("Action"),
        "Resource": properties.get("FunctionName", properties.get("LayerVersionArn")),
        "Condition": conditions,
    }


def _bus(properties: Mapping[str, Any]) -> Any:
    """Return the statement of a permission of an event bus (PutPermission)."""
    if properties.get("Statement") is not None:
        return _read(properties["Statement"])
    condition = properties.get("Condition")
    limits = (
        {text(condition.get("Type")): {text(condition.get("Key")): condition["Value"]}}
        if isinstance(condition, Mapping) and "Value" in condition
        else condition
    )
    bus = properties.get("EventBusName", "default")
    return {**properties, "Condition": limits, "Resource": bus}


def _service(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the permission to connect to an endpoint service."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": properties.get("AllowedPrincipals")},
        "Action": "vpce:AllowCreateEndpoint",
        "Resource": properties.get("ServiceId"),
    }


def _collections(properties: Mapping[str, Any]) -> list[Any]:
    """Return the rules of an OpenSearch Serverless data access policy as statements."""
    if not equal(properties.get("Type"), "data"):
        return []
    return [
        {
            "Effect": "Allow",
            "Principal": {"AWS": group.get("Principal")},
            "Action": rule.get("Permission"),
            "Resource": rule.get("Resource"),
        }
        for group in many(_read(properties.get("Policy")))
        if isinstance(group, Mapping)
        for rule in many(group.get("Rules"))
        if isinstance(rule, Mapping)
    ]


_STATEMENTS = {
    "AWS::EC2::VPCEndpointServicePermissions": _service,
    "AWS::Events::EventBusPolicy": _bus,
    "AWS::Lambda::LayerVersionPermission": _invoker,
    "AWS::Lambda::Permission": _invoker,
    "AWS::OpenSearchServerless::AccessPolicy": _collections,
}
"""Type → the statements that its properties stand for."""
