"""Nested stacks whose templates are known: each one's template is in its metadata too.

CloudFormation reads the template of an `AWS::CloudFormation::Stack` from S3. The
metadata of the resource has the same template, so that whoever has the template of the
stack also has those within it, of what is deployed as of what should be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from tapgen.template.values import mapping

TYPE = "AWS::CloudFormation::Stack"
SEPARATOR = "/"
"""Between the logical id of a nested stack and that of a resource in it."""

_OWNER = "tapgen"
_TEMPLATE = "template"


def text(template: Mapping[str, Any]) -> str:
    """Return a template as the text for metadata: CloudFormation reads references and
    dynamic references there, in everything but text that looks like neither."""
    found = json.dumps(template, separators=(",", ":"), ensure_ascii=False)
    return found.replace("{{", r"\u007b{")


def carrying(
    resource: Mapping[str, Any], template: Mapping[str, Any] | str
) -> dict[str, Any]:
    """Return the resource of a nested stack with its template, or the text of that, in
    the metadata."""
    metadata = {**mapping(resource.get("Metadata")), _OWNER: {_TEMPLATE: template}}
    return {**resource, "Metadata": metadata}


def template_of(resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the template of a nested stack, which is shared: do not change it. None of
    one that is not known, and of any other resource."""
    if resource.get("Type") != TYPE:
        return None
    found = mapping(mapping(resource.get("Metadata")).get(_OWNER)).get(_TEMPLATE)
    found = _read(found) if isinstance(found, str) else found
    return found if isinstance(found, Mapping) else None


@lru_cache(128)
def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def without(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a resource without the template in its metadata."""
    if template_of(resource) is None:
        return resource
    metadata = {k: v for k, v in resource["Metadata"].items() if k != _OWNER}
    rest = {k: v for k, v in resource.items() if k != "Metadata"}
    return {**rest, "Metadata": metadata} if metadata else rest


def emptied(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template with an empty text in place of those of its nested stacks, so
    that it says nothing of them and each line stays where it is."""
    inside = {name for name, _ in inner(body)}
    found = {
        name: carrying(resource, "") if name in inside else resource
        for name, resource in mapping(body.get("Resources")).items()
    }
    return {**body, "Resources": found}


def inner(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the logical id and the template of each nested stack of a template."""
    for name, resource in mapping(body.get("Resources")).items():
        found = template_of(mapping(resource))
        if found is not None:
            yield str(name), found


def resources(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources of a template as written, and those of its nested stacks
    without their conditions, by `Stack/Resource`."""
    found = dict(mapping(body.get("Resources")))
    for name, template in inner(body):
        for logical_id, resource in resources(template).items():
            if isinstance(resource, Mapping):
                rest = {k: v for k, v in resource.items() if k != "Condition"}
                found[f"{name}{SEPARATOR}{logical_id}"] = rest
    return found
