"""Estimates of costs as text and as JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.markup import escape

from tapgen.costs import estimate as costs
from tapgen.costs.change import Difference
from tapgen.costs.estimate import Estimate, Line, Price
from tapgen.costs.quantities import shown
from tapgen.knowledge.charges import NOT_COUNTED
from tapgen.model import System
from tapgen.model.costs import USAGE, Usage
from tapgen.report.control import printable
from tapgen.report.counting import counted

_SMALL = Decimal("0.001")
_MILLION = 1_000_000


@printable
def text(found: Estimate, system: System, *, details: bool = False) -> str:
    """Return an estimate as lines; with `details` every charge, with how it comes about
    and where its price is from."""
    lines = [f"[bold]{escape(_title(found, system))}[/]", *_note(found)]
    if found.lines:
        lines += ["", *_table(found)]
    if details and found.lines:
        lines += ["", "[bold]charges[/]", *map(escape, _charges(found.lines))]
    if found.unknown:
        lines += ["", "[bold]unknown, and in no total[/]"]
        lines += [f"  [yellow]?[/] {escape(line)}" for line in unknown(found.unknown)]
    if found.assumed:
        lines += ["", "[bold]assumed[/]"]
        lines += [f"  {escape(line)}" for line in _assumptions(found)]
    lines += ["", "[bold]not counted[/]"]
    lines += [f"  {line}" for line in _not_counted(found)]
    return "\n".join(lines)


def data(found: Estimate, system: System) -> dict[str, Any]:
    """Return an estimate as JSON data. Amounts are numbers of a currency in a month."""
    return {
        "system": system.name,
        "environment": system.environment,
        "suffix": system.suffix,
        "totals": _amounts(found.lines),
        "unknown": len(found.unknown),
        "complete": not found.unknown,
        "stack_sets": [
            {
                "part": part,
                "stack_set": lines[0].quantity.stack_set,
                "region": region,
                "totals": _amounts(lines),
                "unknown": sum(line.monthly is None for line in lines),
            }
            for (part, region), lines in _groups(found.lines).items()
        ],
        "charges": [_charge(line) for line in found.lines],
        "usage": {
            name: {
                "value": getattr(found.usage, name),
                "default": getattr(found.usage, name) == getattr(Usage(), name),
                "meaning": USAGE[name],
            }
            for name in found.assumed
        },
        "without_charge": _by_type(found.free),
        "charged_when_used": _by_type(found.when_used),
        "units_counted_as_one_account": list(found.units),
        "not_counted": list(NOT_COUNTED),
    }


def unknown(lines: Iterable[Line]) -> list[str]:
    """Return what is not known, in words: what, where, how often, and why."""
    same: dict[tuple[str, str], dict[str, int]] = {}
    for line in lines:
        key = line.quantity.words, line.why
        regions = same.setdefault(key, {})
        regions[line.region] = regions.get(line.region, 0) + line.quantity.stacks
    return [
        f"{words}: {', '.join(f'{n} in {r}' for r, n in regions.items())} ({why})"
        for (words, why), regions in same.items()
    ]


def difference(found: Difference, *, see: str = "; see tapgen cost") -> str:
    """Return what a plan changes in costs as a sentence; empty where that is nothing.
    Where something has no price, it ends with where to `see` more."""
    amounts = {k: v for k, v in found.amounts.items() if abs(round(v, 2))}
    number = len(found.unknown)
    about = " and ".join(_more(*pair) for pair in amounts.items())
    about += f" (list prices of {_dates(found.dates)})" if about else ""
    if not number:
        return f"change in cost: about {about}" if about else ""
    words = f"change in cost: unknown; {counted(number, 'charge')} could not be priced"
    words += f", the others: about {about}" if about else ""
    return words + see


def _more(currency: str, amount: Decimal) -> str:
    direction = "more" if amount > 0 else "less"
    return f"{abs(amount):,.2f} {currency} a month {direction}"


def difference_data(found: Difference) -> dict[str, Any] | None:
    """Return the same as JSON data; None where no charge changes."""
    if not found:
        return None
    return {
        "monthly": {k: _float(v) for k, v in found.amounts.items()},
        "unknown": len(found.unknown),
        "added": [_charge(line) for line in found.added],
        "removed": [_charge(line) for line in found.removed],
    }


def money(totals: Mapping[str, Decimal]) -> str:
    """Return amounts, rounded to cents, with their currencies."""
    if not totals:
        return "0"
    return " and ".join(f"{amount:,.2f} {name}" for name, amount in totals.items())


def _title(found: Estimate, system: System) -> str:
    name = f"{system.name} ({system.environment or 'default'})"
    totals = costs.totals(found.lines)
    number = len(found.unknown)
    if not found.lines:
        return f"{name}: no charges"
    if not number:
        return f"{name}: about {money(totals)} a month"
    missing = f"{counted(number, 'charge')} {'is' if number == 1 else 'are'} unknown"
    if not totals:
        return f"{name}: {missing}"
    return f"{name}: at least {money(totals)} a month; {missing}"


def _note(found: Estimate) -> Iterator[str]:
    if found.dates:
        yield f"An estimate by list prices of {_dates(found.dates)}, not an offer."
    if any(line.why == costs.NO_PRICE for line in found.unknown):
        yield "For what is unknown here, give AWS's price lists: --prices PATH."
    for unit in found.units:
        yield escape(f"Counted as one account: {unit}; only AWS knows how many it has.")


def _dates(dates: Sequence[str]) -> str:
    first, last = dates[0], dates[-1]
    return first if first == last else f"{first} to {last}"


def _groups(lines: Iterable[Line]) -> dict[tuple[str, str], list[Line]]:
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.quantity.part, line.region), []).append(line)
    return groups


def _table(found: Estimate) -> Iterator[str]:
    rows = [("stack set", "region", "a month", "unknown")]
    for (part, region), lines in _groups(found.lines).items():
        missing = sum(line.monthly is None for line in lines) or ""
        totals = costs.totals(lines)
        amount = money(totals) if totals else "unknown"
        rows.append((part, region, amount, str(missing)))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for number, row in enumerate(rows):
        cells = [f"{cell:{'<<>>'[i]}{widths[i]}}" for i, cell in enumerate(row)]
        line = "  ".join(cells).rstrip()
        yield f"[bold]{escape(line)}[/]" if not number else escape(line)


def _charges(lines: Iterable[Line]) -> Iterator[str]:
    for (part, region), own in _groups(lines).items():
        yield f"  {part} in {region}"
        for line in own:
            q = line.quantity
            times = f" in {counted(q.stacks, 'account')}" if q.stacks > 1 else ""
            yield f"    {q.logical_id}: {q.words}{times}"
            yield f"        {_sum(line)}"


def _sum(line: Line) -> str:
    q, price = line.quantity, line.price
    if q.amount is None:
        return f"unknown: {line.why}"
    amount = f"{shown(q.amount)} {_plural(q.unit, q.amount)}"
    if " × " in q.how:
        amount = f"{q.how} = {amount}"
    elif q.usage:
        amount = q.how
    if price is None or line.monthly is None:
        return f"{amount}, price unknown: {line.why}"
    stacks = f" × {q.stacks}" if q.stacks > 1 else ""
    total = money({price.currency: line.monthly})
    return f"{amount} × {_unit_price(price)}{stacks} = {total}  [{_source(price)}]"


def _plural(unit: str, amount: Decimal) -> str:
    return unit if amount == 1 or not unit[-1:].islower() else f"{unit}s"


def _unit_price(price: Price) -> str:
    if 0 < price.amount < _SMALL:
        return f"{shown(price.amount * _MILLION)} {price.currency} a million"
    return f"{shown(price.amount)} {price.currency}"


def _source(price: Price) -> str:
    kind = "tapgen's table: " if price.shipped else ""
    return f"{kind}{price.page}, {price.date}"


def _assumptions(found: Estimate) -> Iterator[str]:
    for name in found.assumed:
        value = getattr(found.usage, name)
        whose = " (default)" if value == getattr(Usage(), name) else ""
        yield f"{name}: {value:,} {USAGE[name]}{whose}"


def _not_counted(found: Estimate) -> Iterator[str]:
    yield from NOT_COUNTED
    if found.when_used:
        yield f"what is charged when it is used: {', '.join(_by_type(found.when_used))}"
    if found.free:
        number = counted(sum(found.free.values()), "resource")
        yield f"{number} without a charge of their own"


def _by_type(counts: Mapping[tuple[str, str, str], int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, _, kind), number in counts.items():
        found[kind] = found.get(kind, 0) + number
    return dict(sorted(found.items()))


def _amounts(lines: Iterable[Line]) -> dict[str, float]:
    return {name: _float(amount) for name, amount in costs.totals(lines).items()}


def _float(amount: Decimal) -> float:
    return float(round(amount, 6))


def _charge(line: Line) -> dict[str, Any]:
    q, price = line.quantity, line.price
    return {
        "part": q.part,
        "stack_region": q.place,
        "region": line.region,
        "resource": q.logical_id,
        "type": q.type,
        "charge": q.words,
        "stacks": q.stacks,
        "quantity": None if q.amount is None else _float(q.amount),
        "unit": q.unit or None,
        "calculation": q.how or None,
        "product": (
            asdict(q.product) | {"attributes": dict(q.product.attributes)}
            if q.product
            else None
        ),
        "unit_price": (
            None
            if price is None
            else {
                "amount": float(price.amount),
                "currency": price.currency,
                "page": price.page,
                "date": price.date,
                "source": "shipped table" if price.shipped else "price list",
            }
        ),
        "monthly": None if line.monthly is None else _float(line.monthly),
        "unknown_because": line.why or None,
    }
