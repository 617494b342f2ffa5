"""AWS's price lists: what is taken from them, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.costs import price_lists
from tapgen.costs.estimate import Price
from tapgen.costs.quantities import Product
from tapgen.errors import ConfigError

NAT = Product("AmazonEC2", "NatGateway-Hours", "us-west-2")
SERVER = Product(
    "AmazonEC2",
    "BoxUsage:*",
    "us-west-2",
    (("instanceType", "t3.small"), ("preInstalledSw", "NA")),
)
FEE = Product("AWSGlobalAccelerator", "fixed fee", "us-west-2", listed=False)

# SKU, usage type, attributes, steps of (begin, amount)
Row = tuple[str, str, dict[str, str], list[tuple[str, str]]]
ROWS: list[Row] = [
    ("A", "USW2-NatGateway-Hours", {}, [("0", "0.045")]),
    ("B", "USW2-RegionalNatGateway-Hours", {}, [("0", "9")]),
    ("C", "USE1-NatGateway-Hours", {"regionCode": "us-east-1"}, [("0", "7")]),
    (
        "D",
        "USW2-BoxUsage:t3.small",
        {"instanceType": "t3.small", "preInstalledSw": "NA"},
        [("100", "0.01"), ("10", "0.02"), ("0", "0")],
    ),
    (
        "E",
        "USW2-BoxUsage:t3.small",
        {"instanceType": "t3.small", "preInstalledSw": "SQL"},
        [("0", "5")],
    ),
]


def as_json(
    rows: list[Row] = ROWS, date: str = "2026-10-07", currency: str = "USD"
) -> str:
    products, terms = {}, {}
    for sku, usage, attributes, steps in rows:
        own = {"usagetype": usage, "regionCode": "us-west-2"} | attributes
        products[sku] = {"sku": sku, "productFamily": "Any", "attributes": own}
        dimensions = {
            f"{sku}.{begin}": {
                "unit": "Hrs",
                "beginRange": begin,
                "pricePerUnit": {currency: amount},
            }
            for begin, amount in steps
        }
        terms[sku] = {f"{sku}.T": {"priceDimensions": dimensions}}
    whole = {
        "formatVersion": "v1.0",
        "offerCode": "AmazonEC2",
        "publicationDate": f"{date}T00:00:00Z",
        "products": products,
        "terms": {"Reserved": {"A": {"x": [1, 2]}}, "OnDemand": terms},
        "attributesList": {},
    }
    return json.dumps(whole, indent=1)


def as_csv(date: str = "2026-10-07") -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows(
        [["FormatVersion", "v1.0"], ["Publication Date", f"{date}T00:00:00Z"]]
    )
    writer.writerow(["OfferCode", "AmazonEC2"])
    columns = ["SKU", "TermType", "StartingRange", "PricePerUnit", "Currency"]
    columns += ["usageType", "Region Code", "Instance Type", "Pre Installed S/W"]
    writer.writerow(columns)
    for sku, usage, own, steps in ROWS:
        region = own.get("regionCode", "us-west-2")
        more = [usage, region, own.get("instanceType"), own.get("preInstalledSw")]
        for begin, amount in steps:
            writer.writerow([sku, "OnDemand", begin, amount, "USD", *more])
            writer.writerow([sku, "Reserved", "0", "99", "USD", *more])
    return text.getvalue()


def prices(path: Path, *products: Product) -> dict[Product, Any]:
    return dict(price_lists.lists(path)(products or (NAT, SERVER, FEE)))


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_first_step_that_is_not_free_in_the_region(
    tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"ec2.{form}"
    file.write_text(as_json() if form == "json" else as_csv())
    for path in (file, tmp_path):
        assert prices(path) == {
            NAT: Price(Decimal("0.045"), "USD", str(file), "2026-10-07", False),
            SERVER: Price(Decimal("0.02"), "USD", str(file), "2026-10-07", False),
        }


def test_the_newest_list_counts_and_keeps_its_currency(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(as_json())
    newer = as_json(
        [("A", "CNN1-NatGateway-Hours", {}, [("0", "0.37")])], "2026-11-01", "CNY"
    )
    (tmp_path / "new.json").write_text(newer)
    (tmp_path / "index.json").write_text('{"formatVersion": "v1.0", "offers": {}}')
    found = prices(tmp_path)
    assert (found[NAT].amount, found[NAT].currency) == (Decimal("0.37"), "CNY")
    assert found[SERVER].date == "2026-10-07"


def test_why_a_price_is_not_known(tmp_path: Path) -> None:
    twice = [("A", "USW2-NatGateway-Hours", {}, [("0", "1")])]
    (tmp_path / "ec2.json").write_text(
        as_json([*twice, ("B", "NatGateway-Hours", {}, [("0", "2")])])
    )
    key = Product("awskms", "KMS-Keys", "us-west-2")
    assert prices(tmp_path, NAT, SERVER, key) == {
        NAT: "several prices in the price list of AmazonEC2",
        SERVER: "not in the price list of AmazonEC2",
        key: "no price list of awskms given",
    }


class Slow(io.StringIO):
    """A text that comes a few characters at a time."""

    def __init__(self, text: str, sizes: list[int]) -> None:
        super().__init__(text)
        self.sizes = sizes

    def read(self, size: int | None = -1, /) -> str:
        self.sizes.append(self.sizes.pop(0))
        return super().read(self.sizes[-1])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(
    st.dictionaries(st.text(max_size=5), values, max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.sampled_from([None, 2]),
)
def test_pieces_give_what_the_whole_text_says(
    whole: dict[str, Any], sizes: list[int], indent: int | None
) -> None:
    text = price_lists._Pieces(Slow(json.dumps(whole, indent=indent), sizes))
    assert {name: text.value() for name in text.members()} == whole


FOREIGN = {
    "a.json": "[1, 2]",
    "b.json": '{"Resources": {}}',
    "c.json": as_json()[:400],
    "d.json": '{"offerCode": 7, "products": {}}',
    "e.csv": "a,b\n1,2\n",
    "f.json": "",
    "g.json": as_json([("A", "NatGateway-Hours", {}, [("0", "much")])]),
}


def test_what_is_no_price_list_is_refused_file_by_file(tmp_path: Path) -> None:
    for name, text in FOREIGN.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "h.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        prices(tmp_path)
    lines = caught.value.problems
    assert [Path(line.split(": ")[0]).name for line in lines] == [*FOREIGN, "h.json"]
    assert all("is no price list (" in x and "; give an offer file" in x for x in lines)


@pytest.mark.parametrize("name", ["nothing", "empty", "indexes"])
def test_a_path_without_price_lists_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "indexes").mkdir()
    (tmp_path / "indexes" / "index.json").write_text('{"offers": {}}')
    with pytest.raises(ConfigError, match=r"no (such file|price lists)"):
        prices(tmp_path / name)
