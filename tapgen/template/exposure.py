"""Compare ingress rules: the network traffic that one version newly allows.

Data in, data out. A rule is a box of traffic and sources, and others together may cover
it. Traffic is a line of protocol numbers, each with its ports, or for ICMP its types with
their codes (EC2 API reference, IpPermission: "If the protocol is ICMP or ICMPv6", the
ports are type and code, -1 for all; other protocols than TCP, UDP and these have no
ports). `knowledge/addresses.py` says where rules are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import (
    IPv4Network,
    IPv6Network,
    ip_network,
)
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.addresses import RULES, Rules
from tapgen.template.conditions import address_ranges
from tapgen.template.places import value_at
from tapgen.template.sets import Family, Line, Range, Spans, covered
from tapgen.template.values import equal, many, text

_ALL = "-1"
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": _ALL}
_NUMBERS = {name: int(number) for number, name in _PROTOCOLS.items() if name != _ALL}
_PORTS = ("tcp", "udp")
_ICMP = ("icmp", "icmpv6")
_SIZE = 1 << 16  # places of one protocol: ports, or types times codes
_CODES = 1 << 8
_ACL_ENTRY = "AWS::EC2::NetworkAclEntry"
_LOCAL = IPv6Network("fc00::/7")  # unique local addresses, RFC 4193


@dataclass(frozen=True)
class _Rule:
    """The traffic that one source may (or may not) send: in words, and as a set."""

    traffic: str
    spans: Spans
    source: str

    @property
    def sources(self) -> Spans:
        """The addresses of the source."""
        found = address_ranges(self.source)
        return Spans(found or (), frozenset(() if found else (self.source,)))


class _Held:
    """Rules, to ask whether they cover another together."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._rules = frozenset((rule.spans, rule.source) for rule in rules)
        self._traffic = Line([rule.spans for rule in rules])
        self._sources = Line([rule.sources for rule in rules])

    def covers(self, rule: _Rule) -> bool:
        if (rule.spans, rule.source) in self._rules:
            return True
        families: list[Family] = [
            self._traffic.family((rule.spans,), missing=False),
            self._sources.family((rule.sources,), missing=False),
        ]
        whole = -1  # of those that cover it alone
        for family in families:
            for one in family:
                whole &= one
        return bool(whole) or covered(families)


def opened(kind: str, before: Any, after: Any) -> Iterator[tuple[bool, str]]:
    """Yield what the ingress rules of a resource newly allow, in words; with each, whether
    from the internet. `before` and `after` are its properties, None for none."""
    stays = before is not None and after is not None
    held = _Held(list(_rules(kind, before, "allow", stays)))
    has = _rules(kind, after, "allow", stays)
    new = [rule for rule in has if not held.covers(rule)]
    for rule in sorted(
        dict.fromkeys(new), key=lambda rule: (rule.traffic, rule.source)
    ):
        network = _network(rule.source)
        if network is None or not _is_world(network):
            yield False, f"{rule.traffic} is opened to {rule.source}"
        elif network.prefixlen:
            part = f"{rule.source}, a large part of the internet"
            yield True, f"{rule.traffic} is open to {part}"
        else:
            yield True, f"{rule.traffic} is open to the whole internet"
    denied = _Held(list(_rules(kind, after, "deny")))
    for rule in _rules(kind, before, "deny"):
        if not new and not denied.covers(rule):
            yield False, f"{rule.traffic} from {rule.source} is no longer denied"


def _rules(
    kind: str, properties: Any, action: str, stays: bool = False
) -> Iterator[_Rule]:
    if not isinstance(properties, Mapping):
        return
    acl = kind == _ACL_ENTRY
    if acl and not _enters(properties, action) or not acl and action == "deny":
        return
    for form in RULES.get(kind, ()):
        found = value_at(properties, form.path) if form.path else properties
        for rule in many(found) or (form.default if stays else ()):
            yield from _of(form, rule)


def _enters(entry: Mapping[str, Any], action: str) -> bool:
    """Whether this is an ingress entry of a network ACL with this action."""
    return not equal(entry.get("Egress"), True) and equal(
        entry.get("RuleAction"), action
    )


def _of(form: Rules, rule: Any) -> Iterator[_Rule]:
    if not isinstance(rule, Mapping):
        if form.sources == ("",):
            yield _Rule(form.what, _EVERYTHING, text(rule))
        return
    traffic, spans = (form.what, _EVERYTHING) if form.what else _traffic(form, rule)
    for name in form.sources:
        for source in many(rule.get(name)):
            yield _Rule(traffic, spans, text(source))
    if form.sources == ("",):  # a value that is not known yet
        yield _Rule(traffic, spans, text(rule))


_EVERYTHING = Spans((((0, 0), (_SIZE << 8, 0)),))


def _traffic(form: Rules, rule: Mapping[str, Any]) -> tuple[str, Spans]:
    """Return the traffic of a rule, in words and as places on the line."""
    written = rule.get(form.protocol)
    name = _ALL if written is None else text(written).lower()
    protocol = _PROTOCOLS.get(name, name)
    if protocol == _ALL:
        return "all traffic", _EVERYTHING
    number = _NUMBERS.get(protocol, int(name) if name.isdecimal() else None)
    if protocol in _ICMP:
        icmp = rule.get("Icmp")
        icmp = icmp if isinstance(icmp, Mapping) else {}
        ports = tuple(value_at(rule, path) for path in form.ports)
        low, high = icmp.get("Type", ports[0]), icmp.get("Code", ports[1])
        words, places = _messages(low, high)
    elif protocol in _PORTS:
        words, places = _ports(*(value_at(rule, path) for path in form.ports))
    else:
        words, places = "all", (0, _SIZE)
    shown = f"{protocol} {words}"
    if number is None or places is None:
        return shown, Spans((), frozenset((shown,)))
    start = number * _SIZE
    return shown, Spans((_range(start + places[0], start + places[1]),))


def _range(low: int, high: int) -> Range:
    return (low, 0), (high, 0)


def _ports(low: Any, high: Any) -> tuple[str, tuple[int, int] | None]:
    if low is None or _whole(low) == -1:
        return "all", (0, _SIZE)
    words = text(low) if equal(low, high) else f"{text(low)}-{text(high)}"
    first, last = _whole(low), _whole(high)
    if first is None or last is None:
        return words, None
    return words, (first, last + 1)


def _messages(kind: Any, code: Any) -> tuple[str, tuple[int, int] | None]:
    """Return the ICMP messages of a type and a code; -1 or nothing stands for all."""
    if kind is None or _whole(kind) == -1:
        return "all", (0, _SIZE)
    number = _whole(kind)
    if code is None or _whole(code) == -1:
        places = None if number is None else (number * _CODES, (number + 1) * _CODES)
        return f"type {text(kind)}", places
    words, part = f"type {text(kind)} code {text(code)}", _whole(code)
    if number is None or part is None:
        return words, None
    return words, (number * _CODES + part, number * _CODES + part + 1)


def _whole(value: Any) -> int | None:
    try:
        return int(text(value))
    except ValueError:
        return None


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
