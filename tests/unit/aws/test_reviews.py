"""Stacks in review: made for a change set, deleted with it, never anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import tapgen
from tapgen.aws import change_sets, reviews
from tapgen.aws.change_sets import ChangeSet, Finding
from tapgen.aws.session import Aws
from tapgen.errors import AwsError
from tests.unit.aws.test_change_sets import BODY, DONE, HERE, QUESTION, refused

NEW = replace(QUESTION, stack_id="tapgen-review-demo-dev-keys", review=True)
EVENT = {
    "EventType": "VALIDATION_ERROR",
    "LogicalResourceId": "Bucket",
    "ResourceType": "AWS::S3::Bucket",
    "ValidationName": "NAME_CONFLICT_VALIDATION",
    "ValidationFailureMode": "FAIL",
    "ValidationStatus": "FAILED",
    "ValidationPath": "/Resources/Bucket",
    "ValidationStatusReason": "it already exists.",
}
METHODS = (
    "create_change_set delete_change_set delete_stack describe_change_set "
    "describe_events describe_stacks list_stacks"
).split()


class CloudFormation:
    """Stacks in review by name, each with its status."""

    def __init__(self, **script: list[Any]) -> None:
        self.meta = SimpleNamespace(
            region_name="us-east-1",
            service_model=SimpleNamespace(service_name="cloudformation"),
            method_to_api_mapping={m: m for m in METHODS},
        )
        self.stacks: dict[str, str] = {}
        self.script = script
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        if operation not in METHODS:
            raise AttributeError(operation)

        def call(**given: Any) -> Any:
            self.calls.append((operation, given))
            answers = self.script.get(operation, [])
            if answers:
                answer = answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            answer = getattr(self, f"_{operation}")(given)
            return answer

        return call

    def _create_change_set(self, given: Mapping[str, Any]) -> Any:
        self.stacks[given["StackName"]] = "REVIEW_IN_PROGRESS"
        return {}

    def _describe_change_set(self, given: Mapping[str, Any]) -> Any:
        if given["StackName"] not in self.stacks:
            raise refused("ChangeSetNotFound")
        return {**DONE, "ChangeSetId": "arn:it"}

    def _describe_events(self, given: Mapping[str, Any]) -> Any:
        return {"OperationEvents": []}

    def _describe_stacks(self, given: Mapping[str, Any]) -> Any:
        name = given["StackName"]
        if name not in self.stacks:
            raise refused("ValidationError", f"Stack with id {name} does not exist")
        status = self.stacks[name]
        return {"Stacks": [{"StackId": f"id:{name}", "StackStatus": status}]}

    def _delete_stack(self, given: Mapping[str, Any]) -> Any:
        del self.stacks[given["StackName"].removeprefix("id:")]
        return {}

    def _list_stacks(self, given: Mapping[str, Any]) -> Any:
        assert given["StackStatusFilter"] == ["REVIEW_IN_PROGRESS"]
        return {
            "StackSummaries": [
                {"StackName": n, "StackStatus": s} for n, s in self.stacks.items()
            ]
        }

    @property
    def aws(self) -> Aws:
        return cast(Aws, SimpleNamespace(client=lambda service, target: self))

    def ask(self) -> ChangeSet:
        return change_sets.preview(
            self.aws, NEW, BODY, wait=lambda s: False, sleep=lambda s: None
        )

    def given(self, operation: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == operation]


def test_a_new_stack_is_made_in_review_and_deleted_by_its_id() -> None:
    there = CloudFormation()

    assert there.ask() == ChangeSet()

    (request,) = there.given("create_change_set")
    name = request["StackName"]
    assert request["ChangeSetType"] == "CREATE"
    assert name.startswith("tapgen-review-demo-dev-keys-")
    assert "DisableValidation" not in request and "RoleARN" not in request
    assert there.given("delete_stack") == [{"StackName": f"id:{name}"}]
    assert there.stacks == {}


def test_validation_is_never_disabled() -> None:
    """Whatever calls CloudFormation: no source outside the embedded AWS has the word as
    an argument."""
    folder = Path(tapgen.__file__).parent
    sources = [
        path
        for path in folder.rglob("*.py")
        if "emulator" not in path.relative_to(folder).parts
    ]

    assert len(sources) > 100
    assert [p for p in sources if "DisableValidation" in p.read_text()] == []


def test_names_are_legal_and_no_two_are_the_same() -> None:
    names = {
        reviews.unique(f"tapgen-review-{'x' * 30}-dev-{'p' * n}") for n in (1, 200)
    }
    names |= {reviews.unique("tapgen-review-a-dev-p") for _ in range(3)}

    assert len(names) == 5
    for name in names:
        assert len(name) <= 128 and name.replace("-", "").isalnum()
        assert name.startswith("tapgen-review-")


def test_findings_are_read_from_the_events_of_the_change_set() -> None:
    there = CloudFormation(
        describe_events=[
            {
                "OperationEvents": [{"EventType": "STACK_EVENT"}, EVENT],
                "NextToken": "more",
            },
            {"OperationEvents": [{**EVENT, "ValidationFailureMode": "WARN"}]},
        ],
        describe_change_set=[
            {"Status": "FAILED", "StatusReason": "it failed", "ChangeSetId": "arn:it"}
        ],
    )

    found = there.ask()

    one = Finding(
        *("Bucket", "AWS::S3::Bucket", "NAME_CONFLICT_VALIDATION", "FAIL"),
        *("/Resources/Bucket", "it already exists."),
    )
    assert found == ChangeSet((), "it failed", (one, replace(one, mode="WARN")))
    first, second = there.given("describe_events")
    assert first == {"ChangeSetName": "arn:it"}
    assert second == {"ChangeSetName": "arn:it", "NextToken": "more"}


def test_a_change_set_whose_findings_cannot_be_read_is_still_an_answer() -> None:
    there = CloudFormation(describe_events=[refused("AccessDenied", "not you")])

    found = there.ask()

    assert "not you" in found.unread and found.findings == ()
    assert there.stacks == {}


def test_a_refused_change_set_leaves_no_stack() -> None:
    there = CloudFormation(create_change_set=[refused("ValidationError", "bad")])

    with pytest.raises(AwsError, match="bad"):
        there.ask()

    assert there.given("create_change_set") and not there.given("delete_stack")


def test_a_stack_that_another_plan_deleted_is_tried_again_under_another_name() -> None:
    there = CloudFormation(describe_change_set=[refused("ChangeSetNotFound")])

    assert there.ask() == ChangeSet()

    first, second = there.given("create_change_set")
    assert first["StackName"] != second["StackName"]
    assert there.stacks == {}


def test_a_stack_that_somebody_executed_is_never_deleted() -> None:
    there = CloudFormation()
    there.stacks["tapgen-review-a"] = "CREATE_COMPLETE"

    with pytest.raises(AwsError, match="CREATE_COMPLETE, not in review"):
        reviews.delete(there, "tapgen-review-a", lambda s: None)
    with pytest.raises(AssertionError):
        reviews.delete(there, "StackSet-demo", lambda s: None)

    assert there.given("delete_stack") == []


def test_deleting_waits_while_the_change_set_is_being_created() -> None:
    busy = refused("ValidationError", "change set is in CREATE_IN_PROGRESS status")
    there = CloudFormation(delete_stack=[busy, busy])
    there.stacks["tapgen-review-a"] = "REVIEW_IN_PROGRESS"

    reviews.delete(there, "tapgen-review-a", lambda s: None)

    assert there.stacks == {}


def test_a_stack_that_cannot_be_deleted_is_named_with_what_to_do() -> None:
    there = CloudFormation(delete_stack=[refused("AccessDenied", "not you")])

    with pytest.raises(AwsError) as caught:
        there.ask()

    for words in ("tapgen-review-demo-dev-keys-", str(HERE), "not you", "delete-stack"):
        assert words in str(caught.value)


def test_what_killed_plans_left_goes_and_nothing_else() -> None:
    there = CloudFormation()
    there.stacks = {
        "tapgen-review-demo-dev-keys-1": "REVIEW_IN_PROGRESS",
        "tapgen-review-demo-dev-data-2": "REVIEW_IN_PROGRESS",
        "tapgen-review-demo-prod-data-3": "REVIEW_IN_PROGRESS",
        "StackSet-demo-dev-keys-4": "REVIEW_IN_PROGRESS",
    }

    assert reviews.sweep(there.aws, "tapgen-review-demo-dev-", [HERE]) == []

    assert sorted(there.stacks) == [
        "StackSet-demo-dev-keys-4",
        "tapgen-review-demo-prod-data-3",
    ]


def test_one_that_stays_is_said_and_a_place_that_cannot_be_read_is_not() -> None:
    there = CloudFormation(delete_stack=[refused("AccessDenied", "not you")])
    there.stacks["tapgen-review-demo-dev-keys-1"] = "REVIEW_IN_PROGRESS"
    away = CloudFormation(list_stacks=[refused("AccessDenied")])

    (line,) = reviews.sweep(there.aws, "tapgen-review-demo-dev-", [HERE])

    assert "tapgen-review-demo-dev-keys-1" in line and "not you" in line
    assert reviews.sweep(away.aws, "tapgen-review-demo-dev-", [HERE]) == []
