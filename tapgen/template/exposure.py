"""Compare ingress rules: the network traffic that one version newly allows.

Data in, data out. Reads rules of security groups and of network ACLs. An address range
counts as newly allowed only where the previous ranges do not contain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import (
    IPv4Network,
    IPv6Network,
    collapse_addresses,
    ip_network,
)
from typing import Any

from tapgen.template.values import equal, many, text

_ALL = "-1"
# As EC2 writes protocols: numbers in network ACLs, names in security groups.
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": _ALL}
_SOURCES = (
    "CidrIp",
    "CidrIpv6",
    "CidrBlock",
    "Ipv6CidrBlock",
    "SourceSecurityGroupId",
    "SourceSecurityGroupName",
    "SourcePrefixListId",
)
_ACL_ENTRY = "AWS::EC2::NetworkAclEntry"
_LOCAL = IPv6Network("fc00::/7")  # unique local addresses, RFC 4193


@dataclass(frozen=True)
class _Rule:
    """The protocol and ports that one source may (or may not) send to."""

    protocol: str
    low: str | None
    high: str | None
    source: str

    @property
    def ports(self) -> str:
        if self.protocol == _ALL:
            return "all traffic"
        if self.low is None:
            return f"{self.protocol} all"
        span = self.low
        if self.low != self.high:
            span += f"-{self.high}"
        return f"{self.protocol} {span}"

    def spans(self, other: _Rule) -> bool:
        """Whether this covers all ports of the other, whatever the sources."""
        if self.protocol == _ALL:
            return True
        if self.protocol != other.protocol:
            return False
        if self.low is None:
            return True
        if (self.low, self.high) == (other.low, other.high):
            return True
        mine, theirs = _span(self), _span(other)
        if mine is None or theirs is None:
            return False
        return mine[0] <= theirs[0] and theirs[1] <= mine[1]


def opened(kind: str, before: Any, after: Any) -> Iterator[tuple[bool, str]]:
    """Yield what the ingress rules of a resource newly allow, in words; with each, whether
    from the internet. `before` and `after` are its properties, None for none."""
    had, has = list(_rules(kind, before)), list(_rules(kind, after))
    new = [rule for rule in has if not _held(rule, had)]
    for rule in sorted(dict.fromkeys(new), key=lambda rule: (rule.ports, rule.source)):
        network = _network(rule.source)
        if network is None or not _is_world(network):
            yield False, f"{rule.ports} is opened to {rule.source}"
        elif network.prefixlen:
            part = f"{rule.source}, a large part of the internet"
            yield True, f"{rule.ports} is open to {part}"
        else:
            yield True, f"{rule.ports} is open to the whole internet"
    denied = list(_denied(kind, after))
    for rule in _denied(kind, before):
        if not new and not _held(rule, denied):
            yield False, f"{rule.ports} from {rule.source} is no longer denied"


def _rules(kind: str, properties: Any) -> Iterator[_Rule]:
    if kind == "AWS::EC2::SecurityGroup":
        for rule in many((properties or {}).get("SecurityGroupIngress")):
            yield from _of(rule)
    elif kind == "AWS::EC2::SecurityGroupIngress":
        yield from _of(properties)
    elif _enters(kind, properties, "allow"):
        yield from _of(properties)


def _denied(kind: str, properties: Any) -> Iterator[_Rule]:
    if _enters(kind, properties, "deny"):
        yield from _of(properties)


def _enters(kind: str, properties: Any, action: str) -> bool:
    """Whether this is an ingress entry of a network ACL with this action."""
    return (
        kind == _ACL_ENTRY
        and isinstance(properties, Mapping)
        and not equal(properties.get("Egress"), True)
        and equal(properties.get("RuleAction"), action)
    )


def _of(rule: Any) -> Iterator[_Rule]:
    if not isinstance(rule, Mapping):
        return
    span = rule.get("PortRange")
    span = span if isinstance(span, Mapping) else {}
    low = _port(rule.get("FromPort", span.get("From")))
    high = _port(rule.get("ToPort", span.get("To")))
    name = text(rule.get("IpProtocol", rule.get("Protocol", _ALL)))
    protocol = _PROTOCOLS.get(name, name)
    for source in _SOURCES:
        if rule.get(source) is not None:
            yield _Rule(protocol, low, high, text(rule[source]))


def _port(value: Any) -> str | None:
    """Return a port as text, also one that only AWS knows."""
    return None if value is None else text(value)


def _held(rule: _Rule, others: Iterable[_Rule]) -> bool:
    """Whether other rules together already cover a rule's source."""
    sources = [other.source for other in others if other.spans(rule)]
    if rule.source in sources:
        return True
    network = _network(rule.source)
    known = [found for found in map(_network, sources) if found is not None]
    if isinstance(network, IPv4Network):
        v4 = [one for one in known if isinstance(one, IPv4Network)]
        return any(network.subnet_of(one) for one in collapse_addresses(v4))
    if isinstance(network, IPv6Network):
        v6 = [one for one in known if isinstance(one, IPv6Network)]
        return any(network.subnet_of(one) for one in collapse_addresses(v6))
    return False


def _network(source: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(source, strict=False)
    except ValueError:
        return None  # a security group, a prefix list, or unknown before a rollout


def _is_world(network: IPv4Network | IPv6Network) -> bool:
    """Whether a range is larger than one owner can have: IANA assigns registries a /8 of
    IPv4 and a /12 of IPv6 (IANA address space registries)."""
    if isinstance(network, IPv6Network):
        return network.prefixlen < 12 and not network.subnet_of(_LOCAL)
    return network.prefixlen < 8


def _span(rule: _Rule) -> tuple[int, int] | None:
    try:
        low, high = int(rule.low or ""), int(rule.high or "")
    except ValueError:
        return None
    everything = rule.protocol in ("icmp", "icmpv6") and low == -1
    return (-1, 1 << 16) if everything else (low, high)
