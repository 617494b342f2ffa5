"""What to ask AWS about a plan, and what follows from its answers: on data alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws.change_sets import Change, ChangeSet, Detail
from tapgen.errors import AwsError
from tapgen.model import HIDDEN, Action, Output, Override, Target
from tapgen.plan import change_set_answers
from tapgen.plan.change_set_answers import Answer
from tapgen.report import change_sets as report
from tapgen.report import data, saved, text
from tapgen.template.diff import Verb, Verdict
from tests import make
from tests.make import EAST, WEST

TABLE = "AWS::DynamoDB::Table"


def resource(kind: str, policy: str = "Retain", **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "UpdateReplacePolicy": policy, "Properties": properties}


def changed(
    old: dict[str, Any], new: dict[str, Any], targets: tuple[Target, ...] = (EAST,)
) -> plan.Plan:
    """The plan that changes one stack set's resources."""
    before = make.stack_set(targets=targets, text=make.template(resources=old))
    after = replace(before, template=make.template(resources=new))
    return plan.make(make.system(after), {after.name: make.observed(before)})


RATED = changed(
    {"Table": resource(TABLE, BillingMode="PROVISIONED")},
    {"Table": resource(TABLE, BillingMode="PAY_PER_REQUEST")},
)
"""Our verdict on it: in place."""
RENAMED = changed(
    {"Table": resource(TABLE, TableName="a")}, {"Table": resource(TABLE, TableName="b")}
)
"""Our verdict on it: replaces."""


def modify(
    replacement: str, *details: Detail, name: str = "Table", kind: str = TABLE
) -> Change:
    return Change("Modify", name, kind, replacement, details=details)


def place(recreation: str, **more: Any) -> Detail:
    return Detail("Properties", "BillingMode", recreation=recreation, **more)


def merged(
    the_plan: plan.Plan, *changes: Change, failed: str = ""
) -> tuple[plan.Plan, Answer]:
    """The merged plan, and the answer about the only target."""
    said = {("demo-test-data", EAST): ChangeSet(changes, failed)}
    now, answers = change_set_answers.merge(the_plan, said)
    return now, answers["demo-test-data", EAST]


def verdict_of(the_plan: plan.Plan) -> dict[str, str]:
    (step,) = the_plan.steps
    return {
        c.logical_id: str(c.verdict if c.verb is Verb.CHANGE else c.verb)
        for c in step.changes[EAST]
    }


def lines(answers: Mapping[change_set_answers.Key, Answer]) -> str:
    """All that is shown on a terminal, what matters first."""
    return "\n".join([*report.first(answers), *report.last(answers)])


# -- what is asked -----------------------------------------------------------------------


def test_each_stack_gets_exactly_the_values_it_would_run() -> None:
    texts = make.template(("Size", "Secret"), outputs=("Arn",))
    data = make.stack_set(
        targets=(EAST, WEST),
        parameters={"Size": "2", "Secret": HIDDEN},
        overrides=(Override({"Size": "3"}, region="us-west-2"),),
        text=texts,
        capabilities=("CAPABILITY_IAM",),
        tags={"Owner": "us"},
    )
    found = make.observed(
        data, parameters={"Size": "1"}, tags={"tapgen:system": "demo"}
    )

    requested, unasked = change_set_answers.questions(
        plan.make(make.system(data), {data.name: found})
    )

    assert unasked == {}
    east, west = requested[data.name, EAST], requested[data.name, WEST]
    assert east.values == {"Size": "2", "Secret": None}
    assert west.values == {"Size": "3", "Secret": None}
    assert east.stack_id == "arn:stack"
    assert east.template == texts
    assert east.capabilities == ("CAPABILITY_IAM",)
    assert east.tags == {
        "Owner": "us",
        "tapgen:system": "demo",
        "tapgen:suffix": "test",
        "tapgen:part": "data",
    }


def test_names_are_of_the_plan_so_that_left_overs_are_recognised() -> None:
    def name(the_plan: plan.Plan) -> str:
        (question,) = change_set_answers.questions(the_plan)[0].values()
        return question.name

    again = plan.make(RATED.system, RATED.observed)

    assert name(RATED) == name(again) != name(RENAMED)
    assert name(RATED).startswith("tapgen-")
    assert len(name(RATED)) <= 128 and name(RATED).replace("-", "").isalnum()


def test_new_stacks_are_reviewed_and_deletions_are_not_listed() -> None:
    data = make.stack_set(targets=(EAST, WEST), parameters={"Size": "2"})
    never = make.instance()
    found = make.observed(
        replace(data, targets=(WEST, Target("9" * 12, "us-east-1"))),
        parameters={"Size": "1"},
    )
    there = {**found.instances, WEST: replace(never, stack_id=None)}
    the_plan = plan.make(
        make.system(data), {data.name: replace(found, instances=there)}
    )

    requested, unasked = change_set_answers.questions(the_plan)

    assert Action.DELETE in {step.action for step in the_plan.steps}
    assert unasked == {}
    assert {key[1] for key in requested} == {EAST, WEST}
    for question in requested.values():
        assert question.review and question.values == {"Size": "2"}
        assert question.stack_id == "tapgen-review-demo-test-data"


def test_a_value_that_is_unknown_until_rollout_gets_no_change_set() -> None:
    source = make.stack_set("source")
    app = make.stack_set(
        "app", parameters={"Arn": Output("source", "Arn"), "Size": "2"}
    )
    found = make.observed(app, parameters={"Arn": "arn:old", "Size": "1"})

    _, unasked = change_set_answers.questions(
        plan.make(make.system(source, app), {app.name: found})
    )

    assert unasked[app.name, EAST].why_not == "waits for source.Arn"


def test_a_value_that_may_change_is_sent_as_it_is_today_and_a_note_says_so() -> None:
    source = make.stack_set(
        "source", text=make.template(outputs=("Arn",), output_value=make.NAME)
    )
    moving = replace(
        source,
        template=make.template(
            outputs=("Arn",),
            resources={"Topic": resource("AWS::SNS::Topic", DisplayName="new")},
            output_value=make.NAME,
        ),
    )
    app = make.stack_set(
        "app", parameters={"Arn": Output("source", "Arn"), "Size": "2"}
    )
    seen = {
        source.name: make.observed(source),
        app.name: make.observed(app, parameters={"Arn": "arn:it", "Size": "1"}),
    }
    the_plan = plan.make(make.system(moving, app), seen)

    requested, _ = change_set_answers.questions(the_plan)
    _, answers = change_set_answers.merge(
        the_plan, {key: ChangeSet() for key in requested}
    )

    assert requested[app.name, EAST].values["Arn"] == "arn:it"
    assert answers[app.name, EAST].today == ("Arn (source.Arn)",)
    assert "previewed with the current Arn (source.Arn)" in lines(answers)


def test_a_conditional_update_gets_no_change_set() -> None:
    source = make.stack_set(
        "source", text=make.template(outputs=("Arn",), output_value=make.NAME)
    )
    moving = replace(
        source,
        template=make.template(
            outputs=("Arn",),
            resources={"Topic": resource("AWS::SNS::Topic", DisplayName="new")},
            output_value=make.NAME,
        ),
    )
    app = make.stack_set("app", parameters={"Arn": Output("source", "Arn")})
    seen = {
        source.name: make.observed(source),
        app.name: make.observed(app, parameters={"Arn": "arn:it"}),
    }

    _, unasked = change_set_answers.questions(plan.make(make.system(moving, app), seen))

    assert unasked[app.name, EAST].why_not == "updated only if source.Arn changes"


# -- what follows ------------------------------------------------------------------------


def test_where_aws_says_the_same_the_plan_stays_and_nothing_is_shown() -> None:
    the_plan, answer = merged(RATED, modify("False", place("Never")))

    assert the_plan == RATED
    assert answer.differences == ()


def test_a_replacement_only_aws_sees_is_shown_and_refused_until_allowed() -> None:
    assert plan.refusals(RATED) == []

    the_plan, answer = merged(RATED, modify("True", place("Always")))

    (difference,) = answer.differences
    assert str(difference) == (
        "Table (AWS::DynamoDB::Table): AWS reports replaces, tapgen expected in place"
    )
    assert verdict_of(the_plan) == {"Table": "replaces"}
    (refused,) = plan.refusals(the_plan)
    assert "Table (AWS::DynamoDB::Table) holds data and would be replaced" in refused
    assert plan.refusals(the_plan, ["data.Table"]) == []
    assert "is replaced by an empty resource (BillingMode)" in text.plan(the_plan)


def test_awss_conditional_is_perhaps_a_replacement() -> None:
    the_plan, answer = merged(RATED, modify("Conditional", place("Conditionally")))

    assert verdict_of(the_plan) == {"Table": "may replace"}
    assert "perhaps replaced" in plan.refusals(the_plan)[0]
    assert answer.differences[0].aws == "may replace"


def test_a_conditional_of_a_property_that_never_replaces_is_not_refused() -> None:
    kind = "AWS::RDS::DBInstance"
    the_plan = changed(
        {"Database": resource(kind, MultiAZ=True)},
        {"Database": resource(kind, MultiAZ=False)},
    )
    detail = Detail("Properties", "MultiAZ", recreation="Conditionally")

    the_plan, answer = merged(
        the_plan, modify("Conditional", detail, name="Database", kind=kind)
    )

    assert verdict_of(the_plan) == {"Database": "in place"}
    assert answer.differences == () and plan.refusals(the_plan) == []


def test_what_aws_cannot_tell_before_is_not_held_against_the_plan() -> None:
    dynamic = place(
        "Always", evaluation="Dynamic", source="ResourceAttribute", cause="Key.Arn"
    )

    the_plan, answer = merged(RATED, modify("Conditional", dynamic))
    other, about = merged(
        RATED,
        modify("False", place("Never")),
        modify("Conditional", dynamic, name="Other"),
    )

    assert the_plan == other == RATED
    assert answer.differences == about.differences == ()


def test_awss_milder_word_is_shown_and_does_not_count() -> None:
    the_plan, answer = merged(RENAMED, modify("False", place("Never")))

    assert verdict_of(the_plan) == {"Table": "replaces"}
    assert plan.refusals(the_plan)
    assert (answer.differences[0].ours, answer.differences[0].aws) == (
        "replaces",
        "in place",
    )


def test_a_removal_only_aws_sees_is_refused_unless_its_policy_keeps_it() -> None:
    gone = Change("Remove", "Old", TABLE, policy="Delete")
    retained = replace(gone, policy="Retain")
    same = modify("False", place("Never"))

    lost, answer = merged(RATED, same, gone)
    left, _ = merged(RATED, same, retained)

    assert verdict_of(lost) == {"Old": "remove", "Table": "in place"}
    assert "Old (AWS::DynamoDB::Table) holds data and would be deleted" in (
        plan.refusals(lost)[0]
    )
    assert plan.refusals(left) == []
    assert answer.differences[0].aws == "removed"


def test_a_removal_that_aws_does_not_keep_is_refused() -> None:
    keeping = {"Old": {"Type": TABLE, "DeletionPolicy": "Retain"}}
    topic = {"Topic": resource("AWS::SNS::Topic")}
    the_plan = changed({**keeping, **topic}, topic)
    assert plan.refusals(the_plan) == []

    now, answer = merged(the_plan, Change("Remove", "Old", TABLE, policy="Delete"))

    assert "would be deleted" in plan.refusals(now)[0]
    assert answer.differences[0].aws == "removed and deleted"


def test_additions_and_changes_that_only_one_of_the_two_sees_are_shown() -> None:
    rule = modify("False", place("Never"), name="Rule", kind="AWS::Events::Rule")
    bus = Change("Add", "Bus", "AWS::Events::EventBus")

    the_plan, answer = merged(RATED, rule, bus)

    assert verdict_of(the_plan) == {
        "Bus": "add",
        "Rule": "in place",
        "Table": "in place",
    }
    assert [(d.logical_id, d.ours, d.aws) for d in answer.differences] == [
        ("Bus", "no change", "added"),
        ("Rule", "no change", "in place"),
        ("Table", "in place", "no change"),
    ]


@pytest.mark.parametrize(
    "noise",
    [
        modify("False", Detail("Tags"), name="Other"),
        modify("False", Detail("Metadata"), name="Other"),
        modify(
            "False",
            place("Never", evaluation="Dynamic", source="Automatic"),
            name="Inner",
            kind="AWS::CloudFormation::Stack",
        ),
        Change("Dynamic", "Other", "AWS::SNS::Topic"),
    ],
)
def test_what_aws_always_lists_is_no_difference(noise: Change) -> None:
    the_plan, answer = merged(RATED, modify("False", place("Never")), noise)

    assert the_plan == RATED
    assert answer.differences == ()


def test_a_change_of_policies_alone_may_be_missing_from_awss_answer() -> None:
    the_plan = changed(
        {"Table": resource(TABLE, "Delete")}, {"Table": resource(TABLE, "Retain")}
    )

    _, answer = merged(the_plan)

    assert answer.differences == ()


def test_nothing_changes_failures_and_no_answers_are_said_in_all_forms() -> None:
    refused = AwsError("cloudformation:CreateChangeSet", "ValidationError", "is busy")
    failing, why = merged(RATED, failed="Parameter Size is bad")
    key = "demo-test-data", EAST
    _, silent = change_set_answers.merge(RATED, {key: refused})
    none, nothing = merged(RATED)

    assert failing == none == RATED
    for answers, words in (
        ({key: why}, "AWS refuses: Parameter Size is bad"),
        (silent, "not asked: cloudformation:CreateChangeSet: is busy"),
        ({key: nothing}, "AWS reports no changes"),
    ):
        assert words in lines(answers)
        assert words in "\n".join(report.markdown(answers))
    (note,) = report.data(silent)
    assert not note["asked"] and "is busy" in note["why_not"]
    assert report.data({key: why})[0]["failed"] == "Parameter Size is bad"


def test_targets_of_which_aws_says_the_same_are_shown_once() -> None:
    the_plan = changed(
        {"Table": resource(TABLE, BillingMode="PROVISIONED")},
        {"Table": resource(TABLE, BillingMode="PAY_PER_REQUEST")},
        (EAST, WEST),
    )
    said = ChangeSet((modify("True", place("Always")),))

    now, answers = change_set_answers.merge(
        the_plan, {k: said for k in change_set_answers.questions(the_plan)[0]}
    )

    (note,) = change_set_answers.notes(answers)
    assert note.kind == "difference"
    assert note.targets == (EAST, WEST)
    assert lines(answers).count("AWS reports replaces") == 1
    assert text.plan(now).count("is replaced by an empty resource") == 1


def test_an_answer_as_json_is_in_awss_words() -> None:
    _, answer = merged(RATED, modify("True", place("Always", before="a", after="b")))

    (note,) = report.data({("demo-test-data", EAST): answer})

    (change,) = note["changes"]
    assert change["replacement"] == "True"
    assert change["details"][0]["recreation"] == "Always"
    assert (change["details"][0]["before"], change["details"][0]["after"]) == ("a", "b")
    assert note["differences"][0]["aws"] == "replaces"
    assert json.loads(json.dumps(note))["asked"] is True


def test_change_sets_do_not_change_a_saved_plan() -> None:
    the_plan, _ = merged(RATED, modify("False", place("Never")))

    assert saved.dump(the_plan, ()) == saved.dump(RATED, ())
    assert "change_sets" not in saved.dump(the_plan, ())


def test_values_of_what_takes_a_hidden_parameter_are_never_shown() -> None:
    def body(name: str) -> str:
        secret = {"Fn::Sub": "x-${Password}"}
        return json.dumps(
            {
                "Parameters": {"Password": {"Type": "String", "NoEcho": True}},
                "Resources": {"Table": resource(TABLE, KeySchema=secret, Other=name)},
            }
        )

    before = make.stack_set(text=body("a"), parameters={"Password": HIDDEN})
    after = replace(
        before,
        template=body("b"),
        parameters={"Password": "{{resolve:secretsmanager:password}}"},
    )
    the_plan = plan.make(make.system(after), {after.name: make.observed(before)})
    details = (
        Detail("Properties", "KeySchema", recreation="Always", before="x-hunter2"),
        Detail("Properties", "Other", before="a", after="b"),
    )

    now, answer = merged(the_plan, modify("True", *details))

    assert answer.change_set
    hidden, shown = answer.change_set.changes[0].details
    assert (hidden.before, hidden.after) == (HIDDEN, None)
    assert (shown.before, shown.after) == ("a", "b")
    key = "demo-test-data", EAST
    assert "hunter2" not in json.dumps([report.data({key: answer}), data.plan(now)])
    assert "hunter2" not in lines({key: answer}) + text.plan(now, details=True)
    (change,) = now.steps[0].changes[EAST]
    assert change.verdict is Verdict.REPLACES


def test_what_fails_only_when_it_is_carried_out_is_not_excused_by_a_change_set() -> (
    None
):
    key = "AWS::KMS::Key"
    the_plan = changed(
        {"Key": resource(key, KeySpec="RSA_2048")},
        {"Key": resource(key, KeySpec="RSA_4096")},
    )

    now, answer = merged(
        the_plan, modify("False", place("Never"), name="Key", kind=key)
    )

    assert verdict_of(now) == {"Key": str(Verdict.REFUSED)}
    assert plan.refusals(now, ["Key"])
    assert not answer.differences
