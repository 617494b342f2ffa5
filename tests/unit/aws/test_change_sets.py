"""Making, reading and deleting change sets, with a CloudFormation made of a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tapgen.aws import change_sets, stacksets
from tapgen.aws.change_sets import Change, ChangeSet, Detail, Question
from tapgen.aws.session import Aws
from tapgen.errors import AwsError
from tapgen.model import HIDDEN, Target

HERE = Target("111111111111", "eu-west-1")
STACK = "StackSet-demo-dev-keys-7"
QUESTION = Question(
    "tapgen-abc",
    HERE,
    f"arn:aws:cloudformation:eu-west-1:111111111111:stack/{STACK}/u-u-i-d",
    "{}",
    {"Size": "2", "Secret": None},
    ("CAPABILITY_IAM",),
    {"Owner": "us"},
)
BODY = {"TemplateBody": "{}"}
DONE = {"Status": "CREATE_COMPLETE", "Changes": []}
METHODS = (
    "list_change_sets create_change_set describe_change_set describe_events "
    "delete_change_set"
)


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Any")


@dataclass
class CloudFormation:
    """Answers from a script, an operation's last answer for ever; keeps what is there."""

    script: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    there: set[str] = field(default_factory=set)
    asleep: list[float] = field(default_factory=list)
    on_call: Callable[[str], None] = lambda operation: None

    def __post_init__(self) -> None:
        self.meta = SimpleNamespace(
            region_name="us-east-1",
            service_model=SimpleNamespace(service_name="cloudformation"),
            method_to_api_mapping={m: m for m in METHODS.split()},
        )
        self.left = {name: list(answers) for name, answers in self.script.items()}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in METHODS.split():
            raise AttributeError(operation)

        def call(**given: Any) -> Any:
            self.calls.append((operation, given))
            self.on_call(operation)
            answers = self.left.get(operation, [{}])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            if operation == "create_change_set":
                self.there.add(given["ChangeSetName"])
            if operation == "delete_change_set":
                self.there.discard(given["ChangeSetName"])
            return answer

        return call

    @property
    def aws(self) -> Aws:
        return cast(Aws, SimpleNamespace(client=lambda service, target: self))

    def ask(self) -> ChangeSet:
        return change_sets.preview(
            self.aws, QUESTION, BODY, wait=self.wait, sleep=self.asleep.append
        )

    def wait(self, seconds: float) -> bool:
        self.asleep.append(seconds)
        return False

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.calls]


def answering(*pages: Mapping[str, Any]) -> CloudFormation:
    return CloudFormation({"describe_change_set": pages})


def change(name: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "Resource",
        "ResourceChange": {
            "Action": "Modify",
            "LogicalResourceId": name,
            "ResourceType": "AWS::SNS::Topic",
            **more,
        },
    }


def test_a_change_set_is_created_read_deleted_and_never_executed() -> None:
    there = answering(DONE)

    assert there.ask() == ChangeSet()

    assert there.operations() == METHODS.split()
    request = there.calls[1][1]
    assert request["StackName"] == STACK
    assert request["ChangeSetType"] == "UPDATE"
    assert request["Parameters"] == [
        {"ParameterKey": "Secret", "UsePreviousValue": True},
        {"ParameterKey": "Size", "ParameterValue": "2"},
    ]
    assert request["Capabilities"] == ["CAPABILITY_IAM"]
    assert request["Tags"] == [{"Key": "Owner", "Value": "us"}]
    assert request["TemplateBody"] == "{}"
    assert "RoleARN" not in request
    assert "DisableValidation" not in request
    assert there.there == set()


def test_what_changes_is_read_from_all_pages_with_the_values_of_properties() -> None:
    place = {
        "Attribute": "Properties",
        "Name": "TopicName",
        "Path": "/Properties/TopicName",
        "RequiresRecreation": "Always",
        "BeforeValue": "a",
        "AfterValue": "b",
    }
    detail = {
        "Target": place,
        "Evaluation": "Static",
        "ChangeSource": "ParameterReference",
        "CausingEntity": "Name",
    }
    first = change(
        "One",
        Replacement="True",
        PolicyAction="ReplaceAndRetain",
        Scope=["Properties"],
        Details=[detail],
    )
    there = answering(
        {"Status": "CREATE_IN_PROGRESS"},
        {"Status": "CREATE_COMPLETE", "Changes": [first], "NextToken": "more"},
        {"Status": "CREATE_COMPLETE", "Changes": [change("Two", Replacement="False")]},
    )

    one, two = there.ask().changes

    assert one == Change(
        "Modify",
        "One",
        "AWS::SNS::Topic",
        "True",
        "ReplaceAndRetain",
        ("Properties",),
        (
            Detail(
                "Properties",
                "TopicName",
                "/Properties/TopicName",
                "Always",
                "Static",
                "ParameterReference",
                "Name",
                "a",
                "b",
            ),
        ),
    )
    assert two.logical_id == "Two"
    reads = [given for name, given in there.calls if name == "describe_change_set"]
    assert [given.get("NextToken") for given in reads] == [None, None, "more"]
    assert all(given["IncludePropertyValues"] for given in reads)


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different "
        "information to create a change set.",
        "No updates are to be performed.",
    ],
)
def test_no_changes_is_an_answer_and_not_a_failure(reason: str) -> None:
    there = answering({"Status": "FAILED", "StatusReason": reason})

    assert there.ask() == ChangeSet()
    assert there.operations()[-1] == "delete_change_set"


def test_a_failed_change_set_says_why_and_is_deleted() -> None:
    there = answering({"Status": "FAILED", "StatusReason": "Parameter Size is bad"})

    assert there.ask() == ChangeSet(failed="Parameter Size is bad")
    assert there.there == set()


def test_a_stack_that_refuses_change_sets_is_reported_with_awss_message() -> None:
    reason = f"Stack:{STACK} is in UPDATE_IN_PROGRESS state and can not be updated."
    there = CloudFormation(
        {
            "create_change_set": [refused("ValidationError", reason)],
            # Whoever may not make one may not delete one either: that says less.
            "delete_change_set": [refused("AccessDenied")],
        }
    )

    with pytest.raises(AwsError, match="is in UPDATE_IN_PROGRESS state"):
        there.ask()


def test_one_that_takes_too_long_is_given_up_and_deleted() -> None:
    there = answering({"Status": "CREATE_IN_PROGRESS"})

    with pytest.raises(AwsError, match="not created within 300 seconds"):
        there.ask()

    assert change_sets.LIMIT <= sum(there.asleep) < change_sets.LIMIT + 10
    assert there.there == set()


def test_one_that_somebody_else_deleted_is_said_so() -> None:
    with pytest.raises(AwsError, match="another process deleted"):
        answering({"Status": "DELETE_COMPLETE"}).ask()


def test_deleting_waits_until_cloudformation_lets_go() -> None:
    busy = refused("InvalidChangeSetStatus", "is in CREATE_IN_PROGRESS status")
    there = CloudFormation(
        {"describe_change_set": [DONE], "delete_change_set": [busy, busy, {}]}
    )

    there.ask()

    assert there.operations().count("delete_change_set") == 3
    assert there.there == set()


def test_one_that_cannot_be_deleted_is_named_with_what_to_do() -> None:
    there = CloudFormation(
        {
            "describe_change_set": [DONE],
            "delete_change_set": [refused("AccessDenied", "not you")],
        }
    )

    with pytest.raises(AwsError) as caught:
        there.ask()

    for words in ("tapgen-abc", STACK, str(HERE), "not you", "delete-change-set"):
        assert words in str(caught.value)


def test_left_overs_of_killed_runs_go_and_those_of_others_stay() -> None:
    now = datetime.now(UTC)
    old = now - timedelta(hours=2)
    listed = [
        ("tapgen-abc", now),  # of this very plan
        ("tapgen-other", old),
        ("tapgen-colleague", now),
        ("release-7", old),
    ]
    summaries = [{"ChangeSetName": n, "CreationTime": t} for n, t in listed]
    there = CloudFormation(
        {
            "list_change_sets": [
                {"Summaries": summaries[:2], "NextToken": "more"},
                {"Summaries": summaries[2:]},
            ],
            "describe_change_set": [DONE],
        }
    )

    there.ask()

    before = there.calls[: there.operations().index("create_change_set")]
    deleted = [g["ChangeSetName"] for name, g in before if name == "delete_change_set"]
    assert deleted == ["tapgen-abc", "tapgen-other"]


def test_one_failed_change_set_does_not_stop_the_others() -> None:
    there, broken = answering(DONE), CloudFormation(
        {"create_change_set": [refused("AccessDenied", "not you")]}
    )
    west = Target("222222222222", "us-west-2")
    clients = {HERE: there, west: broken}
    aws = cast(Aws, SimpleNamespace(client=lambda service, target: clients[target]))
    questions = {
        "a": QUESTION,
        "b": Question("tapgen-abc", west, QUESTION.stack_id, "{}"),
    }
    seen: list[int] = []

    answers = change_sets.preview_all(
        aws, questions, lambda question: BODY, seen.append
    )

    assert list(answers) == ["a", "b"]
    assert answers["a"] == ChangeSet()
    assert "not you" in str(answers["b"])
    assert seen == [1, 2]


def test_an_interruption_half_way_leaves_nothing_behind() -> None:
    both = threading.Barrier(2, timeout=60)

    def begin(operation: str) -> None:
        if operation == "create_change_set":
            both.wait()  # two are being made when Ctrl-C comes

    making = [
        CloudFormation(
            {"describe_change_set": [{"Status": "CREATE_IN_PROGRESS"}]}, on_call=begin
        )
        for _ in range(2)
    ]
    places = [Target("1" * 12, f"region-{n}") for n in range(3)]
    ready = answering(DONE)
    clients = dict(zip(places, [*making, ready], strict=True))
    aws = cast(Aws, SimpleNamespace(client=lambda service, target: clients[target]))
    questions = {t: Question("tapgen-abc", t, STACK, "{}") for t in places}

    def interrupt(answered: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change_sets.preview_all(aws, questions, lambda question: BODY, interrupt)

    for there in clients.values():
        assert there.operations()[-1] == "delete_change_set"
        assert there.there == set()


def test_hidden_values_stay_as_they_are() -> None:
    sent = stacksets.parameters({"Secret": HIDDEN})

    assert sent == [{"ParameterKey": "Secret", "UsePreviousValue": True}]
