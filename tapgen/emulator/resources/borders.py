"""What is at the borders of a network: access control lists, VPNs, DHCP, IPv6 gateways.

Each type is a call of Amazon EC2 to make and one to delete. References: "Return values"
of each type in the CloudFormation template reference
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import CallError, call, truth
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
)
from tapgen.emulator.resources.network import retag
from tapgen.emulator.resources.singles import Single

_TAGS = ("Tags", "list")


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        *(single.kind() for single in _SINGLES),
        Kind(
            "AWS::EC2::NetworkAclEntry",
            _make_entry,
            _delete_entry,
            _change_entry,
            tags=None,
        ),
        Kind(
            "AWS::EC2::SubnetNetworkAclAssociation",
            _associate_list,
            _dissociate_list,
            tags=None,
        ),
        Kind(
            "AWS::EC2::VPCDHCPOptionsAssociation",
            _associate_options,
            _default_options,
            tags=None,
        ),
        Kind("AWS::EC2::VPNConnectionRoute", _make_route, _delete_route, tags=None),
        Kind(
            "AWS::EC2::VPNGatewayRoutePropagation",
            _propagate,
            _stop_propagating,
            tags=None,
        ),
    ]


def _untagged(request: Request) -> Mapping[str, Any]:
    """The properties without the tags, which `retag` gives afterwards."""
    return {k: v for k, v in request.properties.items() if k != "Tags"}


def _connection(request: Request) -> Mapping[str, Any]:
    static = request.properties.get("StaticRoutesOnly", False)
    return {**_untagged(request), "Options": {"StaticRoutesOnly": static}}


_SINGLES = (
    Single(
        "AWS::EC2::NetworkAcl",
        "ec2",
        "CreateNetworkAcl",
        "DeleteNetworkAcl",
        "NetworkAclId",
        lambda answer, request: str(answer["NetworkAcl"]["NetworkAclId"]),
        _untagged,
        tags=_TAGS,
        id_attribute="Id",
        settle=retag,
    ),
    Single(
        "AWS::EC2::EgressOnlyInternetGateway",
        "ec2",
        "CreateEgressOnlyInternetGateway",
        "DeleteEgressOnlyInternetGateway",
        "EgressOnlyInternetGatewayId",
        lambda answer, request: str(
            answer["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
        ),
        _untagged,
        tags=_TAGS,
        id_attribute="Id",
        settle=retag,
    ),
    Single(
        "AWS::EC2::CustomerGateway",
        "ec2",
        "CreateCustomerGateway",
        "DeleteCustomerGateway",
        "CustomerGatewayId",
        lambda answer, request: str(answer["CustomerGateway"]["CustomerGatewayId"]),
        _untagged,
        tags=_TAGS,
        id_attribute="CustomerGatewayId",
        settle=retag,
    ),
    Single(
        "AWS::EC2::VPNGateway",
        "ec2",
        "CreateVpnGateway",
        "DeleteVpnGateway",
        "VpnGatewayId",
        lambda answer, request: str(answer["VpnGateway"]["VpnGatewayId"]),
        _untagged,
        tags=_TAGS,
        id_attribute="VPNGatewayId",
        settle=retag,
    ),
    Single(
        "AWS::EC2::VPNConnection",
        "ec2",
        "CreateVpnConnection",
        "DeleteVpnConnection",
        "VpnConnectionId",
        lambda answer, request: str(answer["VpnConnection"]["VpnConnectionId"]),
        _connection,
        tags=_TAGS,
        id_attribute="VpnConnectionId",
        settle=retag,
    ),
)


# --- Access control lists ---------------------------------------------------------------


def _entry(properties: Properties) -> Mapping[str, Any]:
    return {
        **properties,
        "Egress": properties.get("Egress", False),
        "IcmpTypeCode": properties.get("Icmp"),
    }


def _make_entry(request: Request) -> Created:
    entry = _entry(request.properties)
    known = (_lists().get(entry.get("NetworkAclId")) or {}).get("Entries", ())
    number, egress = str(entry.get("RuleNumber")), truth(entry["Egress"])
    if any(str(e["RuleNumber"]) == number and e["Egress"] == egress for e in known):
        # ministack takes a second one (words: ansible-collections/amazon.aws#2592).
        message = f"The network acl entry identified by {number} already exists."
        raise CallError("Ec2", "NetworkAclEntryAlreadyExists", message, 400)
    call("ec2", "CreateNetworkAclEntry", **entry)
    name = request.name("")
    return name, {"Id": name}


def _change_entry(physical_id: str, old: Properties, new: Properties) -> Attributes:
    call("ec2", "ReplaceNetworkAclEntry", **_entry(new))
    return {"Id": physical_id}


def _delete_entry(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteNetworkAclEntry", **_entry(properties))


def _lists() -> Any:
    return importlib.import_module("ministack.services.ec2")._network_acls


def _associate_list(request: Request) -> Created:
    subnet, wanted = request.properties["SubnetId"], request.properties["NetworkAclId"]
    now = [
        one["NetworkAclAssociationId"]
        for found in _lists().values()
        for one in found["Associations"]
        if one["SubnetId"] == subnet
    ]
    # ministack has no association for the default list of a VPC, nor the new subnet.
    answer = call(
        "ec2",
        "ReplaceNetworkAclAssociation",
        AssociationId=now[0] if now else f"aclassoc-{str(subnet).partition('-')[2]}",
        NetworkAclId=wanted,
    )
    association = str(answer["NewAssociationId"])
    _lists()[wanted]["Associations"][-1]["SubnetId"] = subnet
    return association, {"AssociationId": association}


def _dissociate_list(physical_id: str, properties: Properties) -> None:
    """Leave the subnet to the default list."""
    for found in _lists().values():
        found["Associations"] = [
            one
            for one in found["Associations"]
            if one["NetworkAclAssociationId"] != physical_id
        ]


# --- DHCP -------------------------------------------------------------------------------


def _associate_options(request: Request) -> Created:
    options, vpc = request.properties["DhcpOptionsId"], request.properties["VpcId"]
    call("ec2", "AssociateDhcpOptions", DhcpOptionsId=options, VpcId=vpc)
    return f"{options}|{vpc}", {}


def _default_options(physical_id: str, properties: Properties) -> None:
    vpc = properties["VpcId"]
    call("ec2", "AssociateDhcpOptions", DhcpOptionsId="default", VpcId=vpc)


# --- VPN --------------------------------------------------------------------------------


def _make_route(request: Request) -> Created:
    given = request.properties
    call("ec2", "CreateVpnConnectionRoute", **given)
    return f"{given['DestinationCidrBlock']}|{given['VpnConnectionId']}", {}


def _delete_route(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteVpnConnectionRoute", **properties)


def _propagate(request: Request) -> Created:
    gateway = request.properties["VpnGatewayId"]
    for table in request.properties["RouteTableIds"]:
        call("ec2", "EnableVgwRoutePropagation", RouteTableId=table, GatewayId=gateway)
    name = request.name("")
    return name, {"Id": name}


def _stop_propagating(physical_id: str, properties: Properties) -> None:
    gateway = properties["VpnGatewayId"]
    for table in properties["RouteTableIds"]:
        try:
            call(
                "ec2",
                "DisableVgwRoutePropagation",
                RouteTableId=table,
                GatewayId=gateway,
            )
        except CallError:
            continue  # the table is gone
