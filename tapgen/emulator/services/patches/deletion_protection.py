"""Load balancers, tables and user pools that are protected against deletion.

ministack stores the protection of a load balancer and of a user pool, and deletes them
all the same. Its stacks also delete protected tables. `refusal` has AWS's answers;
`tapgen.emulator.resources.protected` gives them to stacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.alb": {
        "_ACTION_MAP": None,
        "_error": ("code", "message", "status"),
        "_lb_attrs": None,
        "_p": ("params", "key", "default"),
    },
    "ministack.services.cognito": {
        "_delete_user_pool": ("data",),
        "_user_pools": None,
    },
    "ministack.services.dynamodb": {"_tables": None},
}
"""Private names of ministack used here, as `private_names` describes them."""

Refusal = tuple[str, str]
"""Error code and message."""


def _service(name: str) -> Any:
    return import_module(f"ministack.services.{name}")


def load_balancer(arn: str) -> Refusal | None:
    """Return why a load balancer cannot be deleted.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteLoadBalancer.html
    """
    attributes = _service("alb")._lb_attrs.get(arn, [])
    if {"Key": "deletion_protection.enabled", "Value": "true"} not in attributes:
        return None
    return (
        "OperationNotPermitted",
        f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
    )


def user_pool(pool_id: str) -> Refusal | None:
    """Return why a user pool cannot be deleted.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-deletion-protection.html
    """
    pool = _service("cognito")._user_pools.get(pool_id) or {}
    if pool.get("DeletionProtection") != "ACTIVE":
        return None
    return (
        "InvalidParameterException",
        "The user pool cannot be deleted because deletion protection is activated."
        " Deletion protection must be inactivated first.",
    )


def table(name: str) -> Refusal | None:
    """Return why a table cannot be deleted.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html
    """
    found = _service("dynamodb")._tables.get(name) or {}
    if not found.get("DeletionProtectionEnabled"):
        return None
    return (
        "ValidationException",
        "Resource cannot be deleted as it is currently protected against deletion."
        " Disable deletion protection first.",
    )


PROTECTED: Mapping[str, tuple[str, Callable[[str], Refusal | None]]] = {
    "AWS::Cognito::UserPool": ("CognitoIdentityProvider", user_pool),
    "AWS::DynamoDB::Table": ("DynamoDb", table),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "ElasticLoadBalancingV2",
        load_balancer,
    ),
}
"""Resource type → its service's name in stack events, and why an id is not deleted."""


def apply() -> None:
    """Refuse to delete what is protected, as the services do."""
    alb, cognito = _service("alb"), _service("cognito")
    delete_balancer = alb._ACTION_MAP["DeleteLoadBalancer"]
    delete_pool = cognito._delete_user_pool
    responses = import_module("ministack.core.responses")

    def balancer_unless_protected(params: Any) -> Any:
        refused = load_balancer(alb._p(params, "LoadBalancerArn"))
        return alb._error(*refused) if refused else delete_balancer(params)

    def pool_unless_protected(data: Any) -> Any:
        refused = user_pool(data.get("UserPoolId") or "")
        return responses.error_response_json(*refused) if refused else delete_pool(data)

    alb._ACTION_MAP["DeleteLoadBalancer"] = balancer_unless_protected
    cognito._delete_user_pool = pool_unless_protected
