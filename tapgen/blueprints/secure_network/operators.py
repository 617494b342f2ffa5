"""The roles for the loss of the primary region: of people, and of runbooks."""

from __future__ import annotations

from awacs import cloudformation, cloudwatch, ec2, iam, kms, rds, ssm
from awacs.aws import Bool, Condition, Statement, StringEquals
from troposphere import GetAtt, Ref, Template

from tapgen.blocks import frame, names, operators, security
from tapgen.blueprints.secure_network.shape import METRICS, name

OUTPUTS = ("OperatorRoleArn", "RunbookRoleArn")

_HERE = "${DrRegion}"
_REPLICA = names.arn("rds", f"db:{name('db', 'dr')}", region=_HERE)


def roles() -> Template:
    """The role with which people start runbooks, and the role that these use."""
    t = frame.start("IAM roles for the loss of the primary region", role=frame.GLOBAL)
    named = frame.principals(
        t, "OperatorArns", "ARN patterns of people that may start the runbooks."
    )
    stack = stack_id(t)
    start = operators.policy(
        t,
        "StarterPolicy",
        name=name("starter"),
        description="Starts runbooks, and sees how they go",
        allow=[
            *operators.start(name("*"), [_HERE], name("runbook")),
            *_sight(stack),
        ],
    )
    steps = operators.policy(
        t,
        "RunbookPolicy",
        name=name("runbook"),
        description="What the steps of the runbooks do",
        allow=[*_promotion(t, stack), *_readiness(t), *_switch()],
    )
    operators.role(
        t,
        "OperatorRole",
        name=name("operator"),
        description="Starts the runbooks for the loss of the primary region",
        who=operators.ACCOUNT,
        condition=operators.people(t, named),
        policies=[start],
        actions=operators.TAGGED,
    )
    operators.role(
        t,
        "RunbookRole",
        name=name("runbook"),
        description="Promotes the database, and moves its name",
        who=operators.RUNBOOKS,
        condition=Condition(security.own_account()),
        policies=[steps],
    )
    for title, what in (
        ("OperatorRole", "Role with which people start the runbooks"),
        ("RunbookRole", "Role that the runbooks use"),
    ):
        frame.output(t, f"{title}Arn", GetAtt(title, "Arn"), description=what)
    return t


def stack_id(t: Template) -> Ref:
    """Add the parameter for the stack of the replica."""
    return frame.wired(
        t,
        "ReplicaStackId",
        "Stack of the replica, in the recovery region.",
        r"^arn:aws[a-z-]*:cloudformation:[a-z0-9-]+:\d{12}:stack/[\w/-]+$",
        "the id of a stack",
    )


def _sight(stack: Ref) -> list[Statement]:
    """Allow seeing what a promotion depends on, and why it failed."""
    databases = [
        names.arn("rds", f"db:{name('db', role)}", region=f"${{{region}}}")
        for role, region in (("primary", "PrimaryRegion"), ("dr", "DrRegion"))
    ]
    return [
        security.statement(
            "ReadWhereNoResourceCanBeNamed",
            [cloudwatch.GetMetricData, ssm.DescribeAutomationExecutions],
            ["*"],
        ),
        security.statement(
            "SeeAlarms",
            [cloudwatch.DescribeAlarms],
            [names.arn("cloudwatch", "alarm:*", region="*")],
        ),
        security.statement("SeeDatabases", [rds.DescribeDBInstances], databases),
        security.statement(
            "SeeStack",
            [cloudformation.DescribeStackEvents, cloudformation.DescribeStacks],
            [stack],
        ),
    ]


def _promotion(t: Template, stack: Ref) -> list[Statement]:
    """Allow promoting the replica through its stack.

    The stack has no role of its own, so CloudFormation changes its resources with the
    permissions of who updates it: those that its handler of DB instances lists for updates
    (`handlers.update` of the schema of AWS::RDS::DBInstance), here for the replica alone,
    and the alarm on the lag goes.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
    """
    monitoring = frame.role_arn(
        t, "MonitoringRoleArn", "ARN of the role that RDS uses to publish metrics."
    )
    return [
        security.statement(
            "PromoteThroughStack",
            [cloudformation.DescribeStacks, cloudformation.UpdateStack],
            [stack],
        ),
        # Modifying an instance is also about its groups.
        security.statement(
            "ChangeInStack",
            [
                rds.AddRoleToDBInstance,
                rds.AddTagsToResource,
                rds.ModifyDBInstance,
                rds.PromoteReadReplica,
                rds.RebootDBInstance,
                rds.RemoveRoleFromDBInstance,
                rds.RemoveTagsFromResource,
                rds.StartDBInstanceAutomatedBackupsReplication,
                rds.StopDBInstanceAutomatedBackupsReplication,
            ],
            [
                _REPLICA,
                *(
                    names.arn("rds", group, region=_HERE)
                    for group in (
                        f"pg:{name('postgres*', 'dr')}",
                        f"subgrp:{name('db', 'dr')}",
                        "og:default*",
                    )
                ),
            ],
        ),
        security.statement(
            "LookInStack",
            [
                ec2.DescribeAccountAttributes,
                ec2.DescribeAvailabilityZones,
                ec2.DescribeInternetGateways,
                ec2.DescribeSecurityGroups,
                ec2.DescribeSubnets,
                ec2.DescribeVpcAttribute,
                ec2.DescribeVpcs,
                iam.GetRole,
                iam.ListRoles,
                rds.DescribeDBClusters,
                rds.DescribeDBEngineVersions,
                rds.DescribeDBInstanceAutomatedBackups,
                rds.DescribeDBInstances,
                rds.DescribeDBParameterGroups,
                rds.DescribeEvents,
            ],
            ["*"],
        ),
        security.statement(
            "PassMonitoringRole",
            [iam.PassRole],
            [monitoring],
            StringEquals({"iam:PassedToService": "monitoring.rds.amazonaws.com"}),
        ),
        security.statement(
            "ServiceLinkedRole",
            [iam.CreateServiceLinkedRole],
            [names.arn("iam", "role/aws-service-role/rds.amazonaws.com/*", region="")],
            StringEquals({"iam:AWSServiceName": "rds.amazonaws.com"}),
        ),
        security.statement(
            "RemoveLagAlarm",
            [cloudwatch.DeleteAlarms],
            [names.arn("cloudwatch", f"alarm:{name('db-lag', 'dr')}", region=_HERE)],
        ),
    ]


def _readiness(t: Template) -> list[Statement]:
    """Allow looking at the replica, and a snapshot of it."""
    key = frame.other_key(
        t, "DestinationKeyArn", "ARN of the key in the recovery region."
    )
    via = StringEquals(
        {"kms:ViaService": names.sub(f"rds.{_HERE}.${{AWS::URLSuffix}}")}
    )
    snapshots = names.arn("rds", f"snapshot:{name('*')}", region=_HERE)
    return [
        security.statement("Look", [rds.DescribeDBInstances], [_REPLICA]),
        security.statement(
            "Snapshot",
            [rds.CreateDBSnapshot, rds.DescribeDBSnapshots],
            [_REPLICA, snapshots],
        ),
        # Only requests for a grant carry its purpose.
        security.statement(
            "EncryptSnapshots",
            [kms.CreateGrant],
            [key],
            via,
            Bool({"kms:GrantIsForAWSResource": "true"}),
        ),
        security.statement("ReadKeysOfSnapshots", [kms.DescribeKey], [key], via),
        security.statement(
            "ReadWhereNoResourceCanBeNamed", [cloudwatch.GetMetricData], ["*"]
        ),
    ]


def _switch() -> list[Statement]:
    """Allow turning the switch. Metrics are no resources; a condition limits writing to
    the namespace of the system."""
    namespace = StringEquals({"cloudwatch:namespace": names.sub(METRICS)})
    return [
        security.statement(
            "TurnSwitches", [cloudwatch.PutMetricData], ["*"], namespace
        ),
        security.statement(
            "SeeAlarms",
            [cloudwatch.DescribeAlarms],
            [names.arn("cloudwatch", "alarm:*", region=_HERE)],
        ),
    ]
