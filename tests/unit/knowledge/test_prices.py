"""Every price has a page and a date, and every assumption is known everywhere."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

from tapgen.config.shape import UsageShape
from tapgen.knowledge.charges import BY_TYPE, CHARGES, EXTRA, FREE, WHEN_USED
from tapgen.knowledge.prices import EVERYWHERE, PRICES
from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model.costs import USAGE, Usage

AWS = ("https://aws.amazon.com/", "https://pricing.us-east-1.amazonaws.com/offers/")


def test_every_price_has_a_page_of_aws_and_a_date() -> None:
    for row in PRICES:
        assert row.source.page.startswith(AWS), row
        assert date(2024, 1, 1) <= date.fromisoformat(row.source.read), row
        assert row.amount > 0, row
        assert row.region == EVERYWHERE or PARTITION_OF[row.region] == "aws", row


def test_every_price_is_one_of_a_charge_and_there_once() -> None:
    named = {
        (row.offer, row.usage_type, row.region, tuple(sorted(row.attributes.items())))
        for row in PRICES
    }
    assert len(named) == len(PRICES)
    for row in PRICES:
        kind = row.usage_type.partition(":*")[0]
        own = [c for c in CHARGES if c.offer == row.offer]
        assert any(
            c.usage_type.startswith(("{", kind, "Request{", "Lambda-GB")) for c in own
        )


def test_no_type_is_in_two_tables_and_each_has_a_page() -> None:
    assert not FREE.keys() & WHEN_USED.keys() & BY_TYPE.keys()
    assert not (FREE.keys() | WHEN_USED.keys()) & BY_TYPE.keys()
    assert EXTRA.keys() <= FREE.keys() | BY_TYPE.keys()
    for page in [*FREE.values(), *WHEN_USED.values(), *(c.source for c in CHARGES)]:
        assert page.startswith(
            ("https://aws.amazon.com/", "https://docs.aws.amazon.com/")
        )


def test_assumptions_are_the_same_in_the_file_the_model_and_the_page() -> None:
    own = {f.name: getattr(Usage(), f.name) for f in fields(Usage)}
    assert own == UsageShape().model_dump()
    assert [*own] == [*USAGE]
    used = {name for c in CHARGES for name in c.times if name[0] not in "#="}
    assert used == own.keys()
    page = (Path(__file__).parents[3] / "docs" / "config.md").read_text()
    for name, value in own.items():
        assert f"| `{name}` | {USAGE[name]} | `{value}` |" in page
