"""Pictures of topologies: true to the system, and nothing runs through anything."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.knowledge.topology import Kind
from tapgen.model import Target
from tapgen.report import graph
from tapgen.report.graph import layout
from tapgen.report.graph.drawn import drawn
from tapgen.report.graph.layout import Box, Point
from tapgen.report.graph.measure import fitted, in_lines, width
from tapgen.system.topology import Card, Edge, Lane, Topology


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    lanes = [
        Lane(f"lane{n}", (Target("self", f"region-{n}"),))
        for n in range(draw(st.integers(1, 4)))
    ]
    cards = [
        Card(f"p{n}@{lane}", lane, f"p{n}", wave, stack_set=f"s-p{n}")
        for n, (lane, wave) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.sampled_from([lane.id for lane in lanes]), st.integers(1, 5)
                    ),
                    min_size=1,
                    max_size=16,
                )
            )
        )
    ]
    pairs = st.tuples(st.sampled_from(cards), st.sampled_from(cards))
    edges = []
    for kind in Kind:
        for a, b in draw(st.lists(pairs, max_size=8)):
            thin = kind in (Kind.VALUE, Kind.ORDER)
            if a is not b and not (thin and a.wave >= b.wave):
                edges.append(Edge(kind, a.id, b.id, ("some words",)))
    return Topology("demo", None, "test", tuple(lanes), tuple(cards), tuple(edges))


def crosses(a: Point, b: Point, box: Box) -> bool:
    """Whether a line runs through the inside of a card."""
    left, right = sorted((a.x, b.x))
    upper, lower = sorted((a.y, b.y))
    return (
        right > box.x + 0.5
        and left < box.x + box.width - 0.5
        and lower > box.y + 0.5
        and upper < box.y + box.height - 0.5
    )


def overlap(boxes: Iterable[Box]) -> bool:
    every = list(boxes)
    return any(
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
        for n, a in enumerate(every)
        for b in every[n + 1 :]
    )


@settings(max_examples=60, deadline=None)
@given(topologies())
def test_cards_stand_in_their_lanes_and_waves_and_no_arrow_runs_through_one(
    topology: Topology,
) -> None:
    edges = drawn(topology)
    heights = {card.id: 40.0 + 13 * (n % 4) for n, card in enumerate(topology.cards)}
    found = layout.of(topology, edges, heights, {e: 80.0 for e in edges}, 50.0)
    assert not overlap(found.cards.values())
    for card in topology.cards:
        box, lane = found.cards[card.id], found.lanes[card.lane]
        assert lane.x < box.x and box.x + box.width < lane.x + lane.width
        (band,) = (band for band in found.bands if band.wave == card.wave)
        assert band.y <= box.y and box.y + box.height <= band.y + band.height + 1
    assert {line.edge for line in found.lines} == set(edges)
    for line in found.lines:
        for a, b in zip(line.points, line.points[1:], strict=False):
            assert a.x == b.x or a.y == b.y, line
            for name, box in found.cards.items():
                assert not crosses(a, b, box), (line, name)
    text = graph.svg(topology)
    ET.fromstring(text)
    assert text == graph.svg(topology)


@pytest.mark.parametrize("text", ["a" * 200, "東京" * 40, "x", ""])
def test_a_text_that_is_too_wide_is_shortened_in_its_middle(text: str) -> None:
    shown = fitted(text, 11, 100)
    assert width(shown, 11) <= 100
    if shown != text:
        assert "…" in shown and shown[0] == text[0] and shown[-1] == text[-1]


@pytest.mark.parametrize("text", ["a-stack-set-with-28-letters", "x" * 200, "a-" * 90])
def test_a_name_that_is_too_wide_has_two_lines(text: str) -> None:
    lines = in_lines(text, 13, 158, bold=True)
    assert all(width(line, 13, bold=True) <= 158 for line in lines) and len(lines) <= 2
    assert "".join(lines) == text or len(text) > 28
