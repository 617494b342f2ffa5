"""The pictures of the shipped systems in docs/, as `tapgen graph` draws them."""

from __future__ import annotations

from pathlib import Path

from tapgen import blueprints, config
from tapgen.report import graph
from tapgen.system import topology

ROOT = Path(__file__).parents[1]


def source(name: str) -> str:
    """Return the picture of a shipped system, as its file is."""
    loaded = config.load(ROOT / "stacksets" / f"{name}.yaml", blueprints.find)
    blueprint = blueprints.find(loaded.blueprint)
    assert blueprint is not None
    return graph.svg(topology.of(blueprint.build(loaded)))
