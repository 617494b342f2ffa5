"""Tiers of subnets and the groups between them."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Template

from tapgen.blocks import network, vpc_endpoints


def new_vpc(zones: int) -> tuple[Template, network.Vpc]:
    t = Template()
    return t, network.vpc(t, "Vpc", name="sn-vpc", zones=zones)


def select(t: Template, title: str) -> int:
    cidr = t.to_dict()["Resources"][title]["Properties"]["CidrBlock"]
    index = cidr["Fn::Select"][0]
    assert isinstance(index, int)
    return index


def test_every_tier_has_room_for_all_zones() -> None:
    t, vpc = new_vpc(network.MAX_ZONES)
    for tier in network.TIERS:
        network.subnets(t, vpc, tier)
    taken = [
        select(t, f"{tier.title()}Subnet{number}")
        for tier in network.TIERS
        for number in range(1, network.MAX_ZONES + 1)
    ]
    assert taken == list(range(len(network.TIERS) * network.MAX_ZONES))
    assert len(taken) <= 2**network.GRID_BITS


def test_a_zone_can_be_chosen_and_is_aws_choice_otherwise() -> None:
    t, vpc = new_vpc(2)
    network.subnets(t, vpc, "public")
    subnet = t.to_dict()["Resources"]["PublicSubnet2"]["Properties"]
    assert subnet["AvailabilityZone"] == {
        "Fn::If": [
            "HasZone2",
            {"Ref": "Zone2"},
            {"Fn::Select": [1, {"Fn::GetAZs": ""}]},
        ]
    }
    assert t.to_dict()["Parameters"]["Zone2"]["Default"] == ""


def group(**more: Any) -> dict[str, Any]:
    t, vpc = new_vpc(2)
    network.security_group(
        t, "Group", vpc=vpc, name="sn-x", description="A group", **more
    )
    properties = t.to_dict()["Resources"]["Group"]["Properties"]
    assert isinstance(properties, dict)
    return properties


def test_a_group_without_a_way_out_says_so() -> None:
    # Without any rule EC2 would let everything out.
    (rule,) = group(egress=[])["SecurityGroupEgress"]
    assert (rule["IpProtocol"], rule["CidrIp"]) == ("-1", "127.0.0.1/32")


def test_a_group_can_be_replaced() -> None:
    assert "GroupName" not in group(egress=[])


def test_a_rule_is_for_one_port_or_for_everything() -> None:
    one = network.rule(443, to="10.0.0.0/8", description="HTTPS").to_dict()
    assert (one["IpProtocol"], one["FromPort"], one["ToPort"]) == ("tcp", 443, 443)
    everything = network.rule(None, to="10.0.0.0/8", description="All").to_dict()
    assert everything["IpProtocol"] == "-1" and "FromPort" not in everything


def test_ids_are_joined_for_a_list_parameter() -> None:
    _, vpc = new_vpc(2)
    joined = network.ids([vpc.resource]).to_dict()
    assert joined == {"Fn::Join": [",", [Ref("Vpc").to_dict()]]}


def test_without_nat_in_each_zone_all_zones_go_out_by_the_first() -> None:
    t, vpc = new_vpc(3)
    public, _ = network.public_tier(t, vpc, public_addresses=False)
    network.private_tier(t, vpc, public=public, in_each_zone="HasNatInEachZone")
    resources = t.to_dict()["Resources"]
    assert "Condition" not in resources["NatGateway1"]
    for number in (2, 3):
        for title in (f"NatGateway{number}", f"NatAddress{number}"):
            assert resources[title]["Condition"] == "HasNatInEachZone"
        route = resources[f"PrivateRoutes{number}DefaultRoute"]["Properties"]
        assert route["NatGatewayId"] == {
            "Fn::If": [
                "HasNatInEachZone",
                {"Ref": f"NatGateway{number}"},
                {"Ref": "NatGateway1"},
            ]
        }


def test_endpoints_can_be_added_to_a_vpc_of_another_template() -> None:
    t = Template()
    there = network.elsewhere(Ref("VpcId"), "pd-vpc")
    group = network.security_group(
        t, "Group", vpc=there, name="pd-x", description="A group", egress=[]
    )
    network.from_group(
        t, "In", group=group, source=Ref("SourceId"), port=443, description="d"
    )
    vpc_endpoints.interface(
        t,
        "Sns",
        vpc=there,
        service="sns",
        subnets=Ref("SubnetIds"),
        group=group,
        policy=vpc_endpoints.own_account("sns"),
    )
    found = {k: r["Properties"] for k, r in t.to_dict()["Resources"].items()}
    assert found["Group"]["VpcId"] == found["Sns"]["VpcId"] == {"Ref": "VpcId"}
    assert found["In"]["SourceSecurityGroupId"] == {"Ref": "SourceId"}
    assert found["In"]["GroupId"] == {"Fn::GetAtt": ["Group", "GroupId"]}
    assert found["Sns"]["SubnetIds"] == {"Ref": "SubnetIds"}


def test_subnets_and_groups_of_another_template_are_checked_by_ec2() -> None:
    t = Template()
    network.vpc_id(t, "The VPC.")
    network.subnet_ids(t, "Private subnets.")
    network.group_id(t, "Security group.", title="DatabaseSecurityGroupId")
    assert {k: p["Type"] for k, p in t.to_dict()["Parameters"].items()} == {
        "VpcId": "AWS::EC2::VPC::Id",
        "SubnetIds": "List<AWS::EC2::Subnet::Id>",
        "DatabaseSecurityGroupId": "AWS::EC2::SecurityGroup::Id",
    }


def test_outputs_are_lists_that_such_parameters_take() -> None:
    t = Template()
    vpc = network.vpc(t, "Vpc", name="x", zones=2)
    subnets = network.subnets(t, vpc, "isolated")
    network.list_outputs(t, ("IsolatedSubnetIds", subnets, "Isolated subnets"))
    assert t.to_dict()["Outputs"]["IsolatedSubnetIds"] == {
        "Description": "Isolated subnets, comma-separated",
        "Value": {
            "Fn::Join": [",", [{"Ref": "IsolatedSubnet1"}, {"Ref": "IsolatedSubnet2"}]]
        },
    }


def test_the_isolated_tier_has_no_way_out_and_endpoints_reach_past_nat() -> None:
    t, vpc = new_vpc(2)
    _, table = network.isolated_tier(t, vpc)
    vpc_endpoints.gateway(
        t,
        "S3",
        vpc=vpc,
        service="s3",
        tables=[table],
        policy=vpc_endpoints.for_servers(),
    )
    network.route_table(
        t,
        "Out",
        vpc=vpc,
        thing="out",
        subnets={},
        default={"GatewayId": Ref("InternetGateway")},
    )
    resources = t.to_dict()["Resources"]
    routes = [k for k, r in resources.items() if r["Type"] == "AWS::EC2::Route"]
    assert routes == ["OutDefaultRoute"]
    assert resources["OutDefaultRoute"]["DependsOn"] == ["InternetGatewayAttachment"]
    endpoint = resources["S3"]["Properties"]
    assert endpoint["RouteTableIds"] == [{"Ref": "IsolatedRoutes"}]
    assert endpoint["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"}


def test_a_flow_log_takes_all_traffic_by_the_minute() -> None:
    t, vpc = new_vpc(2)
    network.flow_log(t, "Flow", vpc=vpc, log_group="Group", role_arn="role")
    found = t.to_dict()["Resources"]["Flow"]["Properties"]
    assert (found["TrafficType"], found["MaxAggregationInterval"]) == ("ALL", 60)
    assert found["LogGroupName"] == {"Ref": "Group"}
