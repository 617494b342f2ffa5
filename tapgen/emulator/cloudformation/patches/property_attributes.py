"""Fn::GetAtt of a property: CloudFormation answers it from what the resource has.

ministack knows the attributes of the schema only, and rolls back. Recorded on AWS:
localstack/localstack, test_change_set_fn_get_attr.py and resources/test_kinesis.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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


def apply() -> None:
    """Resolve what names a property of a resource."""

    def with_properties(original: Any) -> Any:
        def resolve(value: Any, resources: Any, *context: Any) -> Any:
            if isinstance(value, dict):
                for name, attribute in _named(value):
                    resource = resources.get(name) or {}
                    found = _at(resource.get("Properties"), attribute)
                    known = resource.get("Attributes", {})
                    if found is not None and attribute not in known:
                        more = {"Attributes": {**known, attribute: found}}
                        resources = {**resources, name: {**resource, **more}}
            return original(value, resources, *context)

        return resolve

    replace_everywhere("_resolve_refs", with_properties)


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
