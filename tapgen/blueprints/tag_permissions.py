"""Permissions limited by tags, for resources whose ARNs carry an id instead of a name.

Every stack set has the tags `tapgen:system` and `tapgen:suffix`, and CloudFormation
passes them on to its resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from awacs.aws import (
    Action,
    ConditionElement,
    Null,
    Statement,
    StringEquals,
    StringEqualsIfExists,
    StringLike,
    StringLikeIfExists,
    StringNotEquals,
    StringNotLike,
)
from troposphere import Ref

from tapgen.blocks import names, security
from tapgen.blueprints.scope import every_key
from tapgen.knowledge import indirect_permissions
from tapgen.template import schemas

_SYSTEM_TAG = "aws:ResourceTag/tapgen:system"
_SUFFIX_TAG = "aws:ResourceTag/tapgen:suffix"
_KEY_USE = frozenset(
    f"kms:{name}"
    for name in (
        "CreateGrant Decrypt Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext "
        "ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant"
    ).split()
)
_KEY_READS = ("DescribeKey", "GetKey", "List")
_KEY_ENDS = frozenset({"kms:DisableKey", "kms:DisableKeyRotation"}) | {
    "kms:ScheduleKeyDeletion"
}
# Services that identify resources by id, and the verbs that change or delete one.
_BY_ID = ("autoscaling", "ec2", "elasticloadbalancing", "globalaccelerator", "kms")
_CHANGES = (
    *("Delete", "Detach", "Disable", "Disassociate", "Modify", "Put", "Release"),
    *("Replace", "Revoke", "Schedule", "Terminate", "Untag", "Update"),
)


def _tag_of(system: str) -> str:
    """A pattern for the system's name, in which a hyphen may be an underscore."""
    return system.replace("-", "?")


def _suffix() -> Ref:
    return Ref(names.SUFFIX)


def key_statements(
    system: str, needed: set[str], types: Iterable[str], through: Sequence[str]
) -> Iterator[Statement]:
    """Allow managing and using KMS keys.

    A key ARN carries an id. Disabling or deleting a key requires the system's tags,
    which a key has from its creation; a key with other tags cannot be changed either. A
    key without tags can be changed: AWS takes up to five minutes to apply tags in
    authorization, too long for the update that follows a key's creation (KMS developer
    guide, "ABAC for AWS KMS"). Only services may use a key, on the caller's behalf.
    """
    ends, use = needed & _KEY_ENDS, needed & _KEY_USE
    reads = {a for a in needed if a.partition(":")[2].startswith(_KEY_READS)}
    mine: list[ConditionElement] = [
        StringEquals({_SUFFIX_TAG: _suffix()}),
        StringLike({_SYSTEM_TAG: _tag_of(system)}),
    ]
    untouched: list[ConditionElement] = [
        StringEqualsIfExists({_SUFFIX_TAG: _suffix()}),
        StringLikeIfExists({_SYSTEM_TAG: _tag_of(system)}),
    ]
    services = [f"{service}.*.${{AWS::URLSuffix}}" for service in through]
    via = StringLike({"kms:ViaService": [names.sub(service) for service in services]})
    # Types that are not in the table use keys as their schemas list it.
    known = {
        t for entry in indirect_permissions.TABLE if entry.through for t in entry.types
    }
    other = use & schemas.permissions({*types} - known)
    for sid, actions, conditions in (
        ("LookAtKeys", reads, []),
        ("ChangeKeys", needed - ends - use - reads, untouched),
        ("EndKeysOfThisSystem", ends, mine),
        ("UseKeysThroughServices", _KEY_USE if through else set(), [via]),
        ("UseKeys", other, []),
    ):
        if actions:
            allowed = [Action("kms", a.partition(":")[2]) for a in sorted(actions)]
            yield security.statement(sid, allowed, [every_key()], *conditions)


def deny_other_systems(system: str, needed: Iterable[str]) -> Iterator[Statement]:
    """Deny changes of resources that carry the tags of another system or environment.

    Untagged resources are not protected: the system's own may not have tags yet.
    """
    patterns = sorted(
        {
            (service, f"{verb}*")
            for service, _, name in (action.partition(":") for action in needed)
            if service in _BY_ID
            for verb in _CHANGES
            if name.startswith(verb)
        }
    )
    if not patterns:
        return
    actions = [Action(service, pattern) for service, pattern in patterns]
    for sid, key, differs in (
        (
            "NotOfOtherSystems",
            _SYSTEM_TAG,
            StringNotLike({_SYSTEM_TAG: _tag_of(system)}),
        ),
        (
            "NotOfOtherEnvironments",
            _SUFFIX_TAG,
            StringNotEquals({_SUFFIX_TAG: _suffix()}),
        ),
    ):
        yield security.statement(
            sid, actions, ["*"], Null({key: "false"}), differs, deny=True
        )
