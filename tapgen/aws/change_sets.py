"""Change sets: what CloudFormation says an update of one stack would do.

A change set is made, waited for, read, and deleted whatever happens; it is never
executed, and the stack stays as it was. No role is passed: CloudFormation would use it
"for all future operations on the stack" (API reference, CreateChangeSet, RoleARN).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, TypeVar
from uuid import uuid4

from tapgen.aws.session import Aws, ask, pages
from tapgen.aws.stacksets import parameters
from tapgen.errors import AwsError, NotFound
from tapgen.model import Target

PREFIX = "tapgen-"
"""What the names of our change sets begin with, so that left-overs are recognised."""

LIMIT = 300.0
"""Seconds after which a change set that is not made is given up."""

_LEFT_OVER = timedelta(hours=1)  # nobody waits that long: whoever made it is gone
_AT_ONCE = 8
_MAKING = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_PAUSES = (0.1, 5.0)  # seconds between two looks: the first, the longest
# What CloudFormation says in a change set that FAILED for want of changes.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Question:
    """An update of one stack. Values of None stay as they are; `name` is the change
    set's."""

    name: str
    target: Target
    stack_id: str
    template: str
    values: Mapping[str, str | None] = field(default_factory=dict)
    capabilities: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """The stack's name: `arn:…:stack/NAME/UUID` has it."""
        return self.stack_id.split("/")[1] if "/" in self.stack_id else self.stack_id


@dataclass(frozen=True)
class Detail:
    """Why and how one place of a resource changes (`ResourceChangeDetail`).

    `recreation` is Never, Conditionally or Always; an `evaluation` of Dynamic depends
    on what is known only while the change set is executed. `path` is a JSON pointer.
    """

    attribute: str
    name: str = ""
    path: str = ""
    recreation: str = "Never"
    evaluation: str = "Static"
    source: str = ""
    cause: str = ""
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Change:
    """What happens to one resource (`ResourceChange`), in CloudFormation's words.

    `action` is Add, Modify, Remove, Import or Dynamic; `replacement` True, False or
    Conditional where it is Modify, else empty.
    """

    action: str
    logical_id: str
    type: str
    replacement: str = ""
    policy: str = ""
    scope: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True)
class ChangeSet:
    """What CloudFormation says: changes, none where nothing changes, or, in `failed`,
    why it would not even begin."""

    changes: tuple[Change, ...] = ()
    failed: str = ""


def ask_all(
    aws: Aws,
    questions: Mapping[Key, Question],
    carried: Callable[[Question], Mapping[str, str]],
    on_answer: Callable[[int], None] = lambda answered: None,
) -> dict[Key, ChangeSet | AwsError]:
    """The answers to many questions, eight at a time; an AwsError where AWS gave none.

    `carried` gives the template as a request takes it; `on_answer` takes how many are
    answered. When interrupted, no change set is left behind.
    """
    stop = Event()

    def answer(question: Question) -> ChangeSet | AwsError:
        try:
            return ask_one(aws, question, carried(question), wait=stop.wait)
        except AwsError as error:
            return error

    answers: dict[Key, ChangeSet | AwsError] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = {pool.submit(answer, q): key for key, q in questions.items()}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                answers[futures[future]] = future.result()
                on_answer(number)
        except BaseException:
            # Leaving the pool waits for its threads, which delete what they made.
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return {key: answers[key] for key in questions}


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def ask_one(
    aws: Aws,
    question: Question,
    template: Mapping[str, str],
    *,
    wait: Callable[[float], bool] = _wait,
    sleep: Callable[[float], None] = time.sleep,
) -> ChangeSet:
    """What CloudFormation says to one question.

    `template` is `TemplateBody` or `TemplateURL`. `wait` waits so many seconds and
    says whether to give up. Raises AwsError where no change set can be made, as for a
    stack that is being updated, where it is not made within `LIMIT`, and where it
    cannot be deleted.
    """
    client = aws.client("cloudformation", question.target)
    at = {"StackName": question.stack, "ChangeSetName": question.name}
    _sweep(client, question, sleep)
    created = False
    try:
        _create(client, question, template)
        created = True
        return _read(client, at, _wait_until_created(client, at, wait))
    finally:
        try:
            _delete(client, at, sleep)
        except AwsError as error:
            if created:  # else the reason why it was not made says more
                raise AwsError(
                    error.call,
                    error.code,
                    f"change set {question.name} of stack {question.stack} in "
                    f"{question.target} cannot be deleted ({error.message}); delete it "
                    "with aws cloudformation delete-change-set",
                ) from error


def _create(client: Any, question: Question, template: Mapping[str, str]) -> None:
    ask(
        client,
        "create_change_set",
        StackName=question.stack,
        ChangeSetName=question.name,
        ChangeSetType="UPDATE",
        # An answer that got lost must not become AlreadyExists on the second try.
        ClientToken=str(uuid4()),
        Description="made by tapgen plan to be read, never to be executed",
        Parameters=parameters(question.values),
        Capabilities=list(question.capabilities),
        Tags=[{"Key": k, "Value": v} for k, v in sorted(question.tags.items())],
        **template,
    )


def _wait_until_created(
    client: Any, at: Mapping[str, str], wait: Callable[[float], bool]
) -> dict[str, Any]:
    """The first page of a change set once its status is final."""
    waited, (pause, longest) = 0.0, _PAUSES
    while True:
        found = _page(client, at)
        if found["Status"] not in _MAKING:
            return found
        if waited >= LIMIT:
            raise _unanswered("Timeout", f"not made within {LIMIT:g} seconds")
        if wait(pause):
            raise _unanswered("Interrupted", "given up")
        waited += pause
        pause = min(pause * 1.5, longest)


def _page(
    client: Any, at: Mapping[str, str], token: str | None = None
) -> dict[str, Any]:
    return ask(
        client,
        "describe_change_set",
        IncludePropertyValues=True,
        NextToken=token,
        **at,
    )


def _unanswered(code: str, message: str) -> AwsError:
    return AwsError("cloudformation:CreateChangeSet", code, message)


def _read(client: Any, at: Mapping[str, str], first: Mapping[str, Any]) -> ChangeSet:
    reason = first.get("StatusReason", "")
    if first["Status"] == "CREATE_COMPLETE":
        return ChangeSet(tuple(map(_change, _changes(client, at, first))))
    if first["Status"] == "FAILED":
        nothing = any(words in reason for words in _NO_CHANGES)
        return ChangeSet(failed="" if nothing else reason or "no reason given")
    raise _unanswered(first["Status"], "somebody else deleted the change set")


def _changes(
    client: Any, at: Mapping[str, str], page: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """The changes on all pages."""
    while True:
        for change in page.get("Changes", ()):
            if "ResourceChange" in change:  # else of a hook
                yield change["ResourceChange"]
        token = page.get("NextToken")
        if not token:
            return
        page = _page(client, at, token)


def _change(found: Mapping[str, Any]) -> Change:
    return Change(
        found.get("Action", ""),
        found.get("LogicalResourceId", ""),
        found.get("ResourceType", ""),
        found.get("Replacement", ""),
        found.get("PolicyAction", ""),
        tuple(found.get("Scope", ())),
        tuple(map(_detail, found.get("Details", ()))),
    )


def _detail(found: Mapping[str, Any]) -> Detail:
    place = found.get("Target", {})
    return Detail(
        place.get("Attribute", ""),
        place.get("Name", ""),
        place.get("Path", ""),
        place.get("RequiresRecreation", "Never"),
        found.get("Evaluation", "Static"),
        found.get("ChangeSource", ""),
        found.get("CausingEntity", ""),
        place.get("BeforeValue"),
        place.get("AfterValue"),
    )


def _sweep(client: Any, question: Question, sleep: Callable[[float], None]) -> None:
    """Delete what a run that was killed has left: the very change set to be made, and
    old ones of ours. Those of a colleague who asks right now stay."""
    old = datetime.now(UTC) - _LEFT_OVER
    found = pages(client, "list_change_sets", "Summaries", StackName=question.stack)
    for summary in list(found):
        name = summary["ChangeSetName"]
        stale = name.startswith(PREFIX) and summary["CreationTime"] < old
        if stale or name == question.name:
            at = {"StackName": question.stack, "ChangeSetName": name}
            _delete(client, at, sleep)


def _delete(client: Any, at: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Delete a change set, also one that is still being made."""
    waited, (pause, longest) = 0.0, _PAUSES
    while True:
        try:
            ask(client, "delete_change_set", **at)
            return
        except NotFound:
            return
        except AwsError as error:
            busy = error.code.startswith("InvalidChangeSetStatus")
            if not busy or waited >= LIMIT:
                raise
        sleep(pause)
        waited += pause
        pause = min(pause * 1.5, longest)
