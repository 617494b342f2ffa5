"""Properties that make AWS refuse to delete a resource, so that its stack stays.

Sources: the references of the types ("DeletionProtection", "DeletionProtectionEnabled"),
API reference of Cognito (UserPoolType: DeletionProtection is ACTIVE), of EC2
(TerminateInstances: OperationNotPermitted with DisableApiTermination), of Network
Firewall (DeleteFirewall: DeleteProtection) and of Elastic Load Balancing
(DeleteLoadBalancer: "You can't delete a load balancer if deletion protection is enabled").
"""

from __future__ import annotations

PROPERTIES: tuple[str, ...] = ("DeletionProtection", "DeletionProtectionEnabled")
"""Of any type."""

OF_TYPES: dict[str, str] = {
    "AWS::EC2::Instance": "DisableApiTermination",
    "AWS::NetworkFirewall::Firewall": "DeleteProtection",
}
"""Type → a property that only protects resources of it."""

ON: frozenset[str] = frozenset({"true", "active"})
"""Values of these properties with which they protect, in lower case."""

ATTRIBUTES: dict[str, tuple[str, str, str, str]] = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        *("LoadBalancerAttributes", "Key", "deletion_protection.enabled", "Value"),
    ),
}
"""Type → a list, the key of its items, the item's name, and the key of its value."""

PARTS: dict[str, tuple[str, str]] = {
    "AWS::DynamoDB::GlobalTable": ("Replicas", "DeletionProtectionEnabled"),
}
"""Type → a list, and a property of any of its items."""
