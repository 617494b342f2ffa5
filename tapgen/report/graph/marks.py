"""What a plan does to the cards of a topology, in words.

The plan is its JSON data (`report.data.plan`), which a saved plan has as well. What is
deployed and no longer wanted gets cards of its own, so that no deletion is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.system.topology import Card, Lane, Topology


class Change(StrEnum):
    """What happens to a stack set in a lane, mildest first."""

    UPDATE = "update"
    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    LOSS = "may lose data"
    REFUSED = "refused by AWS"
    UNREAD = "not read"


SIGNS: Mapping[Change, str] = {
    Change.CREATE: "+",
    Change.UPDATE: "~",
    Change.REPLACE: "±",
    Change.DELETE: "−",
    Change.LOSS: "!",
    Change.REFUSED: "✗",
    Change.UNREAD: "?",
}

MEANINGS: Mapping[Change, str] = {
    Change.CREATE: "creates the stack",
    Change.UPDATE: "updates the stack",
    Change.REPLACE: "replaces resources of the stack",
    Change.DELETE: "deletes the stack",
    Change.LOSS: "deletes, replaces or stops keeping what holds data",
    Change.REFUSED: "AWS refuses the update",
    Change.UNREAD: "cannot be read, so a change may be missing",
}


@dataclass(frozen=True)
class Mark:
    """What happens at a card: `changes`, the gravest last, at `places` of its lane, in
    the waves of the rollout."""

    changes: tuple[Change, ...]
    places: tuple[Target, ...] = ()
    waves: tuple[int, ...] = ()
    details: tuple[str, ...] = ()


def marked(
    topology: Topology, plan: Mapping[str, Any]
) -> tuple[Topology, dict[str, Mark]]:
    """Return a topology with cards for all that a plan changes, and the marks of its
    cards."""
    found: dict[tuple[str, Target], _Found] = {}
    for number, wave in enumerate(plan["waves"], 1):
        for step in wave:
            changes = {
                _target(one): list(_changes(one, step["action"]))
                for one in step["resources"]
            }
            for place in map(_target, step["targets"]):
                one = found.setdefault((step["stack_set"], place), _Found())
                one.part, one.waves = step["part"], one.waves | {number}
                one.add(changes.get(place) or [(_action(step["action"]), "")])
    for key in ("unread", "omitted"):
        for row in plan.get(key, ()):
            for place in map(_target, row.get("targets", [row])):
                one = found.setdefault((row["stack_set"], place), _Found())
                one.add([(Change.UNREAD, row.get("reason") or "")])
    topology = _with_gone(topology, found)
    places = {lane.id: lane.places for lane in topology.lanes}
    marks: dict[str, Mark] = {}
    for card in topology.cards:
        rows = [
            (place, found[card.stack_set, place])
            for place in places[card.lane]
            if card.stack_set and (card.stack_set, place) in found
        ]
        if rows:
            every = {change for _, one in rows for change in one.changes}
            marks[card.id] = Mark(
                tuple(change for change in Change if change in every),
                tuple(place for place, _ in rows),
                tuple(sorted({wave for _, one in rows for wave in one.waves})),
                tuple(dict.fromkeys(d for _, one in rows for d in one.details)),
            )
    return topology, marks


class _Found:
    def __init__(self) -> None:
        self.part = ""
        self.waves: frozenset[int] = frozenset()
        self.changes: dict[Change, None] = {}
        self.details: dict[str, None] = {}

    def add(self, changes: Iterable[tuple[Change, str]]) -> None:
        for change, detail in changes:
            self.changes[change] = None
            if detail:
                self.details[detail] = None


def _action(action: str) -> Change:
    return {"CREATE": Change.CREATE, "DELETE": Change.DELETE}.get(action, Change.UPDATE)


def _changes(resources: Mapping[str, Any], action: str) -> Iterator[tuple[Change, str]]:
    """Yield what happens to one stack, with details where somebody has to look."""
    creates = resources["new"] and action != "DELETE"
    yield (Change.CREATE if creates else _action(action)), ""
    for change in resources["changes"]:
        name = change["logical_id"]
        if change["verdict"] in ("replaces", "may replace"):
            yield Change.REPLACE, f"{change['verdict']} {name}"
        for risk in change["risks"]:
            if risk["kind"] == "data":
                yield Change.LOSS, f"{name}: {risk['detail']}"
        for refusal in change["refusals"]:
            yield Change.REFUSED, f"{name}: {refusal['words']}"


def _target(row: Mapping[str, Any]) -> Target:
    return Target(row["account"], row["region"])


def _with_gone(
    topology: Topology, found: Mapping[tuple[str, Target], _Found]
) -> Topology:
    """Add cards for stacks that the system no longer has, in the lanes of their places."""
    lane_at = {place: lane.id for lane in topology.lanes for place in lane.places}
    known = {(card.stack_set, card.lane) for card in topology.cards}
    last = max((card.wave for card in topology.cards), default=0)
    lanes, cards = list(topology.lanes), list(topology.cards)
    for (stack_set, place), one in sorted(found.items()):
        if place not in lane_at:
            lane_at[place] = f"lane{len(lanes) + 1}"
            lanes.append(Lane(lane_at[place], (place,)))
        key = stack_set, lane_at[place]
        if key not in known:
            known.add(key)
            part = one.part or stack_set
            name = f"{part}@{lane_at[place]}"
            cards.append(Card(name, lane_at[place], part, last + 1, "", stack_set))
    return replace(topology, lanes=tuple(lanes), cards=tuple(cards))
