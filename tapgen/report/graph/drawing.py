"""A topology as SVG: one text without scripts and without anything from elsewhere.

It is readable in light and dark, on paper and without colours: what a colour says, a
word, a sign or the shape of a line says too. The same topology gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from tapgen.knowledge.topology import Kind
from tapgen.report.graph import layout, words
from tapgen.report.graph.drawn import drawn
from tapgen.report.graph.grid import THIN
from tapgen.report.graph.layout import CARD, Box, Line, Point
from tapgen.report.graph.marks import MEANINGS, SIGNS, Change, Mark
from tapgen.report.graph.measure import fitted, in_lines, width
from tapgen.system.topology import Card, Edge, Topology

_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_TITLE, _NAME, _SMALL = 17.0, 13.0, 11.0
_LINE = 15.0
_PAD = 10.0
_CHIP = 18.0
_HEAD = 52.0  # of a lane
_EDGE = 20.0  # around it all
_CORNER = 6.0

_LIGHT = {
    "paper": "#ffffff",
    "lane": "#f5f7fa",
    "rim": "#d5dce5",
    "card": "#ffffff",
    "line": "#b9c3cf",
    "ink": "#16202c",
    "soft": "#55616f",
    "thin": "#8c98a6",
    "traffic": "#1f5fd0",
    "failover": "#b45309",
    "replication": "#0b7a5b",
    "network": "#7a3fb8",
    "create": "#137a3e",
    "update": "#1f5fd0",
    "replace": "#a04a00",
    "delete": "#b3261e",
}
_DARK = {
    "paper": "#0f151c",
    "lane": "#161e27",
    "rim": "#2c3845",
    "card": "#1f2934",
    "line": "#435264",
    "ink": "#eef3f8",
    "soft": "#a7b4c2",
    "thin": "#74849a",
    "traffic": "#7db0ff",
    "failover": "#f5b041",
    "replication": "#4fd1a5",
    "network": "#c99bff",
    "create": "#5fd38d",
    "update": "#7db0ff",
    "replace": "#f5b041",
    "delete": "#ff8a80",
}
_DASHES: Mapping[Kind, str] = {
    Kind.TRAFFIC: "",
    Kind.FAILOVER: "2 5",
    Kind.REPLICATION: "9 4",
    Kind.NETWORK: "9 3 2 3",
    Kind.VALUE: "",
    Kind.ORDER: "1 3",
}
_COLOURS: Mapping[Change, str] = {
    Change.CREATE: "create",
    Change.UPDATE: "update",
    Change.REPLACE: "replace",
    Change.DELETE: "delete",
    Change.LOSS: "delete",
    Change.REFUSED: "delete",
    Change.UNREAD: "soft",
}


def svg(
    topology: Topology,
    marks: Mapping[str, Mark],
    *,
    planned: bool,
    refused: bool = False,
) -> str:
    """Return the picture of a topology, with the marks of a plan where there is one;
    `refused` says that the plan cannot be rolled out."""
    return _Drawing(topology, marks, planned, refused).text()


class _Drawing:
    def __init__(
        self,
        topology: Topology,
        marks: Mapping[str, Mark],
        planned: bool,
        refused: bool,
    ) -> None:
        self.topology, self.marks = topology, marks
        self.planned, self.refused = planned, refused
        self.lanes = {lane.id: lane for lane in topology.lanes}
        self.edges = drawn(topology)
        self.said = {edge: words.edge(edge) for edge in self.edges}
        self.said = {
            edge: said
            for edge, said in self.said.items()
            if said and edge.kind not in THIN
        }
        self.layout = layout.of(
            topology,
            self.edges,
            {card.id: self._height(card) for card in topology.cards},
            {edge: width(said, _SMALL) + 12 for edge, said in self.said.items()},
            _HEAD,
        )

    def text(self) -> str:
        body = [*self._lanes(), *self._bands()]
        # Thin lines first: those that matter cross above them.
        lines = sorted(self.layout.lines, key=lambda line: line.edge.kind not in THIN)
        body += [part for line in lines for part in self._line(line)]
        body += [part for card in self.topology.cards for part in self._card(card)]
        body += [part for line in lines for part in self._words(line)]
        legend, below = self._legend(self.layout.height + 30)
        wide = max(self.layout.width, 520.0) + 2 * _EDGE
        head = _EDGE + 46
        high = head + self.layout.height + 30 + below + _EDGE
        title = words.title(self.topology)
        name = f"graph-{self.topology.system}-{self.topology.suffix}"
        name = escape(name.replace(" ", "-"))
        described = " ".join(words.sentences(self.topology, self.marks))
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="tapgen-graph" role="img" '
                f'aria-labelledby="{name}-title" '
                f'aria-describedby="{name}-text" '
                f'width="{_n(wide)}" height="{_n(high)}" '
                f'viewBox="0 0 {_n(wide)} {_n(high)}">',
                f'<title id="{name}-title">{escape(title)}</title>',
                f'<desc id="{name}-text">{escape(described)}</desc>',
                f"<style>{style()}</style>",
                f'<rect class="paper" width="{_n(wide)}" height="{_n(high)}"/>',
                self._text(_EDGE, _EDGE + 14, title, _TITLE, "ink", bold=True),
                self._text(_EDGE, _EDGE + 33, self._subtitle(), _SMALL + 1, "soft"),
                f'<g transform="translate({_n(_EDGE)} {_n(head)})">',
                *body,
                *legend,
                "</g>",
                "</svg>",
                "",
            ]
        )

    def _subtitle(self) -> str:
        found = f"suffix {self.topology.suffix} · {words.summary(self.topology)}"
        if self.planned:
            number = len(self.marks)
            found += f" · the plan concerns {number} of {len(self._stacks())} cards"
        if self.refused:
            found += " · the plan is refused"
        return found

    def _stacks(self) -> list[Card]:
        return [card for card in self.topology.cards if card.stack_set]

    # Lanes -------------------------------------------------------------------------------

    def _lanes(self) -> Iterator[str]:
        for lane in self.topology.lanes:
            box = self.layout.lanes[lane.id]
            head, below = words.lane(lane)
            room = box.width - 2 * _PAD
            yield f"<g><title>{escape(words.places(lane))}</title>"
            yield _rect(box, "lane", 10)
            yield self._text(
                box.x + _PAD + 2, 22, head, _NAME + 2, "ink", bold=True, room=room
            )
            yield self._text(box.x + _PAD + 2, 39, below, _SMALL, "soft", room=room)
            yield "</g>"

    def _bands(self) -> Iterator[str]:
        for number, band in enumerate(self.layout.bands):
            if number:
                yield (
                    f'<path class="band" d="M0 {_n(band.y)}H{_n(self.layout.width)}"/>'
                )
            if self.planned:
                continue  # a rollout has waves of its own, which its cards name
            label = f"wave {band.wave}"
            yield self._text(0, band.y + 26, label, _SMALL + 1, "soft")

    # Cards -------------------------------------------------------------------------------

    def _chips(self, card: Card) -> list[tuple[Change, str]]:
        mark = self.marks.get(card.id)
        if mark is None:
            return []
        return words.mark(mark, len(self.lanes[card.lane].places))

    def _height(self, card: Card) -> float:
        _, lines = words.card(card)
        names = self._name(card)
        below = _LINE * len(lines) + _CHIP * len(self._chips(card))
        return 2 * _PAD + 10 + _LINE * (len(names) - 1) + below + 4

    def _name(self, card: Card) -> list[str]:
        """The lines of a card's name."""
        name, _ = words.card(card)
        return in_lines(name, _NAME, CARD - 2 * _PAD - _tag(card)[1], bold=True)

    def _card(self, card: Card) -> Iterator[str]:
        box = self.layout.cards[card.id]
        name, lines = words.card(card)
        chips = self._chips(card)
        worst = chips[0][0] if chips else None
        kind = "copy" if card.copy or card.outside else "card"
        if self.planned and not chips:
            kind += " same"
        if worst:
            kind += f" {_COLOURS[worst]}"
        about = words.resources(card)
        details = self.marks[card.id].details if card.id in self.marks else ()
        hint = ": ".join(one for one in (name, about) if one)
        hint = "\n".join([hint, *details])
        yield f'<g class="{kind}"><title>{escape(hint)}</title>'
        yield _rect(box, "face", 7)
        left, room = box.x + _PAD, CARD - 2 * _PAD
        y = box.y + _PAD + 11
        first, *others = self._name(card)
        yield self._text(left, y, first, _NAME, "ink", bold=True)
        if tag := _tag(card)[0]:
            yield self._text(box.x + CARD - _PAD, y, tag, _SMALL, "soft", anchor="end")
        for part in others:
            y += _LINE
            yield self._text(left, y, part, _NAME, "ink", bold=True)
        for line in lines:
            y += _LINE
            yield self._text(left, y, line, _SMALL, "soft", room=room)
        for change, text in chips:
            y += _CHIP
            colour = _COLOURS[change]
            loud = change in (Change.LOSS, Change.DELETE, Change.REFUSED)
            shown = fitted(text, _SMALL, room - 8, bold=True)
            chip = Box(left - 3, y - 11, width(shown, _SMALL, bold=True) + 12, 15)
            yield _rect(chip, f"chip {colour}{' loud' if loud else ''}", 4)
            yield self._text(
                left + 3,
                y,
                shown,
                _SMALL,
                "on" if loud else f"ink-{colour}",
                bold=True,
            )
        yield "</g>"

    # Arrows ------------------------------------------------------------------------------

    def _line(self, line: Line) -> Iterator[str]:
        edge = line.edge
        points = list(line.points)
        kind = str(edge.kind)
        thin = edge.kind in THIN
        size = 6.0 if thin else 8.0
        ends = [_head(points[-2], points[-1], size)]
        stop = _back(points[-2], points[-1], size - 1)
        if edge.both:
            ends.append(_head(points[1], points[0], size))
            points[0] = _back(points[1], points[0], size - 1)
        points[-1] = stop
        yield f'<g class="{kind}"><title>{escape(self._about(edge))}</title>'
        yield f'<path class="way" d="{_path(points)}"/>'
        for head in ends:
            yield f'<path class="head" d="{head}"/>'
        yield "</g>"

    def _about(self, edge: Edge) -> str:
        names = {card.id: card.part for card in self.topology.cards}
        way = "↔" if edge.both else "→"
        what = words.edge(edge)
        about = (
            f"{words.MEANINGS[edge.kind]}: {what}"
            if what
            else words.MEANINGS[edge.kind]
        )
        return f"{names[edge.start]} {way} {names[edge.end]} · {about}"

    def _words(self, line: Line) -> Iterator[str]:
        said = self.said.get(line.edge)
        if said and line.words:
            yield self._text(
                line.words.x,
                line.words.y - 5,
                said,
                _SMALL,
                f"word ink-{line.edge.kind}",
                anchor="middle",
            )

    # Legend ------------------------------------------------------------------------------

    def _legend(self, y: float) -> tuple[list[str], float]:
        """Return the legend, and how high it is."""
        kinds = {line.edge.kind for line in self.layout.lines}
        entries: list[tuple[list[str], float]] = []
        for kind in words.MEANINGS:
            if kind in kinds:
                sample = [
                    f'<g class="{kind}"><path class="way" d="M0 -4H26"/>'
                    f'<path class="head" d="{_head(Point(0, -4), Point(34, -4), 8)}"/></g>',
                    self._text(42, 0, words.MEANINGS[kind], _SMALL, "soft"),
                ]
                entries.append((sample, 42 + width(words.MEANINGS[kind], _SMALL)))
        changes = {c for mark in self.marks.values() for c in mark.changes}
        for change in Change:
            if change in changes:
                text = f"{SIGNS[change]} {change}: {MEANINGS[change]}"
                sample = [
                    self._text(0, 0, text, _SMALL, f"ink-{_COLOURS[change]}", bold=True)
                ]
                entries.append((sample, width(text, _SMALL, bold=True)))
        if self.planned and not self.marks:
            text = "The plan changes nothing."
            entries.append(
                (
                    [self._text(0, 0, text, _SMALL, "ink", bold=True)],
                    width(text, _SMALL),
                )
            )
        found: list[str] = []
        x, start = 0.0, y
        limit = max(self.layout.width, 520.0)
        for sample, wide in entries:
            if x and x + wide > limit:
                x, y = 0.0, y + 22
            found += [f'<g transform="translate({_n(x)} {_n(y)})">', *sample, "</g>"]
            x += wide + 26
        return found, y - start + 8

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        kind: str,
        *,
        bold: bool = False,
        room: float = 0.0,
        anchor: str = "",
    ) -> str:
        shown = fitted(text, size, room, bold=bold) if room else text
        whole = f"<title>{escape(text)}</title>" if shown != text else ""
        weight = ' font-weight="700"' if bold else ""
        place = f' text-anchor="{anchor}"' if anchor else ""
        return (
            f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"'
            f"{weight}{place}>{escape(shown)}{whole}</text>"
        )


def _tag(card: Card) -> tuple[str, float]:
    """What stands at the right of a card's name, and the room that it takes."""
    if card.role != "global" or card.copy:
        return "", 0.0
    return "global", width("global", _SMALL) + 6


# Shapes ---------------------------------------------------------------------------------


def _n(number: float) -> str:
    """Return a number with one digit after the point at most."""
    return f"{round(number, 1):g}"


def _rect(box: Box, kind: str, corner: float) -> str:
    return (
        f'<rect class="{kind}" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" '
        f'height="{_n(box.height)}" rx="{_n(corner)}"/>'
    )


def _towards(start: Point, end: Point) -> tuple[float, float]:
    """Return the direction of a horizontal or vertical line."""
    if abs(end.x - start.x) > abs(end.y - start.y):
        return (1.0 if end.x > start.x else -1.0), 0.0
    return 0.0, (1.0 if end.y > start.y else -1.0)


def _back(before: Point, end: Point, by: float) -> Point:
    x, y = _towards(before, end)
    return Point(end.x - x * by, end.y - y * by)


def _head(before: Point, end: Point, size: float) -> str:
    x, y = _towards(before, end)
    foot = _back(before, end, size)
    half = size * 0.5
    left = Point(foot.x - y * half, foot.y + x * half)
    right = Point(foot.x + y * half, foot.y - x * half)
    return (
        f"M{_n(end.x)} {_n(end.y)}L{_n(left.x)} {_n(left.y)}"
        f"L{_n(right.x)} {_n(right.y)}Z"
    )


def _path(points: Sequence[Point]) -> str:
    """Return a path with round corners."""
    found = f"M{_n(points[0].x)} {_n(points[0].y)}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(
            _CORNER,
            (abs(corner.x - before.x) + abs(corner.y - before.y)) / 2,
            (abs(after.x - corner.x) + abs(after.y - corner.y)) / 2,
        )
        into, out = _back(before, corner, radius), _back(after, corner, radius)
        found += (
            f"L{_n(into.x)} {_n(into.y)}Q{_n(corner.x)} {_n(corner.y)} "
            f"{_n(out.x)} {_n(out.y)}"
        )
    return f"{found}L{_n(points[-1].x)} {_n(points[-1].y)}"


def _variables(colours: Mapping[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())


def style() -> str:
    """Return the style of every picture, for a page that allows it by its hash."""
    own = ".tapgen-graph"
    rules = [
        f"{own}{{{_variables(_LIGHT)};font-family:{_FONT};background:var(--paper)}}",
        f"@media (prefers-color-scheme:dark){{{own}{{{_variables(_DARK)}}}}}",
        f"@media print{{{own}{{{_variables(_LIGHT)}}}}}",
        f"{own} .paper{{fill:var(--paper)}}",
        f"{own} .lane{{fill:var(--lane);stroke:var(--rim)}}",
        f"{own} .band{{stroke:var(--rim);stroke-dasharray:2 4;fill:none}}",
        f"{own} .face{{fill:var(--card);stroke:var(--line)}}",
        f"{own} .copy .face{{fill:none;stroke-dasharray:4 3}}",
        f"{own} .same{{opacity:.75}}",
        f"{own} .ink,{own} text{{fill:var(--ink)}}",
        f"{own} text.soft{{fill:var(--soft)}}",
        f"{own} text.on{{fill:var(--paper)}}",
        f"{own} .word{{paint-order:stroke;stroke:var(--lane);stroke-width:4px;"
        "stroke-linejoin:round}",
        f"{own} .way{{fill:none;stroke-width:2.2}}",
        f"{own} .chip{{fill:none;stroke-width:1.2}}",
    ]
    for kind in Kind:
        colour = "thin" if kind in THIN else str(kind)
        dash = f";stroke-dasharray:{_DASHES[kind]}" if _DASHES[kind] else ""
        wide = ";stroke-width:1.2" if kind in THIN else ""
        rules.append(f"{own} .{kind} .way{{stroke:var(--{colour}){dash}{wide}}}")
        rules.append(f"{own} .{kind} .head{{fill:var(--{colour})}}")
        if kind not in THIN:
            rules.append(f"{own} text.ink-{kind}{{fill:var(--{colour})}}")
    for colour in dict.fromkeys(_COLOURS.values()):
        rules.append(f"{own} text.ink-{colour}{{fill:var(--{colour})}}")
        rules.append(
            f"{own} .{colour}>.face{{stroke:var(--{colour});stroke-width:2.4}}"
        )
        rules.append(f"{own} .chip.{colour}{{stroke:var(--{colour})}}")
        rules.append(f"{own} .chip.{colour}.loud{{fill:var(--{colour})}}")
    return "".join(rules)
