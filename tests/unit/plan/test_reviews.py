"""What AWS finds about stacks, new ones too, and what of it counts: on data alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tapgen import plan
from tapgen.aws.change_sets import Change, ChangeSet, Finding
from tapgen.errors import AwsError
from tapgen.model import HIDDEN, Output
from tapgen.plan import change_set_answers, reviews
from tapgen.plan.change_set_answers import Answer
from tapgen.report import change_sets as report
from tests import make
from tests.make import EAST, WEST

QUEUE = "AWS::SQS::Queue"
BUCKET = "AWS::S3::Bucket"
FAILED = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::"
    "ResourceExistenceCheck]."
)


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def taken(name: str = "Bucket", kind: str = BUCKET) -> Finding:
    return Finding(
        *(name, kind, "NAME_CONFLICT_VALIDATION", "FAIL", f"/Resources/{name}"),
        f"Resource of type '{kind}' with identifier 'x' already exists.",
    )


def wrong(path: str, reason: str = "a is not a valid enum value.") -> Finding:
    steps = path.split("/")
    return Finding(steps[2], BUCKET, "PROPERTY_VALIDATION", "FAIL", path, reason)


def created(
    resources: Mapping[str, Any],
    *,
    conditions: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> plan.Plan:
    """The plan that creates one stack set, whose parameters come from a new one."""
    source = make.stack_set("source", text=make.template(outputs=("Out",)))
    body = {
        "Parameters": {n: {"Type": "String"} for n in parameters or {}},
        "Conditions": conditions or {},
        "Resources": resources,
    }
    data = make.stack_set(text=json.dumps(body), parameters=parameters)
    return plan.make(make.system(source, data), {})


def answered(
    the_plan: plan.Plan, *findings: Finding, failed: str = "", stack: str = "data"
) -> tuple[plan.Plan, Answer, str]:
    """The merged plan, the answer about one stack, and all that a terminal shows."""
    key = f"demo-test-{stack}", EAST
    said = {key: ChangeSet(failed=failed, findings=findings)}
    now, answers = change_set_answers.merge(the_plan, said)
    shown = {key: answers[key]}
    text = "\n".join([*report.first(shown), *report.last(shown)])
    return now, answers[key], text


PLAIN = created({"Bucket": resource(BUCKET, BucketName="x")})


def test_a_new_stack_has_its_known_values_and_placeholders_for_the_others() -> None:
    the_plan = created(
        {"Bucket": resource(BUCKET, BucketName={"Ref": "Name"})},
        parameters={"Name": "a", "Arn": Output("source", "Out"), "Secret": HIDDEN},
    )

    questions, unasked = change_set_answers.questions(the_plan)
    _, answer, shown = answered(the_plan)

    assert unasked == {}
    question = questions["demo-test-data", EAST]
    assert question.review
    assert question.values == {
        "Name": "a",
        "Arn": "tapgen-placeholder",
        "Secret": "tapgen-placeholder",
    }
    assert answer.placeholders == {"Arn": "source.Out", "Secret": "hidden"}
    assert "previewed with placeholders for Arn, Secret" in shown
    assert answer.differences == ()


def test_review_stacks_are_named_after_system_suffix_and_part() -> None:
    (question,) = [
        q
        for key, q in change_set_answers.questions(PLAIN)[0].items()
        if key[0] == "demo-test-data"
    ]

    assert question.stack_id == "tapgen-review-demo-test-data"
    assert question.stack_id.startswith(reviews.own(PLAIN.system))


def test_a_name_that_is_taken_stops_the_plan_and_comes_first() -> None:
    now, answer, shown = answered(PLAIN, taken(), failed=FAILED)

    (line,) = plan.refusals(now)
    assert line == (
        f"demo-test-data in {EAST}: AWS would stop at Bucket (AWS::S3::Bucket): Resource "
        "of type 'AWS::S3::Bucket' with identifier 'x' already exists; choose another "
        "name, or import what has it"
    )
    assert "AWS would stop at Bucket" in shown
    assert "AWS refuses" not in shown and "nothing that stops" not in shown
    assert plan.refusals(PLAIN) == []
    (note,) = report.data({("demo-test-data", EAST): answer})
    assert note["review"] and note["asked"]
    assert note["findings"][0]["name"] == "NAME_CONFLICT_VALIDATION"
    assert note["findings"][0]["mode"] == "FAIL"
    assert note["findings"][0]["outcome"] == "stopped"


def test_a_finding_about_an_update_stops_the_plan_too() -> None:
    before = make.stack_set(text=make.template(resources={"Queue": resource(QUEUE)}))
    more = {"Queue": resource(QUEUE), "Bucket": resource(BUCKET, BucketName="x")}
    after = replace(before, template=make.template(resources=more))
    the_plan = plan.make(make.system(after), {after.name: make.observed(before)})
    path = "/Resources/Bucket/Properties/AccessControl"

    now, _, shown = answered(the_plan, wrong(path), failed=FAILED)

    (line,) = plan.refusals(now)
    assert f"(at {path}); correct the template" in line
    assert "AWS would stop at Bucket" in shown


def test_one_line_names_all_targets_with_the_same_finding() -> None:
    data = make.stack_set(
        targets=(EAST, WEST),
        text=make.template(resources={"Queue": resource(QUEUE, QueueName="x")}),
    )
    the_plan = plan.make(make.system(data), {})
    said = {
        (data.name, t): ChangeSet(failed=FAILED, findings=(taken("Queue", QUEUE),))
        for t in (EAST, WEST)
    }

    now, _ = change_set_answers.merge(the_plan, said)

    (line,) = plan.refusals(now)
    assert f"in {EAST}, {WEST}: AWS would stop" in line


def test_a_warning_is_shown_and_does_not_stop_the_plan() -> None:
    full = Finding(
        *("Old", BUCKET, "BUCKET_EMPTINESS_VALIDATION", "WARN", "/Resources/Old"),
        "The bucket 'old' is not empty.",
    )

    now, answer, shown = answered(PLAIN, full)

    assert plan.refusals(now) == []
    assert "AWS warns about Old (AWS::S3::Bucket): The bucket 'old' is not empty" in (
        shown
    )
    assert answer.findings[0].kind == "warned"


@pytest.mark.parametrize(
    "name",
    [
        {"Ref": "AWS::StackName"},
        {"Fn::Sub": "a-${AWS::StackName}"},
        {"Fn::Join": ["-", ["a", {"Ref": "Later"}]]},
        {"Fn::If": ["Special", "a", "b"]},
        {"Fn::Sub": ["a-${x}", {"x": {"Ref": "Later"}}]},
    ],
)
def test_a_name_that_is_not_that_of_the_stack_to_come_is_not_judged(name: Any) -> None:
    the_plan = created(
        {"Bucket": resource(BUCKET, BucketName=name)},
        parameters={"Later": Output("source", "Out")},
        conditions={
            "Known": {"Fn::Equals": ["a", "a"]},
            "Inner": {"Fn::Equals": [{"Ref": "Later"}, "a"]},
            "Special": {"Fn::Not": [{"Condition": "Inner"}]},
        },
    )

    now, answer, shown = answered(the_plan, taken(), failed=FAILED)

    assert plan.refusals(now) == []
    assert answer.findings[0].kind == "open"
    assert "not asked: Bucket (AWS::S3::Bucket): " in shown
    assert "not asked: whether names that contain" in shown


def test_a_name_that_is_known_is_judged_whatever_else_the_resource_has() -> None:
    the_plan = created(
        {
            "Bucket": resource(
                BUCKET,
                BucketName={"Fn::Sub": "x-${AWS::Region}"},
                Tags=[{"Key": "a", "Value": {"Ref": "Later"}}],
            )
        },
        parameters={"Later": Output("source", "Out")},
    )

    now, answer, _ = answered(the_plan, taken(), failed=FAILED)

    assert answer.findings[0].kind == "stopped" and plan.refusals(now)
    assert answer.unnamed == {}


def test_a_property_with_a_placeholder_is_not_judged_and_another_one_is() -> None:
    the_plan = created(
        {
            "Bucket": resource(
                BUCKET,
                AccessControl={"Ref": "Later"},
                VersioningConfiguration={"Status": "On"},
                Tags=[{"Key": "a", "Value": "b"}, {"Key": {"Ref": "Later"}}],
            )
        },
        parameters={"Later": Output("source", "Out")},
    )
    place = "/Resources/Bucket/Properties"

    _, answer, _ = answered(
        the_plan,
        wrong(f"{place}/AccessControl"),
        wrong(f"{place}/VersioningConfiguration/Status"),
        wrong(f"{place}/Tags/1/Key"),
        wrong(f"{place}/Tags/0/Key"),
        wrong(place, "Unsupported property [Colour]"),
        wrong(place, "Required property [AccessControl] not found"),
        failed=FAILED,
    )

    kinds = [one.kind for one in answer.findings]
    assert kinds == ["open", "stopped", "open", "stopped", "stopped", "open"]


def test_a_resource_under_a_condition_nobody_knows_yet_is_not_judged() -> None:
    bucket = resource(BUCKET, BucketName="x") | {"Condition": "Special"}
    the_plan = created(
        {"Bucket": bucket},
        parameters={"Later": Output("source", "Out")},
        conditions={"Special": {"Fn::Equals": [{"Ref": "Later"}, "a"]}},
    )

    _, answer, _ = answered(the_plan, taken(), failed=FAILED)

    assert answer.findings[0].kind == "open"


def test_names_made_of_the_stack_name_count_where_the_stack_is_there() -> None:
    old = {"Queue": resource(QUEUE)}
    name = {"Fn::Sub": "a-${AWS::StackName}"}
    new = {**old, "Bucket": resource(BUCKET, BucketName=name)}
    before = make.stack_set(text=make.template(resources=old))
    after = replace(before, template=make.template(resources=new))
    the_plan = plan.make(make.system(after), {after.name: make.observed(before)})

    now, answer, _ = answered(the_plan, taken(), failed=FAILED)

    assert answer.findings[0].kind == "stopped" and plan.refusals(now)


def test_what_aws_skips_is_not_asked_with_its_reason() -> None:
    skipped = replace(taken(), status="SKIPPED", reason="no permission to read")

    now, _, shown = answered(PLAIN, skipped)

    assert plan.refusals(now) == []
    assert "not asked: Bucket (AWS::S3::Bucket): no permission to read" in shown


def test_findings_that_cannot_be_read_are_not_asked() -> None:
    key = "demo-test-data", EAST
    error = AwsError("cloudformation:DescribeEvents", "AccessDenied", "not you")
    denied = AwsError("cloudformation:CreateChangeSet", "AccessDenied", "not you")
    _, some = change_set_answers.merge(PLAIN, {key: ChangeSet(unread=str(error))})
    _, none = change_set_answers.merge(PLAIN, {key: denied})

    texts = ["\n".join(report.last({key: a[key]})) for a in (some, none)]

    assert "not asked: what CloudFormation validates: cloudformation:Desc" in texts[0]
    assert all("run tapgen bootstrap" in text for text in texts)


def test_what_fails_only_for_a_placeholder_is_not_asked() -> None:
    the_plan = created(
        {"Bucket": resource(BUCKET)}, parameters={"Later": Output("source", "Out")}
    )

    now, _, shown = answered(the_plan, failed="Template error: no such mapping")

    assert plan.refusals(now) == []
    assert "not asked: with placeholders AWS refuses: Template error" in shown


def test_a_clean_answer_about_a_new_stack_is_one_line() -> None:
    key = "demo-test-data", EAST
    said = {key: ChangeSet((Change("Add", "Bucket", BUCKET),))}

    now, answers = change_set_answers.merge(PLAIN, said)

    assert now == PLAIN
    assert list(report.first({key: answers[key]})) == []
    lines = [
        line for line in report.last({key: answers[key]}) if "·" in line or "✓" in line
    ]
    assert (
        len(lines) == 1 and "AWS reports nothing that stops the new stack" in lines[0]
    )


def test_a_value_that_is_hidden_is_in_no_finding() -> None:
    before = make.stack_set(text=make.template(resources={"Queue": resource(QUEUE)}))
    body = {
        "Parameters": {"Secret": {"Type": "String", "NoEcho": True}},
        "Resources": {"Bucket": resource(BUCKET, AccessControl={"Ref": "Secret"})},
    }
    after = replace(
        before,
        template=json.dumps(body),
        parameters={"Secret": "{{resolve:secretsmanager:password}}"},
    )
    the_plan = plan.make(make.system(after), {after.name: make.observed(before)})
    finding = wrong(
        "/Resources/Bucket/Properties/AccessControl", "hunter2 is not valid"
    )

    now, answer, shown = answered(the_plan, finding, failed=FAILED)

    assert "hunter2" not in shown + repr(answer) + repr(plan.refusals(now))
    assert plan.refusals(now)


def test_a_name_that_an_earlier_wave_gives_up_does_not_stop_the_plan() -> None:
    table = resource("AWS::DynamoDB::Table", TableName="x")
    topic = {"Topic": resource("AWS::SNS::Topic")}
    old = make.stack_set("source", text=make.template(resources={**topic, "T": table}))
    new = replace(old, template=make.template(outputs=("Out",), resources=topic))
    data = make.stack_set(
        text=make.template(("Out",), resources={"T": table}),
        parameters={"Out": Output("source", "Out")},
    )
    the_plan = plan.make(make.system(new, data), {old.name: make.observed(old)})
    conflict = taken("T", "AWS::DynamoDB::Table")
    assert len(the_plan.waves) == 2 and not the_plan.blocked

    now, answer, shown = answered(the_plan, conflict, failed=FAILED)

    assert answer.findings[0].kind == "freed"
    assert not now.blocked
    assert "an earlier wave deletes it" in shown
