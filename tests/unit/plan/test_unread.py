"""Plans while a region, an account or a stack cannot be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.model import Action, Observed, Output, Reading, Target
from tapgen.report import data, text
from tests import make
from tests.make import EAST, WEST

DATA = make.stack_set(targets=(EAST, WEST), parameters={"Size": "1"})
USER = make.stack_set(
    "user", targets=(EAST, WEST), parameters={"Arn": Output("data", "Arn")}
)


def unreadable(found: Observed, target: Target, reading: Reading) -> Observed:
    instance = replace(
        found.instances[target], outputs=None, reading=reading, unread="no answer"
    )
    return replace(found, instances={**found.instances, target: instance})


def deployed(reading: Reading, target: Target = WEST, *, user: bool = True) -> Any:
    found = {DATA.name: unreadable(make.observed(DATA), target, reading)}
    if user:
        # What it runs, from outputs that were read when it was deployed.
        given = replace(USER, parameters={"Arn": "arn:it"})
        it = make.observed(given, template=USER.template)
        unread = unreadable(it, target, reading) if reading is Reading.AWAY else it
        found[USER.name] = unread
    return found


def targets(found: plan.Plan) -> set[tuple[str, Action, Target]]:
    return {(s.part, s.action, t) for s in found.steps for t in s.targets}


@pytest.mark.parametrize("reading", [Reading.AWAY, Reading.REFUSED, Reading.GONE])
def test_outputs_that_cannot_be_read_are_not_outputs_that_changed(
    reading: Reading,
) -> None:
    found = plan.make(make.system(DATA, USER), deployed(reading))

    assert not found.steps
    assert [(name, t) for name, t, _ in found.unread][0] == (DATA.name, WEST)


def test_a_target_that_does_not_answer_is_left_out_and_the_others_go_on() -> None:
    larger = replace(DATA, parameters={"Size": "2"})

    found = plan.make(make.system(larger, USER), deployed(Reading.AWAY))

    assert targets(found) == {("data", Action.UPDATE, EAST)}
    assert [(o.part, o.action, o.targets) for o in found.omitted] == [
        ("data", Action.UPDATE, (WEST,))
    ]
    assert found.untouched(DATA.name) == {WEST}


def test_where_only_the_operator_role_is_missing_stack_sets_still_reach_the_target() -> (
    None
):
    larger = replace(DATA, parameters={"Size": "2"})

    found = plan.make(make.system(larger), deployed(Reading.REFUSED, user=False))

    assert targets(found) == {
        ("data", Action.UPDATE, EAST),
        ("data", Action.UPDATE, WEST),
    }
    assert not found.omitted


def test_a_new_stack_that_needs_an_unknown_value_is_left_out() -> None:
    found = plan.make(
        make.system(DATA, USER), deployed(Reading.REFUSED, WEST, user=False)
    )

    assert targets(found) == {("user", Action.CREATE, EAST)}
    (left,) = found.omitted
    assert (left.part, left.targets) == ("user", (WEST,))
    assert left.why == f"it needs data.Arn of {WEST}, which cannot be read"
    # The stack set itself is created by the first step that is left.
    assert [step.first for step in found.steps] == [True]


def test_what_needs_a_stack_that_is_left_out_is_left_out_too() -> None:
    last = make.stack_set(
        "last",
        targets=(WEST,),
        parameters={"Arn": Output("user", "Arn")},
    )

    found = plan.make(
        make.system(DATA, USER, last), deployed(Reading.REFUSED, WEST, user=False)
    )

    assert [(o.part, o.targets) for o in found.omitted] == [
        ("user", (WEST,)),
        ("last", (WEST,)),
    ]


def test_a_stack_that_was_deleted_by_hand_is_not_updated_but_named() -> None:
    larger = replace(DATA, parameters={"Size": "2"})

    found = plan.make(make.system(larger), deployed(Reading.GONE, user=False))

    assert targets(found) == {("data", Action.UPDATE, EAST)}
    shown = text.plan(found)
    assert "cannot be read: 111111111111 in us-west-2 (demo-test-data)" in shown
    assert "tapgen repair removes the instance" in shown
    assert "left out: data: update in 111111111111 in us-west-2" in shown


def test_nothing_is_deleted_while_a_target_does_not_answer() -> None:
    smaller = replace(DATA, targets=(WEST,))

    found = plan.make(make.system(smaller), deployed(Reading.AWAY, user=False))

    assert not found.steps
    (left,) = found.omitted
    assert (left.action, left.targets) == (Action.DELETE, (EAST,))


def test_json_has_what_cannot_be_read_and_what_is_left_out() -> None:
    larger = replace(DATA, parameters={"Size": "2"})

    found = data.plan(
        plan.make(make.system(larger), deployed(Reading.AWAY, user=False))
    )

    west = {"account": WEST.account, "region": WEST.region}
    assert found["unread"] == [
        {"stack_set": DATA.name, **west, "reading": "AWAY", "reason": "no answer"}
    ]
    assert found["omitted"] == [
        {
            "stack_set": DATA.name,
            "action": "UPDATE",
            "targets": [west],
            "reason": "the target does not answer",
        }
    ]


def test_unknown_outputs_are_left_out_of_the_outputs_and_never_empty() -> None:
    found = data.outputs(make.system(DATA), deployed(Reading.AWAY, user=False))

    assert found == {"data": {"us-east-1": {EAST.account: {"Arn": "arn:it"}}}}


def test_destroy_leaves_out_what_does_not_answer_and_its_stack_sets() -> None:
    it = make.system(DATA, USER)

    found = plan.destroy(it, deployed(Reading.AWAY))

    assert targets(found) == {("data", Action.DELETE, EAST)} | {
        ("user", Action.DELETE, EAST)
    }
    assert not any(step.drop for step in found.steps)
    left = {(o.part, t) for o in found.omitted for t in o.targets}
    assert left == {("data", WEST), ("user", WEST)}
    assert "left out: data: delete in" in text.plan(found)


def test_destroy_deletes_stack_sets_of_which_all_instances_answer() -> None:
    found = plan.destroy(make.system(DATA, USER), deployed(Reading.REFUSED))

    assert not found.omitted
    assert all(step.drop and step.targets == (EAST, WEST) for step in found.steps)
    assert plan.destroy(make.system(DATA), {}).omitted == ()


def test_an_account_without_its_roles_is_left_out_and_the_others_go_on() -> None:
    far = replace(WEST, account="3" * 12)
    wider = replace(DATA, parameters={"Size": "2"}, targets=(EAST, far))
    found = {DATA.name: make.observed(replace(DATA, targets=(EAST,)))}

    planned = plan.make(make.system(wider), found, {far.account})

    assert targets(planned) == {("data", Action.UPDATE, EAST)}
    (left,) = planned.omitted
    assert (left.action, left.targets) == (Action.CREATE, (far,))
    assert "tapgen bootstrap" in left.why


def test_what_needs_an_account_without_its_roles_is_left_out_as_well() -> None:
    far = replace(WEST, account="3" * 12)
    given = {"Arn": Output("data", "Arn", account=far.account, region=far.region)}
    data_there = replace(DATA, targets=(EAST, far))
    user = replace(USER, targets=(EAST,), parameters=given)

    planned = plan.make(make.system(data_there, user), {}, {far.account})

    assert targets(planned) == {("data", Action.CREATE, EAST)}
    assert {o.part for o in planned.omitted} == {"data", "user"}


def test_nothing_is_deleted_while_a_deployed_account_lacks_its_roles() -> None:
    far = replace(WEST, account="3" * 12)
    found = {DATA.name: make.observed(replace(DATA, targets=(EAST, far)))}
    smaller = replace(DATA, targets=(far,))

    assert not plan.make(make.system(smaller), found, {far.account}).steps
    assert plan.make(make.system(smaller), found).steps
