"""Change sets: CloudFormation's preview of one stack, and what it validates before.

A preview is created, waited for, read, and always deleted; it is never executed, and
the stack does not change. Only what reverts drift is executed (`propose_revert`), once
somebody has confirmed it. No role is passed: CloudFormation would use it
"for all future operations on the stack" (API reference, CreateChangeSet, RoleARN).
For a stack that does not exist, the change set makes a stack in review, without
resources, which is deleted with it (`reviews`).

What CloudFormation's validation finds is in events of the change set (user guide,
"Validate stack deployments"). It is on by default and never disabled here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, TypeVar
from uuid import uuid4

from tapgen.aws import reviews
from tapgen.aws.session import Aws, ask, one_line, pages
from tapgen.aws.stacksets import parameters
from tapgen.errors import AwsError, NotFound
from tapgen.frozen import dataclass
from tapgen.model import CHANGE_SETS, Target

LIMIT = 300.0
"""Seconds to wait for the creation of a change set."""

_LEFT_OVER = timedelta(hours=1)  # no run waits that long: its process has ended
_AT_ONCE = 8
_REVIEWS = 3  # attempts, where the stack in review disappears
_CREATING = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_PAUSES = (0.1, 5.0)  # seconds between two reads: the first, the longest
# The reasons of a change set that FAILED because nothing changes.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Question:
    """A change set to create: the update of one stack. Values of None stay unchanged;
    `name` is the change set's. With `review` the stack does not exist, and `stack_id`
    is how the name of the stack in review begins."""

    name: str
    target: Target
    stack_id: str
    template: str
    values: Mapping[str, str | None] = field(default_factory=dict)
    capabilities: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    review: bool = False

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
class Finding:
    """What CloudFormation's validation found, in its words (`OperationEvent`).

    `mode` is FAIL or WARN, `status` FAILED or SKIPPED; `path` is a JSON pointer into the
    template.
    """

    logical_id: str
    type: str
    name: str
    mode: str
    path: str
    reason: str
    status: str = "FAILED"


@dataclass(frozen=True)
class ChangeSet:
    """CloudFormation's answer: the changes, empty where nothing changes; or, in `failed`,
    why the update could not start. `unread` says why the findings of its validation are
    missing."""

    changes: tuple[Change, ...] = ()
    failed: str = ""
    findings: tuple[Finding, ...] = ()
    unread: str = ""


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


@dataclass(frozen=True)
class Proposal:
    """A drift-aware change set, which brings drifted resources of a stack back to its
    template, with what it changes. It stays until it is executed or discarded."""

    target: Target
    stack_set: str
    stack_id: str
    id: str
    changes: tuple[Change, ...] = ()
    failed: str = ""


def propose_revert(
    aws: Aws,
    target: Target,
    stack_id: str,
    stack_set: str,
    capabilities: Sequence[str],
    *,
    wait: Callable[[float], bool] = _wait,
) -> Proposal:
    """Create a drift-aware change set with the template and the values that a stack has.
    Raises AwsError where AWS refuses it, and where there is no such stack.

    A change set needs a template, or `UsePreviousTemplate`
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html,
    which excludes no deployment mode); the console asks for none to revert drift
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html).
    """
    client = aws.client("cloudformation", target)
    name = f"{CHANGE_SETS}revert-{uuid4().hex[:12]}"
    (stack,) = ask(client, "describe_stacks", StackName=stack_id)["Stacks"]
    names = [p["ParameterKey"] for p in stack.get("Parameters", ())]
    answer = ask(
        client,
        "create_change_set",
        StackName=stack_id,
        ChangeSetName=name,
        ChangeSetType="UPDATE",
        ClientToken=str(uuid4()),
        Description="created by tapgen drift --revert",
        UsePreviousTemplate=True,
        Parameters=parameters(dict.fromkeys(names)),
        Capabilities=list(capabilities),
        DeploymentMode="REVERT_DRIFT",
    )
    at = {"StackName": stack_id, "ChangeSetName": answer["Id"]}
    first = _wait_until_created(client, at, wait)
    found = _read(client, at, first)
    return Proposal(
        target, stack_set, stack_id, answer["Id"], found.changes, found.failed
    )


def discard(aws: Aws, target: Target, id: str) -> None:
    """Delete a change set of a stack in a target that was not executed; nothing happens
    where it is gone."""
    try:
        ask(aws.client("cloudformation", target), "delete_change_set", ChangeSetName=id)
    except NotFound:
        pass


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
    for _ in range(_REVIEWS):
        found = _preview(client, question, template, wait, sleep)
        if found is not None:
            return found
    raise _unanswered("ChangeSetNotFound", "other plans deleted the stack in review")


def _preview(
    client: Any,
    question: Question,
    template: Mapping[str, str],
    wait: Callable[[float], bool],
    sleep: Callable[[float], None],
) -> ChangeSet | None:
    """One attempt: None where the plan of somebody else, which started just now, deleted
    the stack in review."""
    stack = reviews.unique(question.stack) if question.review else question.stack
    at = {"StackName": stack, "ChangeSetName": question.name}
    if not question.review:
        _sweep(client, question, sleep)
    created = False
    try:
        _create(client, question, template, stack)
        created = True
        return _read(client, at, _wait_until_created(client, at, wait))
    except NotFound:
        if created and question.review:
            return None
        raise
    finally:
        try:
            if question.review:
                reviews.delete(client, stack, sleep)
            else:
                _delete(client, at, sleep)
        except AwsError as error:
            if created:  # else the error of its creation says more
                raise _not_deleted(error, question, stack) from error


def _not_deleted(error: AwsError, question: Question, stack: str) -> AwsError:
    if question.review:
        what, how = f"stack {stack}, which is only in review,", "delete-stack"
    else:
        what, how = f"change set {question.name} of stack {stack}", "delete-change-set"
    return AwsError(
        error.call,
        error.code,
        f"{what} in {question.target} cannot be deleted ({error.message}); delete it "
        f"with aws cloudformation {how}",
    )


def _create(
    client: Any, question: Question, template: Mapping[str, str], stack: str
) -> None:
    ask(
        client,
        "create_change_set",
        StackName=stack,
        ChangeSetName=question.name,
        ChangeSetType="CREATE" if question.review else "UPDATE",
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
    reason = one_line(first.get("StatusReason", ""))
    if first["Status"] not in ("CREATE_COMPLETE", "FAILED"):
        raise _unanswered(first["Status"], "another process deleted the change set")
    failed = ""
    if first["Status"] == "FAILED":
        if any(words in reason for words in _NO_CHANGES):
            return ChangeSet()
        failed = reason or "no reason given"
    changes = tuple(map(_change, _changes(client, at, first)))
    try:
        found = tuple(map(_finding, _validation(client, at, first)))
    except AwsError as error:
        return ChangeSet(changes, failed, unread=str(error))
    return ChangeSet(changes, failed, found)


def _validation(
    client: Any, at: Mapping[str, str], first: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    # A name alone is refused (aws-cloudformation/cloudformation-cli#1116).
    which = {"ChangeSetName": first.get("ChangeSetId", at["ChangeSetName"])}
    for event in pages(client, "describe_events", "OperationEvents", **which):
        if event.get("EventType") == "VALIDATION_ERROR":
            yield event


def _finding(event: Mapping[str, Any]) -> Finding:
    return Finding(
        event.get("LogicalResourceId", ""),
        event.get("ResourceType", ""),
        event.get("ValidationName", ""),
        event.get("ValidationFailureMode", "FAIL"),
        event.get("ValidationPath", ""),
        one_line(event.get("ValidationStatusReason", "")),
        event.get("ValidationStatus", "FAILED"),
    )


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
        stale = name.startswith(CHANGE_SETS) and summary["CreationTime"] < old
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
