"""Types that their services make: each is there as its service tells, and gone later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from tests.emulator.places import Place, get, of

TAG = [{"Key": "Team", "Value": "one"}]
_REF: dict[str, Any] = {name: {"Ref": name} for name in ("Vpc", "Subnet", "List")}
_METADATA = "<EntityDescriptor>" + "x" * 1000 + "</EntityDescriptor>"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_BUS = "arn:aws:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"
_PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}

# What is made, what lists it, and where the list has its physical id.
THERE: Mapping[str, tuple[dict[str, Any], str, str, str]] = {
    "List": (
        of("EC2::NetworkAcl", VpcId=_REF["Vpc"], Tags=TAG),
        *("ec2", "describe_network_acls", "NetworkAcls[].NetworkAclId"),
    ),
    "Listed": (
        of(
            *("EC2::SubnetNetworkAclAssociation",),
            SubnetId=_REF["Subnet"],
            NetworkAclId=_REF["List"],
        ),
        *("ec2", "describe_network_acls"),
        "NetworkAcls[].Associations[?SubnetId].NetworkAclAssociationId[]",
    ),
    "Egress": (
        of("EC2::EgressOnlyInternetGateway", VpcId=_REF["Vpc"], Tags=TAG),
        *("ec2", "describe_egress_only_internet_gateways"),
        "EgressOnlyInternetGateways[].EgressOnlyInternetGatewayId",
    ),
    "Customer": (
        of(
            *("EC2::CustomerGateway",),
            BgpAsn=65000,
            IpAddress="192.0.2.1",
            Type="ipsec.1",
            Tags=TAG,
        ),
        *("ec2", "describe_customer_gateways", "CustomerGateways[].CustomerGatewayId"),
    ),
    "Gateway": (
        of("EC2::VPNGateway", Type="ipsec.1", Tags=TAG),
        *("ec2", "describe_vpn_gateways", "VpnGateways[].VpnGatewayId"),
    ),
    "Vpn": (
        of(
            *("EC2::VPNConnection",),
            Type="ipsec.1",
            StaticRoutesOnly=True,
            CustomerGatewayId={"Ref": "Customer"},
            VpnGatewayId={"Ref": "Gateway"},
            Tags=TAG,
        ),
        *("ec2", "describe_vpn_connections"),
        "VpnConnections[?Options.StaticRoutesOnly].VpnConnectionId",
    ),
    "VpnRoute": (
        of(
            *("EC2::VPNConnectionRoute",),
            DestinationCidrBlock="10.9.0.0/16",
            VpnConnectionId={"Ref": "Vpn"},
        ),
        *("ec2", "describe_vpn_connections"),
        "VpnConnections[].[join('|', [Routes[0].DestinationCidrBlock || '', "
        "VpnConnectionId])][]",
    ),
    "Options": (
        of("EC2::DHCPOptions", DomainName="example.com"),
        *("ec2", "describe_dhcp_options", "DhcpOptions[].DhcpOptionsId"),
    ),
    "Associated": (
        of(
            *("EC2::VPCDHCPOptionsAssociation",),
            DhcpOptionsId={"Ref": "Options"},
            VpcId=_REF["Vpc"],
        ),
        *("ec2", "describe_vpcs", "Vpcs[].[join('|', [DhcpOptionsId, VpcId])][]"),
    ),
    "Server": (
        of(
            *("EC2::Instance",),
            ImageId="ami-1",
            InstanceType="t3.small",
            SubnetId=_REF["Subnet"],
            Tags=TAG,
        ),
        *("ec2", "describe_instances"),
        "Reservations[].Instances[?State.Name=='running'].InstanceId[]",
    ),
    "Volume": (
        of("EC2::Volume", AvailabilityZone="us-east-1a", Size=3, Tags=TAG),
        *("ec2", "describe_volumes", "Volumes[?Size==`3`].VolumeId"),
    ),
    "Mounted": (
        of(
            *("EC2::VolumeAttachment",),
            Device="/dev/sdf",
            VolumeId={"Ref": "Volume"},
            InstanceId={"Ref": "Server"},
        ),
        *("ec2", "describe_volumes"),
        "Volumes[].Attachments[].[join('|', [VolumeId, InstanceId])][]",
    ),
    "Interface": (
        of(
            *("EC2::NetworkInterface",),
            SubnetId=_REF["Subnet"],
            PrivateIpAddress="10.0.0.77",
            Tags=TAG,
        ),
        *("ec2", "describe_network_interfaces"),
        "NetworkInterfaces[?PrivateIpAddress=='10.0.0.77'].NetworkInterfaceId",
    ),
    "Plugged": (
        of(
            *("EC2::NetworkInterfaceAttachment",),
            DeviceIndex="1",
            InstanceId={"Ref": "Server"},
            NetworkInterfaceId={"Ref": "Interface"},
        ),
        *("ec2", "describe_network_interfaces"),
        "NetworkInterfaces[].Attachment.AttachmentId",
    ),
    "Reached": (
        of(
            *("EC2::EIPAssociation",),
            AllocationId={"Fn::GetAtt": ["Address", "AllocationId"]},
            InstanceId={"Ref": "Server"},
        ),
        *("ec2", "describe_addresses", "Addresses[].AssociationId"),
    ),
    "Issuer": (
        of(
            *("IAM::OIDCProvider",),
            Url="https://token.actions.githubusercontent.com",
            ClientIdList=["sts.amazonaws.com"],
            ThumbprintList=["f" * 40],
            Tags=TAG,
        ),
        *("iam", "list_open_id_connect_providers"),
        "OpenIDConnectProviderList[].Arn",
    ),
    "Saml": (
        of("IAM::SAMLProvider", Name="corp", SamlMetadataDocument=_METADATA, Tags=TAG),
        *("iam", "list_saml_providers", "SAMLProviderList[].Arn"),
    ),
    "Linked": (
        of("IAM::ServiceLinkedRole", AWSServiceName="autoscaling.amazonaws.com"),
        *("iam", "list_roles", "Roles[].RoleName"),
    ),
    "Addresses": (
        of(
            *("WAFv2::IPSet",),
            Name="known",
            Scope="REGIONAL",
            IPAddressVersion="IPV4",
            Addresses=["192.0.2.0/24"],
            Tags=TAG,
        ),
        *("wafv2", "list_ip_sets"),
        "IPSets[].[join('|', [Name, Id, 'REGIONAL'])][]",
    ),
    "Patterns": (
        of(
            *("WAFv2::RegexPatternSet",),
            Name="bad",
            Scope="REGIONAL",
            RegularExpressionList=["^a"],
        ),
        *("wafv2", "list_regex_pattern_sets"),
        "RegexPatternSets[].[join('|', [Name, Id, 'REGIONAL'])][]",
    ),
    "Query": (
        of("Athena::NamedQuery", Database="d", QueryString="SELECT 1"),
        *("athena", "list_named_queries", "NamedQueryIds"),
    ),
    "Archive": (
        of(
            *("Events::Archive",),
            ArchiveName="all",
            SourceArn={"Fn::Sub": _BUS},
            RetentionDays=7,
        ),
        *("events", "list_archives", "Archives[].ArchiveName"),
    ),
    "Version": (
        of("StepFunctions::StateMachineVersion", StateMachineArn={"Ref": "Machine"}),
        *("stepfunctions", "list_state_machine_versions"),
        "stateMachineVersions[].stateMachineVersionArn",
    ),
    "Live": (
        of(
            *("StepFunctions::StateMachineAlias",),
            Name="live",
            RoutingConfiguration=[
                {"StateMachineVersionArn": {"Ref": "Version"}, "Weight": 100}
            ],
        ),
        *("stepfunctions", "list_state_machine_aliases"),
        "stateMachineAliases[].stateMachineAliasArn",
    ),
}
# What they need, and what no call lists.
OTHERS: Mapping[str, dict[str, Any]] = {
    "Vpc": of("EC2::VPC", CidrBlock="10.0.0.0/16"),
    "Subnet": of("EC2::Subnet", VpcId=_REF["Vpc"], CidrBlock="10.0.0.0/24"),
    "Address": of("EC2::EIP"),
    "Role": of("IAM::Role", AssumeRolePolicyDocument=_TRUST),
    "Machine": of(
        *("StepFunctions::StateMachine",),
        RoleArn={"Fn::GetAtt": ["Role", "Arn"]},
        DefinitionString=json.dumps(_PASS),
    ),
    "Entry": of(
        *("EC2::NetworkAclEntry",),
        NetworkAclId=_REF["List"],
        RuleNumber=100,
        Protocol=6,
        RuleAction="allow",
        CidrBlock="10.0.0.0/8",
        PortRange={"From": 443, "To": 443},
    ),
    "Table": of("EC2::RouteTable", VpcId=_REF["Vpc"]),
    "Propagated": of(
        *("EC2::VPNGatewayRoutePropagation",),
        RouteTableIds=[{"Ref": "Table"}],
        VpnGatewayId={"Ref": "Gateway"},
    ),
}


def test_each_is_there_and_goes_with_its_stack(place: Place) -> None:
    resources = {name: made for name, (made, *_) in THERE.items()} | OTHERS
    outputs = place.create(
        "all", resources, Outputs=get("Server", "PrivateIp", "AvailabilityZone")
    )

    ids = place.ids("all")
    assert dict(_missing(place, ids)) == {}
    [server] = place.client("ec2").describe_instances(InstanceIds=[ids["Server"]])[
        "Reservations"
    ][0]["Instances"]
    assert server["PrivateIpAddress"] == outputs["PrivateIp"]
    assert TAG[0] in server["Tags"]
    assert _entries(place, ids["List"]) == [("10.0.0.0/8", "allow")]
    shapes = {name for name, made in resources.items() if "Tags" in made["Properties"]}
    changed = {**resources, "Entry": _with(resources["Entry"], RuleAction="deny")}
    retagged = [{"Key": "Team", "Value": "two"}]
    for name in shapes - {"Issuer", "Saml", "Addresses"}:
        changed[name] = _with(resources[name], Tags=retagged)
    changed["Server"] = _with(changed["Server"], InstanceType="t3.large")
    place.update("all", changed)
    assert place.ids("all") == ids
    assert _entries(place, ids["List"]) == [("10.0.0.0/8", "deny")]
    [server] = place.client("ec2").describe_instances(InstanceIds=[ids["Server"]])[
        "Reservations"
    ][0]["Instances"]
    assert server["InstanceType"] == "t3.large"
    assert retagged[0] in server["Tags"] and TAG[0] not in server["Tags"]

    again = _with(OTHERS["Entry"], NetworkAclId=ids["List"])
    words = "The network acl entry identified by 100 already exists."
    assert words in place.failed("again", {"R": again})

    place.delete("all")
    assert {*dict(_missing(place, ids))} == {*THERE}


def _with(made: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    return {**made, "Properties": {**made["Properties"], **changed}}


def _missing(place: Place, ids: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """What its service does not list, with what it lists instead."""
    scope = {"wafv2": {"Scope": "REGIONAL"}}
    machine = {"stateMachineArn": ids["Machine"]}
    for name, (_, service, operation, path) in THERE.items():
        given = machine if service == "stepfunctions" else scope.get(service, {})
        try:
            answer = getattr(place.client(service), operation)(**given)
        except ClientError:  # what it belongs to is gone, too
            answer = {}
        if ids[name] not in (jmespath.search(path, answer) or []):
            yield name, jmespath.search(path, answer)


def _entries(place: Place, acl: str) -> list[tuple[str, str]]:
    [found] = place.client("ec2").describe_network_acls(NetworkAclIds=[acl])[
        "NetworkAcls"
    ]
    return [(e["CidrBlock"], e["RuleAction"]) for e in found["Entries"]]
