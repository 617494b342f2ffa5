"""Which condition keys the requests of an action have.

Data in, data out, by `knowledge/condition_keys.py`. IAM ignores the case of both. Of keys
of all services (`aws:…`) only those for tags are known here, and none of an identity
provider.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache

from tapgen.frozen import dataclass
from tapgen.knowledge.condition_keys import KEYS

# Keys that sessions carry into every service. IAM user guide, "AWS global condition
# context keys"; Lambda developer guide, "Using source function ARN".
_CARRIED = (
    *("codebuild:", "ec2:roledelivery", "ec2:sourceinstancearn", "glue:roleassumedby"),
    *("glue:credentialissuingservice", "identitystore:", "lambda:sourcefunctionarn"),
    *("ssm:sourceinstancearn", "sso:", "vpce:"),
)


def lacking(action: str, key: str) -> bool:
    """Whether no request of an action has a key; False where that is not known.

    `action` may have wildcards: then whether none of the actions that it matches has it.
    """
    service, _, name = action.lower().partition(":")
    key = key.lower()
    if not name or service not in _SERVICES or not _is_known(key):
        return False
    if key.startswith(_CARRIED) or (action.lower(), key) in _SHOWN_BY_AWS:
        return False
    return not any(group.may_have(name) for group in _having(service, key))


def is_key(key: str) -> bool:
    """Whether some action has a key, or nobody says which keys there are."""
    key = key.lower()
    if not _is_known(key) or key.startswith(_CARRIED):
        return True
    return any(True for service in KEYS for _ in _having(service, key))


# No request to describe a key has an encryption context, but the guide shows the policy,
# and what the statement is for works. CloudWatch Logs user guide, "Encrypt log data".
_SHOWN_BY_AWS = frozenset(
    (action, "kms:encryptioncontext:aws:logs:arn")
    for action in ("kms:describe*", "kms:describekey")
)
_SERVICES = frozenset(KEYS)
_NAMED_BY_CALLER = re.compile(r"(?:\$\{|<).*")
_OF_TAGS = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
_PREFIXES = frozenset(
    key.partition(":")[0].lower()
    for keys in KEYS.values()
    for group in keys
    for key in group.split()
    if not key.startswith("aws:")
)


def _is_known(key: str) -> bool:
    """Whether the reference has keys with this beginning, so that it has them all."""
    return key.startswith(_OF_TAGS) or key.partition(":")[0] in _PREFIXES


@dataclass(frozen=True)
class _Group:
    """Actions of a service: those with these names, or all others; `*` is every one."""

    names: frozenset[str]
    others: bool

    def may_have(self, name: str) -> bool:
        """Whether an action that a name or pattern matches may be among them."""
        if self.others:
            return name not in self.names
        return any(one == "*" or fnmatchcase(one, name) for one in self.names)


def _having(service: str, key: str) -> Iterator[_Group]:
    """Yield the actions of a service that have a key."""
    for pattern, actions in _table(service).items():
        if pattern == key or (pattern.endswith("*") and key.startswith(pattern[:-1])):
            yield actions


@cache
def _table(service: str) -> Mapping[str, _Group]:
    """Key of a service, with `*` for a part that the caller names → its actions."""
    return {
        _NAMED_BY_CALLER.sub("*", key): _Group(
            frozenset(actions.removeprefix("!").split()), actions.startswith("!")
        )
        for keys, actions in (
            (k.lower(), a.lower()) for k, a in KEYS.get(service, {}).items()
        )
        for key in keys.split()
    }
