"""What a plan changes in costs is what the two estimates differ by."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen import plan
from tapgen.costs import change, estimate
from tapgen.costs.change import Difference
from tapgen.model import Target
from tapgen.plan import forecast
from tapgen.report import costs, markdown, outlook, text
from tests import make
from tests.make import EAST, WEST

AWAY = Target("222222222222", "us-east-1")
KEY = {"Type": "AWS::KMS::Key", "DeletionPolicy": "Delete"}
NAT = {"Type": "AWS::EC2::NatGateway"}
ROLE = {"Type": "AWS::IAM::Role"}
OWN = {"Type": "Own::A::Thing"}
SERVER = {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": "t3.micro"}}


def web_acl(rules: str) -> dict[str, Any]:
    return {
        "Type": "AWS::WAFv2::WebACL",
        "Properties": {"Rules": [{"Name": rules}] * len(rules)},
    }


def planned(
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    targets: tuple[Target, ...] = (EAST,),
    earlier: tuple[Target, ...] | None = None,
) -> plan.Plan:
    found = {}
    if before is not None:
        was = make.stack_set(
            targets=earlier or targets, text=make.template(resources=before)
        )
        found = {was.name: make.observed(was)}
    wanted = ()
    if after is not None:
        wanted = (make.stack_set(targets=targets, text=make.template(resources=after)),)
    return plan.make(make.system(*wanted), found)


def sentence(*given: Any) -> str:
    return costs.difference(change.of(planned(*given)))


resources = st.fixed_dictionaries(
    {"R": st.just(ROLE)},
    optional={
        "A": st.just(KEY),
        "B": st.just(KEY),
        "C": st.sampled_from([web_acl("a"), web_acl("abc")]),
        "D": st.just(NAT),
    },
)
places = st.sets(st.sampled_from([EAST, WEST, AWAY]), min_size=1).map(
    lambda found: tuple(sorted(found))
)


@settings(max_examples=40)
@given(resources, resources, places, places)
def test_it_is_the_difference_of_two_estimates(
    before: dict[str, Any],
    after: dict[str, Any],
    earlier: tuple[Target, ...],
    later: tuple[Target, ...],
) -> None:
    found = change.of(planned(before, after, later, earlier))

    def costs_of(parts: dict[str, Any], targets: tuple[Target, ...]) -> Decimal:
        text = make.template(resources=parts)
        system = make.system(make.stack_set(targets=targets, text=text))
        return estimate.totals(estimate.of(system).lines).get("USD", Decimal(0))

    # Nobody knows a NAT gateway's price in us-west-2: it is in neither estimate.
    wanted = costs_of(after, later) - costs_of(before, earlier)
    assert found.amounts.get("USD", Decimal(0)) == wanted
    assert (costs.difference(found) == "") == (wanted == 0 and not found.unknown)


def test_it_is_said_with_its_date_and_with_what_is_not_known() -> None:
    assert sentence(None, {"K": KEY, "N": NAT, "O": OWN}) == (
        "change in cost: unknown; 1 charge could not be priced, the others: about 38.35 "
        "USD a month more (list prices of 2024-07-01 to 2026-10-07); see tapgen cost"
    )
    assert sentence({"K": KEY, "R": ROLE}, {"R": ROLE}) == (
        "change in cost: about 1.00 USD a month less (list prices of 2024-07-01)"
    )
    assert sentence({"R": ROLE}, {"R": ROLE, "O": OWN}) == (
        "change in cost: unknown; 1 charge could not be priced; see tapgen cost"
    )


def test_a_price_that_becomes_unknown_is_no_saving() -> None:
    """Of a resource, half of a comparison is left out, and what else changes stays."""
    dear = {**SERVER, "Properties": {"InstanceType": "of-no-price.large"}}
    words = "change in cost: unknown; 1 charge could not be priced"
    for before, after in ((SERVER, dear), (dear, SERVER)):
        assert sentence({"S": before}, {"S": after}) == f"{words}; see tapgen cost"
        found = sentence({"S": before}, {"S": after, "K": KEY})
        assert found.startswith(f"{words}, the others: about 1.00 USD a month more")


def test_nothing_is_said_where_no_charge_changes() -> None:
    described = {"K": {**KEY, "Properties": {"Description": "new"}}, "O": OWN}
    assert sentence({"K": KEY, "O": OWN}, described) == ""
    assert sentence({"K": KEY}, {"K": KEY, "R": ROLE}) == ""
    assert not change.of(planned({"R": ROLE}, {"R": ROLE, "S": ROLE}))


def test_what_is_retained_costs_on() -> None:
    kept = {"K": {**KEY, "DeletionPolicy": "Retain"}, "R": ROLE}
    assert sentence(kept, {"R": ROLE}) == ""


def test_servers_cost_what_their_launch_template_says() -> None:
    def group(size: str) -> dict[str, Any]:
        data = {"LaunchTemplateData": {"InstanceType": size}}
        return {
            "T": {"Type": "AWS::EC2::LaunchTemplate", "Properties": data},
            "G": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "Properties": {
                    "MinSize": "2",
                    "LaunchTemplate": {"LaunchTemplateId": {"Ref": "T"}},
                },
            },
        }

    assert sentence(group("t3.micro"), group("t3.small")) == (
        "change in cost: about 15.18 USD a month more (list prices of 2026-03-20)"
    )


def test_all_forms_of_a_plan_say_it() -> None:
    the_plan = planned({"R": ROLE}, {"R": ROLE, "K": KEY}, (EAST, AWAY))
    ahead = outlook.Outlook(forecast.of(the_plan), cost=change.of(the_plan))

    words = "change in cost: about 2.00 USD a month more (list prices of 2024-07-01)"
    assert words in text.plan(the_plan, outlook=ahead)
    assert words in markdown.plan(the_plan, (), ahead)
    found = outlook.data(ahead)["cost"]
    assert (found["monthly"], found["unknown"]) == ({"USD": 2.0}, 0)
    assert [row["stacks"] for row in found["added"]] == [2]
    assert outlook.data(outlook.Outlook(forecast.of(the_plan)))["cost"] is None
    assert not Difference()
