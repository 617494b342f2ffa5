"""For random systems, changes and faults a run ends done, restored or open, a resumed run
ends, each target that is not as planned is explained, and nothing is deployed that no plan
named.

Faults are a kill, a lost answer (the call takes effect, its answer never arrives),
throttling, an error of the service, credentials that expire, at any call; a service that is
away for many calls, also for longer than the patience; operations that take long; targets
that fail; and gates that hold, do not hold, or that nobody answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tapgen import plan, rollout
from tapgen.errors import AwsError, Expired, Unreachable
from tapgen.model import (
    Action,
    AlarmGate,
    ApprovalGate,
    CommandGate,
    Output,
    RolloutSettings,
    ServiceManaged,
    StackSet,
    Target,
)
from tapgen.rollout import history, opening
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Faults, Killed, kill
from tests.unit.rollout.test_kills import observed, part, resume, run

EXAMPLES = 400 if "TAPGEN_SOAK" in os.environ else 30
PARTS = ("data", "logs", "keys")
LETTERS = st.sampled_from("abc")
TARGETS = st.sampled_from([(EAST,), (WEST,), (EAST, WEST)])


PATIENCE = 20.0  # seconds: ten pauses between two polls


def raising(error: BaseException) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


TROUBLES = {
    "kill": kill,
    "throttled": raising(AwsError("cloudformation", "Throttling", "Rate exceeded")),
    "broken": raising(AwsError("cloudformation", "InternalFailure", "status 500")),
    "lost": raising(Unreachable("cloudformation", "Unreachable", "connection reset")),
    "expired": raising(Expired("cloudformation", "ExpiredToken", "expired")),
}
QUIET = AlarmGate(names=("errors",), bake=0.0, after="wave")
GATES = {
    "none": (),
    "holds": (CommandGate(command=("true",), after="wave"),),
    "does not": (CommandGate(command=("false",), after="wave"),),
    "quiet": (QUIET,),
    "off": (replace(QUIET, names=("faults",)),),
    "nobody answers": (ApprovalGate(timeout=0.0, after="wave"),),
    "approved": (ApprovalGate(after="region"), QUIET),
}
RED = ("does not", "off", "nobody answers")


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


def managed(parts: tuple[StackSet, ...]) -> tuple[StackSet, ...]:
    """The same stack sets, which Organizations deploys to a unit."""
    units = ServiceManaged(("ou-1",))
    return tuple(
        replace(
            s,
            service_managed=units,
            targets=tuple(replace(t, unit="ou-1") for t in s.targets),
        )
        for s in parts
    )


TIMES = st.tuples(st.integers(1, 120), st.sampled_from(sorted(TROUBLES)), st.booleans())
AWAY = st.none() | st.tuples(st.integers(1, 120), st.integers(2, 40))
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


def trouble(
    cloud: Cloud,
    times: list[tuple[int, str, bool]],
    away: tuple[int, int] | None = None,
) -> None:
    cloud.faults = cloud.bucket.faults = Faults()
    if away:
        first, calls = away
        gone = dict.fromkeys(range(first, first + calls), TROUBLES["broken"])
        cloud.faults.before.update(gone)
    for number, name, after in times:
        where = cloud.faults.after if after else cloud.faults.before
        where[number] = TROUBLES[name]


def approve(cloud: Cloud) -> bool:
    """Answer each gate of the open run before it is reached; no wish to stop."""
    for key in [k for k in cloud.bucket.objects if k.endswith("/000001.json")]:
        run = key.rpartition("/")[0]
        said = {"approved": True, "by": "Ada", "at": "now", "comment": ""}
        for number in range(1, 12):
            approval = f"{run}/approval-{number}.1.1.json"
            cloud.bucket.objects[approval] = json.dumps(said).encode()
    return False


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    first=systems(),
    second=systems(),
    times=st.lists(TIMES, max_size=4),
    away=AWAY,
    slow=st.sampled_from([1, 9]),
    fails=FAILING,
    gate=st.sampled_from(sorted(GATES)),
    mended=st.booleans(),
    back=st.booleans(),
    in_units=st.booleans(),
)
def test_a_run_ends_done_or_restored_or_is_open_and_a_resumed_one_ends(
    first: tuple[StackSet, ...],
    second: tuple[StackSet, ...],
    times: list[tuple[int, str, bool]],
    away: tuple[int, int] | None,
    slow: int,
    fails: tuple[str, Target] | None,
    gate: str,
    mended: bool,
    back: bool,
    in_units: bool,
) -> None:
    if in_units:
        first, second = managed(first), managed(second)
    cloud = Cloud(alarms={"errors": "OK", "faults": "ALARM"})
    assert run(cloud, plan.make(make.system(*first), observed(cloud))).green
    old = {s.name: s for s in first}
    system = replace(make.system(*second), rollout=RolloutSettings(gates=GATES[gate]))
    the_plan = plan.make(system, observed(cloud))
    may = planned(cloud, the_plan)

    def failing(name: str, target: Target, template: str, values: Any) -> bool:
        new = name not in old or old[name].template != template
        return new and fails is not None and (name[10:], target) == fails

    cloud.failing, cloud.slow = failing, slow
    trouble(cloud, times, away)
    ways: Any = {
        "patience": PATIENCE,
        "stopping": lambda: gate == "approved" and approve(cloud),
    }

    ended = attempt(lambda: run(cloud, the_plan, **ways))

    trouble(cloud, [])
    there = opening.opened(cloud.bucket, "demo-test")
    event(f"open {there is not None}, gate {gate}")
    if ended is not None:
        assert ended.open == (there is not None)
    if mended:
        cloud.failing = lambda name, target, template, values: False
    if there:
        resume(cloud, back=back, **ways)
    assert opening.opened(cloud.bucket, "demo-test") is None
    for key, runs in cloud.history.items():
        assert {template for template, _ in runs} <= may.get(key, set()), key
    found = explained(cloud, second, old)
    if gate in RED and "done" in found:
        assert not any(s.action is not Action.DELETE for s in the_plan.steps)


def explained(
    cloud: Cloud, second: tuple[StackSet, ...], old: dict[str, StackSet]
) -> set[str]:
    """How runs ended. After one that is done all is as planned; after one that is
    restored, all that there was before is as before; else it names what it has left."""
    runs, _ = history.runs(cloud.bucket, "demo-test", 9)
    results = {one.result: one for one in runs[:-1]}
    event(f"ended {sorted(results)}")
    assert set(results) <= {"done", "restored", "abandoned"}
    if len(runs) > 1 and "done" in results:
        assert {*cloud.sets} == {s.name for s in second}
        assert not [n for s in second for n in differing(cloud, s)]
    elif len(runs) > 1:
        left = results["abandoned"].left if "abandoned" in results else ()
        assert {n for s in old.values() for n in differing(cloud, s)} <= {*left}
        assert {*cloud.sets} - {*old} <= {*left}
    return {*results}


def differing(cloud: Cloud, s: StackSet) -> set[str]:
    """The name of a stack set that is not as described, at some target or at all."""
    found = cloud.sets.get(s.name)
    if found is None or found.definition.template != s.template:
        return {s.name}
    if {*found.instances} != {*s.targets}:
        return {s.name}
    stacks = [one.stack and one.stack[0] for one in found.instances.values()]
    return set() if {*stacks} == {s.template} else {s.name}
