"""What CloudFormation itself and other services refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.custom_names import CUSTOM_NAMED
from tapgen.knowledge.refusals.model import Refusal, Rule

_WORKSPACE: Mapping[str, Any] = {
    "BundleId": "wsb-1",
    "DirectoryId": "d-1",
    "UserName": "ann",
    "RootVolumeEncryptionEnabled": True,
    "UserVolumeEncryptionEnabled": True,
    "VolumeEncryptionKey": "alias/one",
}
_RUNBOOK: Mapping[str, Any] = {
    "Name": "restart",
    "DocumentType": "Automation",
    "Content": {
        "schemaVersion": "0.3",
        "mainSteps": [
            {"name": "wait", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
        ],
    },
}
_OTHER_CONTENT: Mapping[str, Any] = {
    "schemaVersion": "0.3",
    "mainSteps": [
        {"name": "wait", "action": "aws:sleep", "inputs": {"Duration": "PT2S"}}
    ],
}
_BROKER: Mapping[str, Any] = {
    "BrokerName": "orders",
    "EngineType": "RABBITMQ",
    "EngineVersion": "3.13",
    "DeploymentMode": "SINGLE_INSTANCE",
    "HostInstanceType": "mq.m5.large",
    "PubliclyAccessible": False,
    "AutoMinorVersionUpgrade": True,
}
_RESOLVER: Mapping[str, Any] = {
    "Direction": "INBOUND",
    "SecurityGroupIds": ["sg-1"],
    "ResolverEndpointType": "IPV4",
    "IpAddresses": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}],
}
_GRAFANA: Mapping[str, Any] = {
    "AccountAccessType": "CURRENT_ACCOUNT",
    "AuthenticationProviders": ["SAML"],
    "PermissionType": "SERVICE_MANAGED",
    "GrafanaVersion": "9.4",
}


def _api(*types: str, **more: Any) -> Mapping[str, Any]:
    return {"Name": "orders", "EndpointConfiguration": {"Types": list(types)}, **more}


def _domain(*types: str, **more: Any) -> Mapping[str, Any]:
    return {
        "DomainName": "orders.example.com",
        "RegionalCertificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/1",
        "EndpointConfiguration": {"Types": list(types)},
        **more,
    }


SERVICES: tuple[Refusal, ...] = (
    Refusal(
        type="AWS::CloudFormation::WaitCondition",
        path="",
        rule=Rule.ANYTHING,
        words=(
            "Update to resource type AWS::CloudFormation::WaitCondition is not "
            "supported."
        ),
        code="",
        advice=(
            "give the wait condition another logical id, and a WaitConditionHandle of "
            "its own"
        ),
        source=(
            "resource reference of AWS::CloudFormation::WaitCondition: updates are not "
            "supported"
        ),
        checked="ministack 1.5.33 (an event of eu-north-1, 2026-09-19)",
        before={"Count": 0},
        after={"Count": 0, "Timeout": "60"},
        neutral={"Count": 0},
    ),
    Refusal(
        type="AWS::CloudFormation::CustomResource",
        path="ServiceToken",
        rule=Rule.CHANGED,
        although_replaced=True,
        words="Modifying service token is not allowed.",
        code="",
        advice="give the custom resource another logical id, which makes a new one",
        source="serverless/serverless#9240",
        checked="cloudcomponents/cdk-constructs#197 (event), coverage-roadmap#802",
        before={"ServiceToken": "arn:aws:sns:us-east-1:111111111111:one"},
        after={"ServiceToken": "arn:aws:sns:us-east-1:111111111111:two"},
        neutral={
            "ServiceToken": "arn:aws:sns:us-east-1:111111111111:one",
            "Size": "2",
        },
    ),
    Refusal(
        type="AWS::Logs::LogGroup",
        path="LogGroupClass",
        rule=Rule.CHANGED,
        default="STANDARD",
        words="The class of a log group can't be changed after it is created",
        advice=(
            "keep the class, or give the log group another logical id and name, which "
            "makes a new one; the old one keeps its logs if it is retained"
        ),
        source=(
            "resource reference of AWS::Logs::LogGroup, LogGroupClass: updates are not "
            "supported"
        ),
        checked="go-to-k/cdkd#954 (a stack update that carries the change fails)",
        before={"LogGroupName": "/shop/orders"},
        after={"LogGroupName": "/shop/orders", "LogGroupClass": "INFREQUENT_ACCESS"},
        neutral={"LogGroupName": "/shop/orders", "LogGroupClass": "STANDARD"},
    ),
    Refusal(
        type="AWS::SSM::Parameter",
        path="Tier",
        rule=Rule.CHANGED,
        held={"Tier": ("Advanced",)},
        then={"Tier": ("Standard",)},
        words=(
            "This parameter uses the advanced-parameter tier. You can't downgrade a "
            "parameter from the advanced-parameter tier to the standard-parameter "
            "tier. If necessary, you can delete the advanced parameter and recreate it "
            "as a standard parameter."
        ),
        advice="keep the tier, or give the parameter another logical id and name",
        source="API reference of Systems Manager, PutParameter, Tier",
        checked="go-to-k/cdk-real-drift#408 (live)",
        before={"Type": "String", "Value": "1", "Tier": "Advanced"},
        after={"Type": "String", "Value": "1", "Tier": "Standard"},
        neutral={"Type": "String", "Value": "2", "Tier": "Advanced"},
    ),
    Refusal(
        type="AWS::SSM::Document",
        path="Content",
        rule=Rule.CHANGED,
        held={"Name": ()},
        then={"UpdateMethod": ("", "Replace")},
        same=("Name",),
        although_replaced=True,
        words=CUSTOM_NAMED,
        code="",
        advice=(
            "set UpdateMethod: NewVersion, which adds a version of the document, or "
            "give it another name"
        ),
        source="resource reference of AWS::SSM::Document, UpdateMethod",
        before=_RUNBOOK,
        after={**_RUNBOOK, "Content": _OTHER_CONTENT},
        neutral={
            **_RUNBOOK,
            "Content": _OTHER_CONTENT,
            "UpdateMethod": "NewVersion",
        },
    ),
    Refusal(
        type="AWS::ApiGateway::RestApi",
        path="EndpointConfiguration/Types",
        rule=Rule.CHANGED,
        held={"EndpointConfiguration/Types": ("PRIVATE",)},
        then={"EndpointConfiguration/Types": ("EDGE",)},
        words="You cannot change a private API into an edge-optimized API",
        advice="roll out twice: first with REGIONAL, then with EDGE",
        source=(
            "API Gateway developer guide, Change a public or private API endpoint type"
        ),
        checked="hashicorp/terraform-provider-aws#14269 (private to public is an error)",
        before=_api("PRIVATE"),
        after=_api("EDGE"),
        neutral=_api("REGIONAL"),
    ),
    Refusal(
        type="AWS::ApiGateway::DomainName",
        path="EndpointConfiguration/Types",
        rule=Rule.CHANGED,
        held={"EndpointConfiguration/Types": ("EDGE", "REGIONAL")},
        then={"EndpointConfiguration/Types": ("PRIVATE",)},
        words="/endpointConfiguration/types/0 Invalid request input",
        advice=(
            "keep the public domain name; a private one is a resource of its own, "
            "AWS::ApiGateway::DomainNameV2"
        ),
        source="hashicorp/terraform-provider-aws#40692",
        checked="hashicorp/terraform-provider-aws#47504 (REGIONAL to PRIVATE)",
        before=_domain("REGIONAL"),
        after=_domain("PRIVATE"),
        neutral=_domain("REGIONAL", SecurityPolicy="TLS_1_2"),
    ),
    Refusal(
        type="AWS::ApiGateway::DomainName",
        path="EndpointConfiguration/Types",
        rule=Rule.CHANGED,
        held={"EndpointConfiguration/Types": ("REGIONAL",)},
        then={"EndpointConfiguration/Types": ("EDGE",)},
        words=(
            "Can only perform one update operation at a time. Request would delete "
            "regional endpoint, create edge endpoint"
        ),
        advice=(
            "roll out in steps: add the other endpoint type and its certificate, let "
            "DNS follow, then remove the first one"
        ),
        source="aws/aws-cdk#12845",
        before=_domain("REGIONAL"),
        after=_domain(
            "EDGE",
            CertificateArn="arn:aws:acm:us-east-1:111111111111:certificate/2",
        ),
        neutral=_domain("REGIONAL", SecurityPolicy="TLS_1_2"),
    ),
    Refusal(
        type="AWS::AmazonMQ::Broker",
        path="EngineVersion",
        rule=Rule.OLDER,
        words="The engine version of a broker cannot be downgraded from {old} to {new}",
        advice="keep the version, or make another broker and move the queues there",
        source="hashicorp/terraform-provider-aws#21651: broker downgrades are not supported",
        before=_BROKER,
        after={**_BROKER, "EngineVersion": "3.12"},
        neutral={**_BROKER, "HostInstanceType": "mq.m5.xlarge"},
    ),
    Refusal(
        type="AWS::Grafana::Workspace",
        path="GrafanaVersion",
        rule=Rule.OLDER,
        words="GrafanaVersion can only be used to upgrade, not to downgrade",
        advice="keep the version, or make another workspace",
        source="resource reference of AWS::Grafana::Workspace, GrafanaVersion",
        before=_GRAFANA,
        after={**_GRAFANA, "GrafanaVersion": "8.4"},
        neutral={**_GRAFANA, "GrafanaVersion": "10.4"},
    ),
    Refusal(
        type="AWS::Route53Resolver::ResolverEndpoint",
        path="ResolverEndpointType",
        rule=Rule.WITH_OTHERS,
        same=("IpAddresses",),
        words=(
            "You cannot update ResolverEndpointType and IpAddresses in the same request"
        ),
        advice="roll out twice: first IpAddresses, then ResolverEndpointType",
        source="resource reference of AWS::Route53Resolver::ResolverEndpoint",
        before=_RESOLVER,
        after={
            **_RESOLVER,
            "ResolverEndpointType": "DUALSTACK",
            "IpAddresses": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-3"}],
        },
        neutral={**_RESOLVER, "Name": "orders"},
    ),
    *(
        Refusal(
            type="AWS::WorkSpaces::Workspace",
            path=path,
            rule=Rule.CHANGED,
            although_replaced=True,
            words=(
                "Updates are not supported for the BundleId, "
                "RootVolumeEncryptionEnabled, UserVolumeEncryptionEnabled, and "
                "VolumeEncryptionKey properties"
            ),
            advice="keep it, or make another workspace for another user",
            source="resource reference of AWS::WorkSpaces::Workspace",
            before=_WORKSPACE,
            after={**_WORKSPACE, path: after},
            neutral={**_WORKSPACE, "Tags": [{"Key": "team", "Value": "orders"}]},
        )
        for path, after in (
            ("BundleId", "wsb-2"),
            ("RootVolumeEncryptionEnabled", False),
            ("UserVolumeEncryptionEnabled", False),
            ("VolumeEncryptionKey", "alias/two"),
        )
    ),
)
"""Refusals of CloudFormation, CloudWatch Logs, Systems Manager, API Gateway, others."""
