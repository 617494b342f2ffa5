"""Random walks of the shipped systems (`walks`), long ones in `make soak`."""

from __future__ import annotations

import os

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulated.conftest import Cloud
from tests.emulated.walks import WAYS, Walk

SEEDS = range(1, 2 + int(os.environ.get("TAPGEN_SOAK", 0)) // 20)
STEPS = 12


@pytest.mark.skipif("TAPGEN_SOAK" not in os.environ, reason="make soak runs it")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_walk_loses_nothing_and_always_goes_on(
    cloud: Cloud, server: lifecycle.Server, name: str, seed: int
) -> None:
    walk = Walk(cloud, server.folder, WAYS[name], seed)
    walk.begin()
    for _ in range(STEPS):
        walk.step()
