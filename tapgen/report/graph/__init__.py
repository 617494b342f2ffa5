"""Pictures of a system: its topology as SVG, Mermaid, DOT and JSON data.

`svg` gives an element that can stand in a page; with the data of a plan
(`report.data.plan`) the picture says what changes. Begin reading at `drawing.svg`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.system.topology import Topology


def svg(topology: Topology, plan: Mapping[str, Any] | None = None) -> str:
    """Return a topology as an `<svg>` element, in which a plan is marked.

    `plan` is the JSON data of a plan, live (`report.data.plan`) or saved
    (`report.saved.load(…).content["plan"]`). Its targets must be those of the
    topology: of a system that is resolved.
    """
    from tapgen.report.graph import drawing, marks

    found: dict[str, marks.Mark] = {}
    if plan is not None:
        topology, found = marks.marked(topology, plan)
    return drawing.svg(topology, found, planned=plan is not None)
