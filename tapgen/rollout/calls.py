"""The calls of a program at AWS: send one, and ask AWS what became of one.

Every operation has the id `tapgen-<run>-<number of its intent>`: AWS starts it once,
however often it is asked to (API reference, OperationId).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from tapgen.aws import acting, stuck
from tapgen.aws.artifact_bucket import ArtifactBucket
from tapgen.aws.readings import OPERATION_PREFIX
from tapgen.aws.stacksets import Definition, StackSets
from tapgen.errors import AwsError, Expired, NotFound, Unreachable
from tapgen.rollout.program import Call, Verb

Text = Callable[[str], str]
"""Return the text of a template by its digest."""

Content = Callable[[str], bytes]
"""Return the bytes of an artifact by its key; TemplateError when there are none."""

_TAKEN = {"OperationIdAlreadyExistsException", "StaleRequestException"}
_ENDED = {
    *("NoCredentials", "NoAuthTokenError", "RequestExpired", "InvalidAccessKeyId"),
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId"),
    *("UnrecognizedClientException",),
}
_PASSING = {
    *("Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"),
    *("TooManyRequestsException", "ServiceUnavailable", "InternalFailure"),
    *("InternalError", "InternalServerError", "ServiceUnavailableException"),
    *("500", "502", "503", "504", "RequestTimeout", "RequestTimeoutException"),
}


class Trouble(StrEnum):
    """What an error of AWS means for a run."""

    PASSING = "passing"  # no answer for now: ask again
    ENDED = "ended"  # no credentials any more: only a person can help
    TAKEN = "taken"  # AWS knows this operation id already
    REFUSED = "refused"  # AWS says no


def trouble(error: AwsError) -> Trouble:
    """Return what an error means."""
    if isinstance(error, Expired) or error.code in _ENDED:
        return Trouble.ENDED
    if error.code in _TAKEN:
        return Trouble.TAKEN
    if isinstance(error, Unreachable) or error.code in _PASSING:
        return Trouble.PASSING
    return Trouble.REFUSED


def operation_id(run: str, number: int) -> str:
    """Return the operation id of an intent: at most 128 letters, digits and hyphens."""
    return f"{OPERATION_PREFIX}{run}-{number}"


def send(
    sets: StackSets, call: Call, operation: str, text: Text, content: Content
) -> Mapping[str, Any]:
    """Send a call; return what an act has measured, or saves of its answer. Raises Busy,
    Unreachable or AwsError."""
    name = call.stack_set
    targets = list(call.targets or ())
    wanted = call.preferences
    if call.verb is Verb.UPLOAD:
        _upload(sets, call, content)
    elif call.verb is Verb.CREATE_STACK_SET:
        sets.create(name, _with_text(call, text))
    elif call.verb is Verb.DEFINE:
        where = None if call.targets is None else targets
        sets.update(name, _with_text(call, text), where, wanted, operation)
    elif call.verb is Verb.OVERRIDE:
        sets.override(name, targets, call.overrides, wanted, operation)
    elif call.verb is Verb.CREATE_INSTANCES:
        sets.create_instances(name, targets, call.overrides, wanted, operation)
    elif call.verb is Verb.DELETE_INSTANCES:
        more = {"retain": True} if call.retain else {}
        sets.delete_instances(name, targets, wanted, operation, call.whole, **more)
    elif call.verb is Verb.IMPORT:
        sets.adopt(name, call.stacks, wanted, operation)
    elif call.verb is Verb.PERFORM:
        assert call.act
        return acting.perform(sets.aws, call.act)
    elif call.verb is Verb.CONTINUE_ROLLBACK:
        stuck.continue_rollback(sets.aws, targets[0], call.key, call.skip, operation)
    else:
        _delete(sets, name)
    return {}


def is_there(sets: StackSets, call: Call, operation: str) -> bool:
    """Return whether AWS has done a call, or is doing it."""
    if call.verb.is_operation:
        try:
            sets.operation(call.stack_set, operation)
        except NotFound:
            return False
        return True
    if call.verb is Verb.UPLOAD:
        return False  # the same bytes again do no harm
    if call.verb is Verb.PERFORM:
        return call.proof is not None and bool(acting.look(sets.aws, call.proof).holds)
    if call.verb is Verb.CONTINUE_ROLLBACK:
        assert call.targets
        status = stuck.status(sets.aws, call.targets[0], call.key)
        return status not in ("UPDATE_ROLLBACK_FAILED", None)
    exists = sets.exists(call.stack_set)
    return exists == (call.verb is Verb.CREATE_STACK_SET)


def _with_text(call: Call, text: Text) -> Definition:
    assert call.definition
    return replace(call.definition, template=text(call.definition.template))


def _upload(sets: StackSets, call: Call, content: Content) -> None:
    """Upload an artifact to the buckets that lack it: its key is its content's hash."""
    for target in call.targets or ():
        bucket = ArtifactBucket(sets.aws, target)
        if not bucket.has(call.key):
            bucket.put(call.key, content(call.key), kind="application/octet-stream")


def _delete(sets: StackSets, name: str) -> None:
    try:
        sets.delete(name)
    except NotFound:
        pass  # an earlier answer was lost
