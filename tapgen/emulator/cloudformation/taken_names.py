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

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded
from tapgen.emulator.cloudformation.patches.resource_work import (
    CREATE,
    UPDATE,
    Work,
    listen,
    place,
)
from tapgen.emulator.cloudformation.refused_updates import rolls_back, sentence

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {CFN: {"_stacks": None}}
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
    _named[:] = [named]
    listen(_free)


def _free(work: Work) -> Work:
    """Raise ValueError when another resource has the name of a new one."""
    if not _is_new(work) or work.kind.startswith(_REFUSED_BY_SERVICE):
        return work
    found = _name(work.kind, work.properties)
    if found and found[1] in _others(work, found[2]):
        words = (
            f"Resource of type '{work.kind}' with identifier '{found[0]}' already "
            "exists."
        )
        raise ValueError(sentence(words, "AlreadyExists"))
    return work


def _is_new(work: Work) -> bool:
    """Whether a resource gets a name that it does not have."""
    if work.operation != UPDATE:
        return work.operation == CREATE
    before, after = work.previous, work.properties
    if before == after or rolls_back():
        return False
    return _name(work.kind, before) != _name(work.kind, after)


def _name(kind: str, properties: Any) -> Exclusive | None:
    if not isinstance(properties, Mapping):
        return None
    return _named[0](kind, properties, *place())


def _others(work: Work, within: tuple[str, ...]) -> Iterator[Hashable]:
    """Yield what the resources of a service have for themselves in all stacks within an
    account and region, an account, or anywhere."""
    here = (*place(), work.stack, work.logical_id)
    service = work.kind.rpartition("::")[0] + "::"
    stacks, size = loaded(CFN)._stacks._data, len(within)
    for where in [key for key in list(stacks) if key[:size] == within]:
        record = stacks.get(where)
        if record is None or record.get("StackStatus") == "DELETE_COMPLETE":
            continue
        for name, resource in list(record.get("_resources", {}).items()):
            its = str(resource.get("ResourceType"))
            if not its.startswith(service) or (*where, name) == here:
                continue
            properties = resource.get("Properties")
            if isinstance(properties, Mapping):
                found = _named[0](its, properties, where[0], where[1])
                if found:
                    yield found[1]
