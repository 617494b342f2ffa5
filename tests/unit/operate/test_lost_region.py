"""A region that is lost at any call of a failover, a failback, a promotion, a shift or a
drill: nothing hangs, nothing says done that is not, and every refusal says who does not
answer. Once the region is there again, the run goes on, or back.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tapgen.errors import TapgenError
from tapgen.rollout import opening
from tests.unit.operate import test_drill, test_failover, test_shifting
from tests.unit.operate.world import Around
from tests.unit.rollout.test_kills import SOAK

Cloud = Any


@dataclass(frozen=True)
class Moving:
    """What moves: where it begins, what carries it out and goes on with it, and the name of
    its runs. `lose` takes a region away, which `named` finds in an error, and `find` brings
    it back."""

    begin: Callable[[], Cloud]
    carry_out: Callable[[Cloud], Any]
    resume: Callable[[Cloud], Any]
    prefix: str
    named: str = r"us-east-1|//\w+\.primary\b"
    lose: Callable[[Cloud], None] = Around.lose_primary
    find: Callable[[Cloud], None] = Around.find_primary


def moved(find: Callable[[Cloud], Any]) -> Callable[[Cloud], Any]:
    return lambda cloud: test_failover.carry_out(cloud, find(cloud))


def shift(cloud: Cloud) -> Any:
    return test_shifting.carry_out(cloud, test_shifting.forward(cloud, "accelerator"))


def turned(region: str) -> Callable[[Cloud], None]:
    return lambda cloud: setattr(cloud.world, "lost", region)


HOME, NETWORK = "payments-dr-prod", "secure-network-prod"
FAR = (r"//\w+\.dr\b", turned("dr"), turned(""))
MOVES = {
    "failover": Moving(
        *(test_failover.at_home, moved(test_failover.planned)),
        *(test_failover.resume, HOME),
    ),
    "failback": Moving(
        *(test_failover.over, moved(test_failover.back)),
        *(test_failover.resume, HOME, *FAR),
    ),
    "promote": Moving(
        *(test_failover.replica, moved(test_failover.ready)),
        *(test_failover.resume, NETWORK),
    ),
    "promote, replica": Moving(
        *(test_failover.replica, moved(test_failover.ready)),
        *(test_failover.resume, NETWORK, *FAR),
    ),
    "drill": Moving(test_drill.place, test_drill.carry_out, test_drill.resume, HOME),
    "drill, far": Moving(
        *(test_drill.place, test_drill.carry_out, test_drill.resume, HOME, *FAR)
    ),
    # The region with the alarms; then the one that Global Accelerator answers in.
    "shift": Moving(
        *(test_shifting.Around, shift, test_shifting.resume, "demo-test"),
        *("us-east-1", turned("us-east-1"), turned("")),
    ),
    "dials": Moving(
        *(test_shifting.Around, shift, test_shifting.resume, "demo-test"),
        *("us-west-2", turned("us-west-2"), turned("")),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_region_that_is_lost_at_any_call_is_named_and_nothing_is_made_up(
    name: str,
) -> None:
    moving = MOVES[name]
    cloud = moving.begin()
    before = cloud.world.state()
    assert moving.carry_out(cloud).green
    wanted = cloud.world.state()
    every = [*range(1, len(cloud.faults.calls) + 1)]
    for number in every if SOAK else random.Random(name).sample(every, 6):
        cloud, where = moving.begin(), f"{name}, call {number}"
        cloud.faults.before[number] = partial(moving.lose, cloud)
        said = ""
        try:
            ended = moving.carry_out(cloud)
            done, said = ended.green, str(ended.failures)
        except TapgenError as error:
            done, said = False, str(error)
        if done:
            assert cloud.world.state() == wanted, where
        else:
            assert re.search(moving.named, said), f"{where}: {said}"
        cloud.faults.before.clear()
        moving.find(cloud)
        ended = moving.resume(cloud)
        assert opening.opened(cloud.bucket, moving.prefix) is None, where
        if ended is not None:
            assert not ended.left, where
        assert cloud.world.state() in (before, wanted), where
