"""A run watched from elsewhere: under way, ended, killed, and where AWS gives no answer."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.markup import render

from tapgen.aws.stacks import UnderWay
from tapgen.errors import AwsError
from tapgen.model import Target
from tapgen.report import watching as report
from tapgen.rollout import history
from tapgen.rollout.watching import (
    Cell,
    Life,
    Stage,
    Status,
    View,
    Watch,
    earlier_times,
    events,
)
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud, Killed
from tests.unit.rollout.test_gating import APPROVE, BEFORE, WANTED, run
from tests.unit.rollout.test_kills import FIRST, SECOND, deployed, failing, start
from tests.unit.rollout.test_stopping import PREFIX, found, killed, on_another_machine


def works(*_: Any) -> UnderWay:
    return UnderWay("Topic", "AWS::SNS::Topic", "CREATE_IN_PROGRESS", "2026-01-01")


def text(one: View, **more: Any) -> str:
    return render(report.text(one, **more)).plain


def watching(cloud: Cloud, **more: Any) -> Watch:
    """Somebody who begins to watch the newest run now."""
    name = history.newest(cloud.bucket, PREFIX)
    assert name
    times, earlier = earlier_times(cloud.bucket, PREFIX, name)
    one = history.find(cloud.bucket, PREFIX, name)
    sets: Any = cloud
    return Watch(one, sets, times=times, earlier=earlier, works=works, **more)


@pytest.mark.parametrize("fails", [False, True])
def test_whoever_looks_sees_no_more_done_than_is_done(fails: bool) -> None:
    """At every pause of a run, and on its way back; also who has watched from the start."""
    cloud = deployed()
    if fails:
        cloud.failing = failing
    before = history.newest(cloud.bucket, PREFIX)
    wanted = {s.name: s.template for s in SECOND}
    views: list[View] = []
    watches: list[Watch] = []

    def look(seconds: float) -> None:
        if history.newest(cloud.bucket, PREFIX) == before:
            return
        watches[:] = watches or [watching(cloud)]
        now = datetime.now(UTC)
        view = watches[0].look(now)
        assert view.stages == watching(cloud).look(now).stages
        views.append(view)
        for stage, cell in view.cells:
            if cell.status is Status.SUCCEEDED and stage.kind in ("create", "update"):
                stack = cloud.sets[cell.stack_set].instances[cell.target].stack
                assert stack and stack[0] == wanted[cell.stack_set]

    assert start(cloud, *SECOND, sleep=look).green is not fails

    last = watches[0].look()
    assert last.life is Life.ENDED and (last.run.result == "done") is not fails
    seen = {cell.status for view in views for _, cell in view.cells}
    assert {Status.PENDING, Status.RUNNING, Status.SUCCEEDED} <= seen
    assert {cell.resource for _, cell in views[-1].cells} <= {
        "",
        "Topic (AWS::SNS::Topic)",
    }
    assert not views[0].unread
    if fails:
        wrong = [c for v in views for _, c in v.cells if c.status is Status.FAILED]
        assert {(c.stack_set, c.target) for c in wrong} == {("demo-test-app", WEST)}
        assert {c.reason for c in wrong} == {"it broke"}
    pairs = itertools.pairwise([None, *views, last])
    said = [e for before, now in pairs for e in events(before, now)]
    targets = [(e.stack_set, e.target, e.status) for e in said if e.kind == "target"]
    assert len(targets) == len({*targets}) or fails, "each change is said once"
    assert any(e.kind == "failed" for e in said) is fails


def test_earlier_runs_say_how_long_it_should_take() -> None:
    cloud = deployed()
    watch = watching(cloud)
    assert watch.look().expected is None and watch.earlier == 0

    assert start(cloud, *SECOND[:2]).green

    watch = watching(cloud)
    assert watch.earlier == 1
    assert watch.look().expected is None, "nothing was updated before"
    assert start(cloud, *FIRST[:2]).green
    assert watching(cloud).times.keys() >= {
        ("create", "demo-test-old"),
        ("update", "demo-test-data"),
    }
    expected = {"demo-test-app": {"update": [60, 90]}}
    watch = watching(cloud)
    watch.times = {}
    watch.found.state.opening = {**watch.found.state.opening, "expected": expected}
    assert {s.expected for s in watch.look().stages if s.stack_set == "demo-test-app"}


def test_a_killed_run_is_first_silent_then_known_to_be_dead() -> None:
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    killed(cloud)
    on_another_machine(cloud)
    times = {5.0: Life.GOES_ON, 60.0: Life.SILENT, 1000.0: Life.DEAD, 9000.0: Life.DEAD}
    beat, lasting = datetime.now(UTC), {}
    for seconds, life in times.items():
        cloud.bucket.now = lambda: seconds  # noqa: B023
        watch = replace(watching(cloud), found=found(cloud))

        view = watch.look(beat + timedelta(seconds=seconds))

        assert view.life is life
        lasting[seconds] = {view.seconds, *(s.seconds for s in view.stages)}
        assert ("no process continues it" in text(view)) == (life is Life.DEAD)
    assert (
        lasting[60.0] != lasting[1000.0] == lasting[9000.0]
    ), "counted to the last sign"
    assert replace(watch, blind=True).look().life is Life.UNKNOWN


def test_what_aws_does_not_answer_is_shown_as_unread() -> None:
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    cloud.faults.errors["results"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud, WANTED)
    cloud.faults.errors["results"] = [AwsError("cloudformation", "Denied", "no")]
    watch = watching(cloud)

    view = watch.look()

    assert {c.status for _, c in view.cells} == {Status.UNREAD}
    assert "no" in view.unread[0] and "not read:" in text(view)
    there = watch.look()
    assert {c.status for _, c in there.cells} <= {Status.SUCCEEDED}, "answered now"
    away = replace(watching(cloud), away={"us-east-1": "no route"}).look()
    assert {c.status for _, c in away.cells} == {Status.UNREAD}


def test_a_gate_that_waits_for_somebody_says_so() -> None:
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    views = []

    def sleep(seconds: float) -> None:
        view = watching(cloud).look()
        views.append(view)
        if any(stage.waits for stage in view.stages):
            raise Killed

    with pytest.raises(Killed):
        run(cloud, WANTED, APPROVE, sleep=sleep)

    assert "… waits  gate: somebody approves" in text(views[-1])
    waits = [e for e in events(None, views[-1]) if e.status == "WAITING"]
    assert "tapgen approve" in waits[0].message


def view(cells: tuple[Cell, ...]) -> View:
    cloud = Cloud()
    assert run(cloud, BEFORE)[0].green
    one = watching(cloud).look()
    stage = Stage("1.1.1", 1, "update", "", Status.RUNNING, "data", cells, 7.0)
    return replace(one, life=Life.GOES_ON, stages=(stage,), expected=(60.0, 600.0))


def test_ten_thousand_targets_are_grouped_failures_first() -> None:
    cells = tuple(
        Cell("data", Target(f"{n:012}", region), Status.SUCCEEDED)
        for n in range(2500)
        for region in ("us-east-1", "us-west-2", "eu-west-1", "eu-west-2")
    )
    wrong = replace(cells[7777], status=Status.FAILED, reason="it broke")
    works = replace(
        cells[4], status=Status.RUNNING, resource="Db (AWS::RDS::DBInstance)"
    )
    cells = tuple(
        {wrong.target: wrong, works.target: works}.get(c.target, c) for c in cells
    )

    lines = text(view(cells), width=60).splitlines()

    assert len(lines) < 20
    first = next(n for n, line in enumerate(lines) if "data" in line)
    assert "failed:" in lines[first] and str(wrong.target.account) in lines[first]
    assert "it broke" in lines[first + 1]
    assert any("9,998 targets" in line for line in lines)
    assert any("Db (AWS::RDS::DBInstance)" in line for line in lines)


def test_a_matrix_fits_into_sixty_columns_or_is_no_matrix() -> None:
    cells = tuple(
        Cell("data", t, Status.RUNNING, resource="Topic (T)") for t in (EAST, WEST)
    )
    one = view(cells)

    matrix = text(one, width=80)
    groups = text(one, width=40)

    assert "us-east-1" in matrix and "… running Topic" in matrix
    assert all(len(line) <= 80 for line in matrix.splitlines()[4:])
    assert "account  " in matrix and "account  " not in groups
    later = datetime.now(UTC) + timedelta(hours=1)
    assert report.data(one, later)["steps"][0]["targets"][0]["resource"] == "Topic (T)"
