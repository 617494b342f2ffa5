"""Blue and green servers behind a load balancer, with Global Accelerator in front.

Blue and green are two Auto Scaling groups, each with a target group. The listener
forwards to both by weight, so a new version starts beside the old one and takes over
step by step; a rollback works the same way. Global Accelerator provides two addresses
that never change, and a traffic dial for each region.

    blue = servers.target_group(t, "Blue", **more)
    green = servers.target_group(t, "Green", **more)
    balancer = servers.load_balancer(t, "LoadBalancer", **more)
    weighted = [(blue, Ref("BlueWeight")), (green, Ref("GreenWeight"))]
    servers.listeners(t, balancer, weighted=weighted, **more)
    template = servers.launch_template(t, "BlueTemplate", **more)
    servers.scaling_group(t, "BlueServers", template=template, target_group=blue, **more)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from awacs import s3 as s3_actions
from awacs.aws import Statement
from troposphere import (
    Base64,
    GetAtt,
    If,
    Join,
    Ref,
    Sub,
    Tags,
    Template,
    autoscaling,
    ec2,
    elasticloadbalancingv2,
    globalaccelerator,
)
from troposphere.policies import AutoScalingRollingUpdate, UpdatePolicy

from tapgen.blocks import (
    context,
    explained,
    frame,
    monitoring,
    names,
    security,
    storage,
)
from tapgen.frozen import dataclass

MAX_WEIGHT = 999
"""The largest weight of a target group."""

# TLS 1.2 and 1.3, nothing older.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"

LATEST_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
"""AWS's public parameter for the newest Amazon Linux 2023, in every region."""

ACCESS_PREFIX = "balancer"
"""The prefix of access logs of load balancers in a log bucket."""

SIGNAL_MINUTES = 10
"""How long an update waits for the success signal of a new server."""

SWITCHING_DRAIN_SECONDS = 60
STICKY_SECONDS = 300


def weight_parameter(t: Template, name: str, *, description: str) -> Ref:
    """Add a parameter for the weight of a target group."""
    return frame.parameter(
        t, name, type="Number", description=description, MinValue=0, MaxValue=MAX_WEIGHT
    )


def image_parameter(t: Template, name: str, *, description: str) -> Ref:
    """Add a parameter for an AMI, by the SSM parameter that holds its id."""
    return frame.parameter(
        t,
        name,
        type="AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
        description=description,
        Default=LATEST_IMAGE,
    )


def access_log_statements(bucket: storage.Bucket) -> list[Statement]:
    """Allow load balancers of this account and region to deliver access logs.

    The bucket must use S3-managed keys: the service supports no others.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
    """
    return [
        security.statement(
            "DeliverBalancerLogs",
            [s3_actions.PutObject],
            [f"{bucket.arn}/{ACCESS_PREFIX}/AWSLogs/${{AWS::AccountId}}/*"],
            security.own_account(),
            service="logdelivery.elasticloadbalancing.amazonaws.com",
        )
    ]


def user_data(script: str, *, signal: str, port: Any, health_path: Any) -> Any:
    """Return the user data of a server: run the script, then wait until it is healthy.

    `script` is a shell script with PORT and HEALTH_PATH set; nothing in it is
    substituted. `signal` is the logical id of the group that receives the result;
    updates of the group wait for it.
    """
    lines = [
        "#!/bin/bash",
        "export PORT='${Port}' HEALTH_PATH='${HealthPath}'",
        "cat > /run/start-server <<'END_OF_SCRIPT'",
        script.replace("${", "${!").rstrip("\n"),
        "END_OF_SCRIPT",
        "bash /run/start-server && timeout 300 bash -c"
        ' \'until curl -fs -o /dev/null "http://localhost:$PORT$HEALTH_PATH"; do'
        " sleep 2; done'",
        "/opt/aws/bin/cfn-signal --exit-code $? --stack ${AWS::StackName}"
        f" --resource {signal} --region ${{AWS::Region}}",
        "",
    ]
    return Base64(Sub("\n".join(lines), Port=port, HealthPath=health_path))


def launch_template(
    t: Template,
    title: str,
    *,
    name: str,
    image_id: Any,
    instance_type: Any,
    profile_name: Any,
    group_id: Any,
    key_arn: Any,
    volume_gib: Any,
    user_data: Any,
    tags: Mapping[str, Any],
) -> Any:
    """Add a launch template: IMDSv2 only, encrypted disk, no SSH key.

    `tags` are tags of instances, besides the name. Disks have only the name: with the
    tag of a backup plan they would be backed up twice. The key's policy must allow Auto
    Scaling (`security.scaling_statements`), or no instance starts.
    """
    named = names.sub(name)
    return t.add_resource(
        ec2.LaunchTemplate(
            title,
            LaunchTemplateName=names.sub(name),
            LaunchTemplateData=ec2.LaunchTemplateData(
                ImageId=image_id,
                InstanceType=instance_type,
                IamInstanceProfile=ec2.IamInstanceProfile(Name=profile_name),
                SecurityGroupIds=[group_id],
                MetadataOptions=ec2.MetadataOptions(
                    HttpEndpoint="enabled", HttpTokens="required"
                ),
                Monitoring=ec2.Monitoring(Enabled=True),
                BlockDeviceMappings=[
                    ec2.LaunchTemplateBlockDeviceMapping(
                        DeviceName="/dev/xvda",
                        Ebs=ec2.EBSBlockDevice(
                            Encrypted=True,
                            KmsKeyId=key_arn,
                            VolumeType="gp3",
                            VolumeSize=volume_gib,
                            DeleteOnTermination=True,
                        ),
                    )
                ],
                UserData=user_data,
                TagSpecifications=[
                    ec2.TagSpecifications(ResourceType=kind, Tags=Tags(**tagged))
                    for kind, tagged in (
                        ("instance", {"Name": named, **tags}),
                        ("volume", {"Name": named}),
                    )
                ],
            ),
        )
    )


def target_group(
    t: Template, title: str, *, name: str, vpc_id: Any, port: Any, health_path: Any
) -> Any:
    """Add a target group that checks the health of each server every ten seconds.

    It has no fixed name, which would prevent its replacement.
    """
    return t.add_resource(
        elasticloadbalancingv2.TargetGroup(
            title,
            VpcId=vpc_id,
            Port=port,
            Protocol="HTTP",
            TargetType="instance",
            HealthCheckProtocol="HTTP",
            HealthCheckPath=health_path,
            HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=5,
            HealthyThresholdCount=3,
            UnhealthyThresholdCount=2,
            Matcher=elasticloadbalancingv2.Matcher(HttpCode="200"),
            TargetGroupAttributes=_attributes(
                elasticloadbalancingv2.TargetGroupAttribute,
                {"deregistration_delay.timeout_seconds": str(SWITCHING_DRAIN_SECONDS)},
            ),
            Tags=Tags(Name=names.sub(name)),
        )
    )


def _attributes(kind: Any, values: Mapping[str, Any]) -> list[Any]:
    return [kind(Key=key, Value=value) for key, value in values.items()]


def load_balancer(
    t: Template,
    title: str,
    *,
    name: str,
    subnet_ids: Any,
    group_id: Any,
    log_bucket: Any,
    deletion_protection: Any,
) -> Any:
    """Add an internet-facing load balancer, in the subnets of a list parameter.

    `log_bucket` is the name of a bucket whose policy has `access_log_statements`.
    """
    return t.add_resource(
        elasticloadbalancingv2.LoadBalancer(
            title,
            Name=names.sub(name),
            Type="application",
            Scheme="internet-facing",
            Subnets=subnet_ids,
            SecurityGroups=[group_id],
            LoadBalancerAttributes=_attributes(
                elasticloadbalancingv2.LoadBalancerAttributes,
                {
                    "deletion_protection.enabled": deletion_protection,
                    "routing.http.drop_invalid_header_fields.enabled": "true",
                    "routing.http.desync_mitigation_mode": "defensive",
                    "access_logs.s3.enabled": "true",
                    "access_logs.s3.bucket": log_bucket,
                    "access_logs.s3.prefix": ACCESS_PREFIX,
                },
            ),
            Tags=Tags(Name=names.sub(name)),
        )
    )


def listeners(
    t: Template,
    balancer: Any,
    *,
    weighted: Sequence[tuple[Any, Any]],
    certificate_arn: Any,
    has_certificate: str,
) -> Any:
    """Add the listeners of a load balancer, and return the ARN of the forwarding one.

    `weighted` are target groups, each with its weight. `has_certificate` is the name of
    a condition: with a certificate, port 443 serves and port 80 redirects to it;
    without one, port 80 serves. Clients stay with a colour for five minutes.
    """
    forward = elasticloadbalancingv2.Action(
        Type="forward",
        ForwardConfig=elasticloadbalancingv2.ForwardConfig(
            TargetGroups=[
                elasticloadbalancingv2.TargetGroupTuple(
                    TargetGroupArn=Ref(group), Weight=weight
                )
                for group, weight in weighted
            ],
            TargetGroupStickinessConfig=(
                elasticloadbalancingv2.TargetGroupStickinessConfig(
                    Enabled=True, DurationSeconds=STICKY_SECONDS
                )
            ),
        ),
    )
    to_tls = elasticloadbalancingv2.Action(
        Type="redirect",
        RedirectConfig=elasticloadbalancingv2.RedirectConfig(
            Protocol="HTTPS", Port="443", StatusCode="HTTP_301"
        ),
    )
    http = t.add_resource(
        elasticloadbalancingv2.Listener(
            "HttpListener",
            Metadata=explained.metadata("HTTP listener"),
            LoadBalancerArn=Ref(balancer),
            Port=80,
            Protocol="HTTP",
            DefaultActions=[If(has_certificate, to_tls, forward)],
        )
    )
    https = t.add_resource(
        elasticloadbalancingv2.Listener(
            "HttpsListener",
            Condition=has_certificate,
            LoadBalancerArn=Ref(balancer),
            Port=443,
            Protocol="HTTPS",
            SslPolicy=TLS_POLICY,
            Certificates=[
                elasticloadbalancingv2.Certificate(CertificateArn=certificate_arn)
            ],
            DefaultActions=[forward],
        )
    )
    return If(has_certificate, Ref(https), Ref(http))


@dataclass(frozen=True)
class Capacity:
    """The minimum and maximum number of servers in a group; template values."""

    least: Any
    most: Any


def scaling_group(
    t: Template,
    title: str,
    *,
    name: str,
    subnet_ids: Any,
    template: Any,
    target_group: Any,
    capacity: Capacity,
    after: Sequence[Any],
    tags: Mapping[str, Any],
) -> Any:
    """Add an Auto Scaling group that replaces unhealthy servers and follows the load.

    `after` are resources that must exist first: the listener, because a target group
    without a load balancer reports no healthy targets. There is no desired capacity:
    every update would reset what scaling has changed. There is no creation policy
    either: servers that do not start show in the health of their targets. Updates wait
    for the signals of new servers.
    """
    group = t.add_resource(
        autoscaling.AutoScalingGroup(
            title,
            DependsOn=[resource.title for resource in after],
            UpdatePolicy=UpdatePolicy(
                AutoScalingRollingUpdate=AutoScalingRollingUpdate(
                    MinInstancesInService=capacity.least,
                    MaxBatchSize=1,
                    PauseTime=f"PT{SIGNAL_MINUTES}M",
                    WaitOnResourceSignals=True,
                    SuspendProcesses=[
                        *("HealthCheck", "ReplaceUnhealthy", "AZRebalance"),
                        *("AlarmNotification", "ScheduledActions"),
                    ],
                )
            ),
            AutoScalingGroupName=names.sub(name),
            VPCZoneIdentifier=subnet_ids,
            MinSize=capacity.least,
            MaxSize=capacity.most,
            LaunchTemplate=autoscaling.LaunchTemplateSpecification(
                LaunchTemplateId=Ref(template),
                Version=GetAtt(template, "LatestVersionNumber"),
            ),
            TargetGroupARNs=[Ref(target_group)],
            HealthCheckType="ELB",
            # Nobody judges a server before it has said how its start went.
            HealthCheckGracePeriod=SIGNAL_MINUTES * 60,
            DefaultInstanceWarmup=120,
            MetricsCollection=[autoscaling.MetricsCollection(Granularity="1Minute")],
            Tags=autoscaling.Tags(
                **{
                    key: (value, True)
                    for key, value in {"Name": names.sub(name), **tags}.items()
                }
            ),
        )
    )
    t.add_resource(
        autoscaling.ScalingPolicy(
            f"{title}Load",
            AutoScalingGroupName=Ref(group),
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration=autoscaling.TargetTrackingConfiguration(
                PredefinedMetricSpecification=autoscaling.PredefinedMetricSpecification(
                    PredefinedMetricType="ASGAverageCPUUtilization"
                ),
                TargetValue=60,
            ),
        )
    )
    return group


def balancer_alarms(
    t: Template,
    *,
    balancer: Any,
    colours: Mapping[str, Any],
    name: str,
    topic_arn: Any,
    lost: Any,
) -> None:
    """Add the alarms of a load balancer: unhealthy servers by colour, errors.

    `colours` are target groups by colour, `name` has a `%s` for the metric. The alarm
    `no-servers` goes off when at least `lost` requests a minute got no answer from a
    server, for three minutes in a row. It is for people, and no health check: without
    requests there is no data, so it ends when traffic has left.
    """
    whole = {"LoadBalancer": GetAtt(balancer, "LoadBalancerFullName")}
    for colour, group in colours.items():
        monitoring.alarm(
            t,
            f"{colour.title()}UnhealthyAlarm",
            name=name % f"{colour}-unhealthy",
            description=f"Servers of the {colour} group fail their health check",
            namespace="AWS/ApplicationELB",
            metric="UnHealthyHostCount",
            dimensions={"TargetGroup": GetAtt(group, "TargetGroupFullName"), **whole},
            statistic="Maximum",
            period=60,
            datapoints=(3, 5),
            comparison=">=",
            threshold=1,
            missing="notBreaching",
            topic_arn=topic_arn,
        )
    for title, metric, thing, datapoints, threshold, description in (
        (
            "Target",
            "HTTPCode_Target_5XX_Count",
            "server-errors",
            (3, 5),
            10,
            "Servers answer 5XX, ten a minute or more",
        ),
        (
            "Balancer",
            "HTTPCode_ELB_5XX_Count",
            "no-servers",
            (3, 3),
            lost,
            "Requests get no answer from a server, but 502, 503 or 504",
        ),
    ):
        monitoring.alarm(
            t,
            f"{title}ErrorsAlarm",
            name=name % thing,
            description=description,
            namespace="AWS/ApplicationELB",
            metric=metric,
            dimensions=whole,
            statistic="Sum",
            period=60,
            datapoints=datapoints,
            comparison=">=",
            threshold=threshold,
            missing="notBreaching",
            topic_arn=topic_arn,
        )


def load_alarm(
    t: Template, title: str, *, group: Any, name: str, topic_arn: Any
) -> None:
    """Add the alarm on high CPU of a group despite scaling."""
    monitoring.alarm(
        t,
        title,
        name=name,
        description="For fifteen minutes the servers have been more than 80 % busy",
        namespace="AWS/EC2",
        metric="CPUUtilization",
        dimensions={"AutoScalingGroupName": Ref(group)},
        statistic="Average",
        period=300,
        datapoints=(3, 3),
        comparison=">",
        threshold=80,
        # An empty group publishes no data, which is no problem.
        missing="missing",
        topic_arn=topic_arn,
    )


@dataclass(frozen=True)
class Endpoint:
    """A region behind an accelerator: its load balancer and traffic dial.

    `dial` is a percentage of the region's traffic; the rest goes to the other region.
    All are template values, `title` is the logical id.
    """

    title: str
    region: Any
    balancer_arn: Any
    dial: Any


def accelerator(
    t: Template,
    title: str,
    *,
    name: str,
    endpoints: Sequence[Endpoint],
    port: Any,
    protocol: Any,
    health_path: Any,
) -> Any:
    """Add an accelerator for ports 80 and 443, with an endpoint group in each region.

    Its two addresses outlive every region behind them, so it is retained when its stack
    is deleted. For load balancers Global Accelerator uses the health of their targets;
    `port`, `protocol` and `health_path` are for endpoints of other types. A load
    balancer is healthy only if each of its target groups has a healthy target, so none
    may be empty. If no endpoint is healthy, dials have no effect.
    https://docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoint-groups-health-check-options.html
    """
    accelerator = t.add_resource(
        globalaccelerator.Accelerator(
            title,
            # A replacement would lose the addresses that clients use.
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Metadata=context.metadata("accelerator"),
            Name=names.sub(name),
            Enabled=True,
            IpAddressType="IPV4",
            Tags=Tags(Name=names.sub(name)),
        )
    )
    listener = t.add_resource(
        globalaccelerator.Listener(
            f"{title}Listener",
            AcceleratorArn=Ref(accelerator),
            Protocol="TCP",
            # A client stays with its region while dials divide the traffic.
            ClientAffinity="SOURCE_IP",
            PortRanges=[
                globalaccelerator.PortRange(FromPort=number, ToPort=number)
                for number in (80, 443)
            ],
        )
    )
    for endpoint in endpoints:
        t.add_resource(
            globalaccelerator.EndpointGroup(
                endpoint.title,
                ListenerArn=Ref(listener),
                EndpointGroupRegion=endpoint.region,
                TrafficDialPercentage=endpoint.dial,
                HealthCheckPort=port,
                HealthCheckProtocol=protocol,
                HealthCheckPath=health_path,
                HealthCheckIntervalSeconds=10,
                ThresholdCount=3,
                EndpointConfigurations=[
                    globalaccelerator.EndpointConfiguration(
                        EndpointId=endpoint.balancer_arn,
                        Weight=128,
                        ClientIPPreservationEnabled=True,
                    )
                ],
            )
        )
    return accelerator


def addresses(accelerator: Any) -> Any:
    """Return the two addresses of an accelerator as one text."""
    return Join(",", GetAtt(accelerator, "Ipv4Addresses"))
