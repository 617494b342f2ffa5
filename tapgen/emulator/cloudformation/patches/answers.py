"""Answers of CloudFormation with the keys that AWS's have, and without the others.

ministack forgets what a caller set (role, notifications, timeout, rollback triggers) and
answers what is not there as an empty text or list. Clients read these keys: Sceptre's
`diff` reads `NotificationARNs`, others ask whether `Outputs` is there.

What is there and what is not: API reference, `Stack` and `DescribeChangeSet`, and over
60 recordings of real AWS in localstack/localstack, tests/aws/services/cloudformation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any
from xml.etree import ElementTree

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded, wrap_action

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {"_stack_events": None, "_stacks": None},
    f"{CFN}.changesets": {"_find_change_set": ("cs_name", "stack_name")},
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {"_p": ("params", "key", "default")},
}
"""Private names of ministack used here, as `private_names` describes them."""

Handler = Callable[[Any], Any]
Settings = Mapping[str, Any]

_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
SETTINGS = "_settings"
"""Where a stack or change set has what its caller set, by the name of the parameter."""

_MARKS = ("NotificationARNs", "RollbackConfiguration")
# What AWS leaves out when there is nothing to tell.
_LEFT_OUT_OF_STACKS = ("Description", "Parameters", "Outputs", "StackStatusReason")
_LEFT_OUT_OF_CHANGE_SETS = ("Description", "Parameters", "Tags", "StatusReason")


def apply() -> None:
    """Remember what callers set, and answer with the keys that AWS has."""
    wrap_action("CreateStack", _remembering)
    wrap_action("UpdateStack", _remembering)
    wrap_action("CreateChangeSet", _remembering_for_change_set)
    wrap_action("ExecuteChangeSet", _handing_over)
    wrap_action("DescribeStacks", _stacks_as_aws)
    wrap_action("DescribeChangeSet", _change_set_as_aws)
    wrap_action("DescribeStackEvents", _events_as_aws)


# What callers set --------------------------------------------------------------------


def given_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a request: `Parameter` -> text, list of texts, or mapping."""
    read = loaded(f"{CFN}.helpers")._p
    found: dict[str, Any] = {
        name: read(params, name)
        for name in ("RoleARN", "TimeoutInMinutes")
        if read(params, name)
    }
    if any(key.split(".")[0] == "NotificationARNs" for key in params):
        found["NotificationARNs"] = _members(params, "NotificationARNs.member")
    if any(key.startswith("RollbackConfiguration.") for key in params):
        found["RollbackConfiguration"] = _rollback(params)
    return found


def _members(params: Mapping[str, Any], prefix: str) -> list[str]:
    read = loaded(f"{CFN}.helpers")._p
    found: list[str] = []
    while value := read(params, f"{prefix}.{len(found) + 1}"):
        found.append(value)
    return found


def _rollback(params: Mapping[str, Any]) -> dict[str, Any]:
    read, prefix = loaded(f"{CFN}.helpers")._p, "RollbackConfiguration"
    triggers: list[Any] = []
    while True:
        member = f"{prefix}.RollbackTriggers.member.{len(triggers) + 1}"
        arn, kind = read(params, f"{member}.Arn"), read(params, f"{member}.Type")
        if not arn:
            break
        triggers.append({"Arn": arn, "Type": kind})
    found: dict[str, Any] = {"RollbackTriggers": triggers} if triggers else {}
    minutes = read(params, f"{prefix}.MonitoringTimeInMinutes")
    return found | ({"MonitoringTimeInMinutes": minutes} if minutes else {})


def _stack(params: Mapping[str, Any]) -> Any:
    name = loaded(f"{CFN}.helpers")._p(params, "StackName")
    return loaded(f"{CFN}.handlers")._resolve_stack(name)


def _change_set(params: Mapping[str, Any]) -> Any:
    read, stack = loaded(f"{CFN}.helpers")._p, _stack(params)
    name = stack["StackName"] if stack else read(params, "StackName")
    find = loaded(f"{CFN}.changesets")._find_change_set
    return find(read(params, "ChangeSetName"), name)[1]


CHANGES: ContextVar[bool] = ContextVar("changes_settings", default=False)
"""Whether the request that is handled gives a stack other settings than it has."""


def _remembering(handler: Handler) -> Handler:
    def handle(params: Any) -> Any:
        has = (_stack(params) or {}).get(SETTINGS, {})
        given = given_settings(params)
        token = CHANGES.set(any(has.get(name) != given[name] for name in given))
        try:
            answer = handler(params)
        finally:
            CHANGES.reset(token)
        stack = _stack(params)
        if answer[0] == 200 and stack:
            stack[SETTINGS] = has | given
        return answer

    return handle


def _remembering_for_change_set(handler: Handler) -> Handler:
    def create(params: Any) -> Any:
        answer = handler(params)
        change_set = _change_set(params) if answer[0] == 200 else None
        if change_set:
            stack = _stack(params) or {}
            change_set[SETTINGS] = stack.get(SETTINGS, {}) | given_settings(params)
            read = loaded(f"{CFN}.helpers")._p
            nested = read(params, "IncludeNestedStacks", "false").lower()
            change_set["IncludeNestedStacks"] = nested
        return answer

    return create


def _handing_over(handler: Handler) -> Handler:
    """Give the stack what its change set says, and the change set's id."""

    def execute(params: Any) -> Any:
        change_set = _change_set(params)
        answer = handler(params)
        stack = loaded(CFN)._stacks.get(change_set["StackName"]) if change_set else None
        if answer[0] == 200 and stack:
            stack[SETTINGS] = change_set.get(SETTINGS, {})
            stack["ChangeSetId"] = change_set["ChangeSetId"]
            described = change_set["_template"].get("Description", "")
            stack["Description"] = str(described)
        return answer

    return execute


# What is answered --------------------------------------------------------------------


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"


def written(root: ElementTree.Element) -> bytes:
    """An answer as the bytes that CloudFormation sends."""
    ElementTree.register_namespace("", _NAMESPACE)
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def add(parent: ElementTree.Element, name: str, value: Any) -> None:
    """Add a key with a text, a list or a mapping to an answer."""
    element = ElementTree.SubElement(parent, _tag(name))
    if isinstance(value, Mapping):
        for key, one in value.items():
            add(element, key, one)
    elif isinstance(value, list):
        for one in value:
            add(element, "member", one)
    else:
        element.text = str(value)


def drop_empty(parent: ElementTree.Element, names: Iterable[str]) -> None:
    """Remove the keys among `names` that tell nothing."""
    for name in names:
        element = parent.find(_tag(name))
        if element is not None and not len(element) and not element.text:
            parent.remove(element)


def reshaped(handler: Handler, shape: Callable[[Any, Any], None]) -> Handler:
    """A handler whose good answers `shape(root, request)` changes in place."""

    def handle(params: Any) -> Any:
        status, headers, body = handler(params)
        if status != 200:
            return status, headers, body
        root = ElementTree.fromstring(body)
        shape(root, params)
        return status, headers, written(root)

    return handle


def _stacks_as_aws(handler: Handler) -> Handler:
    def shape(root: ElementTree.Element, params: Any) -> None:
        resolve = loaded(f"{CFN}.handlers")._resolve_stack
        for place in root.iterfind(".//{*}Stacks/{*}member"):
            stack = resolve(place.findtext(_tag("StackId"))) or {}
            _resolved(place, stack)
            drop_empty(place, _LEFT_OUT_OF_STACKS)
            for output in place.iterfind("./{*}Outputs/{*}member"):
                drop_empty(output, ("Description",))
            settings = stack.get(SETTINGS, {})
            _add_settings(place, settings)
            for name in ("ChangeSetId", "DeletionTime", "ParentId"):
                if stack.get(name) and place.find(_tag(name)) is None:
                    add(place, name, stack[name])

    return reshaped(handler, shape)


def _add_settings(place: ElementTree.Element, settings: Settings) -> None:
    add(place, "NotificationARNs", settings.get("NotificationARNs", []))
    add(place, "RollbackConfiguration", settings.get("RollbackConfiguration", {}))
    for name in ("RoleARN", "TimeoutInMinutes"):
        if name in settings:
            add(place, name, settings[name])


def _resolved(place: ElementTree.Element, of: Mapping[str, Any]) -> None:
    """Tell of a parameter from SSM its name, and beside it the value found there.

    API reference, Parameter: ResolvedValue is "the value that corresponds to a Systems
    Manager parameter key".
    """
    for member in place.iterfind("./{*}Parameters/{*}member"):
        name = member.findtext(_tag("ParameterKey"))
        found = of.get("_resolved_params", {}).get(name, {})
        key = found.get("SsmName")
        value = member.find(_tag("ParameterValue"))
        if key and value is not None:
            add(member, "ResolvedValue", value.text or "")
            value.text = key


def _change_set_as_aws(handler: Handler) -> Handler:
    def shape(root: ElementTree.Element, params: Any) -> None:
        place = root.find("./{*}DescribeChangeSetResult")
        change_set = _change_set(params)
        if place is None or not change_set:
            return
        _resolved(place, change_set)
        drop_empty(place, _LEFT_OUT_OF_CHANGE_SETS)
        settings = change_set.get(SETTINGS, {})
        _add_settings(place, {k: v for k, v in settings.items() if k in _MARKS})
        nested = change_set.get("IncludeNestedStacks", "false")
        add(place, "IncludeNestedStacks", nested)

    return reshaped(handler, shape)


def _events_as_aws(handler: Handler) -> Handler:
    def shape(root: ElementTree.Element, params: Any) -> None:
        stack = _stack(params) or {}
        events = loaded(CFN)._stack_events.get(stack.get("StackId"), ())
        known = {event["EventId"]: event for event in events}
        for place in root.iterfind(".//{*}StackEvents/{*}member"):
            drop_empty(place, ("ResourceStatusReason",))
            event = known.get(place.findtext(_tag("EventId")), {})
            if "ResourceProperties" in event:
                add(place, "ResourceProperties", event["ResourceProperties"])

    return reshaped(handler, shape)
