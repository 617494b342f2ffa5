"""How long AWS takes to create, update and delete resources: the table of the estimate.

AWS guarantees none of these times. They are judgement, from what such stacks commonly
take in practice, except those that AWS documents:

- CloudFront: a distribution deploys "within minutes" (CloudFront developer guide,
  "Update a distribution").
- Route 53: a change is INSYNC "within 60 seconds under normal conditions" (Route 53
  developer guide, "Amazon Route 53 concepts"); CloudFormation waits for it.
- API Gateway: an edge-optimized domain name takes "up to about 40 minutes" (API Gateway
  developer guide, "Set up custom domain name").
- Lambda: deleting the network interfaces of functions in a VPC takes "up to 20 minutes"
  (Lambda developer guide, "Giving Lambda functions access to resources in an Amazon
  VPC").

Only slow types are listed; every other type takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.frozen import dataclass
from tapgen.model import Action


@dataclass(frozen=True)
class Span:
    """A range of seconds, from the quick to the slow end of what is common."""

    low: float = 0
    high: float = 0

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def __mul__(self, times: int) -> Span:
        return Span(self.low * times, self.high * times)

    def __or__(self, other: Span) -> Span:
        """Both at the same time: as long as the longer one."""
        return Span(max(self.low, other.low), max(self.high, other.high))


NOTHING = Span()

STACK = Span(15, 60)
"""Overhead of a stack instance: assuming the roles, starting the stack, detecting that it
has ended (judgement)."""

POLL = Span(2, 15)
"""Time from the end of an operation until tapgen notices it by polling."""

_SECONDS = Span(2, 20)
_MINUTE = 60

# Minutes to create, update and delete: (low, high) each.
_Row = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_DATABASE: _Row = ((5, 20), (1, 20), (3, 15))
_CLUSTER: _Row = ((1, 15), (0.5, 10), (2, 10))
_SEARCH: _Row = ((10, 40), (10, 60), (5, 20))

_MINUTES: Mapping[str, _Row] = {
    "AWS::ApiGateway::DomainName": ((0.5, 40), (0.5, 40), (0.2, 2)),
    "AWS::AutoScaling::AutoScalingGroup": ((1, 8), (0.5, 15), (1, 10)),
    "AWS::CertificateManager::Certificate": ((1, 30), (0.1, 1), (0.1, 2)),
    "AWS::CloudFormation::CustomResource": ((0.1, 5), (0.1, 5), (0.1, 5)),
    "AWS::CloudFront::Distribution": ((3, 10), (3, 10), (3, 15)),
    "AWS::DAX::Cluster": ((8, 20), (1, 20), (5, 15)),
    "AWS::DMS::ReplicationInstance": ((5, 15), (1, 15), (3, 10)),
    "AWS::DirectoryService::MicrosoftAD": ((20, 45), (0.5, 5), (5, 20)),
    "AWS::DocDB::DBCluster": _CLUSTER,
    "AWS::DocDB::DBInstance": _DATABASE,
    "AWS::DynamoDB::GlobalTable": ((0.5, 10), (0.5, 15), (0.5, 5)),
    "AWS::DynamoDB::Table": ((0.3, 1), (0.2, 10), (0.3, 2)),
    "AWS::EC2::Instance": ((0.5, 3), (0.5, 5), (0.5, 3)),
    "AWS::EC2::NatGateway": ((1.5, 4), (0.1, 0.5), (1, 3)),
    "AWS::EC2::TransitGateway": ((1, 4), (0.5, 4), (1, 4)),
    "AWS::EC2::TransitGatewayAttachment": ((1, 3), (0.5, 3), (1, 3)),
    "AWS::EC2::VPCEndpoint": ((0.5, 5), (0.3, 4), (0.5, 6)),
    "AWS::EC2::VPNConnection": ((3, 8), (1, 8), (1, 5)),
    "AWS::EC2::VPNGateway": ((0.5, 3), (0.1, 1), (0.5, 3)),
    "AWS::ECS::Service": ((1, 10), (2, 20), (1, 10)),
    "AWS::EFS::MountTarget": ((1, 3), (0.1, 1), (0.5, 3)),
    "AWS::EKS::Cluster": ((8, 20), (1, 30), (2, 10)),
    "AWS::EKS::FargateProfile": ((1, 5), (0.1, 1), (1, 5)),
    "AWS::EKS::Nodegroup": ((2, 8), (3, 30), (3, 10)),
    "AWS::ElastiCache::CacheCluster": ((3, 10), (1, 15), (2, 8)),
    "AWS::ElastiCache::ReplicationGroup": ((6, 20), (1, 20), (4, 15)),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ((2, 4), (0.1, 1), (0.2, 2)),
    "AWS::Elasticsearch::Domain": _SEARCH,
    "AWS::FSx::FileSystem": ((5, 60), (1, 30), (3, 20)),
    "AWS::GlobalAccelerator::Accelerator": ((0.5, 5), (0.5, 5), (0.5, 5)),
    "AWS::GlobalAccelerator::EndpointGroup": ((0.5, 3), (0.5, 3), (0.5, 3)),
    "AWS::GlobalAccelerator::Listener": ((0.3, 2), (0.3, 2), (0.3, 2)),
    "AWS::IAM::InstanceProfile": ((2, 2.5), (0.1, 1), (0.1, 0.5)),
    "AWS::IAM::Role": ((0.3, 0.6), (0.2, 0.5), (0.1, 0.3)),
    "AWS::KMS::Key": ((0.3, 2.5), (0.2, 2), (0.1, 0.5)),
    "AWS::KMS::ReplicaKey": ((0.3, 2.5), (0.2, 2), (0.1, 0.5)),
    "AWS::Lambda::Function": ((0.1, 1), (0.1, 1), (0.1, 20)),
    "AWS::MSK::Cluster": ((15, 40), (5, 40), (2, 10)),
    "AWS::Neptune::DBCluster": _CLUSTER,
    "AWS::Neptune::DBInstance": _DATABASE,
    "AWS::OpenSearchService::Domain": _SEARCH,
    "AWS::RDS::DBCluster": _CLUSTER,
    "AWS::RDS::DBInstance": _DATABASE,
    "AWS::RDS::DBProxy": ((4, 15), (0.5, 5), (1, 5)),
    "AWS::RDS::GlobalCluster": ((0.2, 2), (0.5, 10), (0.5, 5)),
    "AWS::Redshift::Cluster": ((4, 15), (1, 30), (2, 10)),
    "AWS::Route53::HostedZone": ((0.5, 1), (0.3, 1), (0.5, 1)),
    "AWS::Route53::RecordSet": ((0.5, 1.5), (0.5, 1.5), (0.5, 1.5)),
    "AWS::Route53::RecordSetGroup": ((0.5, 1.5), (0.5, 1.5), (0.5, 1.5)),
    "AWS::S3::Bucket": ((0.3, 0.6), (0.1, 0.6), (0.1, 0.3)),
    "AWS::Synthetics::Canary": ((0.5, 2), (0.5, 2), (0.5, 2)),
}
_COLUMN = {Action.CREATE: 0, Action.UPDATE: 1, Action.DELETE: 2}


def of(type_name: str, action: Action) -> Span:
    """Return how long AWS commonly takes to create, update or delete a resource of a type."""
    custom = type_name.startswith("Custom::")
    row = _MINUTES.get("AWS::CloudFormation::CustomResource" if custom else type_name)
    if row is None:
        return _SECONDS
    low, high = row[_COLUMN[action]]
    return Span(low * _MINUTE, high * _MINUTE)
