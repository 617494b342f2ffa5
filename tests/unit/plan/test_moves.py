"""A stack set whose targets all leave: no target runs what is for another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import Action, Observed, Output, StackSet
from tapgen.plan import forecast
from tapgen.report import text
from tests import make
from tests.make import EAST, WEST

QUEUE = {
    "Type": "AWS::SQS::Queue",
    "DeletionPolicy": "Retain",
    "Properties": {"QueueName": {"Ref": "Name"}},
}
KEPT = make.template(
    ("Name",), ("Url",), {"Queue": QUEUE}, output_value={"Ref": "Queue"}
)
OTHER = KEPT.replace('"QueueName"', '"DelaySeconds": 5, "QueueName"')


def orders(place: Any, name: str, body: str = KEPT, **more: Any) -> StackSet:
    return make.stack_set(
        "orders", targets=(place,), parameters={"Name": name}, text=body, **more
    )


def found(s: StackSet, **changes: Any) -> Observed:
    return make.observed(s, **changes)


def actions(the_plan: plan.Plan) -> list[list[tuple[str, Action]]]:
    return [[(s.part, s.action) for s in wave] for wave in the_plan.waves]


def test_with_the_same_template_the_new_comes_before_the_old_goes() -> None:
    before, after = orders(EAST, "east"), orders(WEST, "west")

    the_plan = plan.make(make.system(after), {after.name: found(before)})

    create, delete = the_plan.steps
    assert (create.action, delete.action) == (Action.CREATE, Action.DELETE)
    assert create.settles and not create.first
    (move,) = forecast.of(the_plan).moves
    assert not move.away


@pytest.mark.parametrize(
    "changes",
    [
        {"administration_role": "arn:old"},
        {"execution_role": "old"},
        {"capabilities": ("CAPABILITY_IAM",)},
        {"template": OTHER},
    ],
)
def test_with_another_definition_the_old_goes_before_the_new_comes(
    changes: dict[str, Any],
) -> None:
    before, after = orders(EAST, "east"), orders(WEST, "west")

    the_plan = plan.make(make.system(after), {after.name: found(before, **changes)})

    delete, create = the_plan.steps
    assert (delete.action, create.action) == (Action.DELETE, Action.CREATE)
    assert create.first and not create.settles
    shown = text.plan(the_plan)
    assert "deleted first, since its template, roles or capabilities change" in shown
    assert "away from its deletion until then" in shown
    (move,) = forecast.of(the_plan).moves
    assert move.away
    assert (
        "roll out the new template at the present targets" in plan.refusals(the_plan)[0]
    )


@pytest.mark.parametrize("changes", [{"Team": "a"}, {}])
def test_tags_and_descriptions_do_not_make_a_move_an_outage(
    changes: dict[str, str],
) -> None:
    before = orders(EAST, "east")
    words = KEPT.replace("{", '{"Description": "words", ', 1)
    after = orders(WEST, "west", words, tags=changes)

    the_plan = plan.make(make.system(after), {after.name: found(before)})

    assert [s.action for s in the_plan.steps] == [Action.CREATE, Action.DELETE]
    assert the_plan.steps[0].settles


def test_what_uses_a_part_that_goes_first_goes_before_it() -> None:
    def users(place: Any) -> tuple[StackSet, StackSet]:
        text = make.template(("Url",), ("Arn",))
        takes = {"Url": Output("orders", "Url")}
        app = make.stack_set("app", targets=(place,), parameters=takes, text=text)
        far = make.stack_set("far", targets=(place,), depends_on=("app",))
        return app, far

    before, after = orders(EAST, "east"), orders(WEST, "west", OTHER)
    old = {s.name: found(s) for s in (before, *users(EAST))}

    the_plan = plan.make(make.system(after, *users(WEST)), old)

    assert [[part for part, _ in wave] for wave in actions(the_plan)] == [
        ["far"],
        ["app"],
        ["orders"],
        ["orders"],
        ["app"],
        ["far"],
    ]
    deleted = [
        action is Action.DELETE for wave in actions(the_plan) for _, action in wave
    ]
    assert deleted == [True] * 3 + [False] * 3
    assert "as it uses orders" in text.plan(the_plan)


def test_where_a_target_stays_nothing_is_away() -> None:
    before = replace(orders(EAST, "east"), targets=(EAST,))
    after = replace(orders(WEST, "east", OTHER), targets=(EAST, WEST))

    the_plan = plan.make(make.system(after), {after.name: found(before)})

    assert [s.action for s in the_plan.steps] == [Action.UPDATE, Action.CREATE]
    assert not any(s.first for s in the_plan.steps)
