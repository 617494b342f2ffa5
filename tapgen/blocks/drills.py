"""Failure drills: experiments, their schedules, and runbooks.

    experiment = drills.fail_over(
        t, "Experiment", name=name("failover", ROLE), cluster_arn=..., role_arn=...,
        stop_alarm_arn=...,
    )
    drills.reminder(t, "Drill", name=name("drill", ROLE), schedule=Ref("DrillSchedule"),
                    topic_arn=..., role_arn=..., message="...")
    drills.runbook(t, "SwitchOver", name=name("switchover", ROLE), steps=[...], **more)

An experiment stops automatically when its alarm goes off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from awacs import fis as fis_actions
from awacs import iam as iam_actions
from awacs import rds as actions
from awacs.aws import Statement, StringEquals
from troposphere import Sub, Tags, Template, fis, scheduler, ssm

from tapgen.blocks import names, security

_FIS = "fis.amazonaws.com"

START_EXPERIMENT = "arn:${AWS::Partition}:scheduler:::aws-sdk:fis:startExperiment"
"""The schedule target that starts an experiment, as text for `Fn::Sub`."""


def fail_over_statements(
    cluster_arns: Sequence[str], regions: Sequence[str]
) -> list[Statement]:
    """Allow experiments to fail clusters over within their region.

    FIS lists clusters and their instances before it acts on its targets.
    https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html
    """
    return [
        security.statement("FailOver", [actions.FailoverDBCluster], cluster_arns),
        security.statement(
            "FindClusters",
            [actions.DescribeDBClusters, actions.DescribeDBInstances],
            [
                names.arn("rds", f"{kind}:*", region=region)
                for region in regions
                for kind in ("cluster", "db")
            ],
        ),
    ]


def start_statements(tag: tuple[str, Any], regions: Sequence[str]) -> list[Statement]:
    """Allow schedules to start experiments with a tag (key, value).

    FIS chooses the ids of experiments, so the tag identifies them.
    """
    key, value = tag
    return [
        security.statement(
            "StartExperiments",
            [fis_actions.StartExperiment],
            [names.arn("fis", "experiment-template/*", region=r) for r in regions],
            StringEquals({f"aws:ResourceTag/{key}": value}),
        ),
        # The call creates a new experiment and starts it.
        security.statement(
            "RunExperiments",
            [fis_actions.StartExperiment, fis_actions.TagResource],
            [names.arn("fis", "experiment/*", region=r) for r in regions],
        ),
        # FIS creates its service-linked role with the first experiment of an account.
        # https://docs.aws.amazon.com/fis/latest/userguide/using-service-linked-roles.html
        security.statement(
            "MakeRoleOfFis",
            [iam_actions.CreateServiceLinkedRole],
            [names.arn("iam", f"role/aws-service-role/{_FIS}/*", region="")],
            StringEquals({"iam:AWSServiceName": _FIS}),
        ),
    ]


def fail_over(
    t: Template,
    title: str,
    *,
    name: str,
    cluster_arn: str,
    role_arn: Any,
    stop_alarm_arn: str,
) -> Any:
    """Add an experiment that fails a cluster over to another instance.

    It stays within the region; the runbooks rehearse the loss of a region.
    """
    return t.add_resource(
        fis.ExperimentTemplate(
            title,
            Description="The database's writer fails over to another instance",
            RoleArn=role_arn,
            StopConditions=[
                fis.ExperimentTemplateStopCondition(
                    Source="aws:cloudwatch:alarm", Value=names.sub(stop_alarm_arn)
                )
            ],
            Targets={
                "cluster": fis.ExperimentTemplateTarget(
                    ResourceType="aws:rds:cluster",
                    ResourceArns=[names.sub(cluster_arn)],
                    SelectionMode="ALL",
                )
            },
            Actions={
                "failover": fis.ExperimentTemplateAction(
                    ActionId="aws:rds:failover-db-cluster",
                    Description="Another instance becomes the writer",
                    Targets={"Clusters": "cluster"},
                )
            },
            Tags={"Name": names.sub(name)},
        )
    )


def reminder(
    t: Template,
    title: str,
    *,
    name: str,
    schedule: Any,
    topic_arn: Any,
    role_arn: Any,
    message: str,
) -> Any:
    """Add a schedule that sends a message (text for `Fn::Sub`) to a topic."""
    return _schedule(
        t,
        title,
        name=name,
        schedule=schedule,
        target=scheduler.Target(
            Arn=topic_arn, RoleArn=role_arn, Input=names.sub(message)
        ),
    )


def start(
    t: Template,
    title: str,
    *,
    name: str,
    schedule: Any,
    experiment: Any,
    role_arn: Any,
    state: Any,
    condition: str = "",
) -> Any:
    """Add a schedule that starts an experiment; `state` is ENABLED or DISABLED.

    The schedule exists only if the template's `condition` is true.
    """
    call = json.dumps({"ExperimentTemplateId": f"${{{experiment.title}}}"})
    return _schedule(
        t,
        title,
        name=name,
        schedule=schedule,
        State=state,
        **({"Condition": condition} if condition else {}),
        target=scheduler.Target(
            Arn=names.sub(START_EXPERIMENT), RoleArn=role_arn, Input=Sub(call)
        ),
    )


def _schedule(
    t: Template, title: str, *, name: str, schedule: Any, target: Any, **more: Any
) -> Any:
    return t.add_resource(
        scheduler.Schedule(
            title,
            Name=names.sub(name),
            ScheduleExpression=schedule,
            ScheduleExpressionTimezone="UTC",
            FlexibleTimeWindow=scheduler.FlexibleTimeWindow(Mode="OFF"),
            Target=target,
            **more,
        )
    )


def runbook(
    t: Template,
    title: str,
    *,
    name: str,
    procedure: str,
    description: str,
    parameters: Mapping[str, Any],
    steps: Sequence[Any],
    role_arn: Any = None,
) -> Any:
    """Add a runbook of Systems Manager: the steps of a procedure, in order.

    It is deployed in the region that needs it, and runs without CloudFormation and
    without the other region. It assumes `role_arn`, by default the caller's role.
    """
    acting = {} if role_arn is None else {"assumeRole": role_arn}
    return t.add_resource(
        ssm.Document(
            title,
            Name=names.sub(name),
            DocumentType="Automation",
            DocumentFormat="JSON",
            # A document with a fixed name can only change by a new version.
            UpdateMethod="NewVersion",
            Content={
                "schemaVersion": "0.3",
                "description": description,
                **acting,
                "parameters": dict(parameters),
                "mainSteps": list(steps),
            },
            Tags=Tags(Name=names.sub(name), Procedure=procedure),
        )
    )
