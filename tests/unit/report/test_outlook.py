"""What to expect of a plan, as text, Markdown and data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tapgen import plan
from tapgen.model import Output, StackSet
from tapgen.plan import forecast
from tapgen.plan.durations import Span
from tapgen.report import markdown, outlook, saved, text
from tests import make
from tests.make import ACCOUNT, EAST, WEST

HOLDS = make.template(
    resources={"Data": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}}
)
OLD = make.stack_set(targets=(EAST,), text=HOLDS)
MOVED = plan.make(
    make.system(replace(OLD, targets=(WEST,))), {OLD.name: make.observed(OLD)}
)


def ahead(the_plan: plan.Plan) -> outlook.Outlook:
    return outlook.Outlook(forecast.of(the_plan))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1, 50, "about a minute"),
        (10, 150, "up to 3 min"),
        (61, 150, "about 1–3 min"),
        (26 * 60, 58 * 60, "about 25–60 min"),
        (21 * 60, 130 * 60, "about 20 min to 2.2 h"),
        (90 * 60, 240 * 60, "about 1.5–4 h"),
    ],
)
def test_a_span_is_rounded_to_readable_numbers(low: int, high: int, words: str) -> None:
    assert outlook.duration(Span(low, high)) == words


def test_text_and_comment_name_the_move_before_the_waves_and_the_time_after() -> None:
    shown = text.plan(MOVED, outlook=ahead(MOVED))
    comment = markdown.plan(MOVED, (), ahead(MOVED))

    for form, wave in ((shown, "wave 1"), (comment, "<summary>wave 1")):
        places = f"{ACCOUNT} in us-east-1 to {ACCOUNT} in us-west-2"
        moved = f"data moves from {places}: created there, deleted here"
        assert form.index(moved) < form.index(wave)
        assert (
            "retained in the old target, with its data: Data (AWS::S3::Bucket)" in form
        )
        assert "pace: 1 account at a time; stops at the first failure" in form
        assert "estimated time on AWS: " in form
    assert shown.index("wave 1") < shown.index("estimated time on AWS")


def test_a_comment_is_never_longer_than_it_may_be_with_many_moves() -> None:
    def many(target: object) -> list[StackSet]:
        return [
            make.stack_set(f"part{n}" + "x" * 90, targets=(target,), text=HOLDS)  # type: ignore[arg-type]
            for n in range(300)
        ]

    found = {s.name: make.observed(s) for s in many(EAST)}
    the_plan = plan.make(make.system(*many(WEST)), found)

    comment = markdown.plan(the_plan, (), ahead(the_plan))

    assert len(comment) <= markdown.LIMIT
    assert "cut here" in comment


def test_templates_with_room_are_listed_only_with_details() -> None:
    assert "resources" not in text.plan(MOVED, outlook=ahead(MOVED)).split("wave 2")[1]

    detailed = text.plan(MOVED, details=True, outlook=ahead(MOVED))
    assert "template of data: " in detailed
    assert "1 of 500 resources (0 %)" in detailed


def test_the_data_has_pace_time_moves_and_templates() -> None:
    found = outlook.data(ahead(MOVED))

    first, _ = found["pace"]
    assert first[0]["regions"] == [
        {
            "region": "us-west-2",
            "accounts": 1,
            "concurrency": 1,
            "max_concurrent": 1,
            "failure_tolerance": 0,
            "worst_case_failures": 1,
        }
    ]
    assert 0 < found["estimate"]["low_seconds"] < found["estimate"]["high_seconds"]
    assert found["moves"][0]["data_stays"] == ["Data (AWS::S3::Bucket)"]
    assert found["templates"][0]["resources"] == {"used": 1, "limit": 500}


def test_an_open_run_comes_first_in_every_form_also_where_nothing_changes() -> None:
    nothing = plan.make(make.system(OLD), {OLD.name: make.observed(OLD)})
    words = ("run r1 is open since today", "continue it: tapgen resume demo")

    for the_plan in (MOVED, nothing):
        shown = replace(ahead(the_plan), open_run={"run": "r1"}, first=words)
        for form in (
            text.plan(the_plan, outlook=shown),
            markdown.plan(the_plan, (), shown),
        ):
            assert form.index(words[0]) < form.index(words[1])
            assert "wave 1" not in form.partition(words[1])[0]
        assert outlook.data(shown)["open_run"] == {"run": "r1"}


def test_nothing_to_do_has_no_pace_and_no_time() -> None:
    nothing = plan.make(make.system(OLD), {OLD.name: make.observed(OLD)})

    assert "pace" not in text.plan(nothing, outlook=ahead(nothing))
    assert outlook.data(ahead(nothing))["estimate"]["high_seconds"] == 0


def test_a_saved_plan_holds_no_estimate() -> None:
    assert "estimate" not in saved.dump(MOVED, ())


def test_a_comment_says_which_parameters_are_known_later() -> None:
    app = make.stack_set("app", parameters={"Arn": Output("data", "Arn")})
    the_plan = plan.make(make.system(make.stack_set("data"), app), {})

    assert f"Arn = data.Arn of {EAST} (known after wave 1)" in markdown.plan(the_plan)
