"""Live properties of security groups and DNS records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.emulator.live.reading import (
    Covering,
    Live,
    Properties,
    is_set,
    others,
    projected,
    tags,
)
from tapgen.emulator.resources.calls import call

_INGRESS, _EGRESS = "SecurityGroupIngress", "SecurityGroupEgress"


def _group(id_: str, properties: Properties) -> Live | None:
    groups = call("ec2", "DescribeSecurityGroups", GroupIds=[id_])["SecurityGroups"]
    if not groups:
        return None
    group = groups[0]
    live: Live = {
        "GroupDescription": group["Description"],
        "GroupName": group["GroupName"],
        "VpcId": group.get("VpcId"),
        "Tags": tags(group.get("Tags", [])),
    }
    for name, permissions, peer in (
        (_INGRESS, "IpPermissions", "SourceSecurityGroupId"),
        (_EGRESS, "IpPermissionsEgress", "DestinationSecurityGroupId"),
    ):
        if is_set(properties, name):
            rules = [
                rule
                for permission in group.get(permissions, [])
                for rule in _rules(permission, peer)
            ]
            live[name] = _without(rules, _foreign(id_, name), properties[name])
    return live


def _rules(permission: Mapping[str, Any], peer: str) -> Iterator[Live]:
    """The rules of a permission, one for each range or group, as templates have them."""
    base = {
        k: permission[k]
        for k in ("IpProtocol", "FromPort", "ToPort")
        if k in permission
    }
    for ranges, given, named in (
        ("IpRanges", "CidrIp", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId", f"{peer[:-15]}PrefixListId"),
        ("UserIdGroupPairs", "GroupId", peer),
    ):
        for item in permission.get(ranges) or ():
            described = item.get("Description")
            more = {"Description": described} if described else {}
            yield {**base, named: item.get(given), **more}


def _foreign(id_: str, kind: str) -> list[Properties]:
    """Rules that are resources of their own."""
    return [rule for rule in others(f"AWS::EC2::{kind}") if rule.get("GroupId") == id_]


def _without(rules: list[Live], foreign: list[Properties], own: Any) -> list[Live]:
    """The rules without foreign ones, unless the template has the same rule itself."""
    left = []
    for rule in rules:
        is_own = any(projected(wanted, rule) == wanted for wanted in own)
        is_foreign = any(
            all(projected(other.get(k), v) == other.get(k) for k, v in rule.items())
            for other in foreign
        )
        if is_own or not is_foreign:
            left.append(rule)
    return left


# The same names in templates and in ListResourceRecordSets.
_RECORD = frozenset(
    {
        "AliasTarget",
        "Failover",
        "GeoLocation",
        "HealthCheckId",
        "MultiValueAnswer",
        "Name",
        "Region",
        "SetIdentifier",
        "TTL",
        "Type",
        "Weight",
    }
)


def _record(name: str, properties: Properties) -> Live | None:
    zone = properties.get("HostedZoneId") or _zone(properties["HostedZoneName"])
    if zone is None:
        return None
    answer = call(
        "route53",
        "ListResourceRecordSets",
        HostedZoneId=zone,
        StartRecordName=properties["Name"],
        StartRecordType=properties["Type"],
    )
    wanted = _identity(properties)
    for record in answer["ResourceRecordSets"]:
        if _identity(record) == wanted:
            return _shown(record, properties)
    return None


def _identity(record: Mapping[str, Any]) -> tuple[str, str, Any]:
    name = record["Name"].rstrip(".").lower().replace("\\052", "*")
    return name, record["Type"], record.get("SetIdentifier")


def _shown(record: Mapping[str, Any], properties: Properties) -> Live:
    live = {k: v for k, v in record.items() if k in _RECORD}
    live["Name"] = properties["Name"]
    if record.get("ResourceRecords"):
        values = [value["Value"] for value in record["ResourceRecords"]]
        live["ResourceRecords"] = values
    target = live.get("AliasTarget")
    wanted = properties.get("AliasTarget")
    if target and isinstance(wanted, Mapping):
        name = str(wanted.get("DNSName", ""))
        if target["DNSName"].rstrip(".").lower() == name.rstrip(".").lower():
            live["AliasTarget"] = {**target, "DNSName": name}
    return live


def _zone(name: str) -> str | None:
    zones = call("route53", "ListHostedZones")["HostedZones"]
    ids = [z["Id"].rpartition("/")[2] for z in zones if z["Name"] == name]
    return ids[0] if ids else None


READERS: Mapping[str, Covering] = {
    "AWS::EC2::SecurityGroup": (
        _group,
        frozenset(
            {_EGRESS, _INGRESS, "GroupDescription", "GroupName", "Tags", "VpcId"}
        ),
    ),
    "AWS::Route53::RecordSet": (_record, _RECORD | {"ResourceRecords"}),
}
