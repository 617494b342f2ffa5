"""Health checks and records."""

from __future__ import annotations

import re
from typing import Any

import pytest
from troposphere import Ref, Template

from tapgen.blocks import dns

TO = dns.Alias(Ref("Host"), Ref("Zone"))


def properties(t: Template, title: str) -> dict[str, Any]:
    found = t.to_dict()["Resources"][title]["Properties"]
    assert isinstance(found, dict)
    return found


def test_a_public_host_is_checked_over_https() -> None:
    t = Template()
    dns.https_check(t, "Check", name="x-api", host="api.example.com", path="/health")
    config = properties(t, "Check")["HealthCheckConfig"]
    assert (config["Type"], config["Port"]) == ("HTTPS", 443)
    assert config["RequestInterval"] == 30
    assert "Regions" not in config


def test_an_interval_that_route_53_does_not_know_is_refused() -> None:
    with pytest.raises(AssertionError, match="15"):
        dns.https_check(Template(), "C", name="x", host="h", path="/", interval=15)


def test_an_alarm_can_stand_for_what_no_checker_reaches() -> None:
    t = Template()
    dns.alarm_check(
        t,
        "Check",
        name="x-db",
        alarm="pd-${Suffix}-lag",
        region=Ref("R"),
        without_data="Unhealthy",
    )
    config = properties(t, "Check")["HealthCheckConfig"]
    assert config["Type"] == "CLOUDWATCH_METRIC"
    assert config["AlarmIdentifier"] == {
        "Name": {"Fn::Sub": "pd-${Suffix}-lag"},
        "Region": {"Ref": "R"},
    }
    assert config["InsufficientDataHealthStatus"] == "Unhealthy"


def test_checks_are_counted_together() -> None:
    t = Template()
    one = dns.https_check(t, "One", name="x", host="h", path="/")
    two = dns.alarm_check(
        t, "Two", name="x", alarm="a", region="r", without_data="LastKnownStatus"
    )
    dns.calculated_check(t, "Both", name="x", checks=[one, two], healthy=2)
    config = properties(t, "Both")["HealthCheckConfig"]
    assert config["ChildHealthChecks"] == [{"Ref": "One"}, {"Ref": "Two"}]
    assert config["HealthThreshold"] == 2


def test_a_silent_check_counts_as_failing() -> None:
    t = Template()
    check = dns.https_check(t, "Check", name="x", host="h", path="/")
    condition = dns.in_metrics_region(t)
    dns.check_alarm(
        t, "Alarm", check=check, name="x", topic_arn="t", condition=condition
    )
    body = t.to_dict()
    assert body["Conditions"][condition]["Fn::Equals"][1] == "us-east-1"
    assert body["Resources"]["Alarm"]["Condition"] == condition
    assert properties(t, "Alarm")["TreatMissingData"] == "breaching"


def test_weighted_records_share_a_name_and_carry_checks() -> None:
    t = Template()
    check = dns.https_check(t, "Check", name="x", host="h", path="/")
    for title, identifier in (("Blue", "blue"), ("Green", "green")):
        dns.weighted(
            t,
            title,
            zone=Ref("HostedZoneId"),
            domain="api.example.com",
            identifier=identifier,
            weight=dns.weight(t, f"{title}Weight", description="A weight."),
            to=TO,
            check=check,
            condition="HasDomain",
        )
    blue, green = properties(t, "Blue"), properties(t, "Green")
    assert (blue["Name"], blue["Type"]) == (green["Name"], green["Type"])
    assert blue["SetIdentifier"] != green["SetIdentifier"]
    assert blue["Weight"] == {"Ref": "BlueWeight"}
    assert blue["HealthCheckId"] == {"Ref": "Check"}
    limits = t.to_dict()["Parameters"]["BlueWeight"]
    assert (limits["MinValue"], limits["MaxValue"]) == (0, 255)


def test_the_first_of_two_records_needs_a_check_and_the_second_does_not() -> None:
    t = Template()
    shared: dict[str, Any] = {"zone": "Z1", "domain": "a.example.com", "to": TO}
    dns.failover(t, "Second", identifier="dr", first=False, **shared)
    second = properties(t, "Second")
    assert second["Failover"] == "SECONDARY" and "HealthCheckId" not in second
    with pytest.raises(AssertionError, match="needs a check"):
        dns.failover(t, "First", identifier="primary", first=True, **shared)
    check = dns.https_check(t, "Check", name="x", host="h", path="/")
    dns.failover(t, "First", identifier="primary", first=True, check=check, **shared)
    assert properties(t, "First")["Failover"] == "PRIMARY"


@pytest.mark.parametrize("optional", [True, False])
def test_names_and_zones_are_checked_at_the_door(optional: bool) -> None:
    t = Template()
    dns.domain(t, optional=optional)
    dns.zone(t, optional=optional)
    parameters = t.to_dict()["Parameters"]
    for name, good, bad in (
        ("DomainName", "api.example.com", "API.example.com"),
        ("HostedZoneId", "Z0123456789", "example.com"),
    ):
        pattern = parameters[name]["AllowedPattern"]
        assert re.search(pattern, good) and not re.search(pattern, bad)
        assert bool(re.search(pattern, "")) is optional
        assert ("Default" in parameters[name]) is optional


def test_a_private_zone_is_for_the_vpcs_it_is_given() -> None:
    t = Template()
    dns.private_zone(
        t, "Zone", name="rm.internal", vpcs=[("vpc-1", "us-east-1"), ("vpc-2", "x")]
    )
    zone = t.to_dict()["Resources"]["Zone"]["Properties"]
    assert zone["VPCs"] == [
        {"VPCId": "vpc-1", "VPCRegion": "us-east-1"},
        {"VPCId": "vpc-2", "VPCRegion": "x"},
    ]


def test_a_weighted_name_has_no_health_check() -> None:
    t = Template()
    dns.weighted_name(
        t,
        "Record",
        zone="Z1",
        domain="db.rm.internal",
        identifier="source",
        weight=100,
        host="one.example.com",
        ttl=30,
    )
    record = t.to_dict()["Resources"]["Record"]["Properties"]
    assert (record["Type"], record["TTL"], record["Weight"]) == ("CNAME", "30", 100)
    assert record["SetIdentifier"] == "source"
    assert "HealthCheckId" not in record
