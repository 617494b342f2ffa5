"""Plans as files, and as comments."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.errors import PlanError
from tapgen.model import HIDDEN, Observed, StackSet
from tapgen.report import data, markdown, saved
from tapgen.report import text as shown
from tests import make
from tests.make import EAST, WEST

WANTED = make.stack_set(parameters={"Size": "2"})
FOUND = make.observed(WANTED, parameters={"Size": "1"})


def planned(wanted: StackSet = WANTED, found: Observed = FOUND) -> plan.Plan:
    return plan.make(make.system(wanted), {wanted.name: found})


def text(**changes: Any) -> str:
    return saved.dump(planned(), changes.get("allowed", ()))


def test_the_very_same_plan_is_obeyed() -> None:
    read = saved.load(text(allowed=("Db",)), "p.json")

    saved.check(read, planned(), "p.json")

    assert (read.system, read.environment, read.allowed) == ("demo", None, ("Db",))


@pytest.mark.parametrize(
    ("now", "named"),
    [
        (
            planned(make.stack_set(parameters={"Size": "3"})),
            "demo-test-data: wanted parameters changed",
        ),
        (
            planned(replace(WANTED, template=make.template(["Size"]))),
            "demo-test-data: wanted template changed",
        ),
        (
            planned(replace(WANTED, targets=(EAST, WEST))),
            "demo-test-data: wanted targets changed",
        ),
        (
            planned(found=make.observed(WANTED, parameters={"Size": "7"})),
            "demo-test-data: deployed parameters changed",
        ),
        (
            planned(found=replace(FOUND, instances={})),
            "demo-test-data: deployed instances changed",
        ),
    ],
)
def test_what_has_changed_since_is_named(now: plan.Plan, named: str) -> None:
    read = saved.load(text(), "p.json")

    with pytest.raises(PlanError, match="out of date") as caught:
        saved.check(read, now, "p.json")

    assert named in str(caught.value)


def test_an_edited_plan_is_refused() -> None:
    edited = text().replace('"Size": "2"', '"Size": "9"')
    assert edited != text()

    with pytest.raises(PlanError, match="edited after it was saved"):
        saved.load(edited, "p.json")


def test_an_edit_with_a_new_seal_is_refused_by_planning_again() -> None:
    from tapgen.model import digest

    body = json.loads(text())
    del body["seal"]
    body["plan"]["waves"][0][0]["parameters"]["Size"] = "9"
    forged = json.dumps(body | {"seal": digest(body)})

    with pytest.raises(PlanError, match="the steps of the plan differ"):
        saved.check(saved.load(forged, "p.json"), planned(), "p.json")


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"format": 1}', "null", "{" * 9999])
def test_what_is_no_plan_is_refused(body: str) -> None:
    with pytest.raises(PlanError, match="not a saved plan"):
        saved.load(body, "p.json")


def test_another_format_is_refused() -> None:
    body = json.loads(text()) | {"format": 99}

    with pytest.raises(PlanError, match="has plan format 99"):
        saved.load(json.dumps(body), "p.json")


def test_values_of_hidden_parameters_are_in_no_file() -> None:
    body = json.loads(make.template(["Size", "Password"]))
    body["Parameters"]["Password"]["NoEcho"] = True
    wanted = make.stack_set(
        parameters={"Size": "2", "Password": "{{resolve:ssm-secure:hunter2}}"},
        text=json.dumps(body),
    )
    the_plan = plan.make(make.system(wanted), {})

    assert "hunter2" not in saved.dump(the_plan, ())
    assert "hunter2" not in markdown.plan(the_plan)


def test_a_comment_folds_the_waves_and_names_what_is_refused() -> None:
    def bucket(name: str) -> str:
        properties = {"BucketName": name}
        resource = {"Type": "AWS::S3::Bucket", "Properties": properties}
        return make.template(resources={"Bucket": resource})

    wanted = make.stack_set(text=bucket("b`b"))
    the_plan = plan.make(
        make.system(wanted),
        {wanted.name: make.observed(wanted, template=bucket("a"))},
    )

    comment = markdown.plan(the_plan)

    assert comment.count("<details>") == comment.count("</details>") == 1
    assert comment.count("```") == 2, "a value must not end the block it stands in"
    assert "❌ refused: demo-test-data" in comment
    assert "Bucket AWS::S3::Bucket replaces HOLDS DATA" in comment


def test_a_comment_is_never_longer_than_it_may_be() -> None:
    many = {
        f"Topic{n}": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "x" * 200}}
        for n in range(490)
    }
    parts = [
        make.stack_set(f"p{n}", text=make.template(resources=many)) for n in range(8)
    ]
    the_plan = plan.make(make.system(*parts), {})

    comment = markdown.plan(the_plan)

    assert len(comment) <= markdown.LIMIT
    assert "cut here" in comment
    assert comment.count("<details>") == comment.count("</details>")


def test_nothing_to_do_is_said() -> None:
    same = planned(found=make.observed(WANTED))

    assert "No changes" in markdown.plan(same)


def test_what_cannot_be_compared_is_said() -> None:

    wanted = make.stack_set(parameters={"Size": "2", "Password": "x"})
    found = make.observed(wanted, parameters={"Size": "1", "Password": "****"})

    lines = shown.plan(planned(wanted, found))

    assert "not compared, CloudFormation hides NoEcho values: data.Password" in lines


def _with_secret(old: str, new: str) -> plan.Plan:
    """A plan of what is deployed with a secret, and another size perhaps."""
    body = json.loads(make.template(["Size", "Password"]))
    body["Parameters"]["Password"]["NoEcho"] = True
    values = {"Size": new, "Password": "{{resolve:ssm-secure:/password}}"}
    wanted = make.stack_set(parameters=values, text=json.dumps(body))
    deployed = {"Size": old, "Password": HIDDEN}
    observed = make.observed(wanted, parameters=deployed)
    return plan.make(make.system(wanted), {wanted.name: observed})


@pytest.mark.parametrize(("old", "new"), [("1", "1"), ("1", "2")])
def test_hidden_values_are_listed_with_and_without_changes(old: str, new: str) -> None:
    the_plan = _with_secret(old, new)

    assert bool(the_plan) is (old != new)
    assert "not compared, CloudFormation hides NoEcho values: data.Password" in (
        shown.plan(the_plan)
    )
    assert "CloudFormation hides NoEcho values: `data.Password`" in markdown.plan(
        the_plan
    )
    assert data.plan(the_plan)["not_comparable"] == ["data.Password"]


def test_a_plan_that_only_deletes_compares_nothing() -> None:
    the_plan = _with_secret("1", "1")
    gone = plan.destroy(the_plan.system, the_plan.observed)

    assert gone and gone.not_comparable == ()
    assert "not compared" not in shown.plan(gone) + markdown.plan(gone)


def test_a_system_is_resolved_by_its_saved_plan_unless_its_file_has_changed() -> None:
    own = replace(WANTED, targets=(replace(EAST, account="self"),))
    read = saved.load(text(), "p.json")

    assert saved.resolved(read, make.system(own), "p.json") == make.system(WANTED)
    for other, words in (
        (make.system(replace(own, parameters={"Size": "9"})), "file has changed since"),
        (replace(make.system(own), suffix="eu"), "not of demo .suffix eu."),
    ):
        with pytest.raises(PlanError, match=words):
            saved.resolved(read, other, "p.json")
