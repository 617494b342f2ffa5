"""KMS multi-Region keys, and policies that lock everybody out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tapgen.model import SELF
from tapgen.rules.base import DOCS, Found, ResourceRule, deployed_to
from tapgen.rules.values import (
    MISSING,
    UNKNOWN,
    arn,
    beginning,
    get,
    is_function,
    present,
    text,
    truth,
)
from tapgen.rules.view import Resource
from tapgen.rules.wide import FoundAt, WideRule, World


class ReplicaBesideItsKey(WideRule):
    id = "E9543"
    shortdesc = (
        "A replica key is in the region of its primary key or of another replica, or has"
        " no multi-Region key"
    )
    description = (
        "A multi-Region key has one key with the same ID in each region, so a replica"
        " in the region of the primary key, or of another replica, fails with"
        " AlreadyExists. Only keys created"
        " with MultiRegion: true (their IDs begin with mrk-) can be replicated."
    )
    source_url = f"{DOCS}kms/latest/developerguide/multi-region-keys-replicate.html"
    needs_targets = True
    deployment = deployed_to("us-east-1")
    at = "Resources/Replica/Properties/PrimaryKeyArn"
    _key = """\
Resources:
  Replica:
    Type: AWS::KMS::ReplicaKey
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      PrimaryKeyArn: arn:aws:kms:{region}:111122223333:key/mrk-1234abcd
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {{AWS: !Sub 'arn:aws:iam::${{AWS::AccountId}}:root'}}
            Action: kms:*
            Resource: '*'
"""
    bad = _key.format(region="us-east-1")
    good = _key.format(region="us-west-2")

    def check_world(self, world: World) -> Iterator[FoundAt]:
        taken: dict[tuple[Any, ...], Resource] = {}
        for it in world.resources("AWS::KMS::ReplicaKey"):
            messages = list(_wrong_primary(world, it))
            known = _replicated(world, it)
            first = taken.setdefault(known, it) if known else it
            if first is not it:
                messages.append(
                    f"{first.id} replicates the same key into {it.place.region}; a key"
                    " has one replica in a region"
                )
            for message in messages:
                yield it, ("PrimaryKeyArn",), message


def _replicated(world: World, it: Resource) -> tuple[Any, ...]:
    """Return which key a replica is of, and where it is; nothing if that is unknown."""
    given = get(it.properties, "PrimaryKeyArn")
    origin = world.origin(it, given)
    target = it.place.target
    if target is None or (origin is None and not isinstance(given, str)):
        return ()
    key = origin[0].identity if origin else given
    return (key, it.place.entry, target.account, target.region)


def _wrong_primary(world: World, it: Resource) -> Iterator[str]:
    """Yield what is wrong with the primary key of a replica."""
    given = get(it.properties, "PrimaryKeyArn")
    origin = world.origin(it, given)
    found = arn(beginning(given) or "")
    primary = origin[0] if origin and origin[0].type.startswith("AWS::KMS::") else None
    region = found.region if found and found.region else ""
    if primary is not None:
        region = region or primary.place.region
    same_stack = primary is not None and primary.place is it.place
    if same_stack or (region and region == it.place.region):
        yield (
            f"the primary key is also in {region or 'the region of the stack'}; create"
            " the replica in another region"
        )
    if primary is not None and primary.type == "AWS::KMS::ReplicaKey":
        yield f"{primary.id} is a replica itself; give the ARN of its primary key"
    elif primary is not None and primary.type == "AWS::KMS::Key":
        if truth(primary.properties, "MultiRegion") is False:
            yield (
                f"{primary.id} is a single-Region key and cannot be replicated; create"
                " it with MultiRegion: true"
            )
    name = found.resource.removeprefix("key/") if found else ""
    if found and found.resource.startswith("alias/"):
        yield f"{found.resource} is an alias; give the ARN of the key (key/mrk-…)"
    elif name and name[0] in "0123456789abcdef" and len(name) == 36:
        yield f"{name} is not a multi-Region key (mrk-…) and cannot be replicated"


_BYPASS = "BypassPolicyLockoutSafetyCheck"
# Type -> its policy, and the action that changes it.
_LOCKS: Mapping[str, tuple[str, str]] = {
    "AWS::EFS::FileSystem": (
        "FileSystemPolicy",
        "elasticfilesystem:PutFileSystemPolicy",
    ),
    "AWS::KMS::Key": ("KeyPolicy", "kms:PutKeyPolicy"),
    "AWS::KMS::ReplicaKey": ("KeyPolicy", "kms:PutKeyPolicy"),
}


class PolicyLocksOut(ResourceRule):
    id = "E9597"
    shortdesc = "A policy lets nobody change the policy again"
    description = (
        "KMS rejects a key policy that does not allow its caller to change the policy"
        " (The new key policy will not allow you to update the key policy in the"
        " future), and EFS a file system policy that denies it. For keys, IAM policies"
        " do not help without a statement for the account. Allow kms:* to"
        " arn:${AWS::Partition}:iam::${AWS::AccountId}:root."
    )
    source_url = f"{DOCS}kms/latest/APIReference/API_CreateKey.html"
    at = "Resources/Key/Properties/KeyPolicy"
    bad = """\
Resources:
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal:
              AWS: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:role/reader
            Action: kms:Decrypt
            Resource: '*'
"""
    good = bad + """\
          - Effect: Allow
            Principal:
              AWS: !Sub arn:${AWS::Partition}:iam::${AWS::AccountId}:root
            Action: kms:*
            Resource: '*'
"""
    types = tuple(_LOCKS)

    def check_resource(self, it: Resource) -> Iterator[Found]:
        name, action = _LOCKS[it.type]
        policy = get(it.properties, name)
        if truth(it.properties, _BYPASS) is not False or not isinstance(
            policy, Mapping
        ):
            return
        statements = get(policy, "Statement")
        if isinstance(statements, Mapping) and not is_function(statements):
            statements = [statements]
        if not isinstance(statements, list) or any(map(is_function, statements)):
            return
        about = [s for s in statements if _covers(s, action) is not False]
        if any(_denies_everybody(s, action) for s in about):
            yield (name,), (
                f"a statement denies {action} to everybody, so the policy"
                " could never be changed; add a Condition or other principals"
            )
        elif it.type.startswith("AWS::KMS::") and not any(
            text(s, "Effect") in (None, "Allow") and _inside(s, it.place.account)
            for s in about
        ):
            yield (name,), (
                "no statement allows kms:PutKeyPolicy to a principal of this account,"
                " so KMS rejects the policy; allow kms:* to the account"
                " (arn:${AWS::Partition}:iam::${AWS::AccountId}:root)"
            )


def _covers(statement: Any, action: str) -> bool | None:
    """Return whether a statement is about an action; None if that is unknown."""
    given, excluded = get(statement, "Action"), get(statement, "NotAction")
    listed = excluded if given is MISSING else given
    patterns = listed if isinstance(listed, list) else [listed]
    if not all(isinstance(pattern, str) for pattern in patterns):
        return None
    named = any(fnmatchcase(action.lower(), p.lower()) for p in patterns)
    return named if given is not MISSING else not named


def _denies_everybody(statement: Any, action: str) -> bool:
    return (
        text(statement, "Effect") == "Deny"
        and _covers(statement, action) is True
        and not present(statement, "Condition")
        and get(statement, "Condition") is MISSING
        and get(statement, "Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    )


def _inside(statement: Any, account: str) -> bool:
    """Return whether a statement may be for a principal of an account.

    The caller is whoever deploys the stack, so each of its own principals may be it.
    """
    principal = get(statement, "Principal")
    if principal == "*" or principal in (MISSING, UNKNOWN) or is_function(principal):
        return principal is not MISSING or get(statement, "NotPrincipal") is not MISSING
    given = get(principal, "AWS")
    if given is MISSING:
        return False
    own = "" if account == SELF else account  # any number may be that of `self`
    each = given if isinstance(given, list) else [given]
    return any(_of_account(one, own) for one in each)


def _of_account(principal: Any, own: str) -> bool:
    """Return whether an AWS principal may belong to an account; "" is an unknown one."""
    found = arn(principal)
    number = found.account if found else text(principal) or ""
    return not number.isdigit() or own in ("", number)
