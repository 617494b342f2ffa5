"""What a resource type of ours consists of, and its registration with ministack."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tapgen.emulator.resources.calls import CallError

Properties = Mapping[str, Any]
Attributes = dict[str, Any]
Created = tuple[str, Attributes]
"""The physical id (the value of Ref) and the values of Fn::GetAtt."""

Shape = Callable[[str, str], Mapping[str, Any] | None]
"""Returns the registry schema of a type in a region, None where there is none."""


@dataclass(frozen=True)
class Request:
    """A resource that a stack creates: its properties with intrinsics resolved."""

    logical_id: str
    stack: str
    properties: Properties

    def name(self, given: str, longest: int = 255, lowercase: bool = False) -> str:
        """The property `given`, or a name that is generated as CloudFormation does."""
        if self.properties.get(given):
            return str(self.properties[given])
        generated: str = provisioners()._physical_name(
            self.stack, self.logical_id, max_len=longest, lowercase=lowercase
        )
        return generated


@dataclass(frozen=True)
class Kind:
    """How one resource type is created, updated and deleted.

    `update` updates it in place and returns the attributes; without it every change
    replaces the resource. A change of a create-only property always replaces, except
    under an unchanged custom name (`named_by`), which CloudFormation refuses.
    """

    type: str
    create: Callable[[Request], Created]
    delete: Callable[[str, Properties], None]
    update: Callable[[str, Properties, Properties], Attributes] | None = None
    named_by: str | None = None
    tags: tuple[str, str] | None = ("Tags", "list")


@cache
def provisioners() -> Any:
    """ministack's module of resource handlers."""
    return importlib.import_module("ministack.services.cloudformation.provisioners")


# What ministack itself registered for the types that kinds of ours replace.
_originals: dict[str, Mapping[str, Any]] = {}


def original(type_name: str) -> Mapping[str, Any]:
    """ministack's own handlers of a type that has a kind of ours."""
    return _originals[type_name]


def install(kind: Kind, shape: Shape) -> None:
    """Register a kind with ministack, in place of its own handler if it has one."""
    module = provisioners()
    previous = module._RESOURCE_HANDLERS.get(kind.type, {})
    _originals.setdefault(kind.type, previous)
    # Imports and final snapshots stay ministack's.
    remaining = {
        name: previous[name] for name in ("import", "snapshot") if name in previous
    }
    schema = shape(kind.type, "us-east-1") or {}
    own = handlers(kind, create_only(schema, nested=True))
    module._RESOURCE_HANDLERS[kind.type] = {**own, **remaining}
    if kind.tags:
        module._STACK_TAG_PROPERTY[kind.type] = kind.tags
    if kind.named_by:
        module._CUSTOM_NAME_REPLACEMENT.setdefault(kind.type, {"name": kind.named_by})
    top = [path[0] for path in create_only(schema, nested=False)]
    module._REPLACING_PROPERTIES[kind.type] = tuple(
        top if kind.update else schema.get("properties", ())
    )


def create_only(schema: Mapping[str, Any], nested: bool) -> list[list[str]]:
    """Paths of properties whose change replaces, at the top or below it."""
    paths = [path.split("/")[2:] for path in schema.get("createOnlyProperties", [])]
    return [path for path in paths if (len(path) > 1) == nested and "*" not in path]


def _at(properties: Any, path: list[str]) -> Any:
    for name in path:
        properties = properties.get(name) if isinstance(properties, Mapping) else None
    return properties


def handlers(kind: Kind, replacing: list[list[str]]) -> dict[str, Any]:
    """A kind in the form of ministack's registry.

    A change at one of the `replacing` paths replaces the resource; ministack handles
    those at the top of the properties itself.
    """

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        with_refusals = refusing(kind.create)
        created: Created = with_refusals(Request(logical_id, stack, properties))
        return created

    def update(
        physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        replaced = any(_at(old, path) != _at(new, path) for path in replacing)
        if kind.update is None or replaced:
            # The engine deletes the old one once the update has succeeded.
            created: Created = provisioners()._seeded_create(
                create, logical_id, new, stack
            )
            return created
        return physical_id, refusing(kind.update)(physical_id, old, new)

    def delete(physical_id: str, properties: Properties) -> None:
        try:
            kind.delete(physical_id, properties)
        except CallError as error:
            if not is_absence(error):
                raise refusal(error) from error

    return {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
    }


def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` with a service's refusal worded as CloudFormation does."""

    def reported(*args: Any) -> Any:
        try:
            return function(*args)
        except CallError as error:
            raise refusal(error) from error

    return reported


def refusal(error: CallError) -> ValueError:
    """The reason a stack event shows when a resource handler gets an error."""
    request = uuid.uuid4()
    return ValueError(
        f'Resource handler returned message: "{error.message} (Service: '
        f"{error.service}, Status Code: {error.status}, Request ID: {uuid.uuid4()}) "
        f'(SDK Attempt Count: 1)" (RequestToken: {request}, HandlerErrorCode: '
        f"{_handler_code(error)})"
    )


def is_absence(error: CallError) -> bool:
    """Whether an error means that the resource does not exist."""
    marks = ("NotFound", "NoSuch", "NotExist")
    return any(mark in error.code for mark in marks)


def _handler_code(error: CallError) -> str:
    if "AlreadyExist" in error.code or "AlreadyOwned" in error.code:
        return "AlreadyExists"
    if is_absence(error):
        return "NotFound"
    return "GeneralServiceException" if error.status >= 500 else "InvalidRequest"


def exists(type_name: str, name: str) -> ValueError:
    """The reason of a resource whose name is taken by one that is not the stack's."""
    return ValueError(
        f"Resource handler returned message: \"Resource of type '{type_name}' with "
        f"identifier '{name}' already exists.\" (RequestToken: {uuid.uuid4()}, "
        "HandlerErrorCode: AlreadyExists)"
    )


def tag_list(properties: Properties, name: str = "Tags") -> list[dict[str, str]]:
    """A Tags property, list or map, as a list of keys and values."""
    tags = properties.get(name) or []
    if isinstance(tags, Mapping):
        return [{"Key": str(k), "Value": str(v)} for k, v in tags.items()]
    return [{"Key": str(t["Key"]), "Value": str(t.get("Value", ""))} for t in tags]


def dropped_tags(old: Properties, new: Properties, name: str = "Tags") -> list[str]:
    """Keys of tags that an update removes."""
    remaining = {tag["Key"] for tag in tag_list(new, name)}
    return [tag["Key"] for tag in tag_list(old, name) if tag["Key"] not in remaining]


def document(value: Any) -> str:
    """A policy document as the text that APIs take."""
    return value if isinstance(value, str) else json.dumps(value)
