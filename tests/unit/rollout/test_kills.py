"""Killed at every call, before and after it takes effect, there and back: a resumed run
leaves what an undisturbed one leaves, and starts nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.model import Output, Override, StackSet, Target
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Faults, Killed, kill

BOTH = (EAST, WEST)


def part(
    name: str, east: str, west: str, *, version: str = "1", tag: str = "a", **more: Any
) -> StackSet:
    text = make.template(("Text", "Shared"), ("Arn",)).replace("Topic", f"T{version}")
    over = (Override({"Text": west}, region="us-west-2"),) if west != east else ()
    return make.stack_set(
        name,
        targets=more.pop("targets", BOTH),
        parameters={"Text": east, "Shared": "s" + version, **more},
        text=text,
        overrides=over,
        tags={"Owner": tag},
    )


def consumer(version: str = "1") -> StackSet:
    text = make.template(("Arn",), ()).replace("Topic", f"C{version}")
    value = Output("data", "Arn")
    return make.stack_set("app", targets=BOTH, parameters={"Arn": value}, text=text)


def observed(cloud: Cloud) -> Any:
    return cloud.observe(list(cloud.sets))


def start(cloud: Cloud, *parts: StackSet, **ways: Any) -> rollout.Outcome:
    the_plan = plan.make(make.system(*parts), observed(cloud))
    return run(cloud, the_plan, **ways)


def run(cloud: Cloud, the_plan: plan.Plan, **ways: Any) -> rollout.Outcome:
    return rollout.run(
        the_plan,
        cloud,  # type: ignore[arg-type]
        lambda event: None,
        sleep=lambda seconds: None,
        **ways,
    )


def resume(cloud: Cloud, *, back: bool = False, **ways: Any) -> Any:
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: None,
        back=back,
        sleep=lambda seconds: None,
        **ways,
    )


FIRST = (part("data", "a", "b"), consumer(), part("old", "x", "x"))
SECOND = (
    part("data", "c", "d", version="2", tag="b"),
    consumer("2"),
    part("new", "e", "f"),
)


def failing(name: str, target: Target, template: str, values: Any) -> bool:
    return name == "demo-test-app" and target == WEST and "C2" in template


def deployed() -> Cloud:
    """A cloud where the first version is deployed, with its calls not counted."""
    cloud = Cloud()
    assert start(cloud, *FIRST).green
    return cloud


def undisturbed(fails: bool = False) -> Cloud:
    cloud = deployed()
    cloud.failing = failing if fails else cloud.failing
    start(cloud, *SECOND)
    return cloud


def disturbed(number: int, after: bool, *, fails: bool = False) -> tuple[Cloud, bool]:
    """A cloud whose run is killed at a call; whether it was."""
    cloud = deployed()
    cloud.failing = failing if fails else cloud.failing
    the_plan = plan.make(make.system(*SECOND), observed(cloud))
    cloud.faults = cloud.bucket.faults = Faults()
    faults = cloud.faults
    (faults.after if after else faults.before)[number] = kill
    try:
        run(cloud, the_plan)
    except Killed:
        faults.after.clear(), faults.before.clear()
        return cloud, True
    return cloud, False


def calls_of_a_run(fails: bool = False) -> int:
    cloud, _ = disturbed(-1, False, fails=fails)
    return len(cloud.faults.calls)


def _finish(cloud: Cloud) -> None:
    """What an engineer does: resume; if nothing had begun, roll out again."""
    resume(cloud)
    runs = [key for key in cloud.bucket.objects if key.endswith("/000001.json")]
    if len(runs) == 1:  # that of the first version
        start(cloud, *SECOND)


def operations(cloud: Cloud) -> list[str]:
    """What was started, without ids."""
    return sorted(" ".join(one.split()[:2]) for one in cloud.started)


@pytest.mark.parametrize("fails", [False, True], ids=["there", "and back"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_run_that_is_resumed_ends_like_an_undisturbed_one(
    fails: bool, after: bool
) -> None:
    wanted = undisturbed(fails)
    killed = 0
    for number in range(1, calls_of_a_run(fails) + 1):
        cloud, was = disturbed(number, after, fails=fails)
        killed += was
        _finish(cloud)
        assert cloud.everything() == wanted.everything(), number
        assert cloud.history == wanted.history, number
        assert operations(cloud) == operations(wanted), number
        assert resume(cloud) is None
    assert killed > 60
