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
from tapgen.plan import aws_answers
from tapgen.plan.aws_answers import Answer
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
    made: plan.Plan, *changes: Change, failed: str = ""
) -> tuple[plan.Plan, Answer]:
    """The merged plan, and the answer about the only target."""
    said = {("demo-test-data", EAST): ChangeSet(changes, failed)}
    now, answers = aws_answers.merge(made, said)
    return now, answers["demo-test-data", EAST]


def verdicts(made: plan.Plan) -> dict[str, str]:
    (step,) = made.steps
    return {
        c.logical_id: str(c.verdict if c.verb is Verb.CHANGE else c.verb)
        for c in step.changes[EAST]
    }


def lines(answers: Mapping[aws_answers.Key, Answer]) -> str:
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

    asking, unasked = aws_answers.questions(
        plan.make(make.system(data), {data.name: found})
    )

    assert unasked == {}
    east, west = asking[data.name, EAST], asking[data.name, WEST]
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
    def name(made: plan.Plan) -> str:
        (question,) = aws_answers.questions(made)[0].values()
        return question.name

    again = plan.make(RATED.system, RATED.observed)

    assert name(RATED) == name(again) != name(RENAMED)
    assert name(RATED).startswith("tapgen-")
    assert len(name(RATED)) <= 128 and name(RATED).replace("-", "").isalnum()


def test_what_has_no_stack_is_not_asked_about_and_what_goes_is_not_mentioned() -> None:
    data = make.stack_set(targets=(EAST, WEST), parameters={"Size": "2"})
    never = make.instance()
    found = make.observed(
        replace(data, targets=(WEST, Target("9" * 12, "us-east-1"))),
        parameters={"Size": "1"},
    )
    there = {**found.instances, WEST: replace(never, stack_id=None)}
    made = plan.make(make.system(data), {data.name: replace(found, instances=there)})

    asking, unasked = aws_answers.questions(made)

    assert Action.DELETE in {step.action for step in made.steps}
    assert asking == {}
    assert {key[1]: answer.why_not for key, answer in unasked.items()} == {
        EAST: "no stack yet",
        WEST: "its stack was never made",
    }


def test_a_value_nobody_knows_yet_cannot_be_asked_with() -> None:
    source = make.stack_set("source")
    app = make.stack_set(
        "app", parameters={"Arn": Output("source", "Arn"), "Size": "2"}
    )
    found = make.observed(app, parameters={"Arn": "arn:old", "Size": "1"})

    _, unasked = aws_answers.questions(
        plan.make(make.system(source, app), {app.name: found})
    )

    assert unasked[app.name, EAST].why_not == "waits for source.Arn"


def test_a_value_that_may_change_is_asked_with_as_it_is_today_and_that_is_said() -> (
    None
):
    source = make.stack_set(
        "source", text=make.template(outputs=("Arn",), told=make.NAME)
    )
    moving = replace(
        source,
        template=make.template(
            outputs=("Arn",),
            resources={"Topic": resource("AWS::SNS::Topic", DisplayName="new")},
            told=make.NAME,
        ),
    )
    app = make.stack_set(
        "app", parameters={"Arn": Output("source", "Arn"), "Size": "2"}
    )
    seen = {
        source.name: make.observed(source),
        app.name: make.observed(app, parameters={"Arn": "arn:it", "Size": "1"}),
    }
    made = plan.make(make.system(moving, app), seen)

    asking, _ = aws_answers.questions(made)
    _, answers = aws_answers.merge(made, {key: ChangeSet() for key in asking})

    assert asking[app.name, EAST].values["Arn"] == "arn:it"
    assert answers[app.name, EAST].today == ("Arn (source.Arn)",)
    assert "asked with today's Arn (source.Arn)" in lines(answers)


def test_what_is_updated_only_perhaps_is_not_asked_about() -> None:
    source = make.stack_set(
        "source", text=make.template(outputs=("Arn",), told=make.NAME)
    )
    moving = replace(
        source,
        template=make.template(
            outputs=("Arn",),
            resources={"Topic": resource("AWS::SNS::Topic", DisplayName="new")},
            told=make.NAME,
        ),
    )
    app = make.stack_set("app", parameters={"Arn": Output("source", "Arn")})
    seen = {
        source.name: make.observed(source),
        app.name: make.observed(app, parameters={"Arn": "arn:it"}),
    }

    _, unasked = aws_answers.questions(plan.make(make.system(moving, app), seen))

    assert unasked[app.name, EAST].why_not == "updated only if source.Arn changes"


# -- what follows ------------------------------------------------------------------------


def test_where_aws_says_the_same_the_plan_stays_and_nothing_is_shown() -> None:
    made, answer = merged(RATED, modify("False", place("Never")))

    assert made == RATED
    assert answer.differences == ()


def test_a_replacement_only_aws_sees_is_shown_and_refused_until_allowed() -> None:
    assert plan.refusals(RATED) == []

    made, answer = merged(RATED, modify("True", place("Always")))

    (difference,) = answer.differences
    assert str(difference) == (
        "Table (AWS::DynamoDB::Table): AWS says replaces, tapgen says in place"
    )
    assert verdicts(made) == {"Table": "replaces"}
    (refused,) = plan.refusals(made)
    assert "Table (AWS::DynamoDB::Table) holds data and would be replaced" in refused
    assert plan.refusals(made, ["Table"]) == []
    assert "is replaced by an empty one (BillingMode)" in text.plan(made)


def test_awss_conditional_is_perhaps_a_replacement() -> None:
    made, answer = merged(RATED, modify("Conditional", place("Conditionally")))

    assert verdicts(made) == {"Table": "may replace"}
    assert "perhaps replaced" in plan.refusals(made)[0]
    assert answer.differences[0].aws == "may replace"


def test_what_aws_cannot_tell_before_is_not_held_against_the_plan() -> None:
    dynamic = place(
        "Always", evaluation="Dynamic", source="ResourceAttribute", cause="Key.Arn"
    )

    made, answer = merged(RATED, modify("Conditional", dynamic))
    other, about = merged(
        RATED,
        modify("False", place("Never")),
        modify("Conditional", dynamic, name="Other"),
    )

    assert made == other == RATED
    assert answer.differences == about.differences == ()


def test_awss_milder_word_is_shown_and_does_not_count() -> None:
    made, answer = merged(RENAMED, modify("False", place("Never")))

    assert verdicts(made) == {"Table": "replaces"}
    assert plan.refusals(made)
    assert (answer.differences[0].ours, answer.differences[0].aws) == (
        "replaces",
        "in place",
    )


def test_a_removal_only_aws_sees_is_refused_unless_its_policy_keeps_it() -> None:
    gone = Change("Remove", "Old", TABLE, policy="Delete")
    kept = replace(gone, policy="Retain")
    same = modify("False", place("Never"))

    lost, answer = merged(RATED, same, gone)
    left, _ = merged(RATED, same, kept)

    assert verdicts(lost) == {"Old": "remove", "Table": "in place"}
    assert "Old (AWS::DynamoDB::Table) holds data and would be deleted" in (
        plan.refusals(lost)[0]
    )
    assert plan.refusals(left) == []
    assert answer.differences[0].aws == "removed"


def test_a_removal_that_aws_does_not_keep_is_refused() -> None:
    keeping = {"Old": {"Type": TABLE, "DeletionPolicy": "Retain"}}
    topic = {"Topic": resource("AWS::SNS::Topic")}
    made = changed({**keeping, **topic}, topic)
    assert plan.refusals(made) == []

    now, answer = merged(made, Change("Remove", "Old", TABLE, policy="Delete"))

    assert "would be deleted" in plan.refusals(now)[0]
    assert answer.differences[0].aws == "removed and deleted"


def test_additions_and_changes_that_only_one_of_the_two_sees_are_shown() -> None:
    rule = modify("False", place("Never"), name="Rule", kind="AWS::Events::Rule")
    bus = Change("Add", "Bus", "AWS::Events::EventBus")

    made, answer = merged(RATED, rule, bus)

    assert verdicts(made) == {"Bus": "add", "Rule": "in place", "Table": "in place"}
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
    made, answer = merged(RATED, modify("False", place("Never")), noise)

    assert made == RATED
    assert answer.differences == ()


def test_a_change_of_policies_alone_may_be_missing_from_awss_answer() -> None:
    made = changed(
        {"Table": resource(TABLE, "Delete")}, {"Table": resource(TABLE, "Retain")}
    )

    _, answer = merged(made)

    assert answer.differences == ()


def test_nothing_changes_failures_and_no_answers_are_said_in_all_forms() -> None:
    refused = AwsError("cloudformation:CreateChangeSet", "ValidationError", "is busy")
    failing, why = merged(RATED, failed="Parameter Size is bad")
    key = "demo-test-data", EAST
    _, silent = aws_answers.merge(RATED, {key: refused})
    none, nothing = merged(RATED)

    assert failing == none == RATED
    for answers, words in (
        ({key: why}, "AWS refuses: Parameter Size is bad"),
        (silent, "not asked: cloudformation:CreateChangeSet: is busy"),
        ({key: nothing}, "AWS says that nothing changes"),
    ):
        assert words in lines(answers)
        assert words in "\n".join(report.markdown(answers))
    (told,) = report.data(silent)
    assert not told["asked"] and "is busy" in told["why_not"]
    assert report.data({key: why})[0]["failed"] == "Parameter Size is bad"


def test_targets_of_which_aws_says_the_same_are_shown_once() -> None:
    made = changed(
        {"Table": resource(TABLE, BillingMode="PROVISIONED")},
        {"Table": resource(TABLE, BillingMode="PAY_PER_REQUEST")},
        (EAST, WEST),
    )
    said = ChangeSet((modify("True", place("Always")),))

    now, answers = aws_answers.merge(
        made, {k: said for k in aws_answers.questions(made)[0]}
    )

    (told,) = aws_answers.told(answers)
    assert told.kind == "difference"
    assert told.targets == (EAST, WEST)
    assert lines(answers).count("AWS says replaces") == 1
    assert text.plan(now).count("is replaced by an empty one") == 1


def test_an_answer_as_json_is_in_awss_words() -> None:
    _, answer = merged(RATED, modify("True", place("Always", before="a", after="b")))

    (told,) = report.data({("demo-test-data", EAST): answer})

    (change,) = told["changes"]
    assert change["replacement"] == "True"
    assert change["details"][0]["recreation"] == "Always"
    assert (change["details"][0]["before"], change["details"][0]["after"]) == ("a", "b")
    assert told["differences"][0]["aws"] == "replaces"
    assert json.loads(json.dumps(told))["asked"] is True


def test_a_saved_plan_is_the_same_whether_aws_was_asked_or_not() -> None:
    made, _ = merged(RATED, modify("False", place("Never")))

    assert saved.dump(made, ()) == saved.dump(RATED, ())
    assert "change_sets" not in saved.dump(made, ())


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
    made = plan.make(make.system(after), {after.name: make.observed(before)})
    details = (
        Detail("Properties", "KeySchema", recreation="Always", before="x-hunter2"),
        Detail("Properties", "Other", before="a", after="b"),
    )

    now, answer = merged(made, modify("True", *details))

    assert answer.said
    hidden, shown = answer.said.changes[0].details
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
    made = changed(
        {"Key": resource(key, KeySpec="RSA_2048")},
        {"Key": resource(key, KeySpec="RSA_4096")},
    )

    now, answer = merged(made, modify("False", place("Never"), name="Key", kind=key))

    assert verdicts(now) == {"Key": str(Verdict.REFUSED)}
    assert plan.refusals(now, ["Key"])
    assert not answer.differences
