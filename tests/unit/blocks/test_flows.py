"""What watches a VPC."""

from __future__ import annotations

from troposphere import Ref, Template

from tapgen.blocks import flows, frame, network


def test_refused_packets_are_counted_and_ring() -> None:
    t = frame.start("A thing", role="dr")
    found = network.vpc(t, "Vpc", name="rm-vpc", zones=2)
    group = flows.flow_log(t, vpc=found, name="rm-flow")
    flows.count_rejected(
        t,
        group,
        alarm_name="rm-rejected",
        metrics="rm-metrics",
        topic_arn=Ref("Topic"),
    )
    resources = t.to_dict()["Resources"]
    (counted,) = resources["RejectedPackets"]["Properties"]["MetricTransformations"]
    alarm = resources["RejectedPacketsRaised"]["Properties"]
    assert alarm["Namespace"] == counted["MetricNamespace"] == "rm-metrics"
    assert alarm["MetricName"] == counted["MetricName"]
    assert alarm["Threshold"] == {"Ref": "RejectedPacketsAlarm"}
    assert resources["FlowLog"]["Properties"]["TrafficType"] == "ALL"
    assert resources["FlowLogGroup"]["Properties"]["KmsKeyId"] == {"Ref": "KmsKeyArn"}


def test_every_nat_gateway_has_two_alarms() -> None:
    t = frame.start("A thing", role="dr")
    found = network.vpc(t, "Vpc", name="rm-vpc", zones=2)
    public, _ = network.public_tier(t, found, public_addresses=False)
    _, _, gateways = network.private_tier(t, found, public=public)
    flows.nat_alarms(
        t, gateways, name="rm-nat-%s", topic_arn=Ref("Topic"), in_each_zone="InEach"
    )
    # The first gateway is there in any case.
    conditional = {
        title: "Condition" in resource
        for title, resource in t.to_dict()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert all(there == title.endswith("2") for title, there in conditional.items())
    alarms = [
        r["Properties"]
        for r in t.to_dict()["Resources"].values()
        if r["Type"] == "AWS::CloudWatch::Alarm"
    ]
    assert sorted(a["AlarmName"] for a in alarms) == [
        *("rm-nat-drops-1", "rm-nat-drops-2", "rm-nat-ports-1", "rm-nat-ports-2")
    ]
    assert {a["Dimensions"][0]["Value"]["Ref"] for a in alarms} == {
        "NatGateway1",
        "NatGateway2",
    }


def test_the_role_writes_these_groups_and_lists_all() -> None:
    t = Template()
    flows.role(t, "Role", name="rm-flow-logs", groups={"rm-flow": "us-east-1"})
    role = t.to_dict()["Resources"]["Role"]["Properties"]
    (policy,) = role["Policies"]
    found = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    group = "arn:${AWS::Partition}:logs:us-east-1:${AWS::AccountId}:log-group:rm-flow"
    assert found["WriteLogStreams"]["Resource"] == [{"Fn::Sub": f"{group}:*"}]
    assert found["FindLogGroups"]["Resource"] == ["*"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
