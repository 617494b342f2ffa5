"""VPC endpoints, and who may reach what through them.

    vpc_endpoints.gateway(
        t, "S3Endpoint", vpc=vpc, service="s3", tables=tables,
        policy=vpc_endpoints.for_servers(),
    )
    vpc_endpoints.interface(
        t, "SnsEndpoint", vpc=vpc, service="sns", subnets=subnets, group=group,
        policy=vpc_endpoints.own_account("sns"),
    )

A policy gives nobody a permission: it limits what the permissions of others can do from
within the network. So nobody can carry data out with credentials of an account of his own.
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
https://docs.aws.amazon.com/whitepapers/latest/building-a-data-perimeter-on-aws/appendix-2-vpc-endpoint-policy-examples.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from awacs import s3
from awacs.aws import Action, PolicyDocument, Principal, Statement, StringEquals
from troposphere import Ref, Template, ec2

from tapgen.blocks import names, network, security

_ANYBODY = Principal("*")
# Where custom resources and wait conditions put their answers, signed by AWS.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/vpc-interface-endpoints.html
_ANSWERS = ("cloudformation-custom-resource-response", "cloudformation-waitcondition")


def own_account(service: str) -> PolicyDocument:
    """Allow the roles and users of the account, to what belongs to it."""
    return security.document(
        _of_the_account(service, "PrincipalAccount", "ResourceAccount")
    )


def for_servers() -> PolicyDocument:
    """Allow S3 to servers, which also install packages and signal CloudFormation.

    The account's roles and users may do what their permissions say, also in buckets of
    others; whoever has other credentials, or none, may read only. AWS's buckets with
    packages and patches are many, and read without credentials or with AWS's own.
    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
    """
    answers = [f"arn:${{AWS::Partition}}:s3:::{bucket}-*/*" for bucket in _ANSWERS]
    return security.document(
        _of_the_account("s3", "PrincipalAccount"),
        security.statement(
            "AnybodyReads",
            [s3.GetObject, s3.GetObjectVersion],
            ["arn:${AWS::Partition}:s3:::*/*"],
            principal=_ANYBODY,
        ),
        security.statement(
            "AnswerCloudFormation", [s3.PutObject], answers, principal=_ANYBODY
        ),
    )


def _of_the_account(service: str, *keys: str) -> Statement:
    account = Ref("AWS::AccountId")
    return security.statement(
        "OwnAccount",
        [Action(service, "*")],
        ["*"],
        StringEquals({f"aws:{key}": account for key in keys}),
        principal=_ANYBODY,
    )


def gateway(
    t: Template,
    title: str,
    *,
    vpc: network.Vpc,
    service: str,
    tables: Sequence[Any],
    policy: PolicyDocument,
) -> Any:
    """Add a gateway endpoint (S3 or DynamoDB): free, and bypasses the NAT gateways."""
    return t.add_resource(
        ec2.VPCEndpoint(
            title,
            VpcEndpointType="Gateway",
            ServiceName=_name(service),
            VpcId=vpc.id,
            RouteTableIds=[Ref(table) for table in tables],
            PolicyDocument=policy,
        )
    )


def interface(
    t: Template,
    title: str,
    *,
    vpc: network.Vpc,
    service: str,
    subnets: Sequence[Any] | Ref,
    group: Any,
    policy: PolicyDocument,
) -> Any:
    """Add an interface endpoint: private addresses for a service's usual name.

    If the VPC is in another template, `subnets` is the parameter with the list of ids.
    """
    return t.add_resource(
        ec2.VPCEndpoint(
            title,
            VpcEndpointType="Interface",
            ServiceName=_name(service),
            VpcId=vpc.id,
            SubnetIds=(
                subnets if isinstance(subnets, Ref) else [Ref(s) for s in subnets]
            ),
            SecurityGroupIds=[network.group_of(group)],
            PrivateDnsEnabled=True,
            PolicyDocument=policy,
        )
    )


def _name(service: str) -> Any:
    return names.sub(f"com.amazonaws.${{AWS::Region}}.{service}")
