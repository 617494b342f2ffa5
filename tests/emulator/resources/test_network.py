"""Networks are made, changed and deleted as templates say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import EAST, RETAGGED, TAG, WEST, network


def test_a_nat_gateway_has_the_elastic_address_it_was_given(place: Place) -> None:
    resources = network(
        Ip=of("EC2::EIP", Domain="vpc", Tags=TAG),
        R=of(
            "EC2::NatGateway",
            SubnetId={"Ref": "Subnet"},
            AllocationId={"Fn::GetAtt": ["Ip", "AllocationId"]},
            Tags=TAG,
        ),
        Table=of("EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        Route=of(
            "EC2::Route",
            RouteTableId={"Ref": "Table"},
            DestinationCidrBlock="0.0.0.0/0",
            NatGatewayId={"Ref": "R"},
        ),
    )
    created = place.create("nat", resources, Outputs=get("R", "NatGatewayId"))
    ec2, ids = place.client("ec2"), place.ids("nat")
    [gateway] = ec2.describe_nat_gateways()["NatGateways"]
    [address] = ec2.describe_addresses()["Addresses"]
    assert gateway["NatGatewayId"] == created["Ref"] == created["NatGatewayId"]
    assert gateway["NatGatewayAddresses"][0]["PublicIp"] == ids["Ip"]
    assert address["PublicIp"] == ids["Ip"]
    assert tags(address["Tags"]) == tags(gateway["Tags"]) == {"Project": "one"}
    [table] = ec2.describe_route_tables(RouteTableIds=[ids["Table"]])["RouteTables"]
    assert created["Ref"] in [r.get("NatGatewayId") for r in table["Routes"]]

    resources["Ip"]["Properties"]["Tags"] = RETAGGED
    place.update("nat", resources)
    assert place.ids("nat") == ids
    [address] = ec2.describe_addresses()["Addresses"]
    assert tags(address["Tags"]) == {"Owner": "two"}
    place.delete("nat")
    assert ec2.describe_addresses()["Addresses"] == []
    states = {g["State"] for g in ec2.describe_nat_gateways()["NatGateways"]}
    assert states <= {"deleted"}


def test_a_nat_gateway_in_another_subnet_is_another_gateway(place: Place) -> None:
    resources = network(
        Ip=of("EC2::EIP", Domain="vpc"),
        Other=of("EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.1.0/24"),
        R=of(
            "EC2::NatGateway",
            SubnetId={"Ref": "Subnet"},
            AllocationId={"Fn::GetAtt": ["Ip", "AllocationId"]},
        ),
    )
    place.create("nat", resources)
    before = place.ids("nat")
    resources["R"]["Properties"]["SubnetId"] = {"Ref": "Other"}
    place.update("nat", resources)
    after = place.ids("nat")
    assert before["R"] != after["R"]
    gateways = place.client("ec2").describe_nat_gateways()["NatGateways"]
    states = {g["NatGatewayId"]: g["State"] for g in gateways}
    assert states == {before["R"]: "deleted", after["R"]: "available"}


def test_a_nat_gateway_without_a_real_address_is_refused(place: Place) -> None:
    gateway = of("EC2::NatGateway", SubnetId={"Ref": "Subnet"}, AllocationId="eip-1")
    reason = place.failed("nat", network(R=gateway))
    assert "The allocation ID 'eip-1' does not exist" in reason
    assert "HandlerErrorCode: NotFound" in reason


def test_a_standalone_rule_is_in_its_security_group(place: Place) -> None:
    resources = network(
        App=of("EC2::SecurityGroup", GroupDescription="app", VpcId={"Ref": "Vpc"}),
        Db=of("EC2::SecurityGroup", GroupDescription="db", VpcId={"Ref": "Vpc"}),
        R=of(
            "EC2::SecurityGroupIngress",
            GroupId={"Fn::GetAtt": ["Db", "GroupId"]},
            IpProtocol="tcp",
            FromPort="5432",
            ToPort=5432,
            SourceSecurityGroupId={"Fn::GetAtt": ["App", "GroupId"]},
            Description="from the app",
        ),
        Out=of(
            "EC2::SecurityGroupEgress",
            GroupId={"Ref": "App"},
            IpProtocol="tcp",
            FromPort=5432,
            ToPort=5432,
            DestinationSecurityGroupId={"Ref": "Db"},
        ),
    )
    created = place.create("groups", resources, Outputs=get("R", "Id"))
    assert created["Ref"] == created["Id"]
    ec2, ids = place.client("ec2"), place.ids("groups")

    def rule(logical_id: str) -> dict[str, Any]:
        wanted = [place.ids("groups")[logical_id]]
        found = ec2.describe_security_group_rules(SecurityGroupRuleIds=wanted)
        one: dict[str, Any] = found["SecurityGroupRules"][0]
        return one

    ingress = rule("R")
    assert (ingress["GroupId"], ingress["FromPort"]) == (ids["Db"], 5432)
    assert ingress["ReferencedGroupInfo"]["GroupId"] == ids["App"]
    assert ingress["Description"] == "from the app"
    assert rule("Out")["IsEgress"] is True

    resources["R"]["Properties"]["Description"] = "changed"
    place.update("groups", resources)
    assert place.ids("groups")["R"] == ids["R"]
    assert rule("R")["Description"] == "changed"

    resources["R"]["Properties"] |= {"FromPort": 5433, "ToPort": 5433}
    place.update("groups", resources)
    assert place.ids("groups")["R"] != ids["R"]
    assert rule("R")["FromPort"] == 5433
    group = ec2.describe_security_groups(GroupIds=[ids["Db"]])["SecurityGroups"][0]
    assert [p["FromPort"] for p in group["IpPermissions"]] == [5433]

    del resources["R"]
    place.update("groups", resources)
    group = ec2.describe_security_groups(GroupIds=[ids["Db"]])["SecurityGroups"][0]
    assert group["IpPermissions"] == []


def test_a_flow_log_says_where_it_delivers(place: Place) -> None:
    role = f"arn:aws:iam::{place.account}:role/flow"
    resources = network(
        R=of(
            "EC2::FlowLog",
            ResourceId={"Ref": "Vpc"},
            ResourceType="VPC",
            TrafficType="REJECT",
            LogGroupName="flows",
            DeliverLogsPermissionArn=role,
            MaxAggregationInterval=60,
            Tags=TAG,
        )
    )
    place.create("flows", resources)
    [found] = place.client("ec2").describe_flow_logs()["FlowLogs"]
    assert found["FlowLogId"] == place.ids("flows")["R"]
    assert found["ResourceId"] == place.ids("flows")["Vpc"]
    assert (found["TrafficType"], found["LogGroupName"]) == ("REJECT", "flows")
    assert found["DeliverLogsPermissionArn"] == role
    assert found["MaxAggregationInterval"] == 60
    assert tags(found["Tags"]) == {"Project": "one"}
    place.delete("flows")
    assert place.client("ec2").describe_flow_logs()["FlowLogs"] == []


def test_a_peering_connection_within_an_account_is_accepted(place: Place) -> None:
    west = place.at(WEST)
    west.create("peer", {"R": of("EC2::VPC", CidrBlock="10.1.0.0/16")})
    peering = of(
        "EC2::VPCPeeringConnection",
        VpcId={"Ref": "Vpc"},
        PeerVpcId=west.ids("peer")["R"],
        PeerRegion=WEST,
    )
    place.create("peer", network(R=peering))
    for side in (place, west):
        found = side.client("ec2").describe_vpc_peering_connections()
        [connection] = found["VpcPeeringConnections"]
        assert connection["VpcPeeringConnectionId"] == place.ids("peer")["R"]
        assert connection["Status"]["Code"] == "active"


def test_network_resources_give_the_attributes_of_their_schemas(place: Place) -> None:
    resources = network(
        Gateway=of("EC2::InternetGateway"),
        Attached=of(
            "EC2::VPCGatewayAttachment",
            VpcId={"Ref": "Vpc"},
            InternetGatewayId={"Ref": "Gateway"},
        ),
        Table=of("EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        Route=of(
            "EC2::Route",
            RouteTableId={"Ref": "Table"},
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId={"Ref": "Gateway"},
        ),
        Associated=of(
            "EC2::SubnetRouteTableAssociation",
            SubnetId={"Ref": "Subnet"},
            RouteTableId={"Ref": "Table"},
        ),
        Group=of("EC2::SecurityGroup", GroupDescription="g", VpcId={"Ref": "Vpc"}),
    )
    wanted = {
        "VpcCidr": ("Vpc", "CidrBlock"),
        "DefaultGroup": ("Vpc", "DefaultSecurityGroup"),
        "DefaultAcl": ("Vpc", "DefaultNetworkAcl"),
        "Vpc": ("Subnet", "VpcId"),
        "Zone": ("Subnet", "AvailabilityZone"),
        "SubnetCidr": ("Subnet", "CidrBlock"),
        "Acl": ("Subnet", "NetworkAclAssociationId"),
        "Gateway": ("Gateway", "InternetGatewayId"),
        "Type": ("Attached", "AttachmentType"),
        "Table": ("Table", "RouteTableId"),
        "Route": ("Route", "CidrBlock"),
        "Associated": ("Associated", "Id"),
        "Group": ("Group", "Id"),
    }
    outputs: dict[str, Any] = {
        name: {"Value": {"Fn::GetAtt": [*found]}} for name, found in wanted.items()
    }
    block = {"Fn::GetAtt": ["Vpc", "CidrBlockAssociations"]}
    outputs["Block"] = {"Value": {"Fn::Select": [0, block]}}
    created, ids = place.create("net", resources, Outputs=outputs), place.ids("net")
    assert created["VpcCidr"] == "10.0.0.0/16"
    assert created["Block"].startswith("vpc-cidr-assoc-")
    assert created["DefaultGroup"].startswith("sg-")
    assert created["DefaultAcl"].startswith("acl-")
    assert (created["Vpc"], created["Zone"]) == (ids["Vpc"], f"{EAST}a")
    assert created["SubnetCidr"] == "10.0.0.0/24"
    assert (created["Type"], created["Route"]) == ("IGW", "0.0.0.0/0")
    assert created["Associated"] == ids["Associated"]
    assert (created["Gateway"], created["Table"]) == (ids["Gateway"], ids["Table"])
    assert created["Group"] == ids["Group"]


def test_another_address_range_is_another_network_with_everything_in_it(
    place: Place,
) -> None:
    resources = network(
        Table=of("EC2::RouteTable", VpcId={"Ref": "Vpc"}),
        Endpoint=of(
            "EC2::VPCEndpoint",
            VpcId={"Ref": "Vpc"},
            ServiceName=f"com.amazonaws.{EAST}.s3",
            VpcEndpointType="Gateway",
            RouteTableIds=[{"Ref": "Table"}],
        ),
        Group=of("EC2::SecurityGroup", GroupDescription="g", VpcId={"Ref": "Vpc"}),
    )
    place.create("net", resources)
    before = place.ids("net")
    resources["Vpc"]["Properties"]["CidrBlock"] = "10.1.0.0/16"
    resources["Subnet"]["Properties"]["CidrBlock"] = "10.1.0.0/24"
    changes = place.changes("net", resources)
    assert changes == dict.fromkeys(resources, "True")
    place.update("net", resources)
    after = place.ids("net")
    assert not set(before.values()) & set(after.values())
    ec2 = place.client("ec2")
    [endpoint] = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert endpoint["VpcId"] == after["Vpc"]
    vpcs = {v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]}
    assert vpcs == {after["Vpc"]}


def test_a_security_group_is_not_replaced_under_its_own_name(place: Place) -> None:
    group = of(
        "EC2::SecurityGroup",
        GroupName="web",
        GroupDescription="one",
        VpcId={"Ref": "Vpc"},
    )
    place.create("net", network(R=group))
    group["Properties"]["GroupDescription"] = "two"
    with pytest.raises(AssertionError, match="custom-named resource requires"):
        place.update("net", network(R=group))
    assert place.stack("net")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
