"""For random systems, changes and faults a run ends done, restored or open, a resumed run
ends, and nothing is deployed that no plan named.

Faults are a kill, a lost answer (the call takes effect, its answer never arrives),
throttling, credentials that expire, at any call; and targets that fail.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tapgen import plan, rollout
from tapgen.errors import AwsError, Expired, Unreachable
from tapgen.model import Output, StackSet, Target
from tapgen.rollout import history, opening
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Faults, Killed, kill
from tests.unit.rollout.test_kills import observed, part, resume, run

EXAMPLES = 400 if "TAPGEN_SOAK" in os.environ else 30
PARTS = ("data", "logs", "keys")
LETTERS = st.sampled_from("abc")
TARGETS = st.sampled_from([(EAST,), (WEST,), (EAST, WEST)])


def throttled() -> None:
    raise AwsError("cloudformation", "Throttling", "Rate exceeded")


def lost() -> None:
    raise Unreachable("cloudformation", "Unreachable", "connection reset")


def expired() -> None:
    raise Expired("cloudformation", "ExpiredToken", "expired")


TROUBLES = {"kill": kill, "throttled": throttled, "lost": lost, "expired": expired}


@st.composite
def systems(draw: st.DrawFn) -> tuple[StackSet, ...]:
    """One to three stack sets with one or two targets each, and one that reads the
    output of the first."""
    names = draw(st.lists(st.sampled_from(PARTS), min_size=1, unique=True))
    found = [
        part(
            name,
            draw(LETTERS),
            draw(LETTERS),
            version=draw(st.sampled_from("12")),
            tag=draw(LETTERS),
            targets=draw(TARGETS),
        )
        for name in names
    ]
    if draw(st.booleans()):
        text = make.template(("Arn",), ())
        value = Output(names[0], "Arn")
        where = found[0].targets
        found.append(
            make.stack_set("app", targets=where, parameters={"Arn": value}, text=text)
        )
    return tuple(found)


TIMES = st.tuples(st.integers(1, 120), st.sampled_from(sorted(TROUBLES)), st.booleans())
FAILING = st.none() | st.tuples(st.sampled_from(PARTS), st.sampled_from([EAST, WEST]))


def planned(cloud: Cloud, the_plan: plan.Plan) -> dict[tuple[str, Target], set[str]]:
    """The templates that each target may run: that of before, and that of the plan."""
    found: dict[tuple[str, Target], set[str]] = {}
    for key, runs in cloud.history.items():
        found[key] = {template for template, _ in runs}
    for s in the_plan.system.stack_sets:
        for target in s.targets:
            found.setdefault((s.name, target), set()).add(s.template)
    return found


def attempt(work: Any) -> Any:
    """Do something as a process does that may die; its outcome, None if it died."""
    try:
        return work()
    except (Killed, rollout.Lost, AwsError):
        return None


def trouble(cloud: Cloud, times: list[tuple[int, str, bool]]) -> None:
    cloud.faults = cloud.bucket.faults = Faults()
    for number, name, after in times:
        where = cloud.faults.after if after else cloud.faults.before
        where[number] = TROUBLES[name]


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    first=systems(),
    second=systems(),
    times=st.lists(TIMES, max_size=4),
    fails=FAILING,
    mended=st.booleans(),
    back=st.booleans(),
)
def test_a_run_ends_done_or_restored_or_is_open_and_a_resumed_one_ends(
    first: tuple[StackSet, ...],
    second: tuple[StackSet, ...],
    times: list[tuple[int, str, bool]],
    fails: tuple[str, Target] | None,
    mended: bool,
    back: bool,
) -> None:
    cloud = Cloud()
    assert run(cloud, plan.make(make.system(*first), observed(cloud))).green
    old = {s.name: s.template for s in first}
    the_plan = plan.make(make.system(*second), observed(cloud))
    may = planned(cloud, the_plan)

    def failing(name: str, target: Target, template: str, values: Any) -> bool:
        new = old.get(name) != template
        return new and fails is not None and (name[10:], target) == fails

    cloud.failing = failing
    trouble(cloud, times)

    ended = attempt(lambda: run(cloud, the_plan))

    trouble(cloud, [])
    there = opening.opened(cloud.bucket, "demo-test")
    event(f"open {there is not None}")
    if ended is not None:
        assert ended.open == (there is not None)
    if mended:
        cloud.failing = lambda name, target, template, values: False
    if there:
        resume(cloud, back=back)
    assert opening.opened(cloud.bucket, "demo-test") is None
    for key, runs in cloud.history.items():
        assert {template for template, _ in runs} <= may.get(key, set()), key
    explained(cloud, second, old)


def explained(cloud: Cloud, second: tuple[StackSet, ...], old: dict[str, str]) -> None:
    """After a run that is done all is as planned; after one that is restored, all that
    there was before is as before; else the run names what it has left."""
    runs, _ = history.runs(cloud.bucket, "demo-test", 9)
    results = {one.result: one for one in runs[:-1]} or {"done": runs[-1]}
    event(f"ended {sorted(results)}")
    assert set(results) <= {"done", "restored", "abandoned"}
    wanted = {s.name: s.template for s in second}
    now = {name: found.definition.template for name, found in cloud.sets.items()}
    if len(runs) > 1 and "done" in results:
        assert now == wanted
    elif "restored" in results:
        assert now == old
    elif "abandoned" in results:
        left = results["abandoned"].left
        assert {n for n in {*now, *old} if now.get(n) != old.get(n)} <= {*left}
