"""Drift held against a plan, and the waiting for its detection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tapgen import plan
from tapgen.aws.stacks import Difference, DriftedResource
from tapgen.aws.stacksets import Operation, Result, StackSets
from tapgen.errors import Busy, RolloutError
from tapgen.model import OperationStatus, Output, ResultStatus
from tapgen.plan import drift, forecast
from tapgen.plan.drift import Fate
from tapgen.report import markdown, outlook, saved, text
from tests import make
from tests.make import EAST, WEST

CHECKED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def queue(**properties: Any) -> str:
    resource = {"Type": "AWS::SQS::Queue", "Properties": properties}
    return make.template(resources={"Queue": resource})


def updated(before: str, after: str, status: str = "DRIFTED", **more: Any) -> plan.Plan:
    """A plan that updates the stack of one target, whose drift has been looked for."""
    wanted = make.stack_set(text=after, **more)
    instance = make.instance(drift_status=status, drift_checked=CHECKED)
    found = make.observed(wanted, template=before, instances={EAST: instance})
    return plan.make(make.system(wanted), {wanted.name: found})


def by_hand(*paths: str, deleted: bool = False, **more: str) -> DriftedResource:
    facts = {"logical_id": "Queue", "type": "AWS::SQS::Queue", **more}
    differences = tuple(Difference(p, "30", "99", "NOT_EQUAL") for p in paths)
    return DriftedResource(deleted=deleted, differences=differences, **facts)


def held(the_plan: plan.Plan, *resources: DriftedResource) -> drift.Drift:
    return drift.of(the_plan, {("demo-test-data", EAST): list(resources)})


OLD = queue(VisibilityTimeout=30, QueueName="a", Tags=[{"Key": "a", "Value": "1"}])


@pytest.mark.parametrize(
    ("after", "resource", "fate"),
    [
        (
            queue(VisibilityTimeout=60, QueueName="a"),
            by_hand("/VisibilityTimeout"),
            Fate.OVERWRITTEN,
        ),
        (
            queue(VisibilityTimeout=60, QueueName="a"),
            by_hand("/DelaySeconds"),
            Fate.PERHAPS,
        ),
        (
            queue(
                VisibilityTimeout=30, QueueName="a", Tags=[{"Key": "a", "Value": "2"}]
            ),
            by_hand("/Tags/0/Value"),
            Fate.OVERWRITTEN,
        ),
        (queue(VisibilityTimeout=30, QueueName="b"), by_hand("/QueueName"), Fate.GONE),
        (make.template(), by_hand("/VisibilityTimeout"), Fate.GONE),
        (
            queue(VisibilityTimeout=60, QueueName="a"),
            by_hand(deleted=True),
            Fate.FAILS,
        ),
        (queue(VisibilityTimeout=30, QueueName="b"), by_hand(deleted=True), Fate.GONE),
        (
            queue(VisibilityTimeout=60, QueueName="a"),
            by_hand("/VisibilityTimeout", logical_id="Other"),
            Fate.STAYS,
        ),
    ],
)
def test_what_a_plan_does_to_what_was_changed_by_hand(
    after: str, resource: DriftedResource, fate: Fate
) -> None:
    (found,) = held(updated(OLD, after), resource).found

    assert found.fate is fate


def test_new_tags_of_the_stack_set_may_reach_what_the_plan_does_not_name() -> None:
    wanted = make.stack_set(text=OLD, tags={"Owner": "me"})
    instance = make.instance(drift_status="DRIFTED")
    found = make.observed(wanted, instances={EAST: instance})
    without = {k: v for k, v in found.tags.items() if k != "Owner"}
    the_plan = plan.make(
        make.system(wanted), {wanted.name: replace(found, tags=without)}
    )

    (found,) = held(the_plan, by_hand("/Tags")).found

    assert found.fate is Fate.PERHAPS


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("AWS::RDS::DBCluster", "/GlobalClusterIdentifier"),
        ("AWS::ApiGateway::Stage", "/CanarySetting/DeploymentId"),
    ],
)
def test_what_aws_reports_by_mistake_is_no_drift(type_: str, path: str) -> None:
    the_plan = updated(OLD, queue(VisibilityTimeout=60))

    assert held(the_plan, by_hand(path, type=type_)).found == ()
    (found,) = held(the_plan, by_hand(path, "/Engine", type=type_)).found
    assert found.difference and found.difference.path == "/Engine"
    assert held(the_plan, by_hand(path)).found, "of another type it is drift"


def test_the_worst_comes_first() -> None:
    the_plan = updated(OLD, queue(VisibilityTimeout=60, QueueName="a"))

    found = held(
        the_plan, by_hand("/DelaySeconds"), by_hand("/VisibilityTimeout")
    ).found

    assert [d.fate for d in found] == [Fate.OVERWRITTEN, Fate.PERHAPS]


def test_what_was_never_checked_and_what_cannot_be_read_is_said() -> None:
    after = queue(VisibilityTimeout=60)
    never = drift.of(updated(OLD, after, "NOT_CHECKED"), {})
    unread = drift.of(updated(OLD, after), {("demo-test-data", EAST): None})

    assert (never.unchecked, never.unread) == ((("data", EAST),), ())
    assert (unread.unchecked, unread.unread) == ((), (("data", EAST),))


def test_created_and_deleted_instances_have_no_drift_to_overwrite() -> None:
    moved = replace(make.stack_set(targets=(EAST,)), targets=(WEST,))
    instance = make.instance(drift_status="DRIFTED")
    found = make.observed(moved, instances={EAST: instance})
    the_plan = plan.make(make.system(moved), {moved.name: found})

    assert list(drift.concerned(the_plan)) == []


def test_a_step_that_may_not_run_overwrites_nothing_yet() -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}
    named = make.template(["Name"], ["Arn"], {"Topic": topic}, output_value=make.NAME)
    data = make.stack_set("data", parameters={"Name": "2"}, text=named)
    app = make.stack_set("app", parameters={"Arn": Output("data", "Arn")})
    found = {
        data.name: make.observed(data, parameters={"Name": "1"}),
        app.name: make.observed(app, parameters={"Arn": "arn:it"}),
    }
    the_plan = plan.make(make.system(data, app), found)

    assert [step.conditional for step in the_plan.steps] == [False, True]
    assert [step.part for step, _, _ in drift.concerned(the_plan)] == ["data"]


# -- how it is told ------------------------------------------------------------------


def test_drift_comes_before_the_waves_in_every_form() -> None:
    the_plan = updated(OLD, queue(VisibilityTimeout=60, QueueName="a"))
    ahead = outlook.Outlook(
        forecast.of(the_plan), (), held(the_plan, by_hand("/VisibilityTimeout"))
    )
    shown, comment = text.plan(the_plan, outlook=ahead), markdown.plan(
        the_plan, (), ahead
    )

    for form, wave in ((shown, "wave 1"), (comment, "<summary>wave 1")):
        named = (
            "data.Queue (AWS::SQS::Queue): VisibilityTimeout is 99, the template has 30"
        )
        assert form.index("drift that this plan may overwrite") < form.index(named)
        assert form.index(named) < form.index(wave)
        assert "oldest check 2026-03-01 12:30 UTC" in form
    (one,) = outlook.data(ahead)["drift"]["found"]
    assert (one["property"], one["actual"]) == ("/VisibilityTimeout", "99")
    assert one["plan"] == "overwritten"


def test_the_drift_line_reports_clean_checks_and_missing_checks() -> None:
    def last(status: str) -> str:
        the_plan = updated(OLD, queue(VisibilityTimeout=60), status)
        ahead = outlook.Outlook(forecast.of(the_plan), (), drift.of(the_plan, {}))
        return "\n".join(outlook.last(ahead))

    assert "no drift found" in last("IN_SYNC")
    assert (
        "0 of 1 instance to update checked; to check first, run plan --detect-drift"
        in last("NOT_CHECKED")
    )


def test_a_later_check_does_not_make_a_saved_plan_stale() -> None:
    after = queue(VisibilityTimeout=60)
    read = saved.load(saved.dump(updated(OLD, after, "NOT_CHECKED"), ()), "p.json")

    saved.check(read, updated(OLD, after, "DRIFTED"), "p.json")


# -- looking -------------------------------------------------------------------------


class FakeSets:
    """Stack sets that are busy for a while, then detect drift in two looks."""

    def __init__(self, busy: int = 0, results: tuple[Result, ...] = ()) -> None:
        self.busy, self.ends = busy, results
        self.looks: dict[str, int] = {}

    def detect_drift(self, name: str) -> Operation:
        if self.busy:
            self.busy -= 1
            raise Busy("cloudformation:DetectStackSetDrift", "Busy", "an update runs")
        self.looks[name] = 0
        return Operation(f"{name}:1", name, OperationStatus.RUNNING)

    def operation(self, name: str, operation_id: str) -> Operation:
        self.looks[name] += 1
        over = self.looks[name] >= 2
        status = OperationStatus.SUCCEEDED if over else OperationStatus.RUNNING
        return Operation(operation_id, name, status)

    def results(self, name: str, operation_id: str) -> list[Result]:
        return list(self.ends)


def detect(fake: FakeSets, *names: str, poll: float = 1) -> tuple[list[str], int]:
    """What was told, and how often it slept."""
    lines: list[str] = []
    pauses: list[float] = []
    sleep: Callable[[float], None] = pauses.append
    sets = cast(StackSets, fake)
    drift.detect(sets, names, lines.append, sleep=sleep, poll_seconds=poll)
    return lines, len(pauses)


def test_stack_sets_are_looked_at_side_by_side() -> None:
    lines, pauses = detect(FakeSets(), "a", "b", "a")

    assert lines == [
        "a: detecting drift …",
        "b: detecting drift …",
        "a: drift detection SUCCEEDED",
        "b: drift detection SUCCEEDED",
    ]
    assert pauses == 1


def test_detection_waits_for_a_running_operation_and_reports_it_once() -> None:
    lines, _ = detect(FakeSets(busy=3), "a")

    assert lines[0] == "a: waiting for another operation to end …"
    assert lines[1:] == ["a: detecting drift …", "a: drift detection SUCCEEDED"]


def test_waiting_ends_some_day() -> None:
    with pytest.raises(RolloutError, match="a: drift cannot be detected while"):
        detect(FakeSets(busy=99), "a", poll=drift.PATIENCE / 2)


def test_a_failed_check_is_reported_with_its_reason() -> None:
    failed = Result(EAST, ResultStatus.FAILED, "no such role")

    lines, _ = detect(FakeSets(results=(failed,)), "a")

    assert lines[-1] == f"a in {EAST}: could not be checked (no such role)"


def test_drift_where_nothing_is_updated_is_found_when_everything_is_checked() -> None:
    the_plan = updated(OLD, OLD)
    found = {("demo-test-data", EAST): [by_hand("/VisibilityTimeout")]}

    everything = drift.of(the_plan, found, whole=True)

    assert not the_plan
    assert [d.fate for d in everything.found] == [Fate.STAYS]
    assert everything.instances == 1
    assert drift.of(the_plan, found).instances == 0
