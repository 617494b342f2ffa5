"""Experiments that stop, schedules that act for themselves, runbooks in order."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import drills


def properties(t: Template, title: str) -> dict[str, Any]:
    found = t.to_dict()["Resources"][title]["Properties"]
    assert isinstance(found, dict)
    return found


def test_an_experiment_names_its_cluster_and_stops_at_an_alarm() -> None:
    t = Template()
    found = drills.fail_over(
        t,
        "Experiment",
        name="pd-x",
        cluster_arn="arn:x:cluster:db",
        role_arn="role",
        stop_alarm_arn="arn:x:alarm:errors",
    )
    experiment = properties(t, "Experiment")
    assert experiment["StopConditions"] == [
        {"Source": "aws:cloudwatch:alarm", "Value": "arn:x:alarm:errors"}
    ]
    assert experiment["Targets"]["cluster"]["ResourceArns"] == ["arn:x:cluster:db"]
    (action,) = experiment["Actions"].values()
    assert action["ActionId"] == "aws:rds:failover-db-cluster"
    drills.start(
        t,
        "Start",
        name="pd-x",
        schedule="cron(0 9 ? 1/3 2#1 *)",
        experiment=found,
        role_arn="role",
        state=Ref("State"),
    )
    target = properties(t, "Start")["Target"]
    assert target["Input"] == {"Fn::Sub": '{"ExperimentTemplateId": "${Experiment}"}'}


def test_roles_of_schedules_start_only_experiments_with_the_tag() -> None:
    started, running, linked = (
        encode_to_dict(s)
        for s in drills.start_statements(("Project", "Pay"), ["us-east-1"])
    )
    assert started["Condition"]["StringEquals"] == {"aws:ResourceTag/Project": "Pay"}
    assert "Condition" not in running
    for statement in (started, running, linked):
        assert statement["Resource"] != ["*"]
    # The first experiment of an account cannot start without it.
    assert linked["Action"] == ["iam:CreateServiceLinkedRole"]
    allowed = linked["Condition"]["StringEquals"]
    assert allowed == {"iam:AWSServiceName": "fis.amazonaws.com"}


def test_a_runbook_is_an_automation_with_its_steps_in_order() -> None:
    t = Template()
    drills.runbook(
        t,
        "Runbook",
        name="pd-x-switchover",
        procedure="switchover",
        description="d",
        parameters={"Id": {"type": "String"}},
        steps=[{"name": "First"}, {"name": "Second"}],
        role_arn="role",
    )
    found = properties(t, "Runbook")
    assert found["DocumentType"] == "Automation"
    assert found["UpdateMethod"] == "NewVersion"
    assert [s["name"] for s in found["Content"]["mainSteps"]] == ["First", "Second"]
    assert found["Content"]["assumeRole"] == "role"


def test_failing_over_is_allowed_for_these_clusters_only() -> None:
    found = {
        s["Sid"]: s
        for s in map(
            encode_to_dict, drills.fail_over_statements(["arn:x"], ["us-east-1"])
        )
    }
    assert found["FailOver"]["Resource"] == ["arn:x"]
    assert found["FailOver"]["Action"] == ["rds:FailoverDBCluster"]
    assert "*" not in found["FindClusters"]["Resource"]


def test_a_reminder_is_sent_to_a_topic_when_it_is_due() -> None:
    t = Template()
    drills.reminder(
        t,
        "Drill",
        name="pd-drill",
        schedule="cron(0 9 ? 1/3 2#1 *)",
        topic_arn="topic",
        role_arn="role",
        message="Rehearse the failover",
    )
    found = properties(t, "Drill")
    assert found["ScheduleExpression"] == "cron(0 9 ? 1/3 2#1 *)"
    assert (found["Target"]["Arn"], found["Target"]["RoleArn"]) == ("topic", "role")
    assert "Rehearse the failover" in str(found["Target"]["Input"])
