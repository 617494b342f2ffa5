"""Change sets with all that AWS reports: what replaces, and values of properties.

ministack knows for some types which property changes replace the resource; the resource
schemas have it for all. It has no values of properties (`IncludePropertyValues`).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

_CFN = "ministack.services.cloudformation"
_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{_CFN}.changesets": {"_find_change_set": ("cs_name", "stack_name")},
    f"{_CFN}.handlers": {"_resolve_stack": ("stack_name",)},
    f"{_CFN}.stacks": {
        "_intrinsic_references": ("value",),
        "_property_recreation": ("resource_type", "name"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

# What AWS shows for outputs of resources that do not exist yet, and for hidden values.
_LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"
_HIDDEN = "****"

Shape = Callable[[str, str], Mapping[str, Any] | None]
Handler = Callable[[Any], Any]


def apply(shape: Shape) -> None:
    """Complete change sets from now on; a second call changes only `shape`."""
    stacks, handlers = _module("stacks"), _module("handlers")._ACTION_HANDLERS
    original = getattr(
        stacks._property_recreation, "original", stacks._property_recreation
    )
    stacks._property_recreation = _by_schema(shape, original)
    for action, wrap in (
        ("CreateChangeSet", _with_values),
        ("DescribeChangeSet", _showing_values),
    ):
        if not hasattr(handlers[action], "extended"):
            handlers[action] = wrap(handlers[action])
            handlers[action].extended = True


def _module(name: str) -> Any:
    return importlib.import_module(f"{_CFN}.{name}")


# -- recreation ----------------------------------------------------------------------


def _by_schema(
    shape: Shape, original: Callable[[str, str], str]
) -> Callable[[str, str], str]:
    """`RequiresRecreation` of a property: ministack's own where it is Always, else that
    of the schema. Below a property nothing is certain."""

    def recreation(resource_type: str, name: str) -> str:
        known = original(resource_type, name)
        schema = shape(resource_type, "us-east-1")
        if known == "Always" or not schema or not schema.get("properties"):
            return known
        if f"/properties/{name}" in schema.get("createOnlyProperties", ()):
            return "Always"
        perhaps = [
            *schema.get("createOnlyProperties", ()),
            *schema.get("conditionalCreateOnlyProperties", ()),
        ]
        below = any(path.split("/")[2:3] == [name] for path in perhaps)
        return "Conditionally" if below else "Never"

    recreation.original = original  # type: ignore[attr-defined]
    # A patched function keeps the signature of the one that it replaces.
    return recreation


# -- values --------------------------------------------------------------------------


def _with_values(create: Handler) -> Handler:
    """Store with a change set the value of each property before and after."""

    def created(params: Any) -> Any:
        answer = create(params)
        read = _module("helpers")._p
        stack = _module("handlers")._resolve_stack(read(params, "StackName"))
        if answer[0] == 200 and stack:
            name = read(params, "ChangeSetName")
            _, change_set = _module("changesets")._find_change_set(
                name, stack["StackName"]
            )
            if change_set and change_set["ChangeSetType"] != "IMPORT":
                _fill(change_set, stack)
        return answer

    return created


def _fill(change_set: Any, stack: Any) -> None:
    template, values = change_set["_template"], change_set["_resolved_params"]
    resolved = _module("changesets")._resolve_props_for_diff(
        template, values, stack["StackName"], stack["StackId"]
    )["Resources"]
    before = stack.get("_resources", {})
    raw = (stack.get("_template") or {}).get("Resources", {})
    for change in change_set["Changes"]:
        resource = change["ResourceChange"]
        logical_id = resource["LogicalResourceId"]
        was = before.get(logical_id, {}).get("Properties") or {}
        if resource["Action"] != "Add":
            resource["BeforeContext"] = _context(
                was, raw.get(logical_id), stack["_resolved_params"], {}
            )
        if resource["Action"] != "Remove":
            resource["AfterContext"] = _context(
                (resolved.get(logical_id) or {}).get("Properties") or {},
                template["Resources"].get(logical_id),
                values,
                template["Resources"],
            )
        for detail in resource.get("Details", ()):
            name = detail["Target"].get("Name")
            if not name:
                continue
            old = _property(raw.get(logical_id), name)
            new = _property(template["Resources"].get(logical_id), name)
            will = _property(resolved.get(logical_id), name)
            later = _refers(new, template["Resources"])
            kind = "Add" if old is None else "Remove" if new is None else "Modify"
            detail["Target"] |= {
                "AttributeChangeType": kind,
                "Path": f"/Properties/{name}",
                "BeforeValue": _shown(was.get(name), old, stack["_resolved_params"]),
                "AfterValue": _LATER if later else _shown(will, new, values),
            }


def _property(resource: Mapping[str, Any] | None, name: str) -> Any:
    return ((resource or {}).get("Properties") or {}).get(name)


def _context(
    properties: Mapping[str, Any],
    definition: Mapping[str, Any] | None,
    parameters: Mapping[str, Any],
    later: Mapping[str, Any],
) -> str:
    """The properties of a resource as a change set shows them whole: "an encoded JSON
    string that contains the context of the resource" (API reference, ResourceChange).
    """
    secret = {name: p for name, p in parameters.items() if p.get("NoEcho")}

    def shown(name: str, value: Any) -> Any:
        raw = _property(definition, name)
        if _refers(raw, secret):
            return _HIDDEN
        return _LATER if _refers(raw, later) else value

    found = {name: shown(name, value) for name, value in properties.items()}
    return json.dumps({"Properties": found}, separators=(",", ":"), default=str)


def _refers(value: Any, to: Mapping[str, Any]) -> bool:
    found = _module("stacks")._intrinsic_references(value)
    return any(name in to for name, _ in found)


def _shown(value: Any, raw: Any, parameters: Mapping[str, Any]) -> str | None:
    """A value as text; hidden when it uses a NoEcho parameter."""
    secret = {name: p for name, p in parameters.items() if p.get("NoEcho")}
    if _refers(raw, secret):
        return _HIDDEN
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), default=str)


def _showing_values(describe: Handler) -> Handler:
    """Add the values to DescribeChangeSet where the request includes them."""

    def described(params: Any) -> Any:
        status, headers, body = describe(params)
        read = _module("helpers")._p
        wanted = read(params, "IncludePropertyValues", "false").lower() == "true"
        if status != 200 or not wanted:
            return status, headers, body
        stack = _module("handlers")._resolve_stack(read(params, "StackName"))
        name = stack["StackName"] if stack else read(params, "StackName")
        find = _module("changesets")._find_change_set
        _, change_set = find(read(params, "ChangeSetName"), name)
        return status, headers, _with_shown_values(body, change_set["Changes"])

    return described


def _with_shown_values(body: bytes, changes: Any) -> bytes:
    ElementTree.register_namespace("", _NAMESPACE)
    root = ElementTree.fromstring(body)
    resources = [change["ResourceChange"] for change in changes]
    for place, resource in zip(
        root.findall(".//{*}ResourceChange"), resources, strict=True
    ):
        _add(place, resource, ("BeforeContext", "AfterContext"))
    details = [d for resource in resources for d in resource.get("Details", ())]
    places = root.findall(".//{*}Details/{*}member/{*}Target")
    for place, detail in zip(places, details, strict=True):
        _add(place, detail["Target"], _OF_TARGETS)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


_OF_TARGETS = (
    *("AttributeChangeType", "Path", "BeforeValue", "AfterValue"),
    *("BeforeValueFrom", "AfterValueFrom"),  # of drift-aware ones only
)


def _add(place: Any, values: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if values.get(name) is not None:
            element = ElementTree.SubElement(place, f"{{{_NAMESPACE}}}{name}")
            element.text = values[name]
