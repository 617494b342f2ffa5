"""Names that another stack's resource has: the new resource fails, as on AWS.

Many services create what exists already and answer as if it were new: `CreateQueue`,
`CreateTopic`, `PutRule`. CloudFormation does not: a resource whose name is taken fails
("Resource of type … already exists."), and what exists stays as it is. ministack
overwrites it, and a second stack would own, change and delete what the first one made.

What no stack owns any more is found in the services' own stores, by the corrections
(`resources.corrections`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)
from tapgen.emulator.cloudformation.refused_updates import rolls_back, sentence

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stacks": None},
    f"{CFN}.provisioners": {
        "_provision_resource": ("resource_type", "logical_id", "props", "stack_name"),
        "_update_resource": (
            *("resource_type", "physical_id", "old_props", "new_props"),
            *("stack_name", "logical_id", "old_attrs"),
        ),
    },
    "ministack.core.responses": {"get_account_id": (), "get_region": ()},
}
"""Private names of ministack used here, as `private_names` describes them."""

Exclusive = tuple[str, Hashable, tuple[str, ...]]
"""The name of a resource, what no second resource of its kind may share, and where: in its
account and region, in its account, or, where empty, anywhere."""

Named = Callable[[str, Mapping[str, Any], str, str], Exclusive | None]
"""Takes a type, its properties, account and region. Gives what is exclusive to the
resource; None where it has no name of its own."""

_named: list[Named] = []
# Their services refuse a second one themselves, in words of their own.
_REFUSED_BY_SERVICE = (
    "AWS::CloudTrail::",
    "AWS::Config::",
    "AWS::DocDB::",
    "AWS::ElastiCache::",
    "AWS::IAM::",
    "AWS::RDS::",
    "AWS::Route53::",
    "AWS::S3::Bucket",
)


def nothing(*resource: Any) -> None:
    """Know no names."""


def apply(named: Named) -> None:
    """Refuse names that are taken from now on; calling it again changes only `named`."""
    wrapped = bool(_named)
    _named[:] = [named]
    if not wrapped:
        replace_everywhere("_provision_resource", _creating)
        replace_everywhere("_update_resource", _updating)


def _creating(original: Callable[..., Any]) -> Callable[..., Any]:
    def provision(
        resource_type: str, logical_id: str, props: Any, stack_name: str
    ) -> Any:
        _refuse(resource_type, props, stack_name, logical_id)
        return original(resource_type, logical_id, props, stack_name)

    return provision


def _updating(original: Callable[..., Any]) -> Callable[..., Any]:
    def update(
        resource_type: str,
        physical_id: str,
        old_props: Any,
        new_props: Any,
        stack_name: str,
        logical_id: str | None = None,
        old_attrs: Any = None,
    ) -> Any:
        renamed = old_props != new_props and not rolls_back()
        if renamed and _name(resource_type, old_props) != _name(
            resource_type, new_props
        ):
            _refuse(resource_type, new_props, stack_name, logical_id or "")
        return original(
            *(resource_type, physical_id, old_props, new_props),
            *(stack_name, logical_id, old_attrs),
        )

    return update


def _refuse(kind: str, properties: Any, stack: str, logical_id: str) -> None:
    """Raise ValueError when another resource has the name of a new one."""
    found = None if kind.startswith(_REFUSED_BY_SERVICE) else _name(kind, properties)
    if found and found[1] in _others(kind, stack, logical_id, found[2]):
        words = (
            f"Resource of type '{kind}' with identifier '{found[0]}' already exists."
        )
        raise ValueError(sentence(words, "AlreadyExists"))


def _name(kind: str, properties: Any) -> Exclusive | None:
    responses = loaded("ministack.core.responses")
    if not isinstance(properties, Mapping):
        return None
    return _named[0](
        kind, properties, responses.get_account_id(), responses.get_region()
    )


def _others(
    kind: str, stack: str, logical_id: str, within: tuple[str, ...]
) -> Iterator[Hashable]:
    """Yield what the resources of a service have for themselves in all stacks within an
    account and region, an account, or anywhere."""
    responses = loaded("ministack.core.responses")
    here = (responses.get_account_id(), responses.get_region(), stack)
    service = kind.rpartition("::")[0]
    stacks, size = loaded(CFN)._stacks._data, len(within)
    for place in [key for key in list(stacks) if key[:size] == within]:
        record = stacks.get(place)
        if record is None or record.get("StackStatus") == "DELETE_COMPLETE":
            continue
        for name, resource in list(record.get("_resources", {}).items()):
            its = str(resource.get("ResourceType"))
            if (*place, name) == (*here, logical_id):
                continue
            if its.rpartition("::")[0] != service:
                continue
            properties = resource.get("Properties")
            if isinstance(properties, Mapping):
                found = _named[0](its, properties, place[0], place[1])
                if found:
                    yield found[1]
