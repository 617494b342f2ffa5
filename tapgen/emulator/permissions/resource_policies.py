"""Policies of buckets, keys, topics and others: what they add to those of a role.

A policy of the resource itself is in the services' own stores. In one account either
kind of policy allows, and each denies; for a key both must allow ("Policy evaluation
logic" in IAM's user guide,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html;
"Key policies in AWS KMS",
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextvars import copy_context
from functools import lru_cache
from importlib import import_module
from typing import Any

from tapgen.emulator.permissions.decisions import (
    NO,
    YES,
    Verdict,
    allowing,
    evaluator,
)

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.core.iam_evaluator": {
        "_names_caller": ("principal", "caller_arn"),
        "_principal_matches": ("principal", "caller_arn"),
        "_resource_policy": ("service", "resource_arn"),
    },
    "ministack.core.responses": {
        "_request_account_id": None,
        "set_request_region": ("region",),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

SERVICES = tuple(f"{name}:" for name in "kms s3 secretsmanager sns sqs".split())
"""How the actions begin for which policies of resources count."""
# Where the policy of the resource must allow, too.
_BOTH = ("kms",)


def combined(
    verdict: Verdict,
    action: str,
    arn: str,
    caller: str,
    keys: Mapping[str, str | None],
    place: tuple[str, str] = ("", ""),
) -> Verdict:
    """Return the verdict of a caller's own policies on a call, together with the policy
    of the resource, if there is one. `keys` are as for `decisions.decide`; `place` is as
    for `enforcing.Enforcement.refusal`."""
    service = action.partition(":")[0].lower()
    if not action.lower().startswith(SERVICES) or "*" in arn:
        return verdict
    if not arn.startswith("arn:") or "explicit deny" in verdict.why:
        return verdict
    found = copy_context().run(_policy, service, arn, place)
    if found is None:
        return verdict
    text = found[0] if isinstance(found[0], str) else json.dumps(found[0])
    about, named = _statements(text or "{}", caller)
    allowed, denied = allowing(about, action, arn, keys)
    if denied == YES:
        return Verdict(NO, "with an explicit deny in a resource-based policy")
    if service in _BOTH and allowed == NO:
        return Verdict(
            NO, f"because no resource-based policy allows the {action} action"
        )
    itself = allowing(named, action, arn, keys)[0]
    if "no identity-based policy" in verdict.why and itself > NO:
        return Verdict(itself)
    return Verdict(min(verdict.value, YES - denied), verdict.why)


def _policy(service: str, arn: str, place: tuple[str, str]) -> Any:
    """The policy of a resource and its owner, as ministack has them for an account."""
    account, region = place
    if account:
        responses = import_module("ministack.core.responses")
        responses._request_account_id.set(account)
        responses.set_request_region(region)
    return evaluator()._resource_policy(service, arn)


@lru_cache(maxsize=1 << 12)
def _statements(text: str, caller: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The statements of a policy that apply to a caller, and those that name it, not
    only its account."""
    given = json.loads(text).get("Statement", ())
    own, named = [], []
    for one in [given] if isinstance(given, Mapping) else given:
        principal = one.get("Principal", {})
        if isinstance(principal, Mapping):
            # A service is another caller.
            principal = {"AWS": principal.get("AWS", ())}
        if evaluator()._principal_matches(principal, caller):
            own.append(one)
        if evaluator()._names_caller(principal, caller):
            named.append(one)
    return _parsed(own), _parsed(named)


def _parsed(statements: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(evaluator().parse_policy_document({"Statement": [*statements]}))
