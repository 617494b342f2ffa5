"""The plan is held to the truth: what it says of each resource is what happens.

`make test` tries a few systems, `make soak` many: TAPGEN_SOAK is how many. A seed that
fails can be tried alone: `pytest tests/emulated/test_truth.py -k 'says[17]'`.
"""

from __future__ import annotations

import os
import random

import pytest

from tapgen import plan
from tapgen.plan import allowances
from tests.emulated import truth
from tests.emulated.conftest import Cloud
from tests.emulated.truth import Fate

SEEDS = range(int(os.environ.get("TAPGEN_SOAK", "5")))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_happens_is_what_the_plan_says(cloud: Cloud, seed: int) -> None:
    source = random.Random(seed)
    first = truth.spec(source)
    second = truth.changed(source, first)
    story = f"seed {seed}\nbefore: {first}\nafter: {second}"
    old = truth.deployable(first, cloud.account)
    new = truth.deployable(second, cloud.account)
    assert cloud.rollout(old).green, story
    before = truth.look(cloud, old)
    cloud.bootstrap(new)
    the_plan = cloud.plan(new)
    named = {thing.name for thing in allowances.things(the_plan)}
    still = plan.refusals(the_plan, named)
    refused = truth.refused(the_plan)
    assert bool(refused) == bool(still), f"{still}\n{story}"

    ended = cloud.run(the_plan)

    assert ended.green == (not refused), f"{ended.failures}\n{story}"
    after = truth.look(cloud, new)
    fates = truth.happened(before, after)
    if refused:
        assert [
            (key, fate)
            for key, fate in fates.items()
            if key[:2] in refused and fate is not Fate.KEPT
        ] == [], story
        return
    said = truth.said(the_plan, before)
    wrong = {
        key: (sorted(said.get(key, {Fate.KEPT})), fate)
        for key, fate in fates.items()
        if not _agrees(said.get(key, frozenset({Fate.KEPT})), fate)
    }
    assert not wrong, f"{wrong}\n{story}"
    assert {key for key in said if Fate.CREATED in said[key]} <= {*after}, story
    for key, stays in truth.left_behind(the_plan):
        was = before[key]
        there = truth.value_of(cloud, key[1], was.type, was.id) is not None
        assert there == stays, f"{key} {was}: {there}, not {stays}\n{story}"
    assert not cloud.plan(new), story


def _agrees(said: frozenset[Fate], fate: Fate) -> bool:
    """Whether a fate is one of those said. An update may be of something that is not
    seen at the resource, such as its policies."""
    return fate in said or (fate is Fate.KEPT and Fate.UPDATED in said)
