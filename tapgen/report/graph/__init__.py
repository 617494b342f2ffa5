"""Pictures of a system: its topology as SVG, Mermaid, DOT and JSON data.

`svg` gives an element that can stand in a page. With the data of a plan, all forms say
what changes. Begin reading at `drawing.svg`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # slow to import, and the form may need none of it
    from tapgen.model import Target
    from tapgen.report.graph.marks import Mark
    from tapgen.system.topology import Topology

Plan = Mapping[str, Any] | None
"""The JSON data of a plan, live (`report.data.plan`) or saved
(`report.saved.load(…).content["plan"]`)."""


def svg(topology: Topology, plan: Plan = None) -> str:
    """Return a topology as an `<svg>` element, in which a plan is marked.

    The targets of the plan must be those of the topology: of a system that is resolved.
    """
    from tapgen.report.graph import drawing

    shown, marks = _marked(topology, plan)
    refused = bool(plan and plan["refusals"])
    return drawing.svg(shown, marks, planned=plan is not None, refused=refused)


def style() -> str:
    """Return the content of the `<style>` of every `svg`, for a page that allows it by its
    hash."""
    from tapgen.report.graph import drawing

    return drawing.style()


def mermaid(topology: Topology, plan: Plan = None) -> str:
    """Return a topology as a Mermaid flowchart, in which a plan is marked."""
    from tapgen.report.graph import texts

    return texts.mermaid(*_marked(topology, plan))


def dot(topology: Topology, plan: Plan = None) -> str:
    """Return a topology in Graphviz's DOT language, in which a plan is marked."""
    from tapgen.report.graph import texts

    return texts.dot(*_marked(topology, plan))


def data(topology: Topology, plan: Plan = None) -> dict[str, Any]:
    """Return a topology as JSON data, with every arrow, and what a plan changes."""
    shown, marks = _marked(topology, plan)
    return {
        "system": shown.system,
        "environment": shown.environment,
        "suffix": shown.suffix,
        "lanes": [
            {
                "id": lane.id,
                "roles": list(lane.roles),
                "stacks": lane.stacks,
                "targets": [_target(place) for place in lane.places],
            }
            for lane in shown.lanes
        ],
        "cards": [
            {
                "id": card.id,
                "lane": card.lane,
                "part": card.part,
                "stack_set": card.stack_set or None,
                "wave": card.wave,
                "role": card.role or None,
                "copy": card.copy,
                "outside": card.outside,
                "unplaced": card.unplaced,
                "resources": {kind: number for kind, number in card.resources},
                "other_resources": card.others,
                **({} if plan is None else {"plan": _mark(marks.get(card.id))}),
            }
            for card in shown.cards
        ],
        "arrows": [
            {
                "kind": str(edge.kind),
                "from": edge.start,
                "to": edge.end,
                "both_ways": edge.both,
                "words": list(edge.words),
                "later": edge.later,
                "resource": edge.resource or None,
                "source": edge.source or None,
            }
            for edge in shown.edges
        ],
    }


def text_form(name: str) -> Callable[[Topology, Plan], str]:
    """Return what draws a form that is text, by its name."""
    return {"svg": svg, "mermaid": mermaid, "dot": dot}[name]


def _marked(topology: Topology, plan: Plan) -> tuple[Topology, dict[str, Mark]]:
    from tapgen.report.graph import marks

    return (topology, {}) if plan is None else marks.marked(topology, plan)


def _mark(mark: Mark | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    return {
        "changes": [str(change) for change in mark.changes],
        "targets": [_target(place) for place in mark.places],
        "waves": list(mark.waves),
        "details": list(mark.details),
    }


def _target(place: Target) -> dict[str, str]:
    return {"account": place.account, "region": place.region}
