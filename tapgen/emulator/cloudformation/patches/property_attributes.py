"""Fn::GetAtt of a property: CloudFormation answers it from what the resource has.

ministack knows the attributes that its handlers return, and rolls back for others.
Recorded on AWS: localstack/localstack, test_change_set_fn_get_attr.py and
resources/test_kinesis.py. An attribute of the schema that no handler returns gets a value
of its form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, replace_everywhere

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.engine": {
        "_resolve_refs": (
            *("value", "resources", "params", "conditions", "mappings"),
            *("stack_name", "stack_id"),
        )
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_IN_TEXT = re.compile(r"\$\{([A-Za-z0-9]+)\.([^}]+)\}")


Draws = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""Gives attributes for the type, the physical id and the properties of a resource."""


def _nothing(type_: str, physical_id: str, properties: Any) -> Mapping[str, Any]:
    return {}


_draw: list[Draws] = [_nothing]


def know(draws: Draws) -> None:
    """Take what draws the attributes that no handler returns."""
    _draw[0] = draws


def apply() -> None:
    """Resolve what names a property of a resource."""

    def with_properties(original: Any) -> Any:
        def resolve(value: Any, resources: Any, *context: Any) -> Any:
            if isinstance(value, dict):
                for name, attribute in _named(value):
                    resource = resources.get(name) or {}
                    known = resource.get("Attributes", {})
                    if attribute in known:
                        continue
                    found = _at(resource.get("Properties"), attribute)
                    if found is None:
                        found = _drawn(resource, attribute)
                    if found is not None:
                        more = {"Attributes": {**known, attribute: found}}
                        resources = {**resources, name: {**resource, **more}}
            return original(value, resources, *context)

        return resolve

    replace_everywhere("_resolve_refs", with_properties)


def _drawn(resource: Mapping[str, Any], attribute: str) -> Any:
    physical_id = resource.get("PhysicalResourceId")
    if not physical_id:
        return None
    given = resource.get("Properties") or {}
    return _draw[0](resource["ResourceType"], physical_id, given).get(attribute)


def _named(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The resources and attributes that Fn::GetAtt or Fn::Sub names itself."""
    if "Fn::GetAtt" in value:
        given = value["Fn::GetAtt"]
        parts = given.split(".", 1) if isinstance(given, str) else given
        if len(parts) == 2 and all(isinstance(part, str) for part in parts):
            yield parts[0], parts[1]
    elif "Fn::Sub" in value:
        given = value["Fn::Sub"]
        text = given[0] if isinstance(given, list) and given else given
        yield from _IN_TEXT.findall(str(text))


def _at(properties: Any, path: str) -> Any:
    for step in path.split("."):
        properties = properties.get(step) if isinstance(properties, Mapping) else None
    return properties
