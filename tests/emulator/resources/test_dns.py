"""Names and health checks are made, changed and deleted as templates say."""

from __future__ import annotations

from typing import Any

from tests.emulator.places import Place, get, of, tags
from tests.emulator.resources.samples import TAG, absent


def test_a_record_set_group_changes_its_records_together(place: Place) -> None:
    def record(name: str, address: str, **more: Any) -> dict[str, Any]:
        records = {"TTL": "60", "ResourceRecords": [address]}
        return {"Name": f"{name}.example.com.", "Type": "A", **records, **more}

    weighted = record("w", "10.0.0.9", SetIdentifier="blue", Weight="10")
    zone = of("Route53::HostedZone", Name="example.com")
    group = of(
        "Route53::RecordSetGroup",
        HostedZoneId={"Ref": "Zone"},
        RecordSets=[record("a", "10.0.0.1"), record("b", "10.0.0.2"), weighted],
    )
    place.create("dns", {"Zone": zone, "R": group})
    route53, ids = place.client("route53"), place.ids("dns")

    def records() -> dict[str, str]:
        found = route53.list_resource_record_sets(HostedZoneId=ids["Zone"])
        return {
            r["Name"]: r["ResourceRecords"][0]["Value"]
            for r in found["ResourceRecordSets"]
            if r["Type"] == "A"
        }

    assert records() == {
        "a.example.com.": "10.0.0.1",
        "b.example.com.": "10.0.0.2",
        "w.example.com.": "10.0.0.9",
    }
    group["Properties"]["RecordSets"] = [record("a", "10.0.0.7")]
    place.update("dns", {"Zone": zone, "R": group})
    assert records() == {"a.example.com.": "10.0.0.7"}
    assert place.ids("dns") == ids
    place.update("dns", {"Zone": zone})
    assert records() == {}


def test_a_health_check_is_found_by_its_id(place: Place) -> None:
    check = of(
        "Route53::HealthCheck",
        HealthCheckConfig={
            "Type": "HTTPS",
            "FullyQualifiedDomainName": "api.example.com",
            "ResourcePath": "/health",
            "Port": "443",
            "RequestInterval": 30,
        },
        HealthCheckTags=TAG,
    )
    created = place.create("check", {"R": check}, Outputs=get("R", "HealthCheckId"))
    assert created["Ref"] == created["HealthCheckId"]
    route53 = place.client("route53")
    said = route53.get_health_check_status(HealthCheckId=created["Ref"])
    assert said["HealthCheckObservations"] == []  # the host is not one of this AWS
    found = route53.get_health_check(HealthCheckId=created["Ref"])["HealthCheck"]
    assert found["HealthCheckConfig"]["ResourcePath"] == "/health"
    check["Properties"]["HealthCheckConfig"]["ResourcePath"] = "/ready"
    place.update("check", {"R": check})
    found = route53.get_health_check(HealthCheckId=created["Ref"])["HealthCheck"]
    assert found["HealthCheckConfig"]["ResourcePath"] == "/ready"
    # Create-only inside the configuration: another health check.
    check["Properties"]["HealthCheckConfig"]["RequestInterval"] = 10
    place.update("check", {"R": check})
    other = place.ids("check")["R"]
    assert other != created["Ref"]
    assert absent(route53.get_health_check, HealthCheckId=created["Ref"]) == (
        "NoSuchHealthCheck"
    )
    tagged = route53.list_tags_for_resource(
        ResourceType="healthcheck", ResourceId=other
    )
    assert tags(tagged["ResourceTagSet"]["Tags"]) == {"Project": "one"}


def test_a_calculated_check_knows_its_parts_and_a_check_its_regions(
    place: Place,
) -> None:
    regions = ["eu-west-1", "us-east-1", "us-west-2"]
    part = {"Type": "HTTPS", "FullyQualifiedDomainName": "x", "Regions": regions}
    whole = {
        "Type": "CALCULATED",
        "ChildHealthChecks": [{"Ref": "P"}],
        "HealthThreshold": 1,
    }
    place.create(
        "checks",
        {
            "P": of("Route53::HealthCheck", HealthCheckConfig=part),
            "R": of("Route53::HealthCheck", HealthCheckConfig=whole),
        },
    )
    ids = place.ids("checks")

    def config(check: str) -> dict[str, Any]:
        found = place.client("route53").get_health_check(HealthCheckId=check)
        one: dict[str, Any] = found["HealthCheck"]["HealthCheckConfig"]
        return one

    assert config(ids["R"])["ChildHealthChecks"] == [ids["P"]]
    assert config(ids["P"])["Regions"] == regions
