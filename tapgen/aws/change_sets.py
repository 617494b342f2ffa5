"""Change sets: CloudFormation's preview of an update of one stack.

A change set is created, waited for, read, and always deleted; it is never executed, and
the stack does not change. No role is passed: CloudFormation would use it
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
"""Prefix of the names of our change sets, by which left-over ones are recognised."""

LIMIT = 300.0
"""Seconds to wait for the creation of a change set."""

_LEFT_OVER = timedelta(hours=1)  # no run waits that long: its process has ended
_AT_ONCE = 8
_CREATING = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_PAUSES = (0.1, 5.0)  # seconds between two reads: the first, the longest
# The reasons of a change set that FAILED because nothing changes.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Question:
    """A change set to create: the update of one stack. Values of None stay unchanged;
    `name` is the change set's."""

    name: str
    target: Target
    stack_id: str
    template: str
    values: Mapping[str, str | None] = field(default_factory=dict)
    capabilities: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def stack(self) -> str:
        """The stack's name, from `arn:…:stack/NAME/UUID`."""
        return self.stack_id.split("/")[1] if "/" in self.stack_id else self.stack_id


@dataclass(frozen=True)
class Detail:
    """Why and how one property of a resource changes (`ResourceChangeDetail`).

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
    """The change of one resource (`ResourceChange`), in CloudFormation's words.

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
    """CloudFormation's answer: the changes, empty where nothing changes; or, in `failed`,
    why the update could not start."""

    changes: tuple[Change, ...] = ()
    failed: str = ""


def preview_all(
    aws: Aws,
    questions: Mapping[Key, Question],
    template_parameter: Callable[[Question], Mapping[str, str]],
    on_answer: Callable[[int], None] = lambda answered: None,
) -> dict[Key, ChangeSet | AwsError]:
    """Create and read many change sets, eight at a time; return an AwsError where that
    failed.

    `template_parameter` returns the template as request parameters; `on_answer` takes the number of
    answers so far. No change set is left behind, also after an interrupt.
    """
    stop = Event()

    def answer(question: Question) -> ChangeSet | AwsError:
        try:
            return preview(aws, question, template_parameter(question), wait=stop.wait)
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
            # Leaving the pool waits for its threads, which delete their change sets.
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return {key: answers[key] for key in questions}


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def preview(
    aws: Aws,
    question: Question,
    template: Mapping[str, str],
    *,
    wait: Callable[[float], bool] = _wait,
    sleep: Callable[[float], None] = time.sleep,
) -> ChangeSet:
    """Create, read and delete one change set; return CloudFormation's answer.

    `template` is `TemplateBody` or `TemplateURL`. `wait` waits for so many seconds and
    returns whether to give up. Raises AwsError where the change set cannot be created, as
    for a stack that is being updated, or not within `LIMIT`, and where it cannot be
    deleted.
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
            if created:  # else the error of its creation says more
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
        # A lost response must not become AlreadyExists on the second try.
        ClientToken=str(uuid4()),
        Description="created by tapgen plan as a preview, never executed",
        Parameters=parameters(question.values),
        Capabilities=list(question.capabilities),
        Tags=[{"Key": k, "Value": v} for k, v in sorted(question.tags.items())],
        **template,
    )


def _wait_until_created(
    client: Any, at: Mapping[str, str], wait: Callable[[float], bool]
) -> dict[str, Any]:
    """Wait until a change set's status is final; return its first page."""
    waited, (pause, longest) = 0.0, _PAUSES
    while True:
        found = _page(client, at)
        if found["Status"] not in _CREATING:
            return found
        if waited >= LIMIT:
            raise _unanswered("Timeout", f"not created within {LIMIT:g} seconds")
        if wait(pause):
            raise _unanswered("Interrupted", "interrupted before it was created")
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
    raise _unanswered(first["Status"], "another process deleted the change set")


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
    """Delete the change sets of a killed run: the one with the same name, and old ones of
    tapgen. Those of a run in progress stay."""
    old = datetime.now(UTC) - _LEFT_OVER
    found = pages(client, "list_change_sets", "Summaries", StackName=question.stack)
    for summary in list(found):
        name = summary["ChangeSetName"]
        stale = name.startswith(PREFIX) and summary["CreationTime"] < old
        if stale or name == question.name:
            at = {"StackName": question.stack, "ChangeSetName": name}
            _delete(client, at, sleep)


def _delete(client: Any, at: Mapping[str, str], sleep: Callable[[float], None]) -> None:
    """Delete a change set, also one that is still being created."""
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
