"""Where the cards and arrows of a topology are drawn.

Arrows run in the channels between the rows of the grid and in corridors beside its
columns, never through a card. What leaves one card as a value shares its line. Begin
reading at `of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tapgen.frozen import dataclass
from tapgen.report.graph import grid
from tapgen.report.graph.grid import THIN, Cell
from tapgen.system.topology import Edge, Topology

CARD = 178.0
"""The width of a card."""

GUTTER = 62.0
"""The width of the column with the numbers of the waves."""

_BETWEEN = 18.0  # between lanes
_TRACK = 7.0  # from line to line
_WORDS = 17.0  # the same where there are words at the line
_BESIDE = 14.0  # from a card to the first line beside it
_BELOW = 13.0  # and below it
_ABOVE = 17.0  # and above it, where the heads of arrows are


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """The way of an arrow, and where the middle of its words is."""

    edge: Edge
    points: tuple[Point, ...]
    words: Point | None


@dataclass(frozen=True)
class Band:
    """The rows of a wave."""

    wave: int
    y: float
    height: float


@dataclass(frozen=True)
class Layout:
    width: float
    height: float
    cards: Mapping[str, Box]
    lanes: Mapping[str, Box]
    bands: tuple[Band, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Way:
    """The way of an edge before its lines have places. It leaves and arrives at the upper
    or the lower side of a card, through the channels `first` and `last`, which are
    numbered like the rows below them, and in between by a corridor: a gap beside a
    column, or an empty column. A direct way has neither: from side to side in a row, or
    straight down a column."""

    edge: Edge
    net: str
    leaves_up: bool = False
    arrives_up: bool = True
    first: int = 0
    last: int = 0
    corridor: tuple[str, int] | None = None
    direct: str = ""


@dataclass(frozen=True)
class _Course:
    """The same with its places from left to right: where it leaves, runs down or up, and
    arrives."""

    way: _Way
    start: float
    turn: float | None
    end: float

    def pieces(self) -> list[tuple[int, float, float]]:
        """Return its horizontal pieces: channel, from, to."""
        if self.way.direct:
            return []
        if self.turn is None:
            return [(self.way.first, self.start, self.end)]
        return [
            (self.way.first, self.start, self.turn),
            (self.way.last, self.turn, self.end),
        ]


def of(
    topology: Topology,
    edges: Sequence[Edge],
    heights: Mapping[str, float],
    words: Mapping[Edge, float],
    head: float,
) -> Layout:
    """Return the layout of a topology with these of its edges.

    `heights` are those of its cards, `words` the widths of what stands at edges, `head`
    is the height of the head of a lane.
    """
    found = grid.of(topology, edges)
    columns = _Columns(found)
    ways = [_way(edge, found, columns, words.get(edge, 0.0)) for edge in edges]
    tracks = _corridor_tracks(ways)
    columns = _Columns(found, tracks)
    courses = _courses(ways, found, columns, tracks)
    rows = _Rows(found, topology, heights, _channels(courses, words), head)
    return Layout(
        columns.lanes[-1][1] if columns.lanes else GUTTER,
        rows.bottom,
        {
            name: Box(
                columns.middles[cell.column] - CARD / 2,
                rows.tops[cell.row],
                CARD,
                heights[name],
            )
            for name, cell in found.cells.items()
        },
        {
            lane.id: Box(left, 0.0, right - left, rows.bottom)
            for lane, (left, right) in zip(topology.lanes, columns.lanes, strict=True)
        },
        rows.bands,
        tuple(_lines(courses, found, columns, rows, heights, words)),
    )


# From left to right ---------------------------------------------------------------------

_Tracks = Mapping[tuple[str, int], Mapping[str, int]]
"""Corridor → net → number of its line."""


class _Columns:
    """The places of lanes, columns and corridors from left to right."""

    def __init__(self, found: grid.Grid, tracks: _Tracks = {}) -> None:
        self.middles: list[float] = []
        self.gaps: list[float] = []
        self.lanes: list[tuple[float, float]] = []
        x = GUTTER
        for columns in found.columns:
            left = x
            for number in range(columns + 1):
                self.gaps.append(x)
                used = tracks.get(("gap", len(self.gaps) - 1), {}).values()
                x += 2 * _BESIDE + _TRACK * max(used, default=0)
                if number < columns:
                    self.middles.append(x + CARD / 2)
                    x += CARD
            self.lanes.append((left, x))
            x += _BETWEEN

    def corridor(self, corridor: tuple[str, int], track: int = 0) -> float:
        """Return the place of a line in a corridor."""
        kind, number = corridor
        if kind == "gap":
            return self.gaps[number] + _BESIDE + _TRACK * track
        # Beside the places where lines leave and arrive at cards.
        side = 1 if track % 2 == 0 else -1
        return self.middles[number] + side * (5 + 10 * (track // 2))


def _way(edge: Edge, found: grid.Grid, columns: _Columns, words: float) -> _Way:
    a, b = found.cells[edge.start], found.cells[edge.end]
    thin = edge.kind in THIN
    net = edge.start if thin else f"{edge.start} {edge.end} {edge.kind} {edge.words}"
    taken = {(c.row, c.column) for c in found.cells.values()}
    if a.row == b.row:
        low, high = sorted((a.column, b.column))
        clear = not any((a.row, c) in taken for c in range(low + 1, high))
        room = columns.middles[high] - columns.middles[low] - CARD
        if clear and words + 26 <= room:
            return _Way(edge, net, direct="row")
        return _Way(edge, net, True, True, a.row, a.row)
    down = a.row < b.row
    first, last = (a.row + 1, b.row) if down else (a.row, b.row + 1)
    between = range(min(a.row, b.row) + 1, max(a.row, b.row))
    straight = a.column == b.column and all((r, a.column) not in taken for r in between)
    if straight and thin and down:
        return _Way(edge, net, direct="column")
    corridor = _corridor(a, b, between, taken, columns) if between else None
    return _Way(edge, net, not down, down, first, last, corridor)


def _corridor(
    a: Cell,
    b: Cell,
    rows: Iterable[int],
    taken: set[tuple[int, int]],
    columns: _Columns,
) -> tuple[str, int]:
    """Return the corridor with the shortest way, beside the cards of these rows."""
    gaps = [("gap", n) for n in range(len(columns.gaps))]
    empty = [
        ("column", c)
        for c in range(len(columns.middles))
        if all((row, c) not in taken for row in rows)
    ]
    start, end = columns.middles[a.column], columns.middles[b.column]

    def length(corridor: tuple[str, int]) -> tuple[float, tuple[str, int]]:
        x = columns.corridor(corridor)
        return round(abs(start - x) + abs(x - end), 3), corridor

    return min((*gaps, *empty), key=length)


def _corridor_tracks(ways: Iterable[_Way]) -> _Tracks:
    spans: dict[tuple[str, int], dict[str, tuple[float, float]]] = {}
    for way in ways:
        if way.corridor:
            low, high = sorted((way.first, way.last))
            nets = spans.setdefault(way.corridor, {})
            old = nets.get(way.net, (low, high))
            nets[way.net] = min(low, old[0]), max(high, old[1])
    return {corridor: _tracks(nets) for corridor, nets in spans.items()}


def _tracks(spans: Mapping[str, tuple[float, float]]) -> dict[str, int]:
    """Give each span a track on which it touches no other: the first one that is free."""
    ends: list[float] = []
    found: dict[str, int] = {}
    for net, (low, high) in sorted(spans.items(), key=lambda one: (one[1], one[0])):
        track = next((n for n, end in enumerate(ends) if end < low), len(ends))
        ends[track:] = [high, *ends[track + 1 :]]
        found[net] = track
    return found


def _courses(
    ways: Sequence[_Way], found: grid.Grid, columns: _Columns, tracks: _Tracks
) -> list[_Course]:
    ports = _ports(ways, found, columns)
    return [
        _course(number, way, found, columns, tracks, ports)
        for number, way in enumerate(ways)
    ]


def _course(
    number: int,
    way: _Way,
    found: grid.Grid,
    columns: _Columns,
    tracks: _Tracks,
    ports: Mapping[tuple[int, str], float],
) -> _Course:
    first, last = (found.cells[name].column for name in (way.edge.start, way.edge.end))
    start = columns.middles[first] + ports.get((number, "out"), 0.0)
    end = columns.middles[last] + ports.get((number, "in"), 0.0)
    if way.corridor is None:
        return _Course(way, start, None, end)
    turn = columns.corridor(way.corridor, tracks[way.corridor][way.net])
    if way.edge.kind in THIN and way.corridor == ("column", first):
        turn = start  # straight down, where nothing else is
    elif way.edge.kind in THIN and way.corridor == ("column", last):
        end = turn
    return _Course(way, start, turn, end)


def _ports(
    ways: Sequence[_Way], found: grid.Grid, columns: _Columns
) -> dict[tuple[int, str], float]:
    """Return how far from the middle of a card each way leaves (`out`) and arrives (`in`).

    Values leave in the middle and arrive beside it, everything else is near the corners,
    so that no line covers another one.
    """
    sides: dict[tuple[str, bool, bool], list[tuple[float, int, str]]] = {}
    for number, way in enumerate(ways):
        if way.direct:
            continue
        thin = way.edge.kind in THIN
        a, b = (
            columns.middles[found.cells[name].column]
            for name in (way.edge.start, way.edge.end)
        )
        via = columns.corridor(way.corridor) if way.corridor else None
        if not thin:
            leaving = sides.setdefault((way.edge.start, way.leaves_up, False), [])
            leaving.append((b if via is None else via, number, "out"))
        arriving = sides.setdefault((way.edge.end, way.arrives_up, thin), [])
        arriving.append((a if via is None else via, number, "in"))
    places: dict[tuple[int, str], float] = {}
    for (card, upper, thin), those in sides.items():
        middle = columns.middles[found.cells[card].column]
        near, far = (10.0, 40.0) if thin else (52.0 if upper else 57.0, 80.0)
        for side in (-1, 1):
            # What comes from farther arrives farther out.
            group = sorted(
                (side * (x - middle), number, end)
                for x, number, end in those
                if (x - middle >= 0) == (side > 0)
            )
            step = min(10.0, (far - near) / max(1, len(group) - 1))
            for place, (_, number, end) in enumerate(group):
                places[number, end] = side * (near + step * place)
    return places


# From top to bottom ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Channel:
    """The lines between two rows: net → number of its line, and the height of each."""

    tracks: Mapping[str, int]
    heights: tuple[float, ...]

    @property
    def height(self) -> float:
        return _BELOW + sum(self.heights) + _ABOVE

    def below(self, net: str) -> float:
        """Return how far below the row above the line of a net is."""
        track = self.tracks[net]
        return _BELOW + sum(self.heights[: track + 1]) - _TRACK / 2


def _channels(
    courses: Iterable[_Course], words: Mapping[Edge, float]
) -> dict[int, _Channel]:
    spans: dict[int, dict[str, tuple[float, float]]] = {}
    named: set[tuple[int, str]] = set()
    for course in courses:
        place = _words_on(course)
        for piece in course.pieces():
            channel, low, high = piece[0], min(piece[1:]), max(piece[1:])
            if piece == place and (wide := words.get(course.way.edge, 0.0)):
                middle = (low + high) / 2
                low, high = min(low, middle - wide / 2), max(high, middle + wide / 2)
                named.add((channel, course.way.net))
            nets = spans.setdefault(channel, {})
            old = nets.get(course.way.net, (low, high))
            nets[course.way.net] = min(low, old[0]), max(high, old[1])
    found: dict[int, _Channel] = {}
    for channel, nets in spans.items():
        tracks = _tracks(nets)
        number = 1 + max(tracks.values())
        found[channel] = _Channel(
            tracks,
            tuple(
                (
                    _WORDS
                    if any(
                        (channel, net) in named for net, t in tracks.items() if t == n
                    )
                    else _TRACK
                )
                for n in range(number)
            ),
        )
    return found


def _words_on(course: _Course) -> tuple[int, float, float] | None:
    """Return the horizontal piece at which words stand: the longest one."""
    pieces = course.pieces()
    return max(pieces, key=lambda p: abs(p[1] - p[2])) if pieces else None


class _Rows:
    """The places of rows and channels from top to bottom."""

    def __init__(
        self,
        found: grid.Grid,
        topology: Topology,
        heights: Mapping[str, float],
        channels: Mapping[int, _Channel],
        head: float,
    ) -> None:
        self.tops: list[float] = []
        self.channels = channels
        self.starts: list[float] = []  # of the channels
        y = head
        number = len(found.waves)
        for row in range(number + 1):
            self.starts.append(y)
            y += channels[row].height if row in channels else _BELOW + _ABOVE
            self.tops.append(y)
            inside = [heights[n] for n, c in found.cells.items() if c.row == row]
            y += max(inside, default=0.0)
        self.bottom = self.tops.pop() - _ABOVE / 2
        self.bands = tuple(self._bands(found.waves))

    def _bands(self, waves: Sequence[int]) -> Iterator[Band]:
        for wave in sorted(set(waves)):
            rows = [row for row, one in enumerate(waves) if one == wave]
            start = self.starts[rows[0]] + _BELOW / 2
            end = self.starts[rows[-1] + 1] + _BELOW / 2
            yield Band(wave, start, end - start)

    def line(self, channel: int, net: str) -> float:
        return self.starts[channel] + self.channels[channel].below(net)


def _lines(
    courses: Sequence[_Course],
    found: grid.Grid,
    columns: _Columns,
    rows: _Rows,
    heights: Mapping[str, float],
    words: Mapping[Edge, float],
) -> Iterator[Line]:
    beside: dict[tuple[str, str], int] = {}
    for course in courses:
        way, edge = course.way, course.way.edge
        a, b = found.cells[edge.start], found.cells[edge.end]
        if way.direct == "row":
            pair = (min(edge.start, edge.end), max(edge.start, edge.end))
            beside[pair] = beside.get(pair, 0) + 1
            y = rows.tops[a.row] + 14 * beside[pair] + 8
            side = 1 if a.column < b.column else -1
            start = columns.middles[a.column] + side * CARD / 2
            end = columns.middles[b.column] - side * CARD / 2
            middle = Point((start + end) / 2, y)
            points = (Point(start, y), Point(end, y))
            yield Line(edge, points, middle if edge in words else None)
            continue
        leaves = rows.tops[a.row] + (0 if way.leaves_up else heights[edge.start])
        arrives = rows.tops[b.row] + (0 if way.arrives_up else heights[edge.end])
        path = [Point(course.start, leaves)]
        for channel, from_x, to_x in course.pieces():
            y = rows.line(channel, way.net)
            path += [Point(from_x, y), Point(to_x, y)]
        path.append(Point(course.end, arrives))
        place = _words_on(course)
        middle_of = None
        if place and edge in words:
            middle_of = Point((place[1] + place[2]) / 2, rows.line(place[0], way.net))
        yield Line(edge, tuple(_plain(path)), middle_of)


def _plain(path: Sequence[Point]) -> Iterator[Point]:
    """Yield the points of a path where it turns."""
    for number, point in enumerate(path):
        if 0 < number < len(path) - 1:
            before, after = path[number - 1], path[number + 1]
            if before.x == point.x == after.x or before.y == point.y == after.y:
                continue
        yield point
