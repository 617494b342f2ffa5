"""Alarms, logs and topics are made, changed and deleted as templates say."""

from __future__ import annotations

import json

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import EAST, TAG, WEST, alarm, key


def test_an_alarm_has_its_dimensions_and_actions(place: Place) -> None:
    topic = f"arn:aws:sns:{EAST}:{place.account}:alarms"
    cpu = alarm(
        MetricName="CPUUtilization",
        Namespace="AWS/RDS",
        Statistic="Average",
        Period="60",
        Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "main"}],
        AlarmActions=[topic],
        OKActions=[topic],
        DatapointsToAlarm=2,
        TreatMissingData="breaching",
        Tags=TAG,
    )
    either = of(
        "CloudWatch::CompositeAlarm",
        AlarmName="either",
        AlarmRule={"Fn::Sub": "ALARM(${R})"},
        AlarmActions=[topic],
        Tags=TAG,
    )
    created = place.create("alarms", {"R": cpu, "C": either}, Outputs=get("C", "Arn"))
    cloudwatch = place.client("cloudwatch")
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    [metric], [composite] = found["MetricAlarms"], found["CompositeAlarms"]
    assert metric["Dimensions"] == [{"Name": "DBInstanceIdentifier", "Value": "main"}]
    assert metric["AlarmActions"] == metric["OKActions"] == [topic]
    assert (metric["EvaluationPeriods"], metric["DatapointsToAlarm"]) == (3, 2)
    assert metric["TreatMissingData"] == "breaching"
    assert (composite["AlarmRule"], created["Ref"]) == ("ALARM(cpu)", "either")
    assert created["Arn"] == composite["AlarmArn"]
    for one in (metric, composite):
        listed = cloudwatch.list_tags_for_resource(ResourceARN=one["AlarmArn"])
        assert tags(listed["Tags"]) == {"Project": "one"}

    cloudwatch.set_alarm_state(AlarmName="cpu", StateValue="ALARM", StateReason="x")
    either["Properties"]["AlarmRule"] = {"Fn::Sub": "NOT ALARM(${R})"}
    place.update("alarms", {"R": cpu, "C": either})
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert found["CompositeAlarms"][0]["AlarmRule"] == "NOT ALARM(cpu)"
    assert found["MetricAlarms"][0]["StateValue"] == "ALARM"
    place.delete("alarms")
    found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert found["MetricAlarms"] == found["CompositeAlarms"] == []


def test_an_alarm_on_metric_math_shows_its_metrics(place: Place) -> None:
    stat = {
        "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Errors"},
        "Period": "60",
        "Stat": "Sum",
    }
    metrics = [
        {"Id": "errors", "MetricStat": stat, "ReturnData": "false"},
        {"Id": "rate", "Expression": "errors / 60", "Label": "rate"},
    ]
    place.create("math", {"R": alarm(Metrics=metrics)})
    [found] = place.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert found["Metrics"][1]["Expression"] == "errors / 60"
    assert found["Metrics"][0]["MetricStat"]["Period"] == 60
    assert "MetricName" not in found


def test_a_log_group_is_encrypted_with_a_key_of_its_region(place: Place) -> None:
    resources = {
        "Key": key(),
        "R": of(
            "Logs::LogGroup",
            LogGroupName="/app",
            RetentionInDays="30",
            KmsKeyId={"Fn::GetAtt": ["Key", "Arn"]},
            Tags=TAG,
        ),
        "Filter": of(
            "Logs::MetricFilter",
            LogGroupName={"Ref": "R"},
            FilterPattern="[version, account, eni, action=REJECT]",
            MetricTransformations=[
                {
                    "MetricName": "Rejected",
                    "MetricNamespace": "Network",
                    "MetricValue": "1",
                    "DefaultValue": "0",
                }
            ],
        ),
    }
    outputs = {**get("R", "Arn"), "Key": {"Value": {"Fn::GetAtt": ["Key", "Arn"]}}}
    created = place.create("logs", resources, Outputs=outputs)
    assert created["Arn"] == f"arn:aws:logs:{EAST}:{place.account}:log-group:/app:*"
    logs = place.client("logs")
    [group] = logs.describe_log_groups()["logGroups"]
    assert (group["retentionInDays"], group["kmsKeyId"]) == (30, created["Key"])
    listed = logs.list_tags_for_resource(resourceArn=created["Arn"].removesuffix(":*"))
    assert listed["tags"]["Project"] == "one"
    [filter_] = logs.describe_metric_filters(logGroupName="/app")["metricFilters"]
    assert filter_["metricTransformations"][0]["metricName"] == "Rejected"

    elsewhere = created["Key"].replace(EAST, WEST)
    group = of("Logs::LogGroup", LogGroupName="/other", KmsKeyId=elsewhere)
    assert "The specified KMS key does not exist" in place.failed("x", {"R": group})
    assert len(logs.describe_log_groups()["logGroups"]) == 1


def test_a_topic_is_encrypted_and_its_policy_and_subscription_hold(
    place: Place,
) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": "*",
            }
        ],
    }
    topic = of("SNS::Topic", TopicName="alarms", KmsMasterKeyId="alias/x", Tags=TAG)
    resources = {
        "R": topic,
        "Policy": of("SNS::TopicPolicy", Topics=[{"Ref": "R"}], PolicyDocument=policy),
        "Mail": of(
            "SNS::Subscription",
            TopicArn={"Ref": "R"},
            Protocol="email",
            Endpoint="ops@example.com",
        ),
    }
    created = place.create(
        "topic", resources, Outputs=get("R", "TopicName", "TopicArn")
    )
    assert created["Ref"] == created["TopicArn"]
    sns = place.client("sns")

    def attributes() -> dict[str, str]:
        found = sns.get_topic_attributes(TopicArn=created["Ref"])
        values: dict[str, str] = found["Attributes"]
        return values

    assert attributes()["KmsMasterKeyId"] == "alias/x"
    assert json.loads(attributes()["Policy"]) == policy
    listed = sns.list_subscriptions_by_topic(TopicArn=created["Ref"])["Subscriptions"]
    assert [s["Endpoint"] for s in listed] == ["ops@example.com"]
    listed = sns.list_tags_for_resource(ResourceArn=created["Ref"])["Tags"]
    assert tags(listed) == {"Project": "one"}
    topic["Properties"]["KmsMasterKeyId"] = "alias/y"
    place.update("topic", resources)
    assert attributes()["KmsMasterKeyId"] == "alias/y"


def test_a_dashboard_has_the_body_given(place: Place) -> None:
    body = json.dumps({"widgets": []})
    board = of("CloudWatch::Dashboard", DashboardName="board", DashboardBody=body)
    place.create("board", {"R": board})
    found = place.client("cloudwatch").get_dashboard(DashboardName="board")
    assert json.loads(found["DashboardBody"]) == {"widgets": []}
