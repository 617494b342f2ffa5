"""Estimates: sums, what is unknown, and what the shipped systems are charged for."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.costs import estimate
from tapgen.costs.estimate import Estimate, Price, totals
from tapgen.costs.quantities import Product
from tapgen.knowledge.charges import BY_TYPE, FREE, WHEN_USED
from tapgen.model import Output, Target
from tapgen.model.costs import Usage
from tapgen.report import costs
from tests.make import EAST, WEST, stack_set, system, template
from tests.systems.look import shipped

OTHERS = (Target("222222222222", "us-east-1"), Target("333333333333", "us-east-1"))
PLAIN = (
    "AWS::KMS::Key",
    "AWS::EC2::NatGateway",
    "AWS::Logs::LogGroup",
    "Own::A::Thing",
)


def of(
    resources: Mapping[str, Any],
    *targets: Target,
    lists: estimate.Lists | None = None,
    **more: Any,
) -> Estimate:
    one = stack_set(
        targets=targets or (EAST,), text=template(resources=resources), **more
    )
    return estimate.of(system(one), lists)


def listing(known: Mapping[str, Decimal]) -> estimate.Lists:
    """Price lists that have some usage types."""

    def look_up(products: Collection[Product]) -> dict[Product, Price | str]:
        return {
            p: (
                Price(known[p.usage_type], "USD", "a list", "2026-01-01", False)
                if p.usage_type in known
                else "not in the list"
            )
            for p in products
        }

    return look_up


amounts = st.decimals("0.000001", "100", places=6)
kinds = st.lists(st.sampled_from(PLAIN), min_size=1, max_size=8)
prices = st.dictionaries(
    st.sampled_from(["KMS-Keys", "NatGateway-Hours", "DataProcessing-Bytes"]), amounts
)


def numbered(types: list[str]) -> dict[str, Any]:
    return {f"R{number}": {"Type": kind} for number, kind in enumerate(types)}


@given(kinds, st.sampled_from(PLAIN), prices)
def test_parts_add_up_and_a_resource_more_never_costs_less(
    types: list[str], more: str, known: dict[str, Decimal]
) -> None:
    before = of(numbered(types), EAST, WEST, lists=listing(known))
    after = of(numbered([*types, more]), EAST, WEST, lists=listing(known))

    shown = costs.data(before, system())
    for currency, total in totals(before.lines).items():
        parts = sum(
            totals([line for line in before.lines if line.region == region])[currency]
            for region in {line.region for line in before.lines if line.monthly}
        )
        assert parts == total <= totals(after.lines)[currency]
        rows = [row["totals"].get(currency, 0) for row in shown["stack_sets"]]
        assert sum(rows) == pytest.approx(shown["totals"][currency])
    assert len(before.unknown) <= len(after.unknown)
    assert shown["complete"] == (not before.unknown)


@given(kinds, prices)
def test_what_has_no_price_is_unknown_and_never_zero(
    types: list[str], known: dict[str, Decimal]
) -> None:
    found = of(numbered(types), WEST, lists=listing(known))

    for line in found.lines:
        assert (line.monthly is None) == bool(line.why)
        assert line.monthly != 0
    assert [line for line in found.lines if line.quantity.type == "Own::A::Thing"] == [
        line for line in found.unknown if line.quantity.type == "Own::A::Thing"
    ]
    assert sum(
        row["monthly"] is None for row in costs.data(found, system())["charges"]
    ) == (len(found.unknown))


def test_each_account_is_charged_and_the_file_says_what_is_assumed() -> None:
    nat = {"Nat": {"Type": "AWS::EC2::NatGateway"}}
    one = of(nat)
    two = of(nat, *OTHERS)

    assert totals(one.lines) == {"USD": Decimal("37.35")}  # 730 × 0.045 + 100 × 0.045
    assert totals(two.lines) == {"USD": Decimal("74.70")}
    text = costs.text(two, system(), details=True)
    assert (
        "NAT gateway in 2 accounts\n        730 hours × 0.045 USD × 2 = 65.70" in text
    )
    assert "nat_gb: 100 gigabytes through each NAT gateway (default)" in text

    part = stack_set(text=template(resources=nat))
    busy = estimate.of(replace(system(part), usage=Usage(nat_gb=0)))
    assert totals(busy.lines) == {"USD": Decimal("32.85")}


def properties(kind: str, **own: Any) -> dict[str, Any]:
    return {"R": {"Type": kind, "Properties": own}}


Case = tuple[dict[str, Any], dict[str, str]]
CASES: dict[str, Case] = {
    "replicas are charged where they are": (
        properties(
            "AWS::SecretsManager::Secret",
            ReplicaRegions=[{"Region": "us-east-1"}, {"Region": "eu-west-1"}],
        ),
        {"secret": "1", "replica of a secret": "1", "replica of a secret in eu": "1"},
    ),
    "each write is for the table and each index, in each region": (
        properties(
            "AWS::DynamoDB::GlobalTable",
            BillingMode="PAY_PER_REQUEST",
            GlobalSecondaryIndexes=[{"IndexName": "a"}, {"IndexName": "b"}],
            Replicas=[{"Region": "us-east-1"}],
        ),
        {
            "replicated writes of tables": "3000000",
            "reads of tables": "1000000",
            "storage of tables": "10",
        },
    ),
    "metrics of an alarm": (
        properties(
            "AWS::CloudWatch::Alarm",
            Metrics=[
                {"Id": "a", "MetricStat": {"Period": 60}},
                {"Id": "b", "MetricStat": {"Period": 60}},
                {"Id": "c", "Expression": "a + b"},
            ],
        ),
        {"metrics of alarms": "2"},
    ),
    "a fast alarm": (
        properties("AWS::CloudWatch::Alarm", MetricName="Errors", Period=10),
        {"metrics of high-resolution alarms": "1"},
    ),
    "options of a health check": (
        properties(
            "AWS::Route53::HealthCheck",
            HealthCheckConfig={"Type": "HTTPS_STR_MATCH", "MeasureLatency": True},
        ),
        {"health check of an AWS endpoint": "1", "options of health checks": "3"},
    ),
    "a gateway endpoint is free": (
        properties("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway"),
        {},
    ),
    "servers of a group, and their disks": (
        {
            "R": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "Properties": {
                    "MinSize": "2",
                    "MaxSize": "9",
                    "LaunchTemplate": {"LaunchTemplateId": {"Ref": "T"}},
                },
            },
            "T": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {
                    "LaunchTemplateData": {
                        "InstanceType": "t3.small",
                        "BlockDeviceMappings": [
                            {"Ebs": {"VolumeType": "gp3", "VolumeSize": 20}}
                        ],
                    }
                },
            },
        },
        {"Linux server t3.small": "1460", "gp3 volumes of servers": "40"},
    ),
    "a standby": (
        properties(
            "AWS::RDS::DBInstance",
            Engine="postgres",
            DBInstanceClass="db.t4g.small",
            MultiAZ=True,
            AllocatedStorage="50",
            StorageType="gp3",
        ),
        {
            "PostgreSQL db.t4g.small": "730",
            "PostgreSQL storage Multi-AZ-GP3-Storage": "50",
        },
    ),
    "what costs extra is said, also of a type without a charge": (
        {
            "A": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {"CacheClusterEnabled": True},
            },
            "B": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {"CacheClusterEnabled": False},
            },
        },
        {"cache of a stage": "?"},
    ),
    "a license": (
        properties("AWS::RDS::DBInstance", Engine="oracle-ee", DBInstanceClass="db.x"),
        {"storage": "?", "AWS::RDS::DBInstance": "?"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_quantities_come_from_the_properties(case: str) -> None:
    resources, wanted = CASES[case]
    found = {}
    for line in of(resources).lines:
        words = line.quantity.words
        words += f" in {line.region[:2]}" * (line.region != "us-east-1")
        amount = line.quantity.amount
        found[words] = "?" if amount is None else f"{amount:f}"
    assert found == wanted


def test_a_list_is_counted_where_another_stack_joins_it() -> None:
    network = stack_set(
        "network",
        text=template(
            outputs=("Subnets",),
            output_value={"Fn::Join": [",", [{"Ref": "A"}, {"Ref": "B"}]]},
        ),
    )
    endpoint = properties(
        "AWS::EC2::VPCEndpoint",
        VpcEndpointType="Interface",
        SubnetIds={"Fn::Split": [",", {"Ref": "Subnets"}]},
    )
    own = stack_set(
        "own",
        text=template(["Subnets"], resources=endpoint),
        parameters={"Subnets": Output("network", "Subnets")},
    )
    found = estimate.of(system(network, own))

    hours = next(x for x in found.lines if "zone" in x.quantity.words)
    assert (hours.quantity.amount, hours.quantity.how) == (1460, "2 × 730 hours")


def test_conditions_and_loops_count_as_the_target_gets_them() -> None:
    text = json.dumps(
        {
            "Transform": "AWS::LanguageExtensions",
            "Conditions": {
                "East": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
            },
            "Resources": {
                "Fn::ForEach::Keys": [
                    "Name",
                    ["A", "B"],
                    {"Key${Name}": {"Type": "AWS::KMS::Key", "Condition": "East"}},
                ]
            },
        }
    )
    found = estimate.of(system(stack_set(text=text, targets=(EAST, WEST))))
    assert [(x.quantity.logical_id, x.region) for x in found.lines] == [
        ("KeyA", "us-east-1"),
        ("KeyB", "us-east-1"),
    ]


@pytest.mark.parametrize("environment", [None, "staging"])
@pytest.mark.parametrize(
    "name", ["payments_dr", "region_migration", "secure_network", "serverless_api"]
)
def test_every_type_of_a_shipped_system_is_in_a_table(
    name: str, environment: str | None
) -> None:
    found = estimate.of(shipped(name, environment))

    assert {line.quantity.type for line in found.lines} <= {*BY_TYPE}
    assert {kind for _, _, kind in found.free} <= {*FREE}
    assert {kind for _, _, kind in found.when_used} <= {*WHEN_USED}
    # Only prices are unknown, never how much there is.
    assert all(line.quantity.amount is not None for line in found.lines)


def test_the_large_charges_of_payments_dr() -> None:
    found = estimate.only(estimate.of(shipped("payments_dr")), (), ("us-east-1",))
    monthly: dict[str, Decimal] = {}
    for line in found.lines:
        words = line.quantity.words
        monthly[words] = monthly.get(words, Decimal(0)) + (line.monthly or 0)

    hours = 730
    assert monthly["NAT gateway"] == 3 * hours * Decimal("0.045")
    assert monthly["Aurora PostgreSQL db.r6g.large"] == 2 * hours * Decimal("0.26")
    endpoints = 5 * 3  # services and zones
    assert monthly["interface endpoint in a zone"] == endpoints * hours * Decimal(
        "0.01"
    )
    assert monthly["health check of an AWS endpoint"] == 8 * Decimal("0.50")


def test_a_partition_without_prices_has_only_unknown_ones() -> None:
    found = of({"Key": {"Type": "AWS::KMS::Key"}}, Target("1" * 12, "cn-north-1"))
    assert totals(found.lines) == {}
    assert "demo (default): 1 charge is unknown[" in costs.text(found, system())
