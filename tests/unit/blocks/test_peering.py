"""Two VPCs in two regions, joined."""

from __future__ import annotations

from typing import Any

from troposphere import Ref

from tapgen.blocks import frame, peering


def side(zones: int = 2) -> dict[str, Any]:
    t = frame.start("A thing", role="every")
    peering.routes(t, vpc="pd-vpc", zones=zones, port=5432, client="Function")
    body: dict[str, Any] = t.to_dict()
    return body


def test_a_connection_leads_to_a_vpc_of_another_region() -> None:
    t = frame.start("A thing", role="primary")
    peering.connection(t, name="pd-peering", peer_region=Ref("DrRegion"))
    body = t.to_dict()
    found = body["Resources"]["Peering"]["Properties"]
    assert found["PeerRegion"] == {"Ref": "DrRegion"}
    assert body["Outputs"]["PeeringId"]["Value"] == {"Ref": "Peering"}
    # CloudFormation looks for a value of this type in the region of the stack.
    for name, kind in (("VpcId", "AWS::EC2::VPC::Id"), ("PeerVpcId", "String")):
        assert found[name] == {"Ref": name}
        assert body["Parameters"][name]["Type"] == kind


def test_every_private_and_the_isolated_subnets_have_a_route_to_the_peer() -> None:
    for zones in (2, 3):
        routes = [
            r["Properties"]
            for r in side(zones)["Resources"].values()
            if r["Type"] == "AWS::EC2::Route"
        ]
        assert [r["RouteTableId"]["Fn::Select"][0] for r in routes] == [
            *range(zones + 1)
        ]
        for route in routes:
            assert route["DestinationCidrBlock"] == {"Ref": "PeerCidr"}
            assert route["VpcPeeringConnectionId"] == {"Ref": "PeeringId"}


def test_clients_go_out_to_the_database_and_come_in_by_address() -> None:
    found = {k: r for k, r in side()["Resources"].items() if k.endswith("Peer")}
    for title, kind in (("Function", "Egress"), ("Database", "Ingress")):
        rule = found[f"{title}Peer"]
        assert rule["Type"] == f"AWS::EC2::SecurityGroup{kind}"
        rule = rule["Properties"]
        assert (rule["FromPort"], rule["ToPort"]) == (5432, 5432)
        assert rule["GroupId"] == {"Ref": f"{title}SecurityGroupId"}
        # A group of another region cannot be named.
        assert rule["CidrIp"] == {"Ref": "PeerCidr"}
        assert not {k for k in rule if k.endswith("SecurityGroupId")}
