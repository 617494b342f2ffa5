"""Servers in two colours, and the addresses in front."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import frame, security, servers, storage


def plain(value: Any) -> Any:
    return encode_to_dict(value)


def test_the_script_is_run_as_it_is_written_and_its_end_reported() -> None:
    found = plain(
        servers.user_data(
            'echo "${HOME}"\n', signal="BlueServers", port=8080, health_path="/up"
        )
    )
    text, values = found["Fn::Base64"]["Fn::Sub"]
    lines = text.splitlines()
    # Fn::Sub would take ${HOME} for a resource of the template.
    assert lines[lines.index("cat > /run/start-server <<'END_OF_SCRIPT'") + 1] == (
        'echo "${!HOME}"'
    )
    assert values == {"Port": 8080, "HealthPath": "/up"}
    assert lines[0] == "#!/bin/bash"
    assert "--resource BlueServers" in lines[-1] and "--exit-code $?" in lines[-1]


def template(**more: Any) -> dict[str, Any]:
    t = Template()
    servers.launch_template(
        t,
        "Template",
        **{
            "name": "rm-x",
            "image_id": Ref("Image"),
            "instance_type": "t3.small",
            "profile_name": Ref("Profile"),
            "group_id": Ref("Group"),
            "key_arn": Ref("Key"),
            "volume_gib": 8,
            "user_data": "",
            "tags": {"Plan": "daily"},
            **more,
        },
    )
    data = t.to_dict()["Resources"]["Template"]["Properties"]["LaunchTemplateData"]
    assert isinstance(data, dict)
    return data


def test_instances_have_the_tags_and_disks_the_name_only() -> None:
    tags = {s["ResourceType"]: s["Tags"] for s in template()["TagSpecifications"]}
    assert {t["Key"] for t in tags["instance"]} == {"Name", "Plan"}
    assert {t["Key"] for t in tags["volume"]} == {"Name"}


def test_metadata_needs_a_token_and_disks_the_key() -> None:
    data = template()
    assert data["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
    }
    (disk,) = data["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True and disk["Ebs"]["KmsKeyId"] == {
        "Ref": "Key"
    }


def test_a_group_keeps_the_capacity_that_scaling_chose() -> None:
    t = Template()
    found = servers.launch_template(
        t,
        "Template",
        name="rm-x",
        image_id="i",
        instance_type="t3.small",
        profile_name="p",
        group_id="g",
        key_arn="k",
        volume_gib=8,
        user_data="",
        tags={},
    )
    target = servers.target_group(
        t, "Targets", name="rm-x", vpc_id="v", port=80, health_path="/"
    )
    servers.scaling_group(
        t,
        "Servers",
        name="rm-x",
        subnet_ids=Ref("Subnets"),
        template=found,
        target_group=target,
        capacity=servers.Capacity(Ref("Least"), Ref("Most")),
        after=[target],
        tags={"Colour": "blue"},
    )
    resources = t.to_dict()["Resources"]
    group = resources["Servers"]
    assert "DesiredCapacity" not in group["Properties"]
    assert "CreationPolicy" not in group
    assert group["Properties"]["MinSize"] == {"Ref": "Least"}
    assert group["DependsOn"] == ["Targets"]
    assert all(tag["PropagateAtLaunch"] for tag in group["Properties"]["Tags"])
    policy = resources["ServersLoad"]["Properties"]
    assert policy["AutoScalingGroupName"] == {"Ref": "Servers"}
    assert policy["TargetTrackingConfiguration"]["TargetValue"] == 60


def test_load_balancers_deliver_only_under_their_own_account() -> None:
    (statement,) = plain(servers.access_log_statements(storage.Bucket("rm-logs")))
    (resource,) = statement["Resource"]
    assert resource["Fn::Sub"].endswith(
        ":::rm-logs/balancer/AWSLogs/${AWS::AccountId}/*"
    )
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"]
    assert statement["Action"] == ["s3:PutObject"]


def test_an_image_is_named_by_a_parameter_that_aws_keeps_fresh() -> None:
    t = frame.start("A thing", role="dr")
    servers.image_parameter(t, "Image", description="The image.")
    parameter = t.to_dict()["Parameters"]["Image"]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
    assert parameter["Default"].startswith("/aws/service/ami-amazon-linux-latest/")


def test_an_accelerator_is_retained_and_has_a_group_for_each_region() -> None:
    t = Template()
    found = servers.accelerator(
        t,
        "Front",
        name="rm-front",
        endpoints=[
            servers.Endpoint(title, region, f"arn-{region}", dial)
            for title, region, dial in (("One", "a", 100), ("Two", "b", 0))
        ],
        port=80,
        protocol="HTTP",
        health_path="/up",
    )
    resources = t.to_dict()["Resources"]
    assert resources["Front"]["DeletionPolicy"] == "RetainExceptOnCreate"
    dials = [
        resources[n]["Properties"]["TrafficDialPercentage"] for n in ("One", "Two")
    ]
    assert dials == [100, 0]
    ports = resources["FrontListener"]["Properties"]["PortRanges"]
    assert [p["FromPort"] for p in ports] == [80, 443]
    assert plain(servers.addresses(found)) == {
        "Fn::Join": [",", {"Fn::GetAtt": ["Front", "Ipv4Addresses"]}]
    }


def test_auto_scaling_may_use_a_key_before_its_role_exists() -> None:
    use, grant = (plain(s) for s in security.scaling_statements())
    for statement in (use, grant):
        # A principal that is not there yet would make the key's policy invalid.
        assert statement["Principal"] == {"AWS": "*"}
        conditions = statement["Condition"]["StringEquals"]
        assert set(conditions) == {"aws:PrincipalArn", "kms:CallerAccount"}
    assert grant["Action"] == ["kms:CreateGrant"]
    assert grant["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def balanced() -> dict[str, Any]:
    t = Template()
    t.add_condition("HasCertificate", {"Fn::Equals": ["a", "a"]})
    balancer = servers.load_balancer(
        t,
        "Balancer",
        name="rm-x",
        subnet_ids=Ref("Subnets"),
        group_id=Ref("Group"),
        log_bucket="x-logs",
        deletion_protection="true",
    )
    weight = servers.weight_parameter(t, "BlueWeight", description="Share of blue.")
    servers.listeners(
        t,
        balancer,
        weighted=[("Blue", weight)],
        certificate_arn="cert",
        has_certificate="HasCertificate",
    )
    servers.balancer_alarms(
        t,
        balancer=balancer,
        colours={"blue": "Blue"},
        name="rm-%s",
        topic_arn="topic",
        lost=1,
    )
    servers.load_alarm(t, "Load", group="Servers", name="rm-load", topic_arn="topic")
    return {k: r["Properties"] for k, r in t.to_dict()["Resources"].items()}


def test_a_load_balancer_logs_and_drops_what_is_malformed() -> None:
    given = balanced()["Balancer"]["LoadBalancerAttributes"]
    attributes = {a["Key"]: a["Value"] for a in given}
    assert attributes["deletion_protection.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == "x-logs"
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"


def test_with_a_certificate_everything_is_served_with_modern_tls() -> None:
    found = balanced()
    assert found["HttpsListener"]["SslPolicy"] == servers.TLS_POLICY
    _, redirect, forward = found["HttpListener"]["DefaultActions"][0]["Fn::If"]
    assert redirect["RedirectConfig"]["Protocol"] == "HTTPS"
    (group,) = forward["ForwardConfig"]["TargetGroups"]
    assert group == {"TargetGroupArn": {"Ref": "Blue"}, "Weight": {"Ref": "BlueWeight"}}


def test_sick_servers_errors_and_load_ring() -> None:
    alarms = {k: a for k, a in balanced().items() if "AlarmName" in a}
    assert {a["MetricName"] for a in alarms.values()} == {
        *("UnHealthyHostCount", "HTTPCode_Target_5XX_Count"),
        *("HTTPCode_ELB_5XX_Count", "CPUUtilization"),
    }
    # Route 53 does not support M out of N, so all datapoints must breach.
    lost = alarms["BalancerErrorsAlarm"]
    assert lost["DatapointsToAlarm"] == lost["EvaluationPeriods"] == 3
    assert (lost["Threshold"], lost["Statistic"]) == (1, "Sum")
    assert {str(a["AlarmActions"]) for a in alarms.values()} == {"['topic']"}
