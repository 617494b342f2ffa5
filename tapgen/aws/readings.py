"""What the stack of an instance runs, and its outputs, as far as that can be read.

No answer is never an empty answer: an instance whose stack cannot be read says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tapgen.aws import stacks
from tapgen.aws.session import NOBODY, Aws
from tapgen.errors import AwsError, Denied
from tapgen.model import (
    HIDDEN,
    NO_STACK,
    InstanceStatus,
    ObservedInstance,
    Reading,
    Target,
)

OPERATION_PREFIX = "tapgen-"
"""What the ids of tapgen's own operations begin with."""


def read(
    aws: Aws,
    target: Target,
    instance: ObservedInstance,
    outputs: bool | None,
    read_stacks: bool,
    ssm: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> ObservedInstance:
    """Return an instance with the outputs of its stack, and its values from SSM; None says
    that its template has neither, and outputs that are not read are unknown. With what the
    stack runs, where the stack set's word is in doubt or with `read_stacks`. `ssm` are the
    names of the SSM parameters that it should read, by parameter, and `given` the values
    that the stack set gives it: a stack with other ones was updated behind its back.
    """
    in_doubt = read_stacks or _in_doubt(instance)
    if outputs:
        instance, others = _with_outputs(aws, target, instance, ssm or {}, given or {})
        in_doubt = in_doubt or others
    elif outputs is None:
        instance = replace(instance, outputs={})
    if in_doubt and instance.reading is Reading.READ:
        instance = _with_stack(aws, target, instance)
    return instance


def asks(instance: ObservedInstance, outputs: bool | None, read_stacks: bool) -> bool:
    """Whether `read` may make calls for an instance."""
    return bool(outputs) or read_stacks or _in_doubt(instance)


def _with_outputs(
    aws: Aws,
    target: Target,
    instance: ObservedInstance,
    ssm: Mapping[str, str],
    given: Mapping[str, str],
) -> tuple[ObservedInstance, bool]:
    """Return an instance with outputs, and whether its stack has other values than were
    given."""
    if not instance.stack_id:
        return instance, False
    try:
        found = stacks.described(aws, target, instance.stack_id)
    except AwsError as error:
        return _unread(instance, error), False
    if found is None and _had_stack(instance):
        return _without_stack(instance), False
    if found is None:
        return replace(instance, outputs=None), False
    resolved = {**_still_there(found, ssm), **found.resolved}
    others = any(
        found.plain.get(name, value) not in (value, HIDDEN)
        for name, value in given.items()
        if name not in ssm and value != HIDDEN
    )
    return replace(instance, outputs=found.outputs, resolved=resolved), others


def _still_there(found: stacks.Described, ssm: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a stack still has where it should read SSM parameters.

    Handing a value on by name changes no resource and no output, and then CloudFormation
    updates nothing: the stack keeps the parameter of before, with the value itself in it
    (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2027). A
    parameter that has the name of the SSM parameter says nothing.
    """
    return {
        name: found.plain[name]
        for name, its in ssm.items()
        if found.plain.get(name, its) not in (its, HIDDEN)
    }


def _with_stack(
    aws: Aws, target: Target, instance: ObservedInstance
) -> ObservedInstance:
    nothing = replace(instance, template=NO_STACK, parameters={})
    if not instance.stack_id:
        return nothing
    try:
        found = stacks.deployed(aws, target, instance.stack_id)
    except AwsError as error:
        return _unread(instance, error)
    if found is None:
        return _without_stack(instance) if _had_stack(instance) else nothing
    return replace(
        instance,
        template=found.template,
        parameters=found.parameters,
        resolved=found.resolved,
        stack_status=found.status,
    )


def _unread(instance: ObservedInstance, error: AwsError) -> ObservedInstance:
    """Return an instance whose stack could not be read: what it runs is unknown."""
    refused = isinstance(error, Denied) or error.code in NOBODY
    reading = Reading.REFUSED if refused else Reading.AWAY
    return replace(instance, outputs=None, reading=reading, unread=str(error))


def _had_stack(instance: ObservedInstance) -> bool:
    """Whether StackSets takes it that the stack exists: it calls it CURRENT, or failed as
    it is gone. After a failed creation, StackSets itself has deleted the stack."""
    failed = "does not exist" in (instance.reason or "")
    return failed or instance.status is InstanceStatus.CURRENT


def _without_stack(instance: ObservedInstance) -> ObservedInstance:
    """Return an instance whose stack was deleted other than through its stack set."""
    text = f"its stack {instance.stack_id} does not exist"
    return replace(instance, outputs=None, reading=Reading.GONE, unread=text)


def _in_doubt(instance: ObservedInstance) -> bool:
    """Whether an instance may run something else than the stack set says.

    The stack set has a new template and new values even where updating an instance
    failed or was not tried (API reference, UpdateStackSet). Where somebody else's
    operation came last, tapgen does not know what it did.
    """
    last = instance.last_operation or OPERATION_PREFIX
    return instance.status is not InstanceStatus.CURRENT or not last.startswith(
        OPERATION_PREFIX
    )
