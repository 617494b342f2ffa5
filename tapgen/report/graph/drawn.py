"""Which arrows of a topology a picture has.

A picture shows the order of deployment by as few arrows as say it: where values also
take a longer way, the short one is left out. What copies data or sends traffic is always
there. The text and JSON forms have every arrow.
"""

from __future__ import annotations

from tapgen.report.graph.grid import THIN
from tapgen.system.topology import Edge, Topology


def drawn(topology: Topology) -> tuple[Edge, ...]:
    """Return the edges to draw, in the order of the topology."""
    import networkx  # no other command needs it

    strong = {frozenset((e.start, e.end)) for e in topology.edges if e.kind not in THIN}
    graph = networkx.DiGraph(
        (e.start, e.end) for e in topology.edges if e.kind in THIN and not e.later
    )
    short = set(networkx.transitive_reduction(graph).edges)
    seen: set[tuple[str, str]] = set()
    found: list[Edge] = []
    for edge in topology.edges:
        pair = edge.start, edge.end
        if edge.kind in THIN:
            if pair in seen or frozenset(pair) in strong:
                continue
            if not edge.later and pair not in short:
                continue
            seen.add(pair)
        found.append(edge)
    return tuple(found)
