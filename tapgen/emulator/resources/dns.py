"""Route 53 record set groups and health checks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    dropped_tags,
    is_absence,
    tag_list,
)


def kinds() -> list[Kind]:
    """The kinds of this module."""
    return [
        Kind(
            "AWS::Route53::RecordSetGroup",
            _make_group,
            _delete_group,
            _change_group,
            tags=None,
        ),
        Kind(
            "AWS::Route53::HealthCheck",
            _make_check,
            _delete_check,
            _change_check,
            tags=("HealthCheckTags", "list"),
        ),
    ]


# --- Record set group: its records change in one batch, together or not at all ----------


def _make_group(request: Request) -> Created:
    records = request.properties.get("RecordSets") or []
    _batch(request.properties, [("CREATE", _record(record)) for record in records])
    return request.name(""), {}


def _batch(
    properties: Properties, changes: list[tuple[str, Mapping[str, Any]]]
) -> None:
    if changes:
        call(
            "route53",
            "ChangeResourceRecordSets",
            HostedZoneId=_zone(properties),
            ChangeBatch={
                "Changes": [
                    {"Action": action, "ResourceRecordSet": record}
                    for action, record in changes
                ]
            },
        )


def _zone(properties: Properties) -> str:
    if properties.get("HostedZoneId"):
        return str(properties["HostedZoneId"])
    name = str(properties.get("HostedZoneName", ""))
    for zone in call("route53", "ListHostedZones")["HostedZones"]:
        if zone["Name"].rstrip(".") == name.rstrip("."):
            return str(zone["Id"]).rpartition("/")[2]
    raise CallError(
        "Route53", "NoSuchHostedZone", f"No hosted zone found with name: {name}", 404
    )


def _record(record: Properties) -> Mapping[str, Any]:
    converted = dict(record)
    if "ResourceRecords" in converted:
        converted["ResourceRecords"] = [
            {"Value": v} for v in converted["ResourceRecords"]
        ]
    if "AliasTarget" in converted:
        converted["AliasTarget"] = {
            "EvaluateTargetHealth": False,
            **converted["AliasTarget"],
        }
    return converted


def _key(record: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("Name", "Type", "SetIdentifier")
    return tuple(str(record.get(name, "")).rstrip(".") for name in names)


def _change_group(physical_id: str, old: Properties, new: Properties) -> Attributes:
    had = {_key(r): _record(r) for r in old.get("RecordSets") or []}
    wanted = {_key(r): _record(r) for r in new.get("RecordSets") or []}
    dropped = [("DELETE", record) for key, record in had.items() if key not in wanted]
    changed = [("UPSERT", r) for key, r in wanted.items() if had.get(key) != r]
    _batch(new, [*dropped, *changed])
    return {}


def _delete_group(physical_id: str, properties: Properties) -> None:
    # One by one: a record that is already deleted must not block the others.
    for record in properties.get("RecordSets") or []:
        try:
            _batch(properties, [("DELETE", _record(record))])
        except CallError as error:
            if not is_absence(error) and error.code != "InvalidChangeBatch":
                raise


# --- Health check ---------------------------------------------------------------------


def _make_check(request: Request) -> Created:
    answer = call(
        "route53",
        "CreateHealthCheck",
        CallerReference=str(uuid.uuid4()),
        HealthCheckConfig=request.properties["HealthCheckConfig"],
    )
    check = str(answer["HealthCheck"]["Id"])
    _retag(check, {}, request.properties)
    return check, {"HealthCheckId": check}


def _retag(check: str, old: Properties, new: Properties) -> None:
    tags = tag_list(new, "HealthCheckTags")
    dropped = dropped_tags(old, new, "HealthCheckTags")
    if tags or dropped:
        call(
            "route53",
            "ChangeTagsForResource",
            ResourceType="healthcheck",
            ResourceId=check,
            AddTags=tags or None,
            RemoveTagKeys=dropped or None,
        )


def _change_check(physical_id: str, old: Properties, new: Properties) -> Attributes:
    if old["HealthCheckConfig"] != new["HealthCheckConfig"]:
        call(
            "route53",
            "UpdateHealthCheck",
            HealthCheckId=physical_id,
            **new["HealthCheckConfig"],
        )
    _retag(physical_id, old, new)
    return {"HealthCheckId": physical_id}


def _delete_check(physical_id: str, properties: Properties) -> None:
    call("route53", "DeleteHealthCheck", HealthCheckId=physical_id)
