"""The topology of a system: what is where, and what flows, as its templates say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tapgen.knowledge.topology import Kind
from tapgen.model import Output, Override, System, Target
from tapgen.report import graph
from tapgen.system import topology
from tapgen.system.topology import Topology
from tests.make import stack_set, template
from tests.systems.look import shipped

THIN = (Kind.VALUE, Kind.ORDER)
DOMAIN = {"name": "pay.example.com", "hosted_zone_id": "Z0123456789ABCDEFGHIJ"}


def flows(found: Topology) -> set[str]:
    """The arrows that are no values, as texts."""
    lanes = {lane.id: "+".join(lane.roles or lane.regions) for lane in found.lanes}

    def named(card_id: str) -> str:
        name, _, lane = card_id.partition("@")
        return f"{name}@{lanes[lane]}"

    return {
        f"{named(e.start)} {'<->' if e.both else '->'} {named(e.end)}: "
        f"{e.kind} {', '.join(e.words)}"
        for e in found.edges
        if e.kind not in THIN
    }


@pytest.mark.parametrize(
    ("name", "settings", "wanted"),
    [
        (
            "payments_dr",
            {"domain": DOMAIN},
            {
                "keys@primary -> keys-dr@dr: replication multi-Region key",
                "table@primary <-> copy of table@dr: replication items",
                "storage-dr@dr <-> storage@primary: replication objects",
                "database@primary -> copy of database@dr: replication secret",
                "database@primary -> database-dr@dr: replication "
                "Aurora global database",
                "backup@primary -> backup-dr@dr: replication backups",
                "backup-plan-dr@dr -> backup@primary: replication backups",
                "peering@primary <-> network@dr: network peering",
                "peering@primary <-> network@primary: network peering",
                "dns@primary -> app@primary: traffic primary",
                "dns@primary -> app@dr: failover secondary",
            },
        ),
        (
            "secure_network",
            {},
            {
                "keys@primary -> keys-dr@dr: replication multi-Region key",
                "storage-dr@dr <-> storage@primary: replication objects",
                "database@primary -> copy of database@dr: replication secret",
                "database@primary -> database-dr@dr: replication read replica",
                "database-name@primary -> database@primary: traffic primary",
                "database-name@primary -> database-dr@dr: failover secondary",
            },
        ),
        (
            "serverless_api",
            {"website": "cloudfront"},
            {
                "keys@source -> keys-target@target: replication multi-Region key",
                "table@source <-> copy of table@target: replication items",
                "website@source -> website-target@target: replication objects",
                "cdn@source -> website@source: traffic origin",
                "cdn@source -> website-target@target: failover "
                "origin, if the first fails",
            },
        ),
    ],
)
def test_a_shipped_system_has_the_arrows_of_its_templates(
    name: str, settings: dict[str, object], wanted: set[str]
) -> None:
    found = topology.of(shipped(name, settings=settings or None))

    assert flows(found) == wanted


def test_traffic_of_a_migration_has_its_weights_and_dials() -> None:
    found = flows(topology.of(shipped("region_migration")))

    assert {
        "accelerator@target -> servers@source: traffic dial 100 %",
        "accelerator@target -> servers@target: traffic dial 0 %",
        "dns@target -> servers@source: traffic weight 100",
        "dns@target -> database-target@target: traffic weight 0",
        "database@source -> database-target@target: replication read replica",
    } <= found


def test_traffic_to_a_host_outside_of_the_system_is_shown() -> None:
    host = "there-1.us-west-2.elb.amazonaws.com"
    record = {
        "Type": "AWS::Route53::RecordSet",
        "Properties": {
            "Name": "app.example.com",
            "Type": "CNAME",
            "SetIdentifier": "there",
            "Weight": 100,
            "ResourceRecords": [host],
        },
    }
    system = landing_zone(1)
    dns = stack_set("dns", text=template(resources={"R": record}))
    found = topology.of(replace(system, stack_sets=(dns,)))
    (edge,) = found.edges
    (end,) = [card for card in found.cards if card.id == edge.end]
    (lane,) = [lane for lane in found.lanes if lane.id == end.lane]
    assert edge.words == ("weight 100",) and end.part == host
    assert end.outside and not end.unplaced and lane.regions == ("us-west-2",)


def landing_zone(accounts: int) -> System:
    """The same stacks in three regions of many accounts, each with a value of its own."""
    names = [f"{200000000000 + n}" for n in range(accounts)]
    regions = ("eu-central-1", "eu-west-1", "us-east-1")
    targets = [Target(account, region) for account in names for region in regions]
    base = stack_set(
        "base",
        targets=targets,
        text=template(("Cidr",), outputs=("Arn",)),
        overrides=tuple(
            Override({"Cidr": f"10.{n % 250}.0.0/16"}, account=account)
            for n, account in enumerate(names)
        ),
    )
    users = stack_set(
        "users", targets=targets, parameters={"Base": Output("base", "Arn")}
    )
    return System(
        name="demo",
        blueprint="demo",
        suffix="test",
        regions={"home": "eu-central-1"},
        admin=targets[0],
        stack_sets=(base, users),
    )


def test_targets_that_get_the_same_are_one_lane_and_a_plan_counts_some_of_them() -> (
    None
):
    system = landing_zone(100)
    found = topology.of(system)
    (lane,) = found.lanes
    assert len(lane.accounts) == 100 and len(lane.places) == 300
    some = lane.places[:5]
    plan = {
        "waves": [
            [
                {
                    "stack_set": "demo-test-base",
                    "part": "base",
                    "action": "UPDATE",
                    "targets": [
                        {"account": t.account, "region": t.region} for t in some
                    ],
                    "resources": [],
                },
                {
                    "stack_set": "demo-test-gone",
                    "part": "gone",
                    "action": "DELETE",
                    "targets": [{"account": some[0].account, "region": "eu-west-3"}],
                    "resources": [],
                },
            ]
        ],
        "refusals": [],
    }
    text = graph.svg(found, plan)
    assert "~ update, wave 1" in text and f"in 5 of {len(lane.places)} targets" in text
    assert "− delete, wave 1" in text and ">eu-west-3<" in text
    cards = {card["part"]: card for card in graph.data(found, plan)["cards"]}
    assert cards["gone"]["plan"]["changes"] == ["delete"]
    assert graph.svg(found, plan) == graph.svg(topology.of(system), plan)


def test_the_forms_name_every_card_and_nothing_in_a_name_has_a_meaning() -> None:
    odd = replace(landing_zone(1), name='<b>"x"|&')
    found = topology.of(odd)
    for form in (graph.svg, graph.mermaid, graph.dot):
        text = form(found)
        assert "base" in text and "users" in text
    assert "<b>" not in graph.svg(found)


def test_a_replication_to_elsewhere_is_shown_as_outside() -> None:
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "ReplicationConfiguration": {
                "Role": "arn:aws:iam::111111111111:role/r",
                "Rules": [
                    {
                        "Status": status,
                        "Destination": {"Bucket": f"arn:aws:s3:::{name}"},
                    }
                    for status, name in (("Enabled", "theirs"), ("Disabled", "off"))
                ],
            }
        },
    }
    system = replace(
        landing_zone(1),
        stack_sets=(stack_set("data", text=template(resources={"B": bucket})),),
    )
    found = topology.of(system)
    (card,) = [card for card in found.cards if card.outside]
    assert card.part == "theirs" and card.unplaced  # no ARN of a bucket has a region
    assert [e.words for e in found.edges] == [("objects",)]
