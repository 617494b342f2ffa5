"""Shape-only resources: an id and attributes of the right form, with nothing behind.

For a type without a handler, the registry schema has the attributes of Ref and
Fn::GetAtt, often with a pattern. Values are generated so that other resources can use
them; nothing exists but the stack's own record. `shape_only` lists these resources.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tapgen.emulator.resources.calls import CallError, call
from tapgen.emulator.resources.kinds import (
    Attributes,
    Created,
    Kind,
    Properties,
    Request,
    Shape,
    install,
    provisioners,
)
from tapgen.emulator.resources.patterns import matching

SHAPE_ONLY_ALLOWED: frozenset[str] = frozenset()
"""Types that tapgen's systems use and that may be shape only; it may only shrink."""

# Types of CloudFormation itself or of tools, which are in no registry.
_WITHOUT_SCHEMA = frozenset({"AWS::CDK::Metadata"})
# Services whose ARNs have no region.
_GLOBAL = frozenset({"cloudfront", "globalaccelerator", "iam", "route53"})
# How the ids of resources begin (EC2 guide, "Resource IDs"; EFS API reference).
_ID_PREFIXES = {
    "accesspoint": "fsap",
    "capacityreservation": "cr",
    "carriergateway": "cagw",
    "clientvpnendpoint": "cvpn-endpoint",
    "customergateway": "cgw",
    "dhcpoptions": "dopt",
    "ec2fleet": "fleet",
    "egressonlyinternetgateway": "eigw",
    "filesystem": "fs",
    "flowlog": "fl",
    "host": "h",
    "image": "ami",
    "instance": "i",
    "instanceconnectendpoint": "eice",
    "internetgateway": "igw",
    "ipam": "ipam",
    "ipampool": "ipam-pool",
    "ipamscope": "ipam-scope",
    "keypair": "key",
    "launchtemplate": "lt",
    "localgatewayroutetable": "lgw-rtb",
    "mounttarget": "fsmt",
    "natgateway": "nat",
    "networkacl": "acl",
    "networkinsightspath": "nip",
    "networkinterface": "eni",
    "networkinterfaceattachment": "eni-attach",
    "placementgroup": "pg",
    "prefixlist": "pl",
    "routetable": "rtb",
    "securitygroup": "sg",
    "snapshot": "snap",
    "spotfleet": "sfr",
    "subnet": "subnet",
    "trafficmirrorfilter": "tmf",
    "trafficmirrorsession": "tms",
    "trafficmirrortarget": "tmt",
    "transitgateway": "tgw",
    "transitgatewayattachment": "tgw-attach",
    "transitgatewayroutetable": "tgw-rtb",
    "transitgatewayvpcattachment": "tgw-attach",
    "verifiedaccessinstance": "vai",
    "volume": "vol",
    "vpc": "vpc",
    "vpcendpoint": "vpce",
    "vpcendpointservice": "vpce-svc",
    "vpnconnection": "vpn",
    "vpngateway": "vgw",
}
_WITH_PREFIXES = ("ec2", "efs")

CONDITIONAL: Mapping[str, frozenset[str]] = {
    "AWS::DynamoDB::GlobalTable": frozenset({"StreamArn"}),
    "AWS::DynamoDB::Table": frozenset({"StreamArn"}),
    "AWS::ElastiCache::CacheCluster": frozenset(
        {"ConfigurationEndpoint", "RedisEndpoint"}
    ),
    "AWS::ElastiCache::ReplicationGroup": frozenset({"ConfigurationEndPoint"}),
    "AWS::RDS::DBCluster": frozenset({"MasterUserSecret", "ReadEndpoint"}),
    "AWS::RDS::DBInstance": frozenset({"MasterUserSecret"}),
}
"""Attributes that a resource has only with some properties: Fn::GetAtt fails without them
("Return values" of each type in the template reference, such as
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-elasticache-replicationgroup.html).
Their handlers return them where they are."""

_real: set[str] = set()


def remember_real() -> None:
    """Remember which types have a handler now: all others are shape only."""
    if not _real:
        _real.update(provisioners()._RESOURCE_HANDLERS)


def unknown(types: frozenset[str], shape: Shape) -> frozenset[str]:
    """Return the types that the current region does not offer.

    A type that is offered and has no handler becomes shape only.
    """
    region = _responses().get_region()
    missing = set()
    for name in types:
        if name.startswith("Custom::") or name in _WITHOUT_SCHEMA:
            continue
        schema = shape(name, region)
        if schema is None:
            missing.add(name)
        elif name not in provisioners()._RESOURCE_HANDLERS:
            install(_kind(name, schema), shape)
    return frozenset(missing)


def attributes(
    shape: Shape, type_: str, physical_id: str, properties: Properties
) -> Attributes:
    """Values of the right form for what Fn::GetAtt takes of a type that is real.

    They are for attributes that its handler does not return. None for those of
    `CONDITIONAL`.
    """
    schema = shape(type_, _responses().get_region())
    if schema is None or type_.startswith("Custom::"):
        return {}
    drawn = _attributes(type_, schema, physical_id, properties)
    left_out = CONDITIONAL.get(type_, ())
    return {k: v for k, v in drawn.items() if k.split(".")[0] not in left_out}


def shape_only() -> list[dict[str, str]]:
    """Every resource now held as shape only, of all accounts and regions."""
    stacks = importlib.import_module("ministack.services.cloudformation")._stacks
    found = [
        {
            "account": account,
            "region": region,
            "stack": name,
            "logical_id": logical_id,
            "type": resource["ResourceType"],
            "physical_id": resource["PhysicalResourceId"],
        }
        for (account, region, name), stack in stacks._data.items()
        for logical_id, resource in stack.get("_resources", {}).items()
        if _is_shape(resource["ResourceType"])
    ]
    return sorted(found, key=lambda one: tuple(one.values()))


def _is_shape(name: str) -> bool:
    return not (name in _real or name in _WITHOUT_SCHEMA or name.startswith("Custom::"))


@cache
def _responses() -> Any:
    return importlib.import_module("ministack.core.responses")


def _kind(name: str, schema: Mapping[str, Any]) -> Kind:
    def make(request: Request) -> Created:
        physical_id = "|".join(_identifiers(name, schema, request))
        return physical_id, _attributes(name, schema, physical_id, request.properties)

    def change(physical_id: str, old: Properties, new: Properties) -> Attributes:
        return _attributes(name, schema, physical_id, new)

    def forget(physical_id: str, properties: Properties) -> None:
        """There is nothing to delete."""

    return Kind(name, make, forget, change, tags=None)


def _read_only(schema: Mapping[str, Any]) -> list[str]:
    """Names of attributes, as Fn::GetAtt takes them."""
    paths = [path.split("/")[2:] for path in schema.get("readOnlyProperties", [])]
    return [".".join(path) for path in paths if "*" not in path]


def _identifiers(
    name: str, schema: Mapping[str, Any], request: Request
) -> Iterator[str]:
    """The parts of the primary identifier: given, or generated where AWS generates them."""
    generated = request.name("")
    draw = _Draw(name, schema, generated)
    for path in schema.get("primaryIdentifier", []):
        part = path.split("/")[-1]
        if part in request.properties:
            yield str(request.properties[part])
        elif part in _read_only(schema):
            yield str(draw.property(part))
        else:
            yield generated


def _attributes(
    name: str, schema: Mapping[str, Any], physical_id: str, given: Properties
) -> Attributes:
    """What Fn::GetAtt gives; the same for as long as the physical id is the same."""
    draw = _Draw(name, schema, physical_id)
    parts = [path.split("/")[-1] for path in schema.get("primaryIdentifier", [])]
    known = dict(zip(parts, physical_id.split("|"), strict=False))
    found: Attributes = {}
    for attribute in _read_only(schema):
        value = known.get(attribute) or draw.property(attribute)
        found[attribute] = value
        if isinstance(value, Mapping):
            found |= {f"{attribute}.{member}": v for member, v in value.items()}
    # A property that AWS chooses where a template does not.
    if "AvailabilityZone" in schema.get("properties", {}):
        zone = given.get("AvailabilityZone") or _zone_of(given.get("SubnetId"))
        found.setdefault("AvailabilityZone", zone)
    count = _secondary_addresses(given)
    if "SecondaryPrivateIpAddresses" in found:
        path = "SecondaryPrivateIpAddresses.{}.PrivateIp"
        found["SecondaryPrivateIpAddresses"] = [
            draw.address(path.format(number)) for number in range(count)
        ]
    return found


def _zone_of(subnet: Any) -> str:
    """The Availability Zone of a subnet; the first of the region where none is given."""
    try:
        found = call("ec2", "DescribeSubnets", SubnetIds=[subnet])["Subnets"]
        return str(found[0]["AvailabilityZone"])
    except (CallError, LookupError):
        return f"{_responses().get_region()}a"


def _secondary_addresses(given: Properties) -> int:
    """How many addresses beside its first a network interface gets."""
    wanted = str(given.get("SecondaryPrivateIpAddressCount") or 0)
    listed = given.get("PrivateIpAddresses") or []
    others = sum(str(one.get("Primary")).lower() != "true" for one in listed)
    return max(int(wanted) if wanted.isdigit() else 0, others)


@dataclass(frozen=True)
class _Draw:
    """Draws values for the properties of a schema; equal seeds give equal values."""

    type: str
    schema: Mapping[str, Any]
    seed: str

    def property(self, path: str) -> Any:
        """A value for the property at a dotted path."""
        node: Mapping[str, Any] = self.schema
        for name in path.split("."):
            node = self._resolved(node).get("properties", {}).get(name, {})
        return self._value(path, node)

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        for _ in range(5):
            if "$ref" in node:
                definitions = self.schema.get("definitions", {})
                node = definitions.get(node["$ref"].rsplit("/", 1)[-1], {})
            choices = node.get("oneOf") or node.get("anyOf")
            if not choices or "properties" in node or "type" in node:
                return node
            node = choices[0]
        return node

    def _value(self, path: str, node: Mapping[str, Any]) -> Any:
        node = self._resolved(node)
        if node.get("enum"):
            return _settled(node["enum"])
        kind = node.get("type", "string")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            return {
                name: self._value(f"{path}.{name}", member)
                for name, member in node.get("properties", {}).items()
                if "$ref" not in member
            }
        if kind == "array":
            return [self._value(f"{path}.0", node.get("items", {}))]
        if kind in ("integer", "number"):
            return node.get("minimum", 1)
        if kind == "boolean":
            return False
        return self._text(path.split(".")[-1], path, node)

    def _text(self, name: str, path: str, node: Mapping[str, Any]) -> str:
        pattern = str(node.get("pattern", ""))
        longest = int(node.get("maxLength", 10_000))
        for candidate in self._candidates(name.lower(), path, pattern):
            if len(candidate) <= longest and _matches(pattern, candidate):
                return candidate
        return self._digest(path)[:longest]

    def _candidates(self, name: str, path: str, pattern: str) -> Iterator[str]:
        """Values of the forms AWS uses, the likeliest first."""
        digest = self._digest(path)
        service, resource = (part.lower() for part in self.type.split("::")[1:3])
        region, account = _responses().get_region(), _responses().get_account_id()
        where = f"{digest[:12]}.{service}.{region}.amazonaws.com"
        id_ = self._prefixed(name, service, resource, digest)
        if id_:
            yield id_
        if name.endswith(("privateip", "publicip", "ipaddress")):
            yield self.address(path)
        if name == "availabilityzone":
            yield f"{region}a"
        if name.endswith("arn"):
            at = "" if service in _GLOBAL else region
            yield f"arn:aws:{service}:{at}:{account}:{resource}/{digest[:17]}"
        if name.endswith(("time", "date", "timestamp", "createdat", "updatedat")):
            # Always the same one: an attribute must not change with every update.
            yield "2026-01-01T00:00:00Z"
        if name.endswith(("url", "uri")):
            yield f"https://{where}"
        if name.endswith(("dnsname", "domainname", "endpoint", "address")):
            yield where
        drawn = matching(pattern, digest) if pattern else None
        if drawn is not None:
            yield _placed(drawn, region, account)
            yield drawn
        yield digest[:17]
        yield str(uuid.UUID(digest[:32]))

    def _prefixed(self, name: str, service: str, resource: str, digest: str) -> str:
        """An id as AWS forms it, of the resource or of what its attribute names."""
        if service not in _WITH_PREFIXES or not name.endswith("id"):
            return ""
        prefix = _ID_PREFIXES.get(name.removesuffix("id") or resource)
        return f"{prefix}-0{digest[:16]}" if prefix else ""

    def address(self, path: str) -> str:
        """A private address, or one that documentation uses for a public one."""
        digest = int(self._digest(path), 16)
        if "public" in path.lower():
            return f"203.0.113.{1 + digest % 254}"
        return f"10.0.{digest % 256}.{4 + digest // 256 % 250}"

    def _digest(self, path: str) -> str:
        place = f"{_responses().get_account_id()}/{_responses().get_region()}"
        text = f"{place}/{self.type}/{self.seed}/{path}"
        return hashlib.sha256(text.encode()).hexdigest()


def _settled(values: list[Any]) -> Any:
    """Return the status value that means healthy, else the first."""
    good = ("ACTIVE", "DEPLOYED", "AVAILABLE", "ENABLED", "READY", "RUNNING")
    return next((v for v in values if str(v).upper() in good), values[0])


def _placed(text: str, region: str, account: str) -> str:
    """An ARN with the current region and account where it has any."""
    parts = text.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        return text
    parts[1] = "aws"
    parts[3] = parts[3] and region
    parts[4] = parts[4] and account
    return ":".join(parts)


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        # Written for another dialect; cannot be checked.
        return True
