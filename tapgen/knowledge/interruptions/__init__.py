"""Which changes in place interrupt a service, and how.

An `Interruption` says what happens while CloudFormation changes a property: a reboot, a
failover, downtime, or nothing but slower answers. The resource schemas do not know;
"reference" is the CloudFormation resource reference with "Update requires: Some
interruptions" (or with the words quoted), other sources are the guides of the services.
The first entry of a type and property that fits counts.
"""

from __future__ import annotations

from tapgen.knowledge.interruptions.databases import DATABASES
from tapgen.knowledge.interruptions.model import MILD, Effect, Interruption
from tapgen.knowledge.interruptions.parameters import DYNAMIC
from tapgen.knowledge.interruptions.services import SERVICES

__all__ = [
    "DYNAMIC",
    "FIRST",
    "INTERRUPTIONS",
    "MILD",
    "REPLACED",
    "Effect",
    "Interruption",
]

INTERRUPTIONS: tuple[Interruption, ...] = (*DATABASES, *SERVICES)
"""What changes in place interrupt."""

REPLACED: dict[str, str] = {
    "AWS::EC2::NatGateway": "connections through it are cut, and come from another "
    "address",
    "AWS::EC2::VPNConnection": "its tunnels are away until the other side is set up "
    "for the new ones",
    "AWS::ElasticLoadBalancing::LoadBalancer": "its DNS name changes, and connections "
    "through the old one are cut",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "its DNS name changes, and connections "
    "through the old one are cut",
    "AWS::EC2::TransitGatewayVpcAttachment": "traffic through it is cut until its "
    "routes point to the new one",
    "AWS::EC2::VPCPeeringConnection": "traffic through it is cut until the new one is "
    "accepted and its routes point to it",
    "AWS::AmazonMQ::Broker": "its endpoints change, and the messages in it are gone",
    "AWS::CloudFront::Distribution": "its domain name changes",
    "AWS::ApiGateway::RestApi": "its address changes",
    "AWS::ApiGatewayV2::Api": "its address changes",
    "AWS::AppSync::GraphQLApi": "its address changes",
}
"""Type → what stops working when it is replaced.

A replaced resource has another physical id, and so another address (CloudFormation user
guide, Update behaviors of stack resources; return values in the resource reference)."""

FIRST: tuple[str, ...] = (
    "AWS::DocDB::",
    "AWS::ElastiCache::",
    "AWS::ElasticLoadBalancing",
    "AWS::MemoryDB::",
    "AWS::Neptune::",
    "AWS::OpenSearchService::",
    "AWS::RDS::",
    "AWS::Redshift::",
)
"""Databases and load balancers: their interruptions are named before others."""
