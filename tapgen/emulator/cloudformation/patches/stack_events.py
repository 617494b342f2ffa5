"""The story that stack events tell.

AWS tells of a resource twice that its creation is in progress: before, and with the
physical id once the service has taken it ("Resource creation Initiated"); ministack
tells it once. AWS has the resolved properties in the events, and nothing of a resource
that an update leaves as it is (recorded on AWS: localstack/localstack,
api/test_stacks.py and test_change_sets.py, "per-resource-events").

Events also go to the topics of the stack: "CloudFormation sends notifications to" them
(API reference, NotificationARNs).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tapgen.emulator.cloudformation.patches.answers import SETTINGS
from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
    wrap_action,
)

_ADD_EVENT = (
    *("stack_id", "stack_name", "logical_id", "resource_type", "status"),
    *("reason", "physical_id", "detailed_status"),
)
PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stack_events": None, "_stacks": None},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {"_p": ("params", "key", "default")},
    f"{CFN}.provisioners": {
        "_with_stack_tags": (
            *("resource_type", "props", "stack_tags"),
            *("stack_name", "stack_id", "logical_id"),
        )
    },
    f"{CFN}.stacks": {
        "_add_event": _ADD_EVENT,
        "_deploy_stack_async": (
            *("stack_name", "stack_id", "template", "param_values"),
            *("disable_rollback", "tags", "is_update", "previous_stack"),
            *("retain_except_on_create", "imports"),
        ),
    },
    "ministack.services.sns": {
        "publish_internal": (
            *("topic_arn", "message", "subject", "message_structure"),
            *("message_attributes", "message_group_id", "message_deduplication_id"),
        )
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

_STACK = "AWS::CloudFormation::Stack"
_BY_USERS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_INITIATED = "Resource creation Initiated"
_KEYS = (
    *("StackId", "Timestamp", "EventId", "LogicalResourceId", "Namespace"),
    *("PhysicalResourceId", "PrincipalId", "ResourceProperties", "ResourceStatus"),
    *("ResourceStatusReason", "ResourceType", "StackName", "ClientRequestToken"),
)


def apply() -> None:
    """Tell what AWS tells, and send it to the stack's topics."""
    replace_everywhere("_add_event", _as_aws)
    replace_everywhere("_with_stack_tags", _with_properties)
    replace_everywhere("_deploy_stack_async", _following)
    wrap_action("CreateStack", _announcing)


# What is told ------------------------------------------------------------------------


@dataclass
class _Deployment:
    """One operation on a stack: definitions before and after, the properties that its
    resources have and get (with the stack's tags), and as the template gives them."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    tagged: dict[str, list[Any]] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    def unchanged(self, name: str) -> bool:
        """Whether an update leaves a resource as it is; of a nested stack nobody knows
        before it was asked."""
        old, new = self.before.get(name), self.after.get(name)
        values = self.tagged.get(name, [])
        nested = (new or {}).get("Type") == _STACK
        same = len(values) == 2 and values[0] == values[1]
        return same and not nested and _facts(old) == _facts(new)


def _facts(definition: Mapping[str, Any] | None) -> Any:
    left_out = ("DependsOn", "Properties")
    return {k: v for k, v in (definition or {}).items() if k not in left_out}


_DEPLOYMENT: ContextVar[_Deployment | None] = ContextVar("deployment", default=None)


def _following(deploy: Any) -> Any:
    """Note for the events which definitions a deployment starts from and leads to."""

    def deploying(
        stack_name: str, stack_id: str, template: Any, *args: Any, **more: Any
    ) -> Any:
        stack = loaded(CFN)._stacks.get(stack_name) or {}
        before = (stack.get("_template") or {}).get("Resources") or {}
        if not more.get("is_update"):
            before = {}

        async def run() -> None:
            _DEPLOYMENT.set(_Deployment(before, template.get("Resources") or {}))
            await deploy(stack_name, stack_id, template, *args, **more)

        return run()

    return deploying


def _with_properties(tag: Any) -> Any:
    """Give the event before it the properties that a resource is about to get."""

    def with_tags(
        resource_type: str,
        props: Any,
        tags: Any,
        stack_name: str,
        stack_id: str,
        logical_id: str,
    ) -> Any:
        tagged = tag(resource_type, props, tags, stack_name, stack_id, logical_id)
        now = _DEPLOYMENT.get()
        if now is not None:
            if logical_id in now.before:
                now.tagged.setdefault(logical_id, []).append(copy.deepcopy(tagged))
            now.given[logical_id] = _text(props)
            events = loaded(CFN)._stack_events.get(stack_id, [])
            if events and events[-1]["LogicalResourceId"] == logical_id:
                if now.unchanged(logical_id):
                    events.pop()
                else:
                    events[-1]["ResourceProperties"] = now.given[logical_id]
        return tagged

    return with_tags


def _text(props: Any) -> str:
    return json.dumps(props, separators=(",", ":"), default=str)


def _as_aws(original: Any) -> Any:
    def add_event(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        reason: str = "",
        physical_id: str = "",
        detailed_status: str = "",
    ) -> None:
        what = stack_id, stack_name, logical_id, resource_type
        own = resource_type == _STACK and physical_id == stack_id
        now = None if own else _DEPLOYMENT.get()
        if own and status in _BY_USERS and not reason:
            reason = "User Initiated"
        if now and status == "UPDATE_COMPLETE" and now.unchanged(logical_id):
            return
        if now and status == "CREATE_COMPLETE":
            original(*what, "CREATE_IN_PROGRESS", _INITIATED, physical_id)
            _complete(now, stack_id, logical_id)
        original(*what, status, reason, physical_id, detailed_status)
        _complete(now, stack_id, logical_id)

    return add_event


def _complete(now: _Deployment | None, stack_id: str, logical_id: str) -> None:
    """Give the newest event its properties, and send it."""
    event = loaded(CFN)._stack_events[stack_id][-1]
    if now and logical_id in now.given:
        event["ResourceProperties"] = now.given[logical_id]
    _send(event)


# Who is told -------------------------------------------------------------------------


def _announcing(handler: Any) -> Any:
    """Send the first events too: they are there before the stack has its settings."""

    def create(params: Any) -> Any:
        answer = handler(params)
        name = loaded(f"{CFN}.helpers")._p(params, "StackName")
        stack = loaded(f"{CFN}.handlers")._resolve_stack(name)
        if answer[0] == 200 and stack:
            for event in list(loaded(CFN)._stack_events.get(stack["StackId"], ())):
                _send(event)
        return answer

    return create


def _send(event: Mapping[str, Any]) -> None:
    stack = loaded(CFN)._stacks.get(event["StackName"]) or {}
    for topic in stack.get(SETTINGS, {}).get("NotificationARNs", ()):
        lines = [f"{key}='{event.get(key, '')}'" for key in _KEYS]
        loaded("ministack.services.sns").publish_internal(
            topic, "\n".join(lines) + "\n", "AWS CloudFormation Notification"
        )
