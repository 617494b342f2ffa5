"""The words of a picture: what stands on cards, at arrows and above lanes, and the same as
running text for those who do not see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tapgen.knowledge.topology import MAIN, Kind
from tapgen.model import SELF
from tapgen.report.counting import counted
from tapgen.report.graph.marks import SIGNS, Change, Mark
from tapgen.system.topology import Card, Edge, Lane, Topology

MEANINGS: Mapping[Kind, str] = {
    Kind.TRAFFIC: "traffic",
    Kind.FAILOVER: "traffic if the first way fails",
    Kind.REPLICATION: "replication",
    Kind.NETWORK: "connected networks",
    Kind.VALUE: "values (outputs that parameters take)",
    Kind.ORDER: "order of deployment only",
}
"""What each kind of arrow means, in the order of a legend."""

_MOST_TYPES = 3
_MOST_ACCOUNTS = 12


def title(topology: Topology) -> str:
    environment = (
        f", environment {topology.environment}" if topology.environment else ""
    )
    return f"{topology.system}{environment}"


def summary(topology: Topology) -> str:
    """Return what there is in one line."""
    parts = {card.part for card in topology.cards if card.stack_set}
    waves = {card.wave for card in topology.cards if card.stack_set}
    places = {place for lane in topology.lanes if lane.stacks for place in lane.places}
    accounts = {place.account for place in places}
    regions = {place.region for place in places}
    return (
        f"{counted(len(parts), 'stack set')} in {counted(len(waves), 'wave')}, "
        f"{counted(len(accounts), 'account')}, {counted(len(regions), 'region')}"
    )


def lane(one: Lane) -> tuple[str, str]:
    """Return the heading of a lane, and the line below it."""
    accounts, regions = one.accounts, one.regions
    if len(one.places) == 1:
        head, below = regions[0], [" and ".join(one.roles), _account(accounts[0])]
    elif len(accounts) == 1:
        head, below = counted(len(regions), "region"), [_account(accounts[0])]
    else:
        head, below = counted(len(accounts), "account"), [_regions(one)]
    below += ["all the same"] if len(one.places) > 1 else []
    below += [] if one.stacks else ["copies only"]
    return head, " · ".join(word for word in below if word)


def _regions(one: Lane) -> str:
    regions = one.regions
    if len(one.places) < len(one.accounts) * len(regions):
        return counted(len(one.places), "target")
    if len(regions) > 2:
        return f"in {counted(len(regions), 'region')}"
    return " and ".join(regions)


def places(one: Lane) -> str:
    """Return the accounts and regions of a lane, the first ones of many."""
    accounts = [_account(account) for account in one.accounts[:_MOST_ACCOUNTS]]
    if more := len(one.accounts) - len(accounts):
        accounts.append(f"and {counted(more, 'account')} more")
    return f"{', '.join(one.regions)}: {', '.join(accounts)}"


def _account(account: str) -> str:
    if account == SELF:
        return "this account"
    return f"account {account}" if account.isdigit() else f"unit {account}"


def card(one: Card) -> tuple[str, list[str]]:
    """Return the name on a card, and the lines below it."""
    if one.copy:
        return one.part, ["copy of the other region"]
    if one.outside:
        return one.part, [
            "outside, region unknown" if one.unplaced else "not of this system"
        ]
    shown = one.resources[:_MOST_TYPES]
    lines = [_resources(kind, number) for kind, number in shown]
    rest = one.others + sum(number for _, number in one.resources[_MOST_TYPES:])
    if rest:
        lines.append(
            f"and {counted(rest, 'other')}" if lines else counted(rest, "resource")
        )
    return one.part, lines or ["no longer in the file"]


def resources(one: Card) -> str:
    """Return all that is in a card."""
    found = [_resources(kind, number) for kind, number in one.resources]
    if one.others:
        found.append(f"{one.others} other{'' if one.others == 1 else 's'}")
    return ", ".join(found)


def _resources(kind: str, number: int) -> str:
    word = MAIN.get(kind) or " ".join(kind.split("::")[1:])
    if number == 1:
        return word
    plural = {"policy": "policies", "REST API": "REST APIs"}.get(word)
    if plural is None:
        plural = word if word.endswith("settings") else f"{word}s"
        plural = plural.replace("sss", "sses").replace(
            "group of DNS recordss", "groups"
        )
    return f"{number} {plural}"


def edge(one: Edge) -> str:
    """Return the words at an arrow."""
    found = ", ".join(one.words)
    if one.kind is Kind.REPLICATION and one.both:
        return f"{found}, both ways"
    return found or ("standby" if one.kind is Kind.FAILOVER else "")


def mark(one: Mark, all_places: int) -> list[tuple[Change, str]]:
    """Return the words of a mark on a card, the gravest first: what happens to the stack
    with the waves of the rollout, and at how many of the places of its lane."""
    found = [(change, f"{SIGNS[change]} {change}") for change in one.changes[::-1]]
    change, text = found[-1]
    if len(one.waves) == 1:
        found[-1] = change, f"{text}, wave {one.waves[0]}"
    elif one.waves:
        found.append((change, f"in waves {', '.join(map(str, one.waves))}"))
    if len(one.places) < all_places:
        found.append((change, f"in {len(one.places):,} of {all_places:,} targets"))
    return found


def sentences(topology: Topology, marks: Mapping[str, Mark]) -> Iterator[str]:
    """Yield the picture as sentences."""
    yield f"{summary(topology)}."
    parts = {one.id: one for one in topology.cards}
    heads = {one.id: lane(one)[0] for one in topology.lanes}

    def name(card_id: str) -> str:
        one = parts[card_id]
        what = f"the copy of {one.part}" if one.copy else one.part
        return f"{what} ({heads[one.lane]})"

    for one in topology.lanes:
        here = [c for c in topology.cards if c.lane == one.id]
        head, below = lane(one)
        listed = ", ".join(f"the copy of {c.part}" if c.copy else c.part for c in here)
        yield f"{head} ({below}): {listed}."
    for link in topology.edges:
        if link.kind in (Kind.VALUE, Kind.ORDER):
            continue
        way = "to and from" if link.both else "to"
        yield (
            f"{MEANINGS[link.kind].capitalize()} ({edge(link)}): {name(link.start)} "
            f"{way} {name(link.end)}."
        )
    numbers = Counter(e.kind for e in topology.edges)
    if numbers[Kind.VALUE]:
        yield f"{counted(numbers[Kind.VALUE], 'flow')} of values between stacks."
    for card_id, changes in marks.items():
        listed = ", ".join(map(str, changes.changes[::-1]))
        yield f"Plan, {name(card_id)}: {listed}."
