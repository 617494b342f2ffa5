"""Global Accelerator, and load balancers that forward by weight."""

from __future__ import annotations

from typing import Any

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import RETAGGED, TAG, absent, network

ARN = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/one/1"


def front(dial: int = 100, **more: Any) -> dict[str, Any]:
    listener = {"Ref": "Listener"}
    return {
        "R": of("GlobalAccelerator::Accelerator", Name="front", **more),
        "Listener": of(
            "GlobalAccelerator::Listener",
            AcceleratorArn={"Ref": "R"},
            Protocol="TCP",
            PortRanges=[{"FromPort": "80", "ToPort": "80"}],
        ),
        "Group": of(
            "GlobalAccelerator::EndpointGroup",
            ListenerArn=listener,
            EndpointGroupRegion="us-east-1",
            TrafficDialPercentage=str(dial),
            HealthCheckPath="/up",
            EndpointConfigurations=[{"EndpointId": ARN, "Weight": 128}],
        ),
    }


OUTPUTS = {
    **get("R", "AcceleratorArn", "DnsName"),
    "Ips": {"Value": {"Fn::Join": [",", {"Fn::GetAtt": ["R", "Ipv4Addresses"]}]}},
    "Group": {"Value": {"Fn::GetAtt": ["Group", "EndpointGroupArn"]}},
}


def test_an_accelerator_is_created_changed_and_deleted(place: Place) -> None:
    created = place.create("front", front(Tags=TAG), Outputs=OUTPUTS)
    assert created["Ref"] == created["AcceleratorArn"]
    assert len(created["Ips"].split(",")) == 2
    client = place.at("us-west-2").client("globalaccelerator")
    arn = created["AcceleratorArn"]
    found = client.describe_accelerator(AcceleratorArn=arn)["Accelerator"]
    assert (found["Name"], found["Status"]) == ("front", "DEPLOYED")
    assert ",".join(found["IpSets"][0]["IpAddresses"]) == created["Ips"]
    assert tags(client.list_tags_for_resource(ResourceArn=arn)["Tags"]) == {
        "Project": "one"
    }
    group = client.describe_endpoint_group(EndpointGroupArn=created["Group"])
    group = group["EndpointGroup"]
    assert (group["TrafficDialPercentage"], group["HealthCheckPath"]) == (100, "/up")
    (endpoint,) = group["EndpointDescriptions"]
    assert (endpoint["EndpointId"], endpoint["Weight"]) == (ARN, 128)

    again = place.update("front", front(dial=10, Tags=RETAGGED), Outputs=OUTPUTS)
    # The addresses stay: that is what it is for.
    assert again == created
    group = client.describe_endpoint_group(EndpointGroupArn=created["Group"])
    assert group["EndpointGroup"]["TrafficDialPercentage"] == 10
    assert tags(client.list_tags_for_resource(ResourceArn=arn)["Tags"]) == {
        "Owner": "two"
    }
    place.delete("front")
    gone = absent(client.describe_accelerator, AcceleratorArn=arn)
    assert gone == "AcceleratorNotFoundException"


def test_the_service_refuses_what_aws_refuses(place: Place) -> None:
    client = place.at("us-west-2").client("globalaccelerator")
    created = client.create_accelerator(Name="x", IdempotencyToken="t")["Accelerator"]
    arn = created["AcceleratorArn"]
    refused = absent(client.delete_accelerator, AcceleratorArn=arn)
    assert refused == "AcceleratorNotDisabledException"
    listener = client.create_listener(
        AcceleratorArn=arn,
        Protocol="TCP",
        PortRanges=[{"FromPort": 443, "ToPort": 443}],
        IdempotencyToken="t",
    )["Listener"]["ListenerArn"]
    where = {"ListenerArn": listener, "EndpointGroupRegion": "us-east-1"}
    client.create_endpoint_group(**where, IdempotencyToken="a")
    twice = absent(client.create_endpoint_group, **where, IdempotencyToken="b")
    assert twice == "EndpointGroupAlreadyExistsException"
    client.update_accelerator(AcceleratorArn=arn, Enabled=False)
    refused = absent(client.delete_accelerator, AcceleratorArn=arn)
    assert refused == "AssociatedListenerFoundException"
    refused = absent(client.delete_listener, ListenerArn=listener)
    assert refused == "AssociatedEndpointGroupFoundException"


def test_accounts_do_not_see_each_others_accelerators(
    place: Place,
) -> None:
    client = place.client("globalaccelerator")
    client.create_accelerator(Name="mine", IdempotencyToken="t")
    other = Place(place.url, place.account.replace("5", "6", 1))
    names = [a["Name"] for a in client.list_accelerators()["Accelerators"]]
    assert names == ["mine"]
    assert other.client("globalaccelerator").list_accelerators()["Accelerators"] == []


def balanced(blue: int, green: int) -> dict[str, Any]:
    def group(**more: Any) -> dict[str, Any]:
        return of(
            "ElasticLoadBalancingV2::TargetGroup",
            VpcId={"Ref": "Vpc"},
            Port=80,
            Protocol="HTTP",
            **more,
        )

    forward = {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": {"Ref": "Blue"}, "Weight": str(blue)},
                {"TargetGroupArn": {"Ref": "Green"}, "Weight": str(green)},
            ],
            "TargetGroupStickinessConfig": {"Enabled": "true", "DurationSeconds": 60},
        },
    }
    return network(
        Blue=group(),
        Green=group(),
        Balancer=of(
            "ElasticLoadBalancingV2::LoadBalancer",
            Name="front",
            Subnets=[{"Ref": "Subnet"}],
        ),
        R=of(
            "ElasticLoadBalancingV2::Listener",
            LoadBalancerArn={"Ref": "Balancer"},
            Port=80,
            Protocol="HTTP",
            DefaultActions=[forward],
        ),
    )


def weights(place: Place, listener: str) -> dict[str, int]:
    client = place.client("elbv2")
    (found,) = client.describe_listeners(ListenerArns=[listener])["Listeners"]
    (action,) = found["DefaultActions"]
    assert "TargetGroupArn" not in action
    sticky = action["ForwardConfig"]["TargetGroupStickinessConfig"]
    assert sticky == {"Enabled": True, "DurationSeconds": 60}
    groups = action["ForwardConfig"]["TargetGroups"]
    return {g["TargetGroupArn"]: g["Weight"] for g in groups}


def test_a_listener_keeps_the_weights_of_a_forward(place: Place) -> None:
    outputs = {
        **get("R", "ListenerArn"),
        "Blue": {"Value": {"Fn::GetAtt": ["Blue", "TargetGroupArn"]}},
        "Green": {"Value": {"Fn::GetAtt": ["Green", "TargetGroupArn"]}},
        "Name": {"Value": {"Fn::GetAtt": ["Blue", "TargetGroupFullName"]}},
    }
    created = place.create("b", balanced(100, 0), Outputs=outputs)
    listener, blue, green = created["ListenerArn"], created["Blue"], created["Green"]
    assert weights(place, listener) == {blue: 100, green: 0}
    # As CloudWatch names it.
    assert created["Name"].startswith("targetgroup/") and blue.endswith(created["Name"])
    assert place.update("b", balanced(10, 90), Outputs=outputs) == created
    assert weights(place, listener) == {blue: 10, green: 90}
    # Those who turn the weights themselves are heard, too.
    sticky = {"Enabled": True, "DurationSeconds": 60}
    groups = [
        {"TargetGroupArn": blue, "Weight": 0},
        {"TargetGroupArn": green, "Weight": 999},
    ]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
    place.client("elbv2").modify_listener(
        ListenerArn=listener,
        DefaultActions=[{"Type": "forward", "ForwardConfig": config}],
    )
    assert weights(place, listener) == {blue: 0, green: 999}
    place.delete("b")


def test_a_forward_to_one_group_stays_as_it_was(place: Place) -> None:
    resources = balanced(1, 1)
    resources["R"]["Properties"]["DefaultActions"] = [
        {"Type": "forward", "TargetGroupArn": {"Ref": "Blue"}}
    ]
    created = place.create("one", resources, Outputs=get("R", "ListenerArn"))
    client = place.client("elbv2")
    (found,) = client.describe_listeners(ListenerArns=[created["ListenerArn"]])[
        "Listeners"
    ]
    (action,) = found["DefaultActions"]
    assert ":targetgroup/" in action["TargetGroupArn"]
    assert "ForwardConfig" not in action


def guarded(on: bool, **more: Any) -> dict[str, Any]:
    """A load balancer, a table and a user pool; protected against deletion or not."""
    attribute = {"Key": "deletion_protection.enabled", "Value": str(on).lower()}
    return network(
        Balancer=of(
            "ElasticLoadBalancingV2::LoadBalancer",
            Subnets=[{"Ref": "Subnet"}],
            LoadBalancerAttributes=[attribute],
        ),
        Table=of(
            "DynamoDB::Table",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=on,
        ),
        Pool=of("Cognito::UserPool", DeletionProtection="ACTIVE" if on else "INACTIVE"),
        **more,
    )


def test_what_is_protected_is_deleted_only_after_its_protection_is_off(
    place: Place,
) -> None:
    named = {n: {"Value": {"Ref": n}} for n in ("Balancer", "Table", "Pool")}
    made = place.create("kept", guarded(on=True), Outputs=named)
    elb, idp = place.client("elbv2"), place.client("cognito-idp")
    refused = absent(elb.delete_load_balancer, LoadBalancerArn=made["Balancer"])
    assert refused == "OperationNotPermitted"
    refused = absent(idp.delete_user_pool, UserPoolId=made["Pool"])
    assert refused == "InvalidParameterException"

    place.delete("kept", status="DELETE_FAILED")
    reasons = place.reasons("kept")
    assert {"Balancer", "Table", "Pool"} <= set(reasons)
    assert "deletion protection is enabled" in reasons["Balancer"]
    assert elb.describe_load_balancers(LoadBalancerArns=[made["Balancer"]])

    off = {"Key": "deletion_protection.enabled", "Value": "false"}
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=made["Balancer"], Attributes=[off]
    )
    place.client("dynamodb").update_table(
        TableName=made["Table"], DeletionProtectionEnabled=False
    )
    idp.update_user_pool(UserPoolId=made["Pool"], DeletionProtection="INACTIVE")
    place.delete("kept")


def test_a_first_create_that_fails_cannot_be_rolled_back_over_a_protected_balancer(
    place: Place,
) -> None:
    place.client("logs").create_log_group(logGroupName="taken")
    wrong = of("Logs::LogGroup", LogGroupName="taken") | {"DependsOn": "Balancer"}
    place.begin("first", guarded(on=True, R=wrong))
    assert place.settled("first")["StackStatus"] == "ROLLBACK_FAILED"
    assert "deletion protection" in place.reasons("first")["Balancer"]
