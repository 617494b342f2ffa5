"""What Route 53 would answer, by health and weight."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.conftest import Aws


class Zone:
    """A public zone, and questions to it."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.client = aws, aws.client("route53")
        made = self.client.create_hosted_zone(Name="a.test", CallerReference="1")
        self.id = made["HostedZone"]["Id"].rpartition("/")[2]

    def add(self, name: str, value: str, kind: str = "CNAME", **more: Any) -> None:
        record = {"Name": f"{name}.a.test", "Type": kind, **more}
        if "AliasTarget" not in record:
            record |= {"TTL": 30, "ResourceRecords": [{"Value": value}]}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch=batch)

    def ask(self, name: str, kind: str = "CNAME") -> tuple[str, list[str]]:
        found = self.client.test_dns_answer(
            HostedZoneId=self.id, RecordName=f"{name}.a.test", RecordType=kind
        )
        assert (found["RecordName"], found["Protocol"]) == (f"{name}.a.test", "UDP")
        return found["ResponseCode"], found["RecordData"]

    def check(self, **config: Any) -> str:
        reference = str(config)
        made = self.client.create_health_check(
            CallerReference=reference, HealthCheckConfig=config
        )
        return str(made["HealthCheck"]["Id"])

    def switch(self, name: str) -> str:
        """A health check by the data of an alarm."""
        self.aws.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="App",
            MetricName=name,
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="ignore",
        )
        return self.check(
            Type="CLOUDWATCH_METRIC",
            AlarmIdentifier={"Name": name, "Region": "us-east-1"},
            InsufficientDataHealthStatus="LastKnownStatus",
        )

    def turn(self, name: str) -> None:
        data = [{"MetricName": name, "Value": 1}]
        self.aws.client("cloudwatch").put_metric_data(Namespace="App", MetricData=data)


@pytest.fixture
def zone(aws: Aws) -> Zone:
    return Zone(aws)


def test_names_and_aliases(zone: Zone) -> None:
    zone.add("www", "elsewhere.example")
    zone.add("*.any", "any.example")
    assert zone.ask("www") == ("NOERROR", ["elsewhere.example"])
    assert zone.ask("www", "A") == ("NOERROR", ["elsewhere.example"])
    assert zone.ask("one.any") == ("NOERROR", ["any.example"])
    assert zone.ask("nowhere") == ("NXDOMAIN", [])

    def alias(name: str, target: str, hosted: str) -> None:
        to = {"HostedZoneId": hosted, "DNSName": target, "EvaluateTargetHealth": True}
        zone.add(name, "", "A", AliasTarget=to)

    for name in ("one", "two"):
        alias(name, f"{name}.cloudfront.net", "Z2FDTNDATAQYW2")
    alias("both", "one.a.test", zone.id)
    (_, [one]), (_, [two]) = zone.ask("one", "A"), zone.ask("two", "A")
    assert one != two and one.startswith("198.18.") and two.startswith("198.18.")
    assert zone.ask("both", "A") == ("NOERROR", [one])
    assert zone.ask("one", "TXT") == ("NOERROR", [])


def test_weights_are_the_shares_of_the_answers(zone: Zone) -> None:
    check = zone.switch("away")
    for name, weight in {"a": 75, "b": 25, "none": 0}.items():
        health = {"HealthCheckId": check} if name == "a" else {}
        more: dict[str, Any] = {"SetIdentifier": name, "Weight": weight, **health}
        zone.add("app", f"{name}.example", **more)

    def shares() -> dict[str, int]:
        return Counter(zone.ask("app")[1][0] for _ in range(8))

    assert shares() == {"a.example": 6, "b.example": 2}
    zone.turn("away")
    assert shares() == {"b.example": 8}


def test_failover_by_the_data_of_an_alarm(zone: Zone) -> None:
    override, other = zone.switch("override"), zone.check(
        Type="TCP", IPAddress="1.2.3.4", Port=1
    )
    both = zone.check(
        Type="CALCULATED", ChildHealthChecks=[override, other], HealthThreshold=2
    )
    for role, check in {"PRIMARY": both, "SECONDARY": ""}.items():
        health = {"HealthCheckId": check} if check else {}
        zone.add("pay", f"{role}.example", SetIdentifier=role, Failover=role, **health)
    assert zone.ask("pay") == ("NOERROR", ["PRIMARY.example"])
    # "you can't force a health check's status to change" by SetAlarmState
    cloudwatch = zone.aws.client("cloudwatch")
    cloudwatch.set_alarm_state(
        AlarmName="override", StateValue="ALARM", StateReason="?"
    )
    assert zone.ask("pay") == ("NOERROR", ["PRIMARY.example"])
    zone.turn("override")
    assert zone.ask("pay") == ("NOERROR", ["SECONDARY.example"])
    zone.client.update_health_check(HealthCheckId=both, Inverted=True)
    assert zone.ask("pay") == ("NOERROR", ["PRIMARY.example"])
    zone.client.update_health_check(HealthCheckId=both, Disabled=True)
    assert zone.ask("pay") == ("NOERROR", ["SECONDARY.example"])


def test_a_private_zone_is_not_answered(aws: Aws) -> None:
    vpc = aws.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    client = aws.client("route53")
    made = client.create_hosted_zone(
        Name="a.internal",
        CallerReference="1",
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
    )
    zone = made["HostedZone"]["Id"].rpartition("/")[2]
    question = {"RecordName": "a.internal", "RecordType": "A"}
    with pytest.raises(ClientError, match="only supports public hosted zones"):
        client.test_dns_answer(HostedZoneId=zone, **question)
