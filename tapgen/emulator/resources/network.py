"""EC2 resources that ministack has an API for but no CloudFormation handler."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    dropped_tags,
    tag_list,
)
from tapgen.emulator.services.patches import address_blocks


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind("AWS::EC2::EIP", _make_address, _release_address, _retag_address),
        Kind("AWS::EC2::NatGateway", _make_gateway, _delete_gateway, _retag_gateway),
        Kind("AWS::EC2::FlowLog", _make_flow_log, _delete_flow_log, _retag_flow_log),
        Kind("AWS::EC2::VPCPeeringConnection", _make_peering, _delete_peering, retag),
        Kind("AWS::EC2::VPCCidrBlock", _make_block, _delete_block, tags=None),
        Kind("AWS::EC2::SubnetCidrBlock", _make_subnet_block, _delete_block, tags=None),
        _rule_kind("Ingress"),
        _rule_kind("Egress"),
    ]


def specification(kind: str, properties: Properties) -> list[Mapping[str, Any]] | None:
    """Return the tags of a new resource as calls of EC2 take them; None without tags."""
    tags = tag_list(properties)
    return [{"ResourceType": kind, "Tags": tags}] if tags else None


def retag(physical_id: str, old: Properties, new: Properties) -> Attributes:
    """Bring the tags of a resource of EC2 up to date; return its id as an attribute."""
    dropped = dropped_tags(old, new)
    if dropped:
        keys = [{"Key": key} for key in dropped]
        call("ec2", "DeleteTags", Resources=[physical_id], Tags=keys)
    if tag_list(new):
        call("ec2", "CreateTags", Resources=[physical_id], Tags=tag_list(new))
    return {"Id": physical_id}


# --- Elastic IP: Ref is the address, the API goes by allocation ------------------------


def _make_address(request: Request) -> Created:
    properties = request.properties
    answer = call(
        "ec2",
        "AllocateAddress",
        Domain=properties.get("Domain", "vpc"),
        TagSpecifications=specification("elastic-ip", properties),
    )
    if properties.get("InstanceId"):
        call(
            "ec2",
            "AssociateAddress",
            AllocationId=answer["AllocationId"],
            InstanceId=properties["InstanceId"],
        )
    return answer["PublicIp"], _address_attributes(answer)


def _address_attributes(address: Mapping[str, Any]) -> Attributes:
    return {
        "AllocationId": address["AllocationId"],
        "PublicIp": address["PublicIp"],
    }


def _address(public_ip: str) -> Mapping[str, Any] | None:
    addresses = call("ec2", "DescribeAddresses").get("Addresses", [])
    return next((a for a in addresses if a["PublicIp"] == public_ip), None)


def _retag_address(physical_id: str, old: Properties, new: Properties) -> Attributes:
    address = _address(physical_id)
    if address is None:
        raise CallError(
            "Ec2", "InvalidAddress.NotFound", f"Address '{physical_id}' not found.", 400
        )
    retag(address["AllocationId"], old, new)
    return _address_attributes(address)


def _release_address(physical_id: str, properties: Properties) -> None:
    address = _address(physical_id)
    if address is not None:
        call("ec2", "ReleaseAddress", AllocationId=address["AllocationId"])


# --- NAT gateway ----------------------------------------------------------------------


def _make_gateway(request: Request) -> Created:
    properties = request.properties
    allocation = properties.get("AllocationId")
    addresses = call("ec2", "DescribeAddresses").get("Addresses", [])
    # ministack accepts any allocation; a NAT gateway needs an existing address.
    if allocation and allocation not in {a["AllocationId"] for a in addresses}:
        raise CallError(
            "Ec2",
            "InvalidAllocationID.NotFound",
            f"The allocation ID '{allocation}' does not exist",
            400,
        )
    answer = call(
        "ec2",
        "CreateNatGateway",
        SubnetId=properties.get("SubnetId"),
        AllocationId=allocation,
        ConnectivityType=properties.get("ConnectivityType", "public"),
        TagSpecifications=specification("natgateway", properties),
    )
    gateway = answer["NatGateway"]["NatGatewayId"]
    return gateway, {"NatGatewayId": gateway}


def _retag_gateway(physical_id: str, old: Properties, new: Properties) -> Attributes:
    retag(physical_id, old, new)
    return {"NatGatewayId": physical_id}


def _delete_gateway(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteNatGateway", NatGatewayId=physical_id)


# --- Flow log -------------------------------------------------------------------------


def _make_flow_log(request: Request) -> Created:
    properties = {**request.properties}
    tags = specification("vpc-flow-log", properties)
    properties.pop("Tags", None)
    resource = properties.pop("ResourceId", None)
    answer = call(
        "ec2",
        "CreateFlowLogs",
        **properties,
        ResourceIds=[resource],
        TagSpecifications=tags,
    )
    flow_log = answer["FlowLogIds"][0]
    if tags:
        # ministack has another name for the tag type, and so drops the tags.
        call("ec2", "CreateTags", Resources=[flow_log], Tags=tags[0]["Tags"])
    return flow_log, {"Id": flow_log}


def _retag_flow_log(physical_id: str, old: Properties, new: Properties) -> Attributes:
    return retag(physical_id, old, new)


def _delete_flow_log(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteFlowLogs", FlowLogIds=[physical_id])


# --- Peering: CloudFormation also accepts, in the peer's account where it is another ---


def _make_peering(request: Request) -> Created:
    properties = request.properties
    answer = call(
        "ec2",
        "CreateVpcPeeringConnection",
        VpcId=properties.get("VpcId"),
        PeerVpcId=properties.get("PeerVpcId"),
        PeerOwnerId=properties.get("PeerOwnerId"),
        PeerRegion=properties.get("PeerRegion"),
        TagSpecifications=specification("vpc-peering-connection", properties),
    )
    peering = answer["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    call("ec2", "AcceptVpcPeeringConnection", VpcPeeringConnectionId=peering)
    return peering, {"Id": peering}


def _delete_peering(physical_id: str, properties: Properties) -> None:
    call("ec2", "DeleteVpcPeeringConnection", VpcPeeringConnectionId=physical_id)


# --- Rules of security groups that stand on their own ----------------------------------


def _rule_kind(direction: str) -> Kind:
    def make(request: Request) -> Created:
        answer = call(
            "ec2",
            f"AuthorizeSecurityGroup{direction}",
            GroupId=request.properties.get("GroupId"),
            IpPermissions=[_permission(request.properties)],
        )
        rule = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return rule, {"Id": rule}

    def describe(physical_id: str, old: Properties, new: Properties) -> Attributes:
        # The one property that can change.
        # ministack retains values that are left out; AWS requires the whole rule here.
        wanted = {"Description": new.get("Description", "")}
        call(
            "ec2",
            "ModifySecurityGroupRules",
            GroupId=new.get("GroupId"),
            SecurityGroupRules=[
                {"SecurityGroupRuleId": physical_id, "SecurityGroupRule": wanted}
            ],
        )
        return {"Id": physical_id}

    def delete(physical_id: str, properties: Properties) -> None:
        call(
            "ec2",
            f"RevokeSecurityGroup{direction}",
            GroupId=properties.get("GroupId"),
            SecurityGroupRuleIds=[physical_id],
        )

    return Kind(
        f"AWS::EC2::SecurityGroup{direction}", make, delete, describe, tags=None
    )


def _permission(properties: Properties) -> Mapping[str, Any]:
    """The API's form of a rule that a template writes flat."""
    described = {}
    if properties.get("Description"):
        described["Description"] = properties["Description"]
    permission: dict[str, Any] = {
        name: properties[name]
        for name in ("IpProtocol", "FromPort", "ToPort")
        if name in properties
    }
    for given, ranges, member in (
        ("CidrIp", "IpRanges", "CidrIp"),
        ("CidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("SourcePrefixListId", "PrefixListIds", "PrefixListId"),
        ("DestinationPrefixListId", "PrefixListIds", "PrefixListId"),
        ("SourceSecurityGroupId", "UserIdGroupPairs", "GroupId"),
        ("DestinationSecurityGroupId", "UserIdGroupPairs", "GroupId"),
    ):
        if properties.get(given):
            permission[ranges] = [{member: properties[given], **described}]
    return permission


# --- Further address blocks -------------------------------------------------------------


def _make_block(request: Request) -> Created:
    properties = request.properties
    vpc = str(properties["VpcId"])
    given = properties.get("CidrBlock") or properties.get("Ipv6CidrBlock")
    return _associated("vpc", vpc, str(given or address_blocks.provided(vpc)))


def _make_subnet_block(request: Request) -> Created:
    properties = request.properties
    block = str(properties["Ipv6CidrBlock"])
    return _associated("subnet", str(properties["SubnetId"]), block)


def _associated(kind: str, owner: str, block: str) -> Created:
    try:
        association = address_blocks.associate(owner, block)
    except LookupError:
        code = f"Invalid{'VpcID' if kind == 'vpc' else 'SubnetID'}.NotFound"
        message = f"The {kind} ID '{owner}' does not exist"
        raise CallError("Ec2", code, message, 400) from None
    _refresh(owner)
    return association, {"Id": association}


def _delete_block(association: str, properties: Properties) -> None:
    owner = str(properties.get("VpcId") or properties.get("SubnetId"))
    address_blocks.disassociate(owner, association)


def _refresh(owner: str) -> None:
    """Let the stack that has a VPC or subnet know its blocks, for Fn::GetAtt."""
    six = [block for block in address_blocks.blocks(owner).values() if ":" in block]
    stacks = importlib.import_module("ministack.services.cloudformation")._stacks
    for stack in stacks.values():
        for resource in (stack.get("_resources") or {}).values():
            if resource.get("PhysicalResourceId") == owner:
                resource["Attributes"]["Ipv6CidrBlocks"] = six
