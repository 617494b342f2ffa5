"""What runs there were, and the timeline of one, from the journals alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapgen.errors import RolloutError
from tapgen.model import CommandGate
from tapgen.report import history as report
from tapgen.rollout import history
from tests import make
from tests.unit.rollout.fakes import Cloud, Faults, Killed
from tests.unit.rollout.test_gating import BEFORE, NAME, WANTED, run

PREFIX = "demo-test"
HELD = CommandGate(command=("true",), after="wave")
RED = CommandGate(command=("false",), after="wave")


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def only(cloud: Cloud) -> history.Summary:
    (found,), older = history.runs(cloud.bucket, PREFIX, 20)
    assert older == 0
    return found


def timeline(cloud: Cloud, name: str) -> list[history.Entry]:
    return list(history.read(cloud.bucket, PREFIX, name)[1])


def kinds(entries: list[history.Entry]) -> list[str]:
    return [e.action or e.kind for e in entries]


def test_a_system_without_runs_has_no_history(cloud: Cloud) -> None:
    assert history.runs(cloud.bucket, PREFIX, 20) == ([], 0)
    assert report.runs(PREFIX, [], 0, "") == "demo-test: no runs"


def test_a_run_is_listed_with_who_what_result_and_changes(cloud: Cloud) -> None:
    ended, _ = run(cloud, BEFORE)

    found = only(cloud)
    assert (found.run, found.result, found.changed) == (ended.run, "done", (NAME,))
    assert (found.command, found.host != "") == ("rollout", True)
    assert found.plan.startswith("sha256:")


def test_the_list_reads_the_first_and_the_last_event_only(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    cloud.bucket.faults = Faults()

    only(cloud)

    assert len(cloud.bucket.faults.calls) == 3  # the keys, and two events


def test_at_most_so_many_runs_are_listed_and_the_others_counted(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    run(cloud, WANTED)

    found, older = history.runs(cloud.bucket, PREFIX, 1)

    assert (len(found), older) == (1, 1)
    assert "1 older run: show them" in report.runs(PREFIX, found, older, "show them")


def test_a_killed_run_is_open_and_lists_what_it_has_changed(cloud: Cloud) -> None:
    cloud.faults.errors["results"] = [Killed()]
    with pytest.raises(Killed):
        run(cloud, BEFORE)

    found = only(cloud)

    assert (found.result, found.paused, found.changed) == ("open", "", (NAME,))
    entries = timeline(cloud, found.run)
    assert kinds(entries)[-1] == "CreateStackInstances"
    assert "no result" in report.run(found, entries)


def test_an_open_run_that_restores_says_so(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    cloud.failing = lambda name, target, template, values: True
    run(cloud, WANTED)

    found = history.runs(cloud.bucket, PREFIX, 1)[0][0]

    assert (found.result, found.paused, found.back) == ("open", "failed", True)
    assert "… open[/] (back, failed)" in report.runs(PREFIX, [found], 0, "")


def test_a_timeline_has_waves_operations_and_gates_with_evidence(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    ended, _ = run(cloud, WANTED, HELD)

    entries = timeline(cloud, ended.run)

    assert kinds(entries) == ["opened", "wave", "UpdateStackSet", "gate", "closed"]
    _, wave, update, gate, _ = entries
    assert wave.words == "wave 1 of 1: data"
    assert wave.seconds is not None
    assert (update.result, update.stack_set, update.targets) == ("done", NAME, None)
    assert update.id.startswith(f"tapgen-{ended.run}-")
    assert (gate.result, gate.evidence["verdict"]) == ("held", "green")


def test_a_timeline_shows_why_a_run_turned_and_what_it_restored(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    ended, _ = run(cloud, WANTED, RED)

    entries = timeline(cloud, ended.run)

    words = [e.words for e in entries if e.kind in ("turned", "wave", "closed")]
    assert words == [
        "wave 1 of 1: data",
        "restoring from here: failed",
        "restoring 1 of 1: data",
        "restored",
    ]
    (gate,) = [e for e in entries if e.kind == "gate"]
    assert (gate.result, gate.evidence["verdict"]) == ("failed", "red")
    turned = kinds(entries).index("turned")
    assert all(e.back for e in entries[turned:])
    assert not any(e.back for e in entries[:turned])


def test_a_failed_operation_has_its_failures(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    cloud.failing = lambda name, target, template, values: values["Size"] == "2"
    ended, _ = run(cloud, WANTED)

    entries = timeline(cloud, ended.run)

    failed, restored = [e for e in entries if e.kind == "operation"]
    assert (failed.result, restored.result) == ("failed", "done")
    assert failed.failures[0].target == make.EAST
    summary, _ = history.read(cloud.bucket, PREFIX, ended.run)
    assert summary.result == "restored"
    assert "it broke" in report.run(summary, entries)


def test_an_entry_as_data_is_json_with_targets_apart(cloud: Cloud) -> None:
    ended, _ = run(cloud, BEFORE, HELD)

    data = [report.entry_data(entry) for entry in timeline(cloud, ended.run)]

    found: list[dict[str, Any]] = json.loads(json.dumps(data))
    (created,) = [e for e in found if e["action"] == "CreateStackInstances"]
    assert created["targets"] == [{"account": make.ACCOUNT, "region": "us-east-1"}]
    assert {"gate", "verdict", "values"} <= {*found[-2]["evidence"]}


def test_a_run_is_found_by_a_part_of_its_name_and_refused_otherwise(
    cloud: Cloud,
) -> None:
    ended, _ = run(cloud, BEFORE)

    assert history.read(cloud.bucket, PREFIX, ended.run[-6:])[0].run == ended.run
    with pytest.raises(RolloutError, match=f"the newest are: {ended.run}"):
        history.read(cloud.bucket, PREFIX, "yesterday")
    run(cloud, WANTED)
    with pytest.raises(RolloutError, match="20 fits 2 runs"):
        history.read(cloud.bucket, PREFIX, "20")


def test_a_run_of_another_format_is_listed_without_its_changes(cloud: Cloud) -> None:
    run(cloud, BEFORE)
    objects = cloud.bucket.objects
    for key, body in objects.items():
        if "/objects/" in key:
            objects[key] = body.replace(b'"format": 1', b'"format": 0')
        elif b'"closed"' in body:
            objects[key] = body.replace(b'"changed"', b'"more"')

    found = only(cloud)

    assert (found.result, found.changed) == ("done", None)
    assert "cannot be read by this version" in report.runs(PREFIX, [found], 0, "")


@pytest.mark.parametrize(
    "seconds, words", [(7, "7 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert report.lasting(seconds) == words
