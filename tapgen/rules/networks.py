"""Subnets, their VPCs and their Availability Zones."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from tapgen.knowledge.regions import PARTITION_OF
from tapgen.knowledge.zones import zones
from tapgen.rules.base import (
    DOCS,
    TEMPLATE_REFERENCE,
    Found,
    Rule,
    deployed_to,
)
from tapgen.rules.values import Path, is_function, number, text
from tapgen.rules.view import Resource, View
from tapgen.rules.wide import FoundAt, WideRule, World

_SUBNET = "AWS::EC2::Subnet"
_VPC = "AWS::EC2::VPC"
_MORE = "AWS::EC2::VPCCidrBlock"


class SubnetOutsideItsVpc(WideRule):
    id = "E9600"
    shortdesc = "A subnet is not within the addresses of its VPC"
    description = (
        "The addresses of a subnet are part of those of its VPC and of no other subnet"
        " there. EC2 rejects others with InvalidSubnet.Range or InvalidSubnet.Conflict."
        " If one of the ranges is a parameter, an override can break this at a single"
        " target: override both, or cut the subnets out of the VPC with Fn::Cidr."
    )
    source_url = f"{DOCS}vpc/latest/userguide/subnet-sizing.html"
    deployment = deployed_to(
        "us-east-1",
        "eu-west-1",
        overrides=[
            {
                "account": None,
                "region": "eu-west-1",
                "parameters": {"Network": "10.2.0.0/16"},
            }
        ],
    )
    at = "Resources/Subnet/Properties/CidrBlock"
    bad = """\
Parameters:
  Network: {Type: String, Default: 10.1.0.0/16}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: !Ref Network}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: 10.1.1.0/24
"""
    good = bad.replace(
        "CidrBlock: 10.1.1.0/24", "CidrBlock: !Select [1, !Cidr [!Ref Network, 4, 8]]"
    )

    def check_world(self, world: World) -> Iterator[FoundAt]:
        blocks: dict[tuple[object, str], list[Any]] = {}
        unknown: set[tuple[object, str]] = set()
        for it in world.resources(_VPC, _MORE):
            vpc = it if it.type == _VPC else _vpc(world, it)
            block = _network(it)
            if vpc and block:
                blocks.setdefault(_key(vpc), []).append(block)
            elif vpc and text(it.properties, "AmazonProvidedIpv6CidrBlock") is None:
                unknown.add(_key(vpc))
        taken: dict[tuple[object, str], list[tuple[Resource, Any]]] = {}
        for it in world.resources(_SUBNET):
            vpc, block = _vpc(world, it), _network(it)
            if vpc is None or block is None:
                continue
            mine = blocks.get(_key(vpc), [])
            if (
                mine
                and _key(vpc) not in unknown
                and not any(map(block.subnet_of, mine))
            ):
                listed = ", ".join(map(str, mine))
                yield it, ("CidrBlock",), (
                    f"{block} in {it.place.region or 'every region'} is not within"
                    f" {listed}, the addresses of {vpc.id}"
                )
            others = taken.setdefault(_key(vpc), [])
            for other, theirs in others:
                if block.overlaps(theirs):
                    yield it, ("CidrBlock",), (
                        f"{block} in {it.place.region or 'every region'} overlaps"
                        f" {theirs} of {other.id} in the same VPC"
                    )
                    break
            others.append((it, block))


def _vpc(world: World, it: Resource) -> Resource | None:
    found = world.origin(it, it.properties.get("VpcId"))
    return found[0] if found and found[0].type == _VPC else None


def _key(vpc: Resource) -> tuple[object, str]:
    return id(vpc.place), vpc.id


def _network(it: Resource) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text(it.properties, "CidrBlock") or "")
    except ValueError:
        return None


class ZoneThatIsNotThere(Rule):
    id = "E9601"
    shortdesc = "A region has fewer Availability Zones than are selected"
    description = (
        "Fn::GetAZs lists the Availability Zones that the account has in the region:"
        " two in us-west-1, three in most others. Fn::Select with an index beyond the"
        " list fails: Template error: Fn::Select cannot select nonexistent value. Use"
        " fewer zones there, by a parameter with an override or by a mapping."
    )
    source_url = (
        f"{TEMPLATE_REFERENCE}intrinsic-function-reference-getavailabilityzones.html"
    )
    deployment = deployed_to("us-east-1", "us-west-1")
    at = "Resources/Disk/Properties/AvailabilityZone"
    _disk = """\
Resources:
  Disk:
    Type: AWS::EC2::Volume
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      Size: 20
      AvailabilityZone: !Select [{index}, !GetAZs '']
"""
    bad = _disk.format(index=2)
    good = _disk.format(index=1)

    def check(self, view: View) -> Iterator[Found]:
        for place in view.places:
            parts: list[tuple[Path, Any]] = [
                (("Resources", it.id, "Properties"), it.properties) for it in place.of()
            ]
            parts += [
                (("Outputs", str(name), "Value"), value)
                for name, value in place.evaluated.outputs.items()
            ]
            for start, node in parts:
                for path, index, region in _selected(node):
                    where = region or place.region
                    if where in PARTITION_OF and index >= zones(where):
                        yield (*start, *path), (
                            f"an account has at most {zones(where)} Availability Zones"
                            f" in {where}, and index {index:g} is beyond them"
                        )


def _selected(
    node: Any, path: Path = (), depth: int = 0
) -> Iterator[tuple[Path, float, str]]:
    """Yield the zones that are selected below a node: path, index and region."""
    if depth > 60:
        return
    match node:
        case {"Fn::If": [_, *sides]}:
            for each in sides:
                yield from _selected(each, path, depth + 1)
        case {"Fn::Select": [_, {"Fn::GetAZs": region}]}:
            index = number(node["Fn::Select"], 0)
            own = region in ("", {"Ref": "AWS::Region"}) or is_function(region)
            if index is not None:
                yield path, index, "" if own else str(region)
        case dict():
            for key, value in node.items():
                yield from _selected(value, (*path, str(key)), depth + 1)
        case list():
            for at, value in enumerate(node):
                yield from _selected(value, (*path, at), depth + 1)
