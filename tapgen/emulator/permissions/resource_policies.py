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

SERVICES = frozenset("kms s3 secretsmanager sns sqs".split())
"""The services, as actions begin with them, for which policies of resources count."""
# Where the policy of the resource must allow, too.
_BOTH = ("kms:",)


def of(action: str, arn: str, place: tuple[str, str] = ("", "")) -> str | None:
    """Return the policy of the resource that a call is about, None where there is none.

    `place` is as for `enforcing.Enforcement.refusal`.
    """
    service = action.partition(":")[0].lower()
    if service not in SERVICES or "*" in arn or not arn.startswith("arn:"):
        return None
    if place[0]:
        found = copy_context().run(_policy_at, service, arn, place)
    else:
        found = evaluator()._resource_policy(service, arn)
    if found is None:
        return None
    return (found[0] if isinstance(found[0], str) else json.dumps(found[0])) or "{}"


def _policy_at(service: str, arn: str, place: tuple[str, str]) -> Any:
    account, region = place
    responses = import_module("ministack.core.responses")
    responses._request_account_id.set(account)
    responses.set_request_region(region)
    return evaluator()._resource_policy(service, arn)


def combined(
    verdict: Verdict,
    policy: str,
    action: str,
    arn: str,
    caller: str,
    keys: Mapping[str, str | None],
) -> Verdict:
    """Return the verdict of a caller's own policies on a call, together with the policy
    of the resource. `keys` are as for `decisions.decide`."""
    if "explicit deny" in verdict.why:
        return verdict
    about, named = _statements(policy, caller)
    allowed, denied = allowing(about, action, arn, keys)
    if denied == YES:
        return Verdict(NO, "with an explicit deny in a resource-based policy")
    if action.lower().startswith(_BOTH) and allowed == NO:
        return Verdict(
            NO, f"because no resource-based policy allows the {action} action"
        )
    itself = allowing(named, action, arn, keys)[0]
    if "no identity-based policy" in verdict.why and itself > NO:
        return Verdict(itself)
    return Verdict(min(verdict.value, YES - denied), verdict.why)


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
