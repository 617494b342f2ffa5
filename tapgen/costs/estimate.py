"""The monthly estimate of a system: quantities times prices, and what is not known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field, replace
from decimal import Decimal

from tapgen.costs import quantities
from tapgen.costs.quantities import Product, Quantity
from tapgen.frozen import dataclass
from tapgen.knowledge import prices
from tapgen.knowledge.regions import PARTITION_OF
from tapgen.model import System
from tapgen.model.costs import Usage

NO_PRICE = "no price"
"""Why a price is unknown where no price list was given."""


@dataclass(frozen=True)
class Price:
    """The price of a unit: the page it is from, and the date (YYYY-MM-DD) of that. `shipped`
    says that it is from tapgen's own table."""

    amount: Decimal
    currency: str
    page: str
    date: str
    shipped: bool


Lists = Callable[[Collection[Product]], Mapping[Product, Price | str]]
"""Looks products up in price lists: the price of each that they have, or why none of
several is the one."""


@dataclass(frozen=True)
class Line:
    """One charge: its quantity, and its price if that is known; else `why` not."""

    quantity: Quantity
    price: Price | None = None
    why: str = ""

    @property
    def monthly(self) -> Decimal | None:
        """What it costs in a month in all its stacks; None where that is not known."""
        if self.price is None or self.quantity.amount is None:
            return None
        return self.quantity.amount * self.price.amount * self.quantity.stacks

    @property
    def region(self) -> str:
        """The region in which it is charged."""
        product = self.quantity.product
        return product.region if product else self.quantity.place


@dataclass(frozen=True)
class Estimate:
    """What a system costs in a month, as far as that is known.

    `free` counts the resources without a charge of their own by part, region and type,
    `when_used` those that cost only when they are used; of `units` each counts as one
    account.
    """

    lines: tuple[Line, ...]
    usage: Usage
    free: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    when_used: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    units: tuple[str, ...] = ()

    @property
    def unknown(self) -> tuple[Line, ...]:
        """The charges that are in no total."""
        return tuple(line for line in self.lines if line.monthly is None)

    @property
    def assumed(self) -> tuple[str, ...]:
        """The names of the assumptions that are in the quantities."""
        return tuple(
            dict.fromkeys(name for line in self.lines for name in line.quantity.usage)
        )

    @property
    def dates(self) -> tuple[str, ...]:
        """The dates of the prices in it, the oldest first."""
        return tuple(sorted({line.price.date for line in self.lines if line.price}))


def of(system: System, lists: Lists | None = None) -> Estimate:
    """Return what a system costs in a month; nothing is read from AWS.

    Prices are those of the price lists, where `lists` has them, else those of tapgen's
    table. May be called before `self` and organizational units are resolved.
    """
    found = quantities.of(system)
    products = {q.product for q in found.quantities if q.product}
    listed = lists(products) if lists else {}
    return Estimate(
        tuple(priced(one, listed) for one in found.quantities),
        system.usage,
        found.free,
        found.when_used,
        found.units,
    )


def only(
    estimate: Estimate, parts: Collection[str], regions: Collection[str]
) -> Estimate:
    """Return an estimate of some parts and regions only; none means all."""

    def wanted(part: str, region: str) -> bool:
        return (not parts or part in parts) and (not regions or region in regions)

    return replace(
        estimate,
        lines=tuple(
            one for one in estimate.lines if wanted(one.quantity.part, one.region)
        ),
        free={k: n for k, n in estimate.free.items() if wanted(*k[:2])},
        when_used={k: n for k, n in estimate.when_used.items() if wanted(*k[:2])},
    )


def totals(lines: Iterable[Line]) -> dict[str, Decimal]:
    """Return currency → sum of what is known."""
    found: dict[str, Decimal] = {}
    for line in lines:
        if line.monthly is not None and line.price:
            currency = line.price.currency
            found[currency] = found.get(currency, Decimal(0)) + line.monthly
    return found


def priced(quantity: Quantity, listed: Mapping[Product, Price | str] = {}) -> Line:
    """Return a quantity with its price: of the lists, else of tapgen's table."""
    product = quantity.product
    if product is None:
        return Line(quantity, why=quantity.why)
    price = listed.get(product)
    if isinstance(price, Price):
        return Line(quantity, price)
    if shipped := _shipped(product):
        return Line(quantity, shipped)
    return Line(quantity, why=price or NO_PRICE)


_TABLE = {
    (row.offer, row.usage_type, row.region, tuple(sorted(row.attributes.items()))): row
    for row in prices.PRICES
}


def _shipped(product: Product) -> Price | None:
    """Return the price in tapgen's table."""
    attributes = tuple(sorted(product.attributes))
    regions = [product.region]
    if PARTITION_OF.get(product.region) == "aws":
        regions.append(prices.EVERYWHERE)
    for region in regions:
        row = _TABLE.get((product.offer, product.usage_type, region, attributes))
        if row:
            return Price(row.amount, "USD", row.source.page, row.source.read, True)
    return None
