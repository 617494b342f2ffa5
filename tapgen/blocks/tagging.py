"""Tags on all resources of a template that support tags.

    tagging.everything(
        t, {"Region": Ref("AWS::Region"), "DR-Role": names.sub(names.THIS_ROLE)}
    )

The tags of a stack set are the same in all its regions, so tags that differ between
regions are in the template. A resource's own tag of the same name stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from troposphere import Tags, Template, budgets, ce

# The tag properties of types where it is not `Tags`.
_PROPERTIES = ("Tags", "HealthCheckTags", "BackupPlanTags", "BackupVaultTags")


def everything(t: Template, tags: Mapping[str, Any]) -> None:
    """Add tags to every resource of a template whose type supports them."""
    for resource in t.resources.values():
        for name in _PROPERTIES:
            if name in resource.props:
                setattr(resource, name, _with(resource, name, tags))
        if "ResourceTags" in resource.props:
            resource.ResourceTags = _as(budgets.ResourceTag, resource, tags)


def _with(resource: Any, name: str, tags: Mapping[str, Any]) -> Any:
    """Return the tags of a resource and those to add, in the form of its type."""
    had = resource.properties.get(name)
    if resource.props[name][0] is dict:
        return {**tags, **(had or {})}
    if isinstance(resource, ce.CostCategory):
        return _as(ce.ResourceTag, resource, tags)
    given = list(had.tags) if had is not None else []
    keys = {tag["Key"] for tag in given}
    merged = Tags()
    merged.tags = given + [
        {"Key": key, "Value": value} for key, value in tags.items() if key not in keys
    ]
    return merged


def _as(kind: type[Any], resource: Any, tags: Mapping[str, Any]) -> list[Any]:
    return [kind(Key=key, Value=value) for key, value in tags.items()]
