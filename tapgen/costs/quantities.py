"""What AWS charges for in a system, and how much of it in a month.

Read from the templates as each target gets them (`system.evaluated`), so that systems of
all blueprints have it, your own as well. Accounts that get the same are read once. Begin
reading at `of`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from decimal import Decimal, InvalidOperation
from functools import partial
from math import prod
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.charges import (
    BY_TYPE,
    ENGINES,
    EXTRA,
    FREE,
    NOTHING_EXTRA,
    WHEN_USED,
    Charge,
)
from tapgen.model import Output, StackSet, System, Target
from tapgen.model.costs import Usage
from tapgen.system import checks, evaluated, representatives, topology
from tapgen.template.values import mapping

_NO_CHARGES = "tapgen does not know what AWS charges for this type"


@dataclass(frozen=True)
class Product:
    """What a price list sells: by its offer, its usage type without the region, and the
    attributes that tell it apart. What is not `listed` is in no list under one name."""

    offer: str
    usage_type: str
    region: str
    attributes: tuple[tuple[str, str], ...] = ()
    listed: bool = True


@dataclass(frozen=True)
class Quantity:
    """One charge of a resource: `stacks` accounts have it, each this `amount` in a month.

    `place` is the region of the stack, `product.region` that of the charge. Without a
    product or an amount, `why` says what is not known. `how` shows the factors, and
    `usage` names the assumptions among them.
    """

    part: str
    stack_set: str
    place: str
    logical_id: str
    type: str
    words: str
    stacks: int
    product: Product | None = None
    amount: Decimal | None = None
    unit: str = ""
    how: str = ""
    usage: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Found:
    """What a system is charged for. `free` counts the resources without a charge of
    their own by part, region and type, `when_used` those that cost only when they are
    used; `units` are organizational units, each counted as one account."""

    quantities: tuple[Quantity, ...]
    free: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    when_used: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    units: tuple[str, ...] = ()


class _Unknown(Exception):
    """What a quantity needs, and only AWS knows."""


def of(system: System) -> Found:
    """Return what a system is charged for, also before `self` and units are resolved."""
    return Reader(system).read()


class Reader:
    """Reads a system: each stack set once for each region and group of accounts."""

    def __init__(self, system: System) -> None:
        self.units = system.organizational_units
        self.usage = system.usage
        self.system = topology.resolved(system)
        self.parts = {s.part: s for s in self.system.stack_sets}
        self.bodies: dict[tuple[str, Target], Mapping[str, Any]] = {}

    def read(self) -> Found:
        groups = representatives.of(self.system)
        found: list[Quantity] = []
        free: Counter[tuple[str, str, str]] = Counter()
        when_used: Counter[tuple[str, str, str]] = Counter()
        for stack_set in self.system.stack_sets:
            for target in stack_set.targets:
                if target.account not in groups:
                    continue
                stacks = len(groups[target.account])
                found += self.charged(stack_set, target, stacks)
                for _, resource in self.resources(stack_set, target):
                    kind = str(resource.get("Type"))
                    if kind in FREE:
                        free[stack_set.part, target.region, kind] += stacks
                    elif kind in WHEN_USED:
                        when_used[stack_set.part, target.region, kind] += stacks
        return Found(tuple(found), dict(free), dict(when_used), self.units)

    def charged(
        self, stack_set: StackSet, target: Target, stacks: int
    ) -> Iterator[Quantity]:
        """Yield what a target is charged for, which stands for so many `stacks`."""
        for logical_id, resource in self.resources(stack_set, target):
            kind = str(resource.get("Type"))
            if kind not in FREE and kind not in WHEN_USED:
                yield from self._of(stack_set, target, logical_id, resource, stacks)
            for path, words in EXTRA.get(kind, {}).items():
                if _at(mapping(resource.get("Properties")), path) not in NOTHING_EXTRA:
                    yield Quantity(
                        stack_set.part,
                        stack_set.name,
                        target.region,
                        logical_id,
                        kind,
                        words,
                        stacks,
                        why=f"tapgen does not know the price of {path}",
                    )

    def body(self, stack_set: StackSet, target: Target) -> Mapping[str, Any]:
        """Return the template as a target gets it."""
        key = stack_set.part, target
        if key not in self.bodies:
            self.bodies[key] = evaluated.template(stack_set, target, self.parts)
        return self.bodies[key]

    def resources(
        self, stack_set: StackSet, target: Target
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the resources of a target by their logical ids."""
        for name, one in mapping(self.body(stack_set, target)["Resources"]).items():
            if isinstance(one, Mapping):
                yield name, one

    def _of(
        self,
        stack_set: StackSet,
        target: Target,
        logical_id: str,
        resource: Mapping[str, Any],
        stacks: int,
    ) -> Iterator[Quantity]:
        """Yield the charges of a resource."""
        kind = str(resource.get("Type"))
        quantity = partial(
            Quantity,
            *(stack_set.part, stack_set.name, target.region, logical_id, kind),
            stacks=stacks,
        )
        if kind not in BY_TYPE:
            yield quantity(words=kind, why=_NO_CHARGES)
            return
        place = _Place(self, stack_set, target)
        properties = mapping(resource.get("Properties"))
        derive = _DERIVED.get(kind)
        for charge in BY_TYPE[kind]:
            try:
                known = {**properties, **(derive(properties, place) if derive else {})}
                for entry in _entries(charge, known):
                    if not _applies(charge, entry):
                        continue
                    amount, how, usage = _amount(charge, entry, place, self.usage)
                    region = _region(entry) if charge.each else target.region
                    if amount:
                        yield quantity(
                            words=_filled(charge.words, entry),
                            product=_product(charge, entry, region),
                            amount=amount,
                            unit=charge.unit,
                            how=how,
                            usage=usage,
                        )
            except _Unknown as why:
                yield quantity(words=_general(charge), unit=charge.unit, why=str(why))

    def sources(
        self, stack_set: StackSet, target: Target, value: Any
    ) -> list[tuple[StackSet, Target, str]]:
        """Return the stacks whose output a parameter has: stack set, target, output."""
        name = value.get("Ref") if isinstance(value, Mapping) else None
        given = stack_set.values(target).get(str(name))
        source = self.parts.get(given.part) if isinstance(given, Output) else None
        if not isinstance(given, Output) or source is None:
            return []
        places = checks.sources(given, target, source)
        return [(source, place, given.output) for place in places]


class _Place:
    """Where a resource is: what other resources and other stacks say about it."""

    def __init__(self, reader: Reader, stack_set: StackSet, target: Target) -> None:
        self.reader = reader
        self.stack_set = stack_set
        self.target = target

    def resource(self, value: Any) -> Mapping[str, Any]:
        """Return the properties of the resource of this template that a value refers to;
        empty where it is no such reference."""
        name = value.get("Ref") if isinstance(value, Mapping) else None
        found = dict(self.reader.resources(self.stack_set, self.target))
        return mapping(mapping(found.get(str(name))).get("Properties"))

    def given(self, value: Any) -> Iterator[Any]:
        """Yield the values that a parameter gets from outputs of other stacks."""
        for source, place, output in self._sources(value):
            outputs = mapping(self.reader.body(source, place).get("Outputs"))
            yield mapping(outputs.get(output)).get("Value")

    def databases(self, value: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the properties of the databases of the stacks that a parameter is from."""
        for source, place, _ in self._sources(value):
            for _, resource in self.reader.resources(source, place):
                if resource.get("Type") == "AWS::RDS::DBInstance":
                    yield mapping(resource.get("Properties"))

    def _sources(self, value: Any) -> list[tuple[StackSet, Target, str]]:
        return self.reader.sources(self.stack_set, self.target, value)


# -- quantities of a charge -----------------------------------------------------------


def _entries(
    charge: Charge, properties: Mapping[str, Any]
) -> Iterable[Mapping[str, Any]]:
    """Return the properties, or those of each entry of a list that is charged alone, with
    the properties around it."""
    if not charge.each:
        return [properties]
    listed = _at(properties, charge.each)
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise _Unknown(f"only AWS knows {charge.each}")
    return [{**properties, **mapping(one)} for one in listed]


def _applies(charge: Charge, properties: Mapping[str, Any]) -> bool:
    for path, allowed in charge.when.items():
        value = _at(properties, path)
        if isinstance(value, Mapping):
            raise _Unknown(f"only AWS knows {path}")
        if (None if value is None else _text(value)) not in allowed:
            return False
    return True


def _amount(
    charge: Charge, properties: Mapping[str, Any], place: _Place, usage: Usage
) -> tuple[Decimal, str, tuple[str, ...]]:
    """Return the quantity, how it comes about, and the assumptions in it."""
    factors: list[Decimal] = []
    words: list[str] = []
    names: list[str] = []
    for factor in charge.times:
        if factor[0] == "#":
            value = Decimal(_count(_at(properties, factor[1:]), factor[1:], place))
            words.append(shown(value))
        elif factor[0] == "=":
            value = _number(_at(properties, factor[1:]), factor[1:])
            words.append(shown(value))
        else:
            value = Decimal(getattr(usage, factor))
            words.append(f"{shown(value)} {factor}")
            names.append(factor)
        factors.append(value)
    amount = prod(factors, start=Decimal(1)) / charge.per
    how = " × ".join(words) + (f" / {shown(Decimal(charge.per))}" * (charge.per > 1))
    return amount, how or "1", tuple(names)


def shown(number: Decimal) -> str:
    """Return a number as people write it: no exponent, no zeros at its end."""
    text = f"{number:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _count(value: Any, path: str, place: _Place) -> int:
    """Return the number of entries of a list, also of one that is joined elsewhere."""
    match value:
        case None:
            return 0
        case list():
            return len(value)
        case {"Fn::Join": [_, list() as joined]} | {
            "Fn::Split": [_, joined]
        } if isinstance(joined, list):
            return len(joined)
        case {"Fn::Split": [_, inner]}:
            return _count(inner, path, place)
        case str():
            return len(value.split(","))
    counts = {_count(one, path, place) for one in place.given(value)}
    if len(counts) == 1:
        return counts.pop()
    raise _Unknown(f"only AWS knows how many {path} there are")


def _number(value: Any, path: str) -> Decimal:
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("nan")
        if number.is_finite() and number >= 0:
            return number
    if value is None:
        raise _Unknown(f"{path} is not given")
    raise _Unknown(f"only AWS knows {path}")


def _region(entry: Mapping[str, Any]) -> str:
    region = entry.get("Region")
    if not isinstance(region, str):
        raise _Unknown("only AWS knows the region")
    return region


def _product(charge: Charge, properties: Mapping[str, Any], region: str) -> Product:
    return Product(
        charge.offer,
        _filled(charge.usage_type, properties),
        region,
        tuple((k, _filled(v, properties)) for k, v in charge.attributes.items()),
        charge.listed,
    )


_NAME = re.compile(r"\{(\w+)\}")


def _filled(text: str, properties: Mapping[str, Any]) -> str:
    """Return a text with the properties that it names."""

    def value(name: re.Match[str]) -> str:
        found = properties.get(name[1])
        if found is None or isinstance(found, Mapping | list):
            raise _Unknown(f"only AWS knows {name[1]}")
        return _text(found)

    return _NAME.sub(value, text)


def _general(charge: Charge) -> str:
    """Return the words of a charge whose properties are not known."""
    words = _NAME.sub("", charge.words)
    return " ".join(words.split()) or charge.type


def _at(properties: Mapping[str, Any], path: str) -> Any:
    found: Any = properties
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- what is derived from properties --------------------------------------------------


def _database(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    """The engine as price lists name it, the usage of hours, and the storage."""
    about = dict(properties)
    if about.get("Engine") is None:
        source = about.get("SourceDBInstanceIdentifier")
        origins = [place.resource(source), *place.databases(source)]
        origin = next((one for one in origins if one.get("Engine")), {})
        for name in ("Engine", "AllocatedStorage"):
            about.setdefault(name, None)
            about[name] = about[name] or origin.get(name)
    engine = about.get("Engine")
    if isinstance(engine, Mapping) or engine is None:
        raise _Unknown("only AWS knows the engine")
    if engine not in ENGINES:
        raise _Unknown(f"the price depends on the license of {engine}")
    if about.get("DBInstanceClass") == "db.serverless":
        raise _Unknown("its capacity follows the load")
    aurora = str(engine).startswith("aurora")
    several = _text(about.get("MultiAZ", False)) == "true"
    hours = "Multi-AZUsage" if several else "InstanceUsage"
    cluster = place.resource(about.get("DBClusterIdentifier"))
    if cluster.get("StorageType") == "aurora-iopt1":
        hours = "InstanceUsageIOOptimized"
    kind = str(about.get("StorageType", "gp2")).upper()
    return {
        "engine": ENGINES[str(engine)],
        "aurora": aurora,
        "hours": hours,
        "storage": f"Multi-AZ-{kind}-Storage" if several else f"{kind}-Storage",
        "allocated": about.get("AllocatedStorage"),
    }


def _cluster(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    return {"aurora": str(properties.get("Engine", "")).startswith("aurora")}


def _servers(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    """The type and number of servers, and the gigabytes of their volumes."""
    template = mapping(properties.get("LaunchTemplate"))
    data = mapping(
        place.resource(template.get("LaunchTemplateId")).get("LaunchTemplateData")
    )
    about = {**data, **properties}
    number = properties.get("DesiredCapacity", properties.get("MinSize", 1))
    return {
        "instanceType": about.get("InstanceType"),
        "servers": number,
        "gp3": _volumes(about.get("BlockDeviceMappings")),
    }


def _volumes(mappings: Any) -> Any:
    """Return the gigabytes of volumes of type gp3; raise for those of another type."""
    if not isinstance(mappings, list):
        return mappings
    disks = [mapping(mapping(one).get("Ebs")) for one in mappings]
    kinds = {str(disk.get("VolumeType", "gp2")) for disk in disks if disk}
    if kinds - {"gp3"}:
        raise _Unknown(
            f"tapgen knows charges of volumes gp3 only, not {sorted(kinds)[0]}"
        )
    return sum(_number(disk.get("VolumeSize"), "VolumeSize") for disk in disks if disk)


def _check(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    """The options of a health check that are charged each."""
    config = mapping(properties.get("HealthCheckConfig"))
    kind = _text(config.get("Type", ""))
    options = (
        kind.startswith("HTTPS"),
        kind.endswith("STR_MATCH"),
        _text(config.get("MeasureLatency", False)) == "true",
        _text(config.get("RequestInterval", 30)) == "10",
    )
    return {"options": sum(options)}


_FASTEST = 60  # seconds: shorter periods make an alarm one of high resolution
_BANDS = 3  # metrics of an alarm on an anomaly: its own, and two bounds


def _alarm(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    """The metrics that an alarm counts, and whether it is of high resolution."""
    metrics = properties.get("Metrics")
    if isinstance(metrics, Mapping):
        raise _Unknown("only AWS knows Metrics")
    stats = [mapping(mapping(one).get("MetricStat")) for one in metrics or ()]
    used = [stat for stat in stats if stat]
    periods = [one.get("Period") for one in used] or [properties.get("Period", 60)]
    fast = any(_number(p, "Period") < _FASTEST for p in periods if p is not None)
    number = max(len(used), 1)
    if properties.get("ThresholdMetricId") is not None:
        number *= _BANDS  # of an anomaly: CloudWatch pricing, "anomaly detection alarm"
    return {"metrics": number, "fast": fast}


def _table(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    """Each write is charged for the table and for each of its indexes."""
    indexes = sum(
        _count(properties.get(name), name, place)
        for name in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    )
    return {"written": 1 + indexes}


def _function(properties: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    architectures = properties.get("Architectures")
    arm = isinstance(architectures, list) and "arm64" in architectures
    return {
        "arm": "-ARM" if arm else "",
        "memory": properties.get("MemorySize", 128),
    }


_DERIVED = {
    "AWS::RDS::DBInstance": _database,
    "AWS::RDS::DBCluster": _cluster,
    "AWS::EC2::Instance": _servers,
    "AWS::AutoScaling::AutoScalingGroup": _servers,
    "AWS::Route53::HealthCheck": _check,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::DynamoDB::Table": _table,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::Lambda::Function": _function,
}
