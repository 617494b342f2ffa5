"""Plans that change what a template says must not change."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen import plan
from tapgen.model import CONTEXT, Action
from tapgen.plan import allowances
from tapgen.report import data, text
from tapgen.template.risk import Kind
from tests import make

MARKED = {
    "why": "The warehouse knows it.",
    "must": ["six times the timeout"],
    "mutable": "review-required",
    "mutability": {
        "DisplayName": "must-never-change",
        "Tags": "change-with-constraints",
    },
}
LOOSE = {**MARKED, "mutable": "free-to-tune", "mutability": {}}


def topic(name: str, given: Any, **properties: Any) -> Any:
    resource = {
        "Type": "AWS::SNS::Topic",
        "Metadata": {CONTEXT: given},
        "Properties": {"DisplayName": name, **properties},
    }
    return make.stack_set("orders", text=make.template(resources={"Topic": resource}))


def planned(before: Any, after: Any) -> plan.Plan:
    return plan.make(make.system(after), {before.name: make.observed(before)})


@pytest.mark.parametrize(("old", "new"), [(MARKED, LOOSE), (LOOSE, MARKED)])
def test_what_must_never_change_is_refused_also_if_its_mark_comes_or_goes(
    old: Any, new: Any
) -> None:
    the_plan = planned(topic("orders", old), topic("bills", new))

    (line,) = plan.refusals(the_plan)
    assert "DisplayName must never change (The warehouse knows it.)" in line
    assert "--allow-replacement orders.Topic" in line
    names, problems = allowances.exact(the_plan, ["Topic"])
    assert not problems and plan.refusals(the_plan, names) == []
    assert data.plan(the_plan, ())["refusals"] == [line]


def test_reasons_and_constraints_are_named_first() -> None:
    tag = [{"Key": "Team", "Value": "orders"}]
    the_plan = planned(
        topic("orders", MARKED), topic("orders", MARKED, Tags=tag, KmsMasterKeyId="k")
    )

    said = {kind: [*lines] for kind, lines in text.risks(the_plan).items()}
    assert said[Kind.REVIEW] == [
        "orders.Topic (AWS::SNS::Topic): KmsMasterKeyId: The warehouse knows it."
    ]
    assert said[Kind.CONSTRAINED] == [
        "orders.Topic (AWS::SNS::Topic): Tags: six times the timeout"
    ]
    assert plan.refusals(the_plan) == []
    ((step,),) = data.plan(the_plan, ())["waves"]
    (change,) = step["resources"][0]["changes"]
    assert [one["level"] for one in change["context"]] == [
        "change-with-constraints",
        "review-required",
    ]


def test_metadata_alone_is_no_change_of_what_it_marks() -> None:
    there = topic("orders", {"why": "old"})

    the_plan = planned(there, topic("orders", MARKED))
    assert plan.refusals(the_plan) == [] and text.risks(the_plan) == {}
    loosened = planned(topic("orders", MARKED), there)
    (kind,) = text.risks(loosened)
    assert kind is Kind.PROTECTION
    assert [step.action for step in loosened.steps] == [Action.UPDATE]
