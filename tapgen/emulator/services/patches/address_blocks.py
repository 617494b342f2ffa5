"""Further address blocks of VPCs and subnets, IPv6 included, which ministack leaves out.

A block is of AWS's form ("an Amazon-provided IPv6 CIDR block with a /56 prefix length";
EC2 API reference, AssociateVpcCidrBlock), and is shown by DescribeVpcs and
DescribeSubnets.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_EC2 = "ministack.services.ec2"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _EC2: {
        "_subnet_fields_xml": ("subnet", "tag"),
        "_subnets": None,
        "_vpc_fields_xml": ("vpc", "tag"),
        "_vpcs": None,
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_BLOCKS = "tapgen_blocks"


def apply() -> None:
    """Show the blocks in the answers."""
    ec2: Any = import_module(_EC2)
    for name in ("_vpc_fields_xml", "_subnet_fields_xml"):
        setattr(ec2, name, _showing(getattr(ec2, name)))


def _showing(original: Any) -> Any:
    def fields(record: Mapping[str, Any], tag: str = "item") -> str:
        text = str(original(record, tag=tag))
        blocks: Mapping[str, str] = record.get(_BLOCKS) or {}
        six = "".join(
            f"<item><associationId>{id_}</associationId><ipv6CidrBlock>{block}"
            "</ipv6CidrBlock><ipv6CidrBlockState><state>associated</state>"
            "</ipv6CidrBlockState></item>"
            for id_, block in blocks.items()
            if ":" in block
        )
        four = "".join(
            f"<item><cidrBlock>{block}</cidrBlock><associationId>{id_}</associationId>"
            "<cidrBlockState><state>associated</state></cidrBlockState></item>"
            for id_, block in blocks.items()
            if ":" not in block
        )
        end = "</cidrBlockAssociationSet>"
        text = text.replace(end, four + end, 1)
        shown = f"<ipv6CidrBlockAssociationSet>{six}</ipv6CidrBlockAssociationSet>"
        close = f"</{tag}>"
        head, _, tail = text.rpartition(close)
        return f"{head}{shown if six else ''}{close}{tail}"

    return fields


def associate(owner: str, block: str) -> str:
    """Give a VPC or subnet a block; return the id of the association.

    LookupError when there is no such VPC or subnet.
    """
    kind = "subnet" if owner.startswith("subnet-") else "vpc"
    digest = hashlib.sha256(f"{owner}/{block}".encode()).hexdigest()
    id_ = f"{kind}-cidr-assoc-0{digest[:16]}"
    record(owner).setdefault(_BLOCKS, {})[id_] = str(ipaddress.ip_network(block))
    return id_


def disassociate(owner: str, association: str) -> None:
    """Take a block from a VPC or subnet; nothing happens where it is not there."""
    try:
        record(owner).get(_BLOCKS, {}).pop(association, None)
    except LookupError:
        pass


def blocks(owner: str) -> Mapping[str, str]:
    """Return the further blocks of a VPC or subnet, by the ids of their associations."""
    return {**(record(owner).get(_BLOCKS) or {})}


def provided(vpc: str) -> str:
    """Return the IPv6 block that Amazon provides for a VPC, always the same."""
    digest = hashlib.sha256(vpc.encode()).hexdigest()
    return f"2600:1f{digest[:2]}:{digest[2:6]}:{digest[6:8]}00::/56"


def record(owner: str) -> Any:
    """Return what ministack stores of a VPC or subnet; LookupError without one."""
    ec2: Any = import_module(_EC2)
    return (ec2._subnets if owner.startswith("subnet-") else ec2._vpcs)[owner]
