"""AWS's bulk price lists: offer files as JSON or CSV, read piece by piece.

The lists of some services have hundreds of megabytes, so no file is ever in memory: from
JSON one product or term at a time, from CSV one row. What is read is what a system needs.

The form of the files: "Reading the service price list file for an AWS service" in the AWS
Billing user guide,
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html
Begin reading at `lists`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO

from tapgen.costs.estimate import Lists, Price
from tapgen.costs.quantities import Product
from tapgen.errors import ConfigError
from tapgen.frozen import dataclass

_CHUNK = 1 << 22  # characters that are read at once
_HOW = (
    "give an offer file of the AWS Price List Bulk API (index.json or index.csv of a "
    "service), or a folder with such files"
)

# us-east-1 often has no prefix, KMS has the name of the region.
_PREFIX = re.compile(r"^(?:[A-Z]{2,4}\d{0,2}|[a-z]{2}(?:-[a-z]+)+-\d)-")

# Columns of CSV whose names are not those of JSON's attributes, in small letters.
_COLUMNS = {"preinstalleds/w": "preinstalledsw"}


class _Foreign(Exception):
    """A file that is no price list; an index of price lists, where `index`."""

    def __init__(self, why: str, *, index: bool = False) -> None:
        super().__init__(why)
        self.index = index


@dataclass(frozen=True)
class _Head:
    """What a file says about itself."""

    offer: str
    date: str


@dataclass(frozen=True)
class _Found:
    """A price in a file; `begin` is where its step of the quantity begins."""

    sku: str
    begin: Decimal
    amount: Decimal
    currency: str


def lists(path: Path) -> Lists:
    """Return what looks products up in a price list, or in all of a folder.

    Raises ConfigError for a path that is none, and the returned function for files that are
    not price lists. Indexes of price lists in a folder are passed over.
    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".json", ".csv"))
        if not files:
            raise ConfigError([f"{path}: no price lists; {_HOW}"])
    elif path.is_file():
        files = [path]
    else:
        raise ConfigError([f"{path}: no such file or folder; {_HOW}"])

    def look_up(products: Collection[Product]) -> dict[Product, Price | str]:
        return _look_up(path, files, [p for p in products if p.listed])

    return look_up


def _look_up(
    path: Path, files: Sequence[Path], products: Sequence[Product]
) -> dict[Product, Price | str]:
    prices: dict[Product, list[Price]] = {}
    offers: set[str] = set()
    problems: list[str] = []
    for file in files:
        try:
            head, found = _read(file, products)
        except _Foreign as error:
            if not (error.index and path.is_dir()):
                problems.append(f"{file}: is no price list ({error}); {_HOW}")
            continue
        offers.add(head.offer)
        for product, price in found:
            prices.setdefault(product, []).append(price)
    if not offers and not problems:
        problems = [f"{path}: no price lists, only indexes of them; {_HOW}"]
    if problems:
        raise ConfigError(problems)
    return {p: _one(p, prices.get(p, ()), offers) for p in products}


def _one(
    product: Product, prices: Sequence[Price], offers: Collection[str]
) -> Price | str:
    """Return the price of a product in the newest list that has it, or why there is
    none."""
    if not prices:
        given = product.offer in offers
        return (
            f"not in the price list of {product.offer}"
            if given
            else f"no price list of {product.offer} given"
        )
    newest = max(price.date for price in prices)
    found = [price for price in prices if price.date == newest]
    if len({(price.amount, price.currency) for price in found}) > 1:
        return f"several prices in the price list of {product.offer}"
    return found[0]


def _read(
    file: Path, products: Sequence[Product]
) -> tuple[_Head, list[tuple[Product, Price]]]:
    """Return what a file is, and its prices of products."""
    form = _Csv if file.suffix == ".csv" else _Json
    try:
        with file.open(encoding="utf-8", newline="") as text:
            reader = form(text)
            wanted = _Wanted([p for p in products if p.offer == reader.head.offer])
            dimensions = reader.prices(wanted) if wanted.products else []
            return reader.head, [*_priced(file, reader.head, wanted, dimensions)]
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read ({error.strerror})"]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _Foreign(str(error)) from None


def _priced(
    file: Path, head: _Head, wanted: _Wanted, found: Iterable[_Found]
) -> Iterator[tuple[Product, Price]]:
    """Yield the price of each product: of steps the first that is not free."""
    steps: dict[str, list[_Found]] = {}
    for one in found:
        steps.setdefault(one.sku, []).append(one)
    for sku, own in steps.items():
        own.sort(key=lambda one: one.begin)
        first = next((one for one in own if one.amount), own[0])
        price = Price(first.amount, first.currency, str(file), head.date, False)
        for product in wanted.skus[sku]:
            yield product, price


class _Wanted:
    """The products that are looked for, and the SKUs that are they."""

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = products
        self.skus: dict[str, list[Product]] = {}
        self.exact: dict[str, list[Product]] = {}
        self.begins: list[tuple[str, Product]] = []
        for product in products:
            name = product.usage_type
            if name.endswith("*"):
                self.begins.append((name[:-1], product))
            else:
                self.exact.setdefault(name, []).append(product)

    def meet(self, sku: str, attributes: Mapping[str, str]) -> None:
        """Note the SKU of a product, whose attributes are named in small letters."""
        usage = str(attributes.get("usagetype", ""))
        found: list[Product] = []
        for name in {usage, _PREFIX.sub("", usage)}:
            found += self.exact.get(name, ())
            found += [p for start, p in self.begins if name.startswith(start)]
        region = attributes.get("regioncode") or None
        own = [
            product
            for product in dict.fromkeys(found)
            if region in (None, product.region)
            and all(attributes.get(k.lower()) == v for k, v in product.attributes)
        ]
        if own:
            self.skus[sku] = own


class _Csv:
    """A price list as CSV: five lines about it, then the names of columns."""

    def __init__(self, text: TextIO) -> None:
        self.rows = csv.reader(text)
        about: dict[str, str] = {}
        self.columns: list[str] = []
        for row in self.rows:
            if "SKU" in row:
                names = [name.replace(" ", "").lower() for name in row]
                self.columns = [_COLUMNS.get(name, name) for name in names]
                break
            if len(row) != 2 or len(about) > 9:
                break
            about[row[0]] = row[1]
        if not self.columns or "OfferCode" not in about:
            raise _Foreign("it has no line OfferCode, or no column SKU")
        self.head = _Head(about["OfferCode"], about.get("Publication Date", "")[:10])

    def prices(self, wanted: _Wanted) -> list[_Found]:
        found = []
        met: set[str] = set()
        for row in self.rows:
            one = dict(zip(self.columns, row, strict=False))
            sku = one["sku"]
            if one.get("termtype") != "OnDemand":
                continue
            if sku not in met:
                met.add(sku)
                wanted.meet(sku, one)
            if sku in wanted.skus:
                amount = _decimal(one.get("priceperunit"))
                begin = _decimal(one.get("startingrange") or "0")
                found.append(_Found(sku, begin, amount, one.get("currency", "")))
        return found


class _Json:
    """A price list as JSON: products first, then their terms."""

    def __init__(self, text: TextIO) -> None:
        self.text = _Pieces(text)
        about: dict[str, Any] = {}
        self.members = self.text.members()
        for name in self.members:
            if name == "products":
                break
            if name in ("offers", "regions", "versions"):
                raise _Foreign("it is an index", index=True)
            about[name] = self.text.value()
        else:
            raise _Foreign("it has no products")
        if not isinstance(about.get("offerCode"), str):
            raise _Foreign("it has no offerCode")
        self.head = _Head(
            about["offerCode"], str(about.get("publicationDate", ""))[:10]
        )

    def prices(self, wanted: _Wanted) -> list[_Found]:
        for sku in self.text.members():
            product = self.text.value()
            if isinstance(product, Mapping):
                attributes = product.get("attributes") or {}
                own = {str(k).lower(): v for k, v in attributes.items()}
                own["productfamily"] = product.get("productFamily")
                wanted.meet(sku, own)
        for name in self.members:
            if name == "terms":
                return self._terms(wanted)
            self.text.skip()
        raise _Foreign("it has no terms")

    def _terms(self, wanted: _Wanted) -> list[_Found]:
        found: list[_Found] = []
        for kind in self.text.members():
            if kind != "OnDemand":
                self.text.skip()
                continue
            for sku in self.text.members():
                terms = self.text.value()
                if sku in wanted.skus:
                    found += _dimensions(sku, terms)
            return found
        return found


def _dimensions(sku: str, terms: Any) -> Iterator[_Found]:
    for term in terms.values() if isinstance(terms, Mapping) else ():
        for one in term.get("priceDimensions", {}).values():
            for currency, amount in one.get("pricePerUnit", {}).items():
                begin = _decimal(one.get("beginRange", "0"))
                yield _Found(sku, begin, _decimal(amount), currency)


def _decimal(text: Any) -> Decimal:
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise _Foreign(f"{text!r} is no price")
    return number


class _Pieces:
    """A JSON text that is read piece by piece: objects member by member."""

    def __init__(self, text: TextIO) -> None:
        self.text = text
        self.buffer = ""
        self.at = 0
        self.decode = json.JSONDecoder().raw_decode

    def members(self) -> Iterator[str]:
        """Yield the names of an object's members; take the value of each."""
        self._take("{")
        if self._peek() == "}":
            self.at += 1
            return
        while True:
            name = self.value()
            self._take(":")
            yield str(name)
            if self._peek() != ",":
                break
            self.at += 1
        self._take("}")

    def value(self) -> Any:
        """Return the next value."""
        self._peek()
        while True:
            try:
                found, end = self.decode(self.buffer, self.at)
            except ValueError as error:
                if not self._more():
                    raise _Foreign(f"no JSON: {error}") from None
                continue
            except RecursionError:
                raise _Foreign("no JSON: nested too deeply") from None
            # A number may go on in the next piece.
            if end < len(self.buffer) or not self._more():
                self.at = end
                return found

    def skip(self) -> None:
        """Pass over a value, of an object one member at a time."""
        if self._peek() != "{":
            self.value()
            return
        for _ in self.members():
            self.value()

    def _peek(self) -> str:
        while True:
            while self.at < len(self.buffer):
                if not self.buffer[self.at].isspace():
                    return self.buffer[self.at]
                self.at += 1
            if not self._more():
                return ""

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise _Foreign(f"no JSON: {wanted} expected")
        self.at += 1

    def _more(self) -> bool:
        """Read on; what was taken is forgotten."""
        piece = self.text.read(_CHUNK)
        if piece:
            self.buffer = self.buffer[self.at :] + piece
            self.at = 0
        return bool(piece)
