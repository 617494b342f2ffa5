"""Alarms, topics and dashboards."""

from __future__ import annotations

import json
from typing import Any

from troposphere import Template, encode_to_dict

from tapgen.blocks import monitoring, security
from tapgen.template import schemas


def test_the_retention_days_are_those_of_the_service() -> None:
    schema = schemas.schema("AWS::Logs::LogGroup")
    assert schema is not None
    allowed = schema["properties"]["RetentionInDays"]["enum"]
    assert sorted(allowed) == list(monitoring.RETENTION_DAYS)


def test_a_dashboard_places_two_graphs_in_a_row() -> None:
    t = Template()
    graph: Any = monitoring.graph(
        "Load", [["AWS/RDS", "CPUUtilization"]], region="x", statistic="Sum", period=60
    )
    monitoring.dashboard(t, "Dashboard", name="sn-x", widgets=[graph] * 3, Nat1="nat-1")
    body = t.to_dict()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    text, values = body["Fn::Sub"]
    assert values == {"Nat1": "nat-1"}
    places = [(w["x"], w["y"]) for w in json.loads(text)["widgets"]]
    assert places == [(0, 0), (12, 0), (0, 6)]


def test_an_address_is_subscribed_only_when_given() -> None:
    t = Template()
    monitoring.topic(t, "Topic", name="sn-x", key_arn="key")
    body = t.to_dict()
    assert body["Resources"]["TopicEmail"]["Condition"] == "HasAlertEmail"
    assert body["Parameters"]["AlertEmail"]["Default"] == ""


def test_writing_logs_reaches_streams_only() -> None:
    for statement in monitoring.write_logs(["arn:x"]):
        assert statement.properties["Resource"] == ["arn:x:*"]


def test_other_services_may_publish_to_a_topic_too() -> None:
    t = Template()
    publishers = [security.EVENTS, security.BUDGETS]
    monitoring.topic(t, "Topic", name="pd-alerts", key_arn="key", publishers=publishers)
    policy = t.to_dict()["Resources"]["TopicPolicy"]["Properties"]["PolicyDocument"]
    by_service = {s["Principal"]["Service"]: s for s in policy["Statement"]}
    assert set(by_service) == {
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
        "budgets.amazonaws.com",
    }
    assert "Condition" in by_service["budgets.amazonaws.com"]
    # EventBridge says no source: a condition on it would keep every event out.
    assert "Condition" not in by_service["events.amazonaws.com"]


def test_a_percentile_is_an_extended_statistic() -> None:
    def statistics(statistic: str) -> set[str]:
        t = Template()
        monitoring.alarm(
            t,
            "Alarm",
            name="x",
            description="d",
            namespace="AWS/Lambda",
            metric="Duration",
            dimensions={},
            statistic=statistic,
            period=60,
            datapoints=(3, 5),
            comparison=">",
            threshold=1,
            missing="notBreaching",
            topic_arn="t",
        )
        found = t.to_dict()["Resources"]["Alarm"]["Properties"]
        return {"Statistic", "ExtendedStatistic"} & set(found)

    assert statistics("p99") == {"ExtendedStatistic"}
    assert statistics("Sum") == {"Statistic"}


def test_log_groups_and_topics_are_encrypted_and_what_is_logged_expires_late() -> None:
    t = Template()
    days = monitoring.retention(t)
    monitoring.log_group(t, "Logs", name="x-logs", key_arn="key", retention_days=days)
    monitoring.plain_topic(t, "Topic", name="x-topic", key_arn="key")
    found = t.to_dict()["Resources"]
    assert found["Logs"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert found["Logs"]["Properties"]["KmsKeyId"] == "key"
    assert found["Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert found["Topic"]["Properties"]["KmsMasterKeyId"] == "key"


def test_publishing_to_an_encrypted_topic_takes_its_key_through_sns() -> None:
    publish, encrypt = (
        encode_to_dict(s)
        for s in monitoring.publish_to(["arn:x"], ["key"], ["eu-west-1"])
    )
    assert (publish["Action"], publish["Resource"]) == (["sns:Publish"], ["arn:x"])
    via = encrypt["Condition"]["StringEquals"]["kms:ViaService"]
    assert via == [{"Fn::Sub": "sns.eu-west-1.${AWS::URLSuffix}"}]
    assert encrypt["Resource"] == ["key"]


def test_what_is_counted_is_zero_while_nothing_matches() -> None:
    t = Template()
    group = monitoring.log_group(
        t, "Logs", name="x-logs", key_arn="key", retention_days=30
    )
    monitoring.metric_filter(
        t,
        "Errors",
        log_group=group,
        pattern="?ERROR",
        namespace="x",
        metric="Errors",
        value="1",
    )
    found = t.to_dict()["Resources"]["Errors"]["Properties"]
    assert found["LogGroupName"] == {"Ref": "Logs"}
    assert found["MetricTransformations"][0]["DefaultValue"] == 0


def test_errors_of_an_application_are_counted_and_ring() -> None:
    t, plain = Template(), Template()
    monitoring.application_log(
        t, name="x-app", alarm_name="x-errors", metrics="x-metrics"
    )
    monitoring.application_log(plain, name="x-app")
    found = t.to_dict()["Resources"]
    assert list(plain.to_dict()["Resources"]) == ["AppLogGroup"]
    alarm = found["AppErrorsAlarm"]["Properties"]
    (counted,) = found["AppErrors"]["Properties"]["MetricTransformations"]
    assert alarm["MetricName"] == counted["MetricName"]
    assert alarm["Namespace"] == counted["MetricNamespace"] == "x-metrics"
    assert alarm["AlarmActions"] == [{"Ref": "AlertTopicArn"}]
