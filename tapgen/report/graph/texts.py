"""A topology as text that other tools draw: Mermaid and DOT."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tapgen.knowledge.topology import Kind
from tapgen.report.graph import words
from tapgen.report.graph.drawn import drawn
from tapgen.report.graph.marks import Mark
from tapgen.system.topology import Card, Edge, Topology

# Kind → arrow one way and both ways, in Mermaid.
_ARROWS: Mapping[Kind, tuple[str, str]] = {
    Kind.VALUE: ("-->", "<-->"),
    Kind.ORDER: ("-.->", "<-.->"),
    Kind.REPLICATION: ("==>", "<==>"),
    Kind.TRAFFIC: ("==>", "<==>"),
    Kind.FAILOVER: ("-.->", "<-.->"),
    Kind.NETWORK: ("---", "---"),
}
_STYLES: Mapping[Kind, str] = {
    Kind.VALUE: "color=gray50",
    Kind.ORDER: "color=gray50, style=dotted",
    Kind.REPLICATION: "color=darkgreen, fontcolor=darkgreen, style=dashed, penwidth=2",
    Kind.TRAFFIC: "color=blue3, fontcolor=blue3, penwidth=2",
    Kind.FAILOVER: "color=darkorange3, fontcolor=darkorange3, style=dotted, penwidth=2",
    Kind.NETWORK: "color=purple3, fontcolor=purple3, dir=both, penwidth=2",
}


def mermaid(topology: Topology, marks: Mapping[str, Mark]) -> str:
    """Return a topology as a Mermaid flowchart, with the arrows of the picture."""
    return "\n".join(_mermaid(topology, marks)) + "\n"


def _mermaid(topology: Topology, marks: Mapping[str, Mark]) -> Iterator[str]:
    names = {card.id: f"c{number}" for number, card in enumerate(topology.cards, 1)}
    yield "flowchart TB"
    for lane in topology.lanes:
        head, below = words.lane(lane)
        yield f"  subgraph {lane.id}[{_text([head, below], '<br/>')}]"
        for card in _inside(topology, lane.id):
            text = _text(_lines(topology, card, marks), "<br/>")
            ends = ("([", "])") if card.copy or card.outside else ("[", "]")
            yield f"    {names[card.id]}{ends[0]}{text}{ends[1]}"
        yield "  end"
    for edge in drawn(topology):
        arrow = _ARROWS[edge.kind][edge.both]
        said = f"|{_text([_said(edge)], ' ')}|" if _said(edge) else ""
        yield f"  {names[edge.start]} {arrow}{said} {names[edge.end]}"


def dot(topology: Topology, marks: Mapping[str, Mark]) -> str:
    """Return a topology in Graphviz's DOT language, with the arrows of the picture."""
    return "\n".join(_dot(topology, marks)) + "\n"


def _dot(topology: Topology, marks: Mapping[str, Mark]) -> Iterator[str]:
    yield f"digraph {json.dumps(topology.system)} {{"
    yield '  graph [newrank=true, fontname="sans-serif", compound=true];'
    yield '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];'
    yield '  edge [fontname="sans-serif", fontsize=10];'
    for lane in topology.lanes:
        yield f"  subgraph cluster_{lane.id} {{"
        yield f"    label={json.dumps(chr(10).join(words.lane(lane)))};"
        for card in _inside(topology, lane.id):
            label = json.dumps("\n".join(_lines(topology, card, marks)))
            style = ', style="rounded,dashed"' if card.copy or card.outside else ""
            yield f"    {json.dumps(card.id)} [label={label}{style}];"
        yield "  }"
    for wave in sorted({card.wave for card in topology.cards}):
        same = [json.dumps(c.id) for c in topology.cards if c.wave == wave]
        yield f"  {{ rank=same; {'; '.join(same)} }}"
    for edge in drawn(topology):
        said = f", label={json.dumps(_said(edge))}" if _said(edge) else ""
        both = ", dir=both" if edge.both and edge.kind is not Kind.NETWORK else ""
        free = "" if edge.kind in (Kind.VALUE, Kind.ORDER) else ", constraint=false"
        ends = f"{json.dumps(edge.start)} -> {json.dumps(edge.end)}"
        yield f"  {ends} [{_STYLES[edge.kind]}{said}{both}{free}];"
    yield "}"


def _inside(topology: Topology, lane: str) -> list[Card]:
    return [card for card in topology.cards if card.lane == lane]


def _said(edge: Edge) -> str:
    """Return the words at an arrow, with its kind where only a colour would say it."""
    if edge.kind in (Kind.VALUE, Kind.ORDER):
        return ""
    said = words.edge(edge)
    kind = {Kind.TRAFFIC: "traffic", Kind.FAILOVER: "failover"}.get(edge.kind, "")
    return ": ".join(word for word in (kind, said) if word)


def _lines(topology: Topology, card: Card, marks: Mapping[str, Mark]) -> list[str]:
    name, lines = words.card(card)
    places = {lane.id: len(lane.places) for lane in topology.lanes}
    found = [f"{name} (global)" if card.role == "global" else name, *lines]
    if card.id in marks:
        found += [text for _, text in words.mark(marks[card.id], places[card.lane])]
    return found


def _text(lines: list[str], between: str) -> str:
    """Return a text of Mermaid, in which nothing of a name has a meaning."""
    signs = str.maketrans({sign: f"#{ord(sign)};" for sign in '#&<>"|[]{}`'})
    return f'"{between.join(line.translate(signs) for line in lines if line)}"'
