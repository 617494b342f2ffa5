"""In which row and column each card of a topology is.

Two axes are given: waves are rows, from the first one down, lanes are columns. The order
within a wave is that of fast-sugiyama, which crosses few arrows; a wave with more cards
than its lane has columns takes several rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tapgen.frozen import dataclass
from tapgen.knowledge.topology import Kind
from tapgen.system.topology import Card, Edge, Topology

THIN = Kind.VALUE, Kind.ORDER
"""The kinds of which there are many: those that leave one card share a line."""

_MOST_COLUMNS = 4
_MOST_PASSES = 20
_ROW = 0.6  # the cost of a row, where that of a column is 1
_TWIN = 3.0  # the same for rows between cards of one part


@dataclass(frozen=True)
class Cell:
    row: int
    column: int


@dataclass(frozen=True)
class Grid:
    """The cells of the cards, the wave of each row, and the number of columns of each
    lane."""

    cells: Mapping[str, Cell]
    waves: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def first_columns(self) -> tuple[int, ...]:
        return tuple(sum(self.columns[:n]) for n in range(len(self.columns)))


def of(topology: Topology, edges: Sequence[Edge]) -> Grid:
    """Return the grid of a topology with these of its edges."""
    lanes = {lane.id: n for n, lane in enumerate(topology.lanes)}
    groups: dict[tuple[int, int], list[Card]] = {}
    order = _order(topology, edges)
    for card in sorted(topology.cards, key=lambda c: order[c.id]):
        groups.setdefault((card.wave, lanes[card.lane]), []).append(card)
    most = _MOST_COLUMNS if len(lanes) == 1 else 2 if len(lanes) < 4 else 1
    columns = tuple(
        max(
            (min(most, len(g)) for (_, lane), g in groups.items() if lane == n),
            default=1,
        )
        for n in range(len(lanes))
    )
    cells: dict[str, Cell] = {}
    waves: list[int] = []
    for wave in sorted({wave for wave, _ in groups}):
        first = len(waves)
        rows = 0
        for lane, wide in enumerate(columns):
            start = sum(columns[:lane])
            for number, card in enumerate(groups.get((wave, lane), ())):
                row, column = divmod(number, wide)
                cells[card.id] = Cell(first + row, start + column)
                rows = max(rows, row + 1)
        waves += [wave] * rows
    return Grid(_Settled(cells, topology, edges).cells, tuple(waves), columns)


def _order(topology: Topology, edges: Sequence[Edge]) -> dict[str, tuple[float, int]]:
    """Return the place of each card from left to right, the same in every process; that
    of a part is the same in every lane."""
    from fast_sugiyama import from_edges  # no other command needs it

    part_of = {card.id: card.part for card in topology.cards}
    numbers = {part: n for n, part in enumerate(dict.fromkeys(part_of.values()))}
    down = {
        (numbers[part_of[e.start]], numbers[part_of[e.end]])
        for e in edges
        if e.kind in THIN and not e.later
    }
    places: Mapping[int, tuple[float, float]] = {}
    if down:
        places = from_edges(sorted(down)).to_dict()  # type: ignore[no-untyped-call]
    order = {part: places.get(n, (0.0, 0.0))[0] for part, n in numbers.items()}
    return {
        card.id: (order[card.part], number)
        for number, card in enumerate(topology.cards)
    }


class _Settled:
    """Exchanges cards of one wave and lane, also with empty cells, as long as that makes
    the arrows shorter: rows that were broken have lost their order."""

    def __init__(
        self, cells: dict[str, Cell], topology: Topology, edges: Sequence[Edge]
    ) -> None:
        self.cells = cells
        self.near: dict[str, list[tuple[str, float]]] = {name: [] for name in cells}
        for edge in edges:
            weight = 1.0 if edge.kind in THIN else 2.0
            self.near[edge.start].append((edge.end, weight))
            self.near[edge.end].append((edge.start, weight))
        self.twins: dict[str, list[str]] = {}
        groups: dict[tuple[int, str], list[str]] = {}
        for card in topology.cards:
            self.twins.setdefault(card.part, []).append(card.id)
            groups.setdefault((card.wave, card.lane), []).append(card.id)
        self.part_of = {card.id: card.part for card in topology.cards}
        for ids in groups.values():
            rows = {cells[name].row for name in ids}
            columns = {cells[name].column for name in ids}
            free = [Cell(r, c) for r in sorted(rows) for c in sorted(columns)]
            self._settle(ids, free)

    def _settle(self, ids: Sequence[str], free: Sequence[Cell]) -> None:
        for _ in range(_MOST_PASSES):
            if not any([self._exchanged(a, ids, c) for a in ids for c in free]):
                return

    def _exchanged(self, name: str, ids: Sequence[str], cell: Cell) -> bool:
        """Move a card to a cell, and the card there to its own, if that is better."""
        own = self.cells[name]
        if cell == own:
            return False
        pair = [name, *(other for other in ids if self.cells[other] == cell)]
        before = sum(map(self._length, pair))
        self.cells.update(zip(pair, (cell, own), strict=False))
        if sum(map(self._length, pair)) < before - 1e-9:
            return True
        self.cells.update(zip(pair, (own, cell), strict=False))
        return False

    def _length(self, name: str) -> float:
        """Return how long the arrows of a card are, and how far it is from the rows of
        the same part in other lanes."""
        here, cells = self.cells[name], self.cells
        return sum(
            weight
            * (
                abs(here.column - cells[other].column)
                + _ROW * abs(here.row - cells[other].row)
            )
            for other, weight in self.near[name]
        ) + sum(
            _TWIN * abs(here.row - cells[other].row)
            for other in self.twins[self.part_of[name]]
        )
