"""Network rules that let more in, against every packet of a small universe."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.template.exposure import opened

Rule = dict[str, Any]
GROUP, ENTRY = "AWS::EC2::SecurityGroup", "AWS::EC2::NetworkAclEntry"

# A packet: its protocol, its port (or type and code), and where it comes from.
PACKETS = [
    (protocol, first, second, source)
    for protocol, numbers in {
        "tcp": [(22, 0), (80, 0), (81, 0), (443, 0)],
        "udp": [(22, 0), (80, 0)],
        "icmp": [(3, 0), (3, 4), (8, 0), (8, 1)],
        "icmpv6": [(3, 4), (128, 0)],
        "50": [(0, 0)],
    }.items()
    for first, second in numbers
    for source in ("10.0.0.1", "10.200.0.1", "192.0.2.1", "fd00::1", "2001:db8::1")
]
NAMES: Mapping[str, set[Any]] = {
    "tcp": {"tcp", "6", 6, "TCP"},
    "udp": {"udp", "17"},
    "icmp": {"icmp", "1", 1},
    "icmpv6": {"icmpv6", "58"},
    "50": {"50", 50},
}


def passes(rule: Rule, packet: tuple[str, int, int, str]) -> bool:
    protocol, first, second, source = packet
    if rule["IpProtocol"] not in NAMES[protocol] | {"-1", -1}:
        return False
    if ip_address(source) not in ip_network(rule.get("CidrIp") or rule["CidrIpv6"]):
        return False
    if rule["IpProtocol"] in ("-1", -1) or protocol == "50":
        return True
    low, high = rule["FromPort"], rule["ToPort"]
    if protocol.startswith("icmp"):
        return low == -1 or low == first and high in (-1, second)
    return bool(low <= first <= high)


def rule_of(protocols: list[Any], ports: list[tuple[int, int]]) -> Any:
    return st.builds(
        lambda protocol, port, cidr: {
            "IpProtocol": protocol,
            "FromPort": port[0],
            "ToPort": port[1],
            "CidrIpv6" if ":" in cidr else "CidrIp": cidr,
        },
        st.sampled_from(protocols),
        st.sampled_from(ports),
        st.sampled_from(
            [
                "10.0.0.0/8",
                "10.0.0.0/9",
                "10.128.0.0/9",
                "0.0.0.0/0",
                "::/0",
                "fd00::/8",
            ]
        ),
    )


rules = st.lists(
    st.one_of(
        rule_of(["tcp", "6", 6, "udp", "17"], [(22, 22), (80, 81), (0, 65535)]),
        rule_of(["icmp", "1", "icmpv6", "58"], [(3, 4), (3, -1), (8, -1), (-1, -1)]),
        rule_of(["-1", -1, "50"], [(22, 22)]),
    ),
    min_size=1,
    max_size=3,
)


def group(*found: Rule) -> Rule:
    return {"SecurityGroupIngress": list(found)}


def is_told(before: Rule, after: Rule, kind: str = GROUP) -> bool:
    return any(opened(kind, before, after))


@settings(deadline=None)
@given(before=rules, after=rules)
def test_no_packet_gets_in_that_is_not_told(
    before: list[Rule], after: list[Rule]
) -> None:
    new = any(
        any(passes(rule, packet) for rule in after)
        and not any(passes(rule, packet) for rule in before)
        for packet in PACKETS
    )
    told = is_told(group(*before), group(*after))
    assert told or not new
    assert not is_told(group(*before, *after), group(*after[::-1]))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((3, 4), (8, -1), "icmp type 8 is open to the whole internet"),
        ((3, 4), (3, -1), "icmp type 3 is open to the whole internet"),
        ((3, 4), (3, 5), "icmp type 3 code 5 is open to the whole internet"),
        ((3, 4), (-1, -1), "icmp all is open to the whole internet"),
        ((3, -1), (3, 4), ""),
        ((-1, -1), (8, 0), ""),
    ],
)
def test_messages_of_icmp_have_types_and_codes(
    before: tuple[int, int], after: tuple[int, int], words: str
) -> None:
    def in_group(one: tuple[int, int]) -> Rule:
        ports = {"FromPort": one[0], "ToPort": one[1]}
        return group({"IpProtocol": "icmp", "CidrIp": "0.0.0.0/0", **ports})

    def in_acl(one: tuple[int, int]) -> Rule:
        icmp = {"Type": one[0], "Code": one[1]}
        entry = {"Protocol": 1, "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}
        return {**entry, "Icmp": icmp}

    expected = [(True, words)] if words else []
    assert [*opened(GROUP, in_group(before), in_group(after))] == expected
    assert [*opened(ENTRY, in_acl(before), in_acl(after))] == expected


def test_ports_that_several_rules_span_together_are_open_already() -> None:
    def tcp(low: int, high: int) -> Rule:
        span = {"FromPort": low, "ToPort": high}
        return {"IpProtocol": "tcp", "CidrIp": "10.0.0.0/8", **span}

    assert not is_told(group(tcp(80, 89), tcp(90, 99)), group(tcp(80, 99)))
    assert is_told(group(tcp(80, 88), tcp(90, 99)), group(tcp(80, 99)))


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (
            "AWS::EC2::PrefixList",
            {"Entries": [{"Cidr": "10.0.0.0/8"}]},
            {"Entries": [{"Cidr": "10.0.0.0/8"}, {"Cidr": "192.0.2.0/24"}]},
        ),
        (
            "AWS::EKS::Cluster",
            {"ResourcesVpcConfig": {"PublicAccessCidrs": ["192.0.2.0/24"]}},
            {"ResourcesVpcConfig": {}},
        ),
        (
            "AWS::RDS::DBSecurityGroupIngress",
            {"CIDRIP": "10.0.0.0/16"},
            {"CIDRIP": "10.0.0.0/8"},
        ),
        (
            "AWS::GameLift::Fleet",
            {},
            {
                "EC2InboundPermissions": [
                    {
                        "Protocol": "UDP",
                        "FromPort": 1,
                        "ToPort": 9,
                        "IpRange": "0.0.0.0/0",
                    }
                ]
            },
        ),
    ],
)
def test_other_lists_of_addresses_open_the_network_too(
    kind: str, before: Rule, after: Rule
) -> None:
    assert is_told(before, after, kind)
    assert not is_told(after, before, kind)


def test_an_address_that_is_not_known_yet_lies_within_everything() -> None:
    def tcp(**source: Any) -> Rule:
        return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source}

    cidr = tcp(CidrIp={"Ref": "Cidr"})
    everywhere = tcp(CidrIp="0.0.0.0/0"), tcp(CidrIpv6="::/0")
    assert is_told(group(tcp(CidrIp="10.0.0.0/8")), group(cidr))
    assert not is_told(group(*everywhere), group(cidr))
    assert not is_told(group(cidr), group(cidr))
