"""VPC monitoring: flow log, and alarms on rejected and dropped packets.

    group = flows.flow_log(t, vpc=vpc, name=name("flow", names.THIS_ROLE))
    flows.count_rejected(
        t, group, alarm_name=name("rejected-packets"), metrics=METRICS, topic_arn=topic
    )
    flows.nat_alarms(t, gateways, name=name("nat-%s", names.THIS_ROLE), topic_arn=topic)

`role` adds the role that writes the flow logs of all regions, once, in another
template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from awacs import logs as log_actions
from troposphere import Ref, Sub, Template, logs

from tapgen.blocks import frame, monitoring, names, network, security

# The default format of a flow log record, by field.
REJECTED = (
    "[version, account, interface, source, destination, sourceport, destinationport,"
    ' protocol, packets, bytes, start, end, action="REJECT", status]'
)


def role(t: Template, title: str, *, name: str, groups: Mapping[str, str]) -> Any:
    """Add the role that VPCs use to write flow logs; `groups` maps each log group to
    its region, as text for `Fn::Sub`."""
    arns = [
        names.arn("logs", f"log-group:{group}", region=region)
        for group, region in groups.items()
    ]
    return security.service_role(
        t,
        title,
        name=name,
        service="vpc-flow-logs.amazonaws.com",
        description="Lets the VPCs write their flow logs",
        allow=[
            *monitoring.write_logs(arns),
            # IAM supports no resource for it.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
            security.statement("FindLogGroups", [log_actions.DescribeLogGroups], ["*"]),
        ],
    )


def flow_log(t: Template, *, vpc: network.Vpc, name: str) -> Any:
    """Add the flow log of a VPC and its encrypted log group; return the group.

    It adds the parameters `FlowLogsRoleArn`, `KmsKeyArn` and `LogRetentionDays`.
    """
    role = frame.role_arn(
        t, "FlowLogsRoleArn", "ARN of the role that the VPC uses to write its flow log."
    )
    group = monitoring.log_group(
        t,
        "FlowLogGroup",
        name=name,
        key_arn=frame.key_arn(t),
        retention_days=monitoring.retention(t),
    )
    network.flow_log(t, "FlowLog", vpc=vpc, log_group=group, role_arn=role)
    return group


def count_rejected(
    t: Template, group: Any, *, alarm_name: str, metrics: str, topic_arn: Any
) -> None:
    """Count the rejected packets of a flow log, and add an alarm on their number.

    `metrics` is the namespace of the metric. The parameter `RejectedPacketsAlarm` is
    the threshold.
    """
    threshold = frame.parameter(
        t,
        "RejectedPacketsAlarm",
        type="Number",
        description="Alarm when more packets than this are rejected in five minutes.",
        MinValue=1,
        MaxValue=frame.MOST,
    )
    monitoring.metric_filter(
        t,
        "RejectedPackets",
        log_group=group,
        pattern=REJECTED,
        namespace=names.sub(metrics),
        metric="RejectedPackets",
        value="$packets",
    )
    monitoring.alarm(
        t,
        "RejectedPacketsRaised",
        name=alarm_name,
        description="Security groups or network ACLs refuse unusually many packets",
        namespace=names.sub(metrics),
        metric="RejectedPackets",
        dimensions={},
        statistic="Sum",
        period=300,
        datapoints=(3, 3),
        comparison=">",
        threshold=threshold,
        missing="notBreaching",
        topic_arn=topic_arn,
    )


# Fields of flow logs that Logs Insights finds by itself:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
_TRAFFIC = "| sort megabytes desc\n| limit 50"
_MEGABYTES = "stats sum(bytes) / 1048576 as megabytes, count(*) as records by"
QUERIES = {
    "who-is-rejected": (
        'filter action = "REJECT"\n| stats sum(packets) as rejected by srcAddr, dstPort,'
        " protocol\n| sort rejected desc\n| limit 50"
    ),
    "who-sends-most": f"{_MEGABYTES} srcAddr, dstAddr, dstPort\n{_TRAFFIC}",
    "what-leaves-the-network": (
        'filter action = "ACCEPT" and not isIpv4InSubnet(dstAddr, "${Cidr}")'
        f"\n| {_MEGABYTES} dstAddr, dstPort\n{_TRAFFIC}"
    ),
    "who-reaches-the-database": (
        "filter dstPort = ${Port}\n| stats count(*) as records, sum(packets) as packets"
        " by srcAddr, dstAddr, action\n| sort records desc\n| limit 50"
    ),
}
"""Questions to a flow log, by name, as text for `Fn::Sub`."""


def queries(t: Template, group: Any, *, name: str, cidr: Any, port: int) -> None:
    """Add the stored queries of a flow log, for Logs Insights.

    `name` has a `%s` for the query; `cidr` is the range of the VPC, `port` that of the
    database.
    """
    for thing, text in QUERIES.items():
        text = text.replace("${Port}", str(port))
        t.add_resource(
            logs.QueryDefinition(
                "".join(map(str.title, thing.split("-"))),
                Name=names.sub(name % thing),
                LogGroupNames=[Ref(group)],
                QueryString=Sub(text, Cidr=cidr) if "${Cidr}" in text else text,
            )
        )


def nat_alarms(
    t: Template,
    gateways: Sequence[Any],
    *,
    name: str,
    topic_arn: Any,
    in_each_zone: str = "",
) -> None:
    """Add alarms on NAT gateways that drop packets or run out of ports.

    `name` has a `%s` for the metric, such as `drops-1`. Unless the condition
    `in_each_zone` is true, only the first gateway exists.
    """
    for number, gateway in enumerate(gateways, 1):
        for title, metric, thing, threshold, datapoints, description in (
            (
                "Drops",
                "PacketsDropCount",
                "drops",
                100,
                (3, 3),
                "The NAT gateway has been dropping packets for fifteen minutes",
            ),
            (
                "Ports",
                "ErrorPortAllocation",
                "ports",
                0,
                (1, 1),
                "The NAT gateway has no port left for another connection",
            ),
        ):
            monitoring.alarm(
                t,
                f"Nat{title}Alarm{number}",
                name=name % f"{thing}-{number}",
                description=description,
                namespace="AWS/NATGateway",
                metric=metric,
                dimensions={"NatGatewayId": Ref(gateway)},
                statistic="Sum",
                period=300,
                datapoints=datapoints,
                comparison=">",
                threshold=threshold,
                missing="notBreaching",
                topic_arn=topic_arn,
                condition=in_each_zone if number > 1 else "",
            )
