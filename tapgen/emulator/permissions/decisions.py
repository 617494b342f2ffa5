"""Whether policies allow a call: yes, no, or it cannot be decided.

Before a resource exists, its ARN and some keys of conditions are unknown. ministack
decides between yes and no only, so statements are combined here, with three values, as
"Policy evaluation logic" in IAM's user guide says. How a pattern matches, and what each
operator of conditions means, is ministack's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

_EVALUATOR = "ministack.core.iam_evaluator"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _EVALUATOR: {
        "_evaluate_single_condition": ("operator", "actual", "expected_values"),
        "_resolve_managed_policy_document": ("policy_arn", "account_id"),
        "fnmatch_iam": ("value", "pattern"),
        "fnmatch_iam_cs": ("value", "pattern"),
        "parse_policy_document": ("doc",),
    },
    "ministack.services.iam": {"_roles": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

NO, MAYBE, YES = 0, 1, 2
_UNKNOWN = object()
_Keys = Mapping[str, str | None]
_Both = tuple[_Keys, _Keys]


@dataclass(frozen=True)
class Verdict:
    """Whether a call is allowed, and why not, as AWS ends its sentence."""

    value: int
    why: str = ""


_ALLOWED, _UNDECIDED = Verdict(YES), Verdict(MAYBE)


@dataclass(frozen=True)
class Policies:
    """What a role may do: its own policies, and its boundary if it has one.

    Each is the statements of all its documents together.
    """

    own: Sequence[Any]
    boundary: Sequence[Any] | None = None
    _read: dict[str, _About] = field(default_factory=dict, compare=False)

    def about(self, action: str) -> _About:
        """The statements about an action."""
        found = self._read.get(action)
        if found is None:
            layers = [self.own] if self.boundary is None else [self.own, self.boundary]
            found = self._read[action] = _About(
                action, [[s for s in layer if _is_about(s, action)] for layer in layers]
            )
        return found


class _About:
    """Statements about one action: of the policies, and of the boundary."""

    def __init__(self, action: str, layers: Sequence[Sequence[Any]]) -> None:
        self.service = action.partition(":")[0].lower()
        self.denies = [[s for s in layer if s.effect == "Deny"] for layer in layers]
        self.allows = [[s for s in layer if s.effect == "Allow"] for layer in layers]
        self.always = not any(self.denies) and all(
            any(map(_always, layer)) for layer in self.allows
        )
        """Whether the action is allowed whatever it is about."""
        self.conditional = any(s.conditions for layer in layers for s in layer)


def decide(
    policies: Policies,
    action: str,
    arns: Sequence[str],
    worlds: Sequence[_Keys],
    common: _Keys = MappingProxyType({}),
) -> Verdict:
    """Whether a role may call an action on one of the resources.

    `*` in an ARN stands for what is not known. `worlds` are what the keys of conditions
    may be: key in lower case → its value, None where the request has no such key. A key
    that ends with `/` gives the value of all others that begin with it. `common` has
    those of keys that a world has not. Other keys are not known.
    """
    about = policies.about(action)
    if not about.conditional:
        worlds = worlds[:1]
    found = [_decide(about, action, arns, (keys, common)) for keys in worlds]
    same = len({verdict.value for verdict in found}) == 1
    return found[0] if same else _UNDECIDED


def _decide(about: _About, action: str, arns: Sequence[str], keys: _Both) -> Verdict:
    found = _on(about, action, arns[0], keys)
    for arn in arns[1:] if found.value != YES else ():
        other = _on(about, action, arn, keys)
        found = other if other.value > found.value else found
    # Of a pattern of actions it is unknown which of them are called.
    return _UNDECIDED if found.value == NO and "*" in action else found


def _on(about: _About, action: str, arn: str, keys: _Both) -> Verdict:
    denied = [_any(layer, arn, keys) for layer in about.denies]
    for value, kind in zip(
        denied, ("an identity-based policy", "a permissions boundary")
    ):
        if value == YES:
            return Verdict(NO, f"with an explicit deny in {kind}")
    allowed = [_any(layer, arn, keys) for layer in about.allows]
    for value, kind in zip(allowed, ("identity-based policy", "permissions boundary")):
        if value == NO:
            return Verdict(NO, f"because no {kind} allows the {action} action")
    return _ALLOWED if max(denied) == NO and min(allowed) == YES else _UNDECIDED


def allowing(
    statements: Iterable[Any], action: str, arn: str, keys: _Keys
) -> tuple[int, int]:
    """Whether statements allow an action on a resource, and whether they deny it."""
    about = [s for s in statements if _is_about(s, action)]
    allow, deny = (
        _any([s for s in about if s.effect == effect], arn, (keys, {}))
        for effect in ("Allow", "Deny")
    )
    return allow, deny


def _any(statements: Iterable[Any], arn: str, keys: _Both) -> int:
    return max((_matches(s, arn, keys) for s in statements), default=NO)


def _value(keys: _Both, key: str) -> Any:
    """The value of a key; `_UNKNOWN` for any."""
    names = [key.lower()]
    if "/" in key:
        start, _, tag = names[0].partition("/")
        # Services have keys of their own for the tags of their resources.
        start = f"aws:{start.partition(':')[2]}"
        names += [f"{start}/{tag}", f"{start}/"]
    for given in keys:
        for name in names:
            if name in given:
                return given[name]
    return _UNKNOWN


def _is_about(statement: Any, action: str) -> bool:
    matches = evaluator().fnmatch_iam
    if statement.actions:
        return any(matches(action, pattern) for pattern in statement.actions)
    return not any(matches(action, pattern) for pattern in statement.not_actions)


def _always(statement: Any) -> bool:
    return "*" in statement.resources and not statement.conditions


def _matches(statement: Any, arn: str, keys: _Both) -> int:
    found = _resource(statement, arn)
    for operator, tests in statement.conditions.items() if found != NO else ():
        for key, expected in tests.items():
            found = min(found, _condition(operator, key, expected, keys))
    return found


def _resource(statement: Any, arn: str) -> int:
    if statement.not_resources:
        return YES - max(_covers(arn, pattern) for pattern in statement.not_resources)
    return max((_covers(arn, pattern) for pattern in statement.resources), default=YES)


@cache
@lru_cache(maxsize=1 << 16)
def _covers(arn: str, pattern: str) -> int:
    """Whether a pattern of a policy matches whatever an ARN may be, nothing of it, or
    something."""
    if "${" in pattern:
        return MAYBE  # a variable of policies
    if evaluator().fnmatch_iam_cs(arn, pattern):
        return YES
    if "*" not in arn:
        return NO
    start = min(
        arn.find("*"), *(i for i in map(pattern.find, "*?") if i >= 0), len(arn)
    )
    same = arn[:start] == pattern[:start]
    return MAYBE if same and _meet(arn, pattern) else NO


def _meet(one: str, other: str) -> bool:
    """Whether there is a text that two patterns match."""
    reached = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if (i, j) == (len(one), len(other)):
            return True
        a, b = one[i : i + 1], other[j : j + 1]
        steps = []
        if a == "*":
            steps += [(i + 1, j), *([(i, j + 1)] if b else [])]
        if b == "*":
            steps += [(i, j + 1), *([(i + 1, j)] if a else [])]
        if a and b and "*" not in (a, b) and (a == b or "?" in (a, b)):
            steps.append((i + 1, j + 1))
        waiting += {*steps} - reached
        reached |= {*steps}
    return False


def _condition(operator: str, key: str, expected: Any, keys: _Both) -> int:
    texts = [str(e) for e in (expected if isinstance(expected, list) else [expected])]
    value = _value(keys, key)
    if value is _UNKNOWN or any("${" in text for text in texts):
        return MAYBE
    holds: Callable[..., bool] = evaluator()._evaluate_single_condition
    return YES if holds(operator, value, texts) else NO


class Roles:
    """The policies of roles, read again when one of their documents has changed."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], tuple[tuple[Any, ...], Policies]] = {}

    def exists(self, account: str, role: str) -> bool:
        """Whether an account has a role."""
        return bool(_iam()._roles.get_scoped(account, None, role))

    def trusted(self, arn: str) -> list[str]:
        """The services that may assume a role; none when it does not exist."""
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        role = _iam()._roles.get_scoped(account, None, name) or {}
        document = role.get("AssumeRolePolicyDocument") or "{}"
        if isinstance(document, str):
            document = json.loads(document)
        given = document.get("Statement", ())
        found: set[str] = set()
        for statement in [given] if isinstance(given, Mapping) else given:
            principal = statement.get("Principal")
            services = (
                principal.get("Service", ()) if isinstance(principal, Mapping) else ()
            )
            found |= {services} if isinstance(services, str) else {*services}
        return sorted(found)

    def policies(self, account: str, role: str) -> Policies:
        """What a role may do now; nothing, when there is no such role."""
        own, boundary = self._documents(account, role)
        state = (own, boundary)
        known = self._read.get((account, role))
        if known is None or known[0] != state:
            parse = evaluator().parse_policy_document
            limit = None if boundary is None else parse(boundary)
            read = [statement for document in own for statement in parse(document)]
            known = self._read[account, role] = (state, Policies(read, limit))
        return known[1]

    def _documents(self, account: str, name: str) -> tuple[tuple[Any, ...], Any]:
        managed = evaluator()._resolve_managed_policy_document
        role = _iam()._roles.get_scoped(account, None, name) or {}
        attached = (managed(arn, account) for arn in role.get("AttachedPolicies", ()))
        inline = (role.get("InlinePolicies") or {}).values()
        boundary = role.get("PermissionsBoundary")
        if isinstance(boundary, Mapping):
            boundary = boundary.get("PermissionsBoundaryArn")
        limit = (managed(boundary, account) or {}) if boundary else None
        return (*inline, *(document for document in attached if document)), limit


@cache
def evaluator() -> Any:
    """ministack's module of that name."""
    return import_module(_EVALUATOR)


@cache
def _iam() -> Any:
    return import_module("ministack.services.iam")
