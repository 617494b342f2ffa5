"""The stack of one stack instance, through the wrapped CloudFormation."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

from tapgen.emulator.cloudformation.patches.template_bodies import large_bodies
from tapgen.emulator.permissions.enforcing import ENFORCEMENT
from tapgen.emulator.stacksets.model import Instance, StackSet
from tapgen.emulator.wire.inner import Inner, Place, members, text
from tapgen.emulator.wire.query_protocol import ServiceError, invalid

NO_UPDATES = "No updates are to be performed"
# Events of resources that failed only because another one had failed before.
CONSEQUENCES = ("cancelled", "canceled")
STACK = "AWS::CloudFormation::Stack"
NAME_LIMIT = 128  # of a stack
UUID = 36  # characters, with which the names of stacks end


class Stacks:
    """Create, update and delete the stacks of stack instances."""

    def __init__(self, inner: Inner) -> None:
        self.inner = inner

    async def deploy(self, stack_set: StackSet, instance: Instance) -> None:
        """Bring the stack of an instance up to date with its stack set.

        ServiceError, worded as a StackSets status reason, when that fails. A failed
        create leaves no stack, a failed update leaves the stack as it was.
        """
        values = stack_set.values(instance)
        request: dict[str, Any] = {
            "TemplateBody": stack_set.template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in values.items()
            ],
            "Capabilities": list(stack_set.capabilities),
            "Tags": [{"Key": k, "Value": v} for k, v in stack_set.tags.items()],
        }
        if instance.exists:
            await self._update(instance, request)
        else:
            await self._create(stack_set, instance, request)

    async def delete(self, instance: Instance) -> None:
        """Delete the stack of an instance; ServiceError when it cannot be."""
        if not instance.exists:
            return
        place, name = instance.place, instance.stack_name
        await self._call(place, "DeleteStack", StackName=name)
        status = await self._settled(place, name)
        if status != "DELETE_COMPLETE":
            raise invalid(await self._reason(instance, status, "DELETE_IN_PROGRESS"))
        instance.exists = False

    async def _create(
        self, stack_set: StackSet, instance: Instance, request: dict[str, Any]
    ) -> None:
        name = f"StackSet-{stack_set.name}"[: NAME_LIMIT - UUID - 1] + f"-{uuid4()}"
        answer = await self._call(
            instance.place, "CreateStack", StackName=name, OnFailure="DELETE", **request
        )
        instance.stack_name, instance.stack_id = name, text(answer, "StackId")
        instance.exists = True
        status = await self._settled(instance.place, name)
        if status != "CREATE_COMPLETE":
            instance.exists = status != "DELETE_COMPLETE"
            raise invalid(await self._reason(instance, status))

    async def _update(self, instance: Instance, request: dict[str, Any]) -> None:
        place, name = instance.place, instance.stack_name
        try:
            await self._call(place, "UpdateStack", StackName=name, **request)
        except ServiceError as error:
            if NO_UPDATES in error.message:
                return
            raise
        status = await self._settled(place, name)
        if status != "UPDATE_COMPLETE":
            raise invalid(await self._reason(instance, status))

    async def _call(
        self, place: Place, action: str, **parameters: Any
    ) -> ElementTree.Element:
        name = str(parameters["StackName"])
        arn = name if name.startswith("arn:") else _arn(place, name)
        refused = ENFORCEMENT.refusal([(f"cloudformation:{action}", (arn,), [{}])])
        if refused:
            raise ServiceError("AccessDenied", refused[1], 403)
        with large_bodies():
            return await self.inner.query(place, "cloudformation", action, **parameters)

    async def _settled(self, place: Place, name: str) -> str:
        """The status of a stack once nothing is in progress."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = min(0.05, pause * 1.5 + 0.001)
            try:
                answer = await self._call(place, "DescribeStacks", StackName=name)
            except ServiceError as error:
                if "does not exist" in error.message:
                    return "DELETE_COMPLETE"
                raise
            status = text(answer, "StackStatus")
            if not status.endswith("_IN_PROGRESS"):
                # A create that failed is deleted next (OnFailure=DELETE).
                if status not in ("CREATE_FAILED", "ROLLBACK_COMPLETE") or pause > 0.04:
                    return status

    async def _reason(self, instance: Instance, status: str, began: str = "") -> str:
        """Why the last operation on a stack failed, in StackSets' form.

        The earliest failed resource is named: later ones are its consequences. A stack
        that has the status `began` is where the operation began, or whose reason says so.
        """
        failed: ElementTree.Element | None = None
        fallback = ""
        async for event in self._events(instance):
            failing = text(event, "ResourceStatus").endswith("_FAILED")
            reason = text(event, "ResourceStatusReason")
            if text(event, "PhysicalResourceId") == instance.stack_id:
                if reason == "User Initiated" or text(event, "ResourceStatus") == began:
                    break  # where the operation began
                # A refused deletion returns to the status that the stack had.
                if reason and (failing or text(event, "ResourceStatus") == status):
                    fallback = reason
            elif failing and not any(w in reason for w in CONSEQUENCES):
                failed = event
        if failed is None:
            return fallback or f"Stack {instance.stack_id} ended in {status}"
        reason = text(failed, "ResourceStatusReason").rstrip(".")
        return (
            f"ResourceLogicalId:{text(failed, 'LogicalResourceId')}, "
            f"ResourceType:{text(failed, 'ResourceType')}, "
            f"ResourceStatusReason:{reason}."
        )

    async def _events(self, instance: Instance) -> Any:
        """The events of a stack, newest first."""
        token: str | None = None
        while True:
            page = await self._call(
                instance.place,
                "DescribeStackEvents",
                StackName=instance.stack_id,
                NextToken=token,
            )
            for event in members(page, "StackEvents"):
                yield event
            token = text(page, "NextToken")
            if not token:
                return


def _arn(place: Place, name: str) -> str:
    return f"arn:aws:cloudformation:{place.region}:{place.account}:stack/{name}/*"
