"""The topology of a system: what is where, and what flows between.

Read from the templates as each target gets them (`evaluated`), so that systems of all
blueprints have it, your own as well. Nothing is read from AWS. Accounts and regions with
the same stacks, resources and arrows are one lane. Begin reading at `of`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from tapgen.frozen import dataclass
from tapgen.knowledge.topology import (
    FAILOVER_ORIGINS,
    GLOBAL_CLUSTERS,
    LINKS,
    MAIN,
    NAMES,
    RECORDS,
    Kind,
    Link,
)
from tapgen.model import SELF, Output, StackSet, System, Target, Unit
from tapgen.system import checks, evaluated, representatives
from tapgen.template.values import mapping, normal

_OWN = "000000000000"
"""The number of the caller's own account, which is not known here."""

_UNKNOWN = "known to AWS only"


@dataclass(frozen=True)
class Lane:
    """The accounts and regions that get the same: `places` are its accounts with their
    regions, `roles` those of its regions. Without `stacks`, only copies are there."""

    id: str
    places: tuple[Target, ...]
    roles: tuple[str, ...] = ()
    stacks: bool = True

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t.account for t in self.places))

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t.region for t in self.places))


@dataclass(frozen=True)
class Card:
    """A stack set in a lane.

    `wave` numbers the waves of a first rollout, from 1. `resources` are the types that
    say what it is for, each with its number, `others` the number of the rest. `role` is
    that of its stack set. A `copy` is what a resource of another region keeps here; what
    is `outside` belongs to no stack set of the system, and `part` is its name; `unplaced`
    says that its region is not known, and it is in the lane of what names it.
    """

    id: str
    lane: str
    part: str
    wave: int
    role: str = ""
    stack_set: str = ""
    resources: tuple[tuple[str, int], ...] = ()
    others: int = 0
    copy: bool = False
    outside: bool = False
    unplaced: bool = False


@dataclass(frozen=True)
class Edge:
    """What flows from a card to another one, or `both` ways. `words` say what; for values
    they are the outputs. A value is given `later` where both stacks need each other.
    `resource` is the logical id of the resource that says so, `source` a page of AWS.
    """

    kind: Kind
    start: str
    end: str
    words: tuple[str, ...] = ()
    both: bool = False
    later: bool = False
    resource: str = ""
    source: str = ""


@dataclass(frozen=True)
class Topology:
    """Lanes, the cards in them, and the arrows between the cards."""

    system: str
    environment: str | None
    suffix: str
    lanes: tuple[Lane, ...]
    cards: tuple[Card, ...]
    edges: tuple[Edge, ...]


def of(system: System) -> Topology:
    """Return the topology of a system, also before `self` and units are resolved."""
    return _folded(system, _Reader(resolved(system)).read())


def resolved(system: System) -> System:
    """Return a system whose own account has a number, so that names and ARNs are texts."""
    units = {u: Unit(u, ()) for u in system.organizational_units}
    found = system.resolve(_OWN, units)
    targets = {s.part: s.targets for s in system.stack_sets if s.service_managed}
    return replace(
        found,
        stack_sets=tuple(
            replace(s, targets=targets.get(s.part, s.targets)) for s in found.stack_sets
        ),
    )


def waves(system: System) -> dict[str, int]:
    """Return the wave of each part in a first rollout, from 1."""
    needs = {s.part: s.requires() for s in system.stack_sets}
    found: dict[str, int] = {}

    def wave(part: str) -> int:
        if part not in found:
            before = [wave(p) for p in sorted(needs[part]) if p in needs]
            found[part] = 1 + max(before, default=0)
        return found[part]

    for part in needs:
        wave(part)
    return found


class _Reader:
    """Reads a system: one card for each part, region and group of accounts."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.parts = {s.part: s for s in system.stack_sets}
        self.waves = waves(system)
        self.groups = representatives.of(system)
        self.first = {a: f for f, accounts in self.groups.items() for a in accounts}
        self.cards: dict[tuple[str, Target], Card] = {}
        self.bodies: dict[str, Mapping[str, Any]] = {}
        self.sets: dict[str, tuple[StackSet, Target]] = {}
        self.named: dict[str, list[tuple[str, str]]] = {}
        self.edges: dict[tuple[Any, ...], Edge] = {}
        self.numbers = count(1)

    def read(self) -> tuple[list[tuple[Card, Target]], list[Edge]]:
        for s in self.system.stack_sets:
            for target in s.targets:
                if self.first[target.account] == target.account:
                    self._card(s, target)
        for card_id in list(self.bodies):
            self._values(card_id)
            for logical_id, resource in self._resources(card_id):
                for edge in self._links(card_id, logical_id, resource):
                    self._add(edge)
        return [(c, at) for (_, at), c in self.cards.items()], list(self.edges.values())

    def _card(self, s: StackSet, target: Target) -> None:
        body = evaluated.template(s, target, self.parts)
        types = Counter(
            str(mapping(one).get("Type")) for one in body["Resources"].values()
        )
        main = tuple((t, types[t]) for t in MAIN if t in types)
        shown = main or tuple(types.most_common(2))
        card = Card(
            f"{s.part}@{target}",
            "",
            s.part,
            self.waves[s.part],
            s.role,
            s.name,
            shown,
            types.total() - sum(number for _, number in shown),
        )
        self.cards[s.part, target] = card
        self.bodies[card.id] = body
        self.sets[card.id] = s, target
        for logical_id, resource in self._resources(card.id):
            name = mapping(resource.get("Properties")).get(
                NAMES.get(str(resource.get("Type")), "")
            )
            if isinstance(name, str):
                self.named.setdefault(name, []).append((card.id, logical_id))

    def _resources(self, card: str) -> list[tuple[str, Mapping[str, Any]]]:
        found = mapping(self.bodies[card]["Resources"]).items()
        return [(str(k), v) for k, v in found if isinstance(v, Mapping)]

    def _add(self, edge: Edge) -> None:
        """Add an edge; with one of the same that leads back, it leads both ways."""
        if edge.start == edge.end:
            return
        label = edge.words if edge.kind not in (Kind.VALUE, Kind.ORDER) else ()
        key = edge.kind, edge.start, edge.end, label
        back = edge.kind, edge.end, edge.start, label
        one_way = edge.kind in (Kind.VALUE, Kind.ORDER, Kind.TRAFFIC, Kind.FAILOVER)
        if back in self.edges and not one_way:
            self.edges[back] = replace(self.edges[back], both=True)
            return
        known = self.edges.get(key)
        if known:
            words = tuple(dict.fromkeys((*known.words, *edge.words)))
            edge = replace(
                known, words=words, both=known.both or edge.both, later=known.later
            )
        self.edges[key] = edge

    # Values and order --------------------------------------------------------------------

    def _values(self, card: str) -> None:
        s, target = self.sets[card]
        given: set[str] = set()
        for name, value in s.values(target).items():
            if not isinstance(value, Output) or value.part not in self.parts:
                continue
            given.add(value.part)
            for source in self._sources(value, target):
                later = name in s.at_first
                self._add(Edge(Kind.VALUE, source, card, (value.output,), later=later))
        for part in sorted({*s.depends_on} - given):
            here = self.cards.get((part, target))
            cards = (
                [here] if here else [c for (p, _), c in self.cards.items() if p == part]
            )
            for one in cards:
                self._add(Edge(Kind.ORDER, one.id, card))

    def _sources(self, value: Output, target: Target) -> list[str]:
        """Return the cards with the stacks that a value comes from."""
        places = checks.sources(value, target, self.parts[value.part])
        firsts = dict.fromkeys(Target(self.first[t.account], t.region) for t in places)
        found = [self.cards.get((value.part, t)) for t in firsts]
        return [card.id for card in found if card]

    # What values name --------------------------------------------------------------------

    def _ends(self, card: str, value: Any, depth: int = 0) -> list[tuple[str, str]]:
        """Return the resources that a value names, each with its card."""
        texts: list[str] = []
        found: list[tuple[str, str]] = []
        for kind, name in _leaves(normal(value)):
            if kind == "text":
                texts.append(name)
            elif name in self.bodies[card]["Resources"]:
                found.append((card, name))
            elif depth <= len(self.parts):
                found += self._behind(card, name, depth)
        if not found and len(texts) == 1:
            found = self._by_name(texts[0])
        return list(dict.fromkeys(found))

    def _behind(self, card: str, parameter: str, depth: int) -> list[tuple[str, str]]:
        """Return the resources that the output in a parameter names."""
        s, target = self.sets[card]
        value = s.values(target).get(parameter)
        if not isinstance(value, Output) or value.part not in self.parts:
            return []
        found: list[tuple[str, str]] = []
        for source in self._sources(value, target):
            outputs = mapping(self.bodies[source].get("Outputs"))
            output = mapping(outputs.get(value.output)).get("Value")
            found += self._ends(source, output, depth + 1)
        return found

    def _by_name(self, text: str) -> list[tuple[str, str]]:
        name = re.split("[:/]", text)[-1]
        bucket = re.sub(r"\.s3[.-].*$", "", name)
        found = self.named.get(name) or self.named.get(bucket) or []
        region = _region_of(text)
        here = [one for one in found if self.sets[one[0]][1].region == region]
        return here or found

    # Links -------------------------------------------------------------------------------

    def _links(
        self, card: str, logical_id: str, resource: Mapping[str, Any]
    ) -> Iterator[Edge]:
        kind = str(resource.get("Type"))
        properties = mapping(resource.get("Properties"))
        for link in _BY_TYPE.get(kind, ()):
            yield from self._link(card, logical_id, properties, link)
        if kind == "AWS::Route53::RecordSet":
            yield from self._record(card, logical_id, properties)
        elif kind == "AWS::Route53::RecordSetGroup":
            for record in _list(properties.get("RecordSets")):
                yield from self._record(card, logical_id, mapping(record))
        elif kind == "AWS::CloudFront::Distribution":
            yield from self._origins(card, logical_id, properties)

    def _link(
        self, card: str, logical_id: str, properties: Mapping[str, Any], link: Link
    ) -> Iterator[Edge]:
        for places, value in _at(properties, link.path.split("/")):
            beside, wanted = link.enabled
            if beside and _beside(properties, beside, places) not in (wanted, None):
                continue
            path, form = link.label
            label = _beside(properties, path, places) if path else None
            words = link.words if label is None else form.format(_number(label))
            edge = Edge(
                link.kind,
                card,
                card,
                (words,) if words else (),
                link.both,
                resource=logical_id,
                source=link.source,
            )
            if link.region:
                ends = self._copies(card, str(value), words)
            else:
                ends = self._places(card, value, edge)
            for end in ends:
                start, stop = (end, card) if link.inward else (card, end)
                yield replace(edge, start=start, end=stop)

    def _places(self, card: str, value: Any, edge: Edge) -> list[str]:
        """Return the cards of what a value names, one outside of the system if none."""
        ends = self._ends(card, value)
        through = [self._first_cluster(*one) for one in ends]
        found = list(dict.fromkeys(c for one in through for c in one))
        if found or ends:
            return found
        if edge.kind is Kind.NETWORK and not isinstance(value, str):
            return []
        return [self._outside(card, value)]

    def _first_cluster(self, card: str, logical_id: str) -> list[str]:
        """Return the card that data comes from: that of the first cluster, for a global
        one."""
        resource = mapping(self.bodies[card]["Resources"][logical_id])
        path = GLOBAL_CLUSTERS.get(str(resource.get("Type")))
        if path is None:
            return [card]
        value = mapping(resource.get("Properties")).get(path)
        return [c for c, _ in self._ends(card, value)] if value else [card]

    def _copies(self, card: str, region: str, words: str) -> list[str]:
        """Return the card of what a resource keeps in another region."""
        s, target = self.sets[card]
        if region == target.region:
            return []
        place = Target(target.account, region)
        own = self.cards[s.part, target]
        key = f"copy of {s.part}", place
        if key not in self.cards:
            self.cards[key] = Card(
                f"copy of {s.part}@{place}",
                "",
                s.part,
                own.wave,
                s.role,
                copy=True,
            )
        return [self.cards[key].id]

    def _outside(self, card: str, value: Any) -> str:
        """Return the card of what a value names outside of the system."""
        _, target = self.sets[card]
        text = value if isinstance(value, str) else ""
        region = _region_of(text)
        name = _name_in(text) or _UNKNOWN
        place = Target(target.account, region or target.region)
        wave = next(c.wave for c in self.cards.values() if c.id == card)
        key = f"outside {name}", place
        if key not in self.cards:
            self.cards[key] = Card(
                f"outside {name}@{place}",
                "",
                name,
                wave,
                outside=True,
                unplaced=not region,
            )
        return self.cards[key].id

    def _record(
        self, card: str, logical_id: str, record: Mapping[str, Any]
    ) -> Iterator[Edge]:
        """Yield where a DNS record sends traffic."""
        policy = next((r for r in RECORDS if r.property in record), None)
        if policy is None and record.get("Type") not in ("A", "AAAA", "CNAME"):
            return
        kind, words = Kind.TRAFFIC, ""
        if policy:
            given = record[policy.property]
            words = policy.words.format(str(_number(given)).lower())
            if policy.standby and given == policy.standby:
                kind = Kind.FAILOVER
        name = str(record.get("Name", "")).rstrip(".")
        values = [mapping(record.get("AliasTarget")).get("DNSName")]
        values += _list(record.get("ResourceRecords"))
        for value in values:
            for end in self._served(card, value) if value else ():
                yield Edge(
                    kind,
                    card,
                    end,
                    tuple(w for w in (words, name if not words else "") if w),
                    resource=logical_id,
                    source=policy.source if policy else "",
                )

    def _served(self, card: str, value: Any) -> list[str]:
        """Return the cards of what answers under a name, one outside of the system if
        none does."""
        found = [end for end, _ in self._ends(card, value)]
        return list(dict.fromkeys(found)) or [self._outside(card, value)]

    def _origins(
        self, card: str, logical_id: str, properties: Mapping[str, Any]
    ) -> Iterator[Edge]:
        """Yield where a CloudFront distribution gets its answers."""
        config = mapping(properties.get("DistributionConfig"))
        groups = _list(mapping(config.get("OriginGroups")).get("Items"))
        second = {
            mapping(member).get("OriginId")
            for group in groups
            for member in _list(mapping(mapping(group).get("Members")).get("Items"))[1:]
        }
        for origin in map(mapping, _list(config.get("Origins"))):
            standby = origin.get("Id") in second
            for end in self._served(card, origin.get("DomainName")):
                yield Edge(
                    Kind.FAILOVER if standby else Kind.TRAFFIC,
                    card,
                    end,
                    ("origin, if the first fails",) if standby else ("origin",),
                    resource=logical_id,
                    source=FAILOVER_ORIGINS,
                )


_BY_TYPE: Mapping[str, list[Link]] = {
    kind: [link for link in LINKS if link.type == kind]
    for kind in {link.type for link in LINKS}
}


_HOST_REGION = re.compile(r"[.-]([a-z]{2}(?:-[a-z]+)+-\d)\.[a-z0-9.-]*amazonaws\.com")


def _region_of(text: str) -> str:
    """Return the region in an ARN or a host name of AWS, empty where there is none."""
    fields = text.split(":")
    if fields[0] == "arn":
        return fields[3] if len(fields) > 3 else ""
    found = _HOST_REGION.search(text)
    return found[1] if found else ""


def _name_in(text: str) -> str:
    """Return the name of the resource in an ARN, else the text; the ARN of a load
    balancer has an id after it."""
    if not text.startswith("arn:"):
        return text
    pieces = text.split(":")[-1].split("/")
    return pieces[2] if pieces[0] == "loadbalancer" and len(pieces) > 3 else pieces[-1]


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _leaves(form: Any) -> Iterator[tuple[str, str]]:
    """Yield the references and the texts in a normal form."""
    match form:
        case str():
            yield "text", form
        case {"Ref": str(name)}:
            yield "name", name
        case {"Fn::GetAtt": str(name)}:
            yield "name", name.partition(".")[0]
        case Mapping():
            for one in form.values():
                yield from _leaves(one)
        case list():
            for one in form:
                yield from _leaves(one)


def _at(
    node: Any, path: list[str], places: tuple[int, ...] = ()
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield the values at a path, with the places in its lists."""
    if not path:
        yield places, node
    elif path[0] == "*":
        for number, one in enumerate(_list(node)):
            yield from _at(one, path[1:], (*places, number))
    elif isinstance(node, Mapping) and path[0] in node:
        yield from _at(node[path[0]], path[1:], places)


def _beside(node: Any, path: str, places: Iterable[int]) -> Any:
    """Return the value at a path with these places in its lists, None if there is none."""
    numbers = iter(places)
    for name in path.split("/"):
        if name == "*":
            items, number = _list(node), next(numbers, -1)
            node = items[number] if 0 <= number < len(items) else None
        else:
            node = mapping(node).get(name)
    return node


# Lanes ----------------------------------------------------------------------------------


def _folded(
    system: System, found: tuple[list[tuple[Card, Target]], list[Edge]]
) -> Topology:
    """Return the topology with one lane for all places that get the same."""
    placed, edges = found
    groups = representatives.of(resolved(system))
    unresolved = any(t.account == SELF for s in system.stack_sets for t in s.targets)
    number_of_own = _OWN if unresolved else ""
    lane_of = {card.id: at for card, at in placed}
    signs: dict[Target, list[Any]] = {}
    for card, at in placed:
        own = card.part, card.resources, card.others, card.copy, card.outside
        signs.setdefault(at, []).append(own)
    part_of = {card.id: (card.part, card.copy) for card, _ in placed}
    for edge in edges:
        ends = (edge.start, edge.end, "to"), (edge.end, edge.start, "from")
        for here, other, way in ends:
            there = lane_of[other]
            where = None if there == lane_of[here] else there
            sign = way, part_of[here], where, part_of[other], edge.kind, edge.words
            signs[lane_of[here]].append(sign)
    same: dict[Any, list[Target]] = {}
    for at in sorted(signs, key=_order(system)):
        same.setdefault(tuple(sorted(map(repr, signs[at]))), []).append(at)
    lanes: list[Lane] = []
    into: dict[Target, Target] = {}
    names: dict[Target, str] = {}
    with_stacks = {at for card, at in placed if card.stack_set}
    for number, firsts in enumerate(same.values(), 1):
        places = tuple(
            Target(SELF if account == number_of_own else account, at.region)
            for at in firsts
            for account in groups.get(at.account, (at.account,))
        )
        into |= {at: firsts[0] for at in firsts}
        names[firsts[0]] = f"lane{number}"
        regions = {t.region for t in places}
        roles = tuple(r for r, region in system.regions.items() if region in regions)
        stacks = any(at in with_stacks for at in firsts)
        lanes.append(Lane(f"lane{number}", places, roles, stacks))
    cards = [replace(card, lane=names[at]) for card, at in placed if into[at] == at]
    ids = {card.id for card in cards}
    stands_for = {
        card.id: _id_at(card, at, into[at]) for card, at in placed if into[at] != at
    }
    merged: dict[Any, Edge] = {}
    for edge in edges:
        start = stands_for.get(edge.start, edge.start)
        end = stands_for.get(edge.end, edge.end)
        if start in ids and end in ids and start != end:
            one = replace(edge, start=start, end=end)
            merged.setdefault((one.kind, start, end, one.words), one)
    renamed = {card.id: f"{card.id.partition('@')[0]}@{card.lane}" for card in cards}
    return Topology(
        system.name,
        system.environment,
        system.suffix,
        tuple(lanes),
        tuple(replace(card, id=renamed[card.id]) for card in cards),
        tuple(
            replace(edge, start=renamed[edge.start], end=renamed[edge.end])
            for edge in merged.values()
        ),
    )


def _id_at(card: Card, at: Target, other: Target) -> str:
    return card.id.removesuffix(f"@{at}") + f"@{other}"


def _order(system: System) -> Any:
    """Return the key by which lanes are sorted: regions as the file has their roles."""
    regions = list(system.regions.values())

    def key(at: Target) -> tuple[Any, ...]:
        known = regions.index(at.region) if at.region in regions else len(regions)
        return known, at.region, at.account

    return key
