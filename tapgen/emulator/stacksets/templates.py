"""Checks of CreateStackSet and UpdateStackSet on a template, and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlsplit

from tapgen.emulator.cloudformation.patches.template_bodies import large_bodies
from tapgen.emulator.cloudformation.template_checks import path_style
from tapgen.emulator.wire.inner import Inner, Place
from tapgen.emulator.wire.query_protocol import ServiceError, invalid

BODY_LIMIT = 51_200
URL_LIMIT = 1_000_000
LOOPBACK = ("127.0.0.1", "localhost")  # the emulator itself
# "If you have IAM resources with custom names, you must specify
# CAPABILITY_NAMED_IAM" (CreateStackSet, Capabilities).
IAM_NAMES = {
    "AWS::IAM::AccessKey": None,
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::UserToGroupAddition": None,
}


_reader: ContextVar[Place | None] = ContextVar("tapgen_reader", default=None)


async def load(inner: Inner, caller: Place, request: Mapping[str, Any]) -> str | None:
    """The template a request carries, by value or by URL; None when it has none."""
    body, url = request.get("TemplateBody"), request.get("TemplateURL")
    if body is not None and url is not None:
        raise invalid("You cannot specify both TemplateBody and TemplateURL")
    if url is not None:
        return await fetch(inner, caller, url)
    if body is not None and len(body.encode()) > BODY_LIMIT:
        raise invalid(
            f"1 validation error detected: Value '{body}' at 'templateBody' failed to "
            "satisfy constraint: Member must have length less than or equal to "
            f"{BODY_LIMIT}"
        )
    return None if body is None else str(body)


@contextmanager
def read_by(caller: Place) -> Iterator[None]:
    """Read objects as `caller` in the block: a delegate acts for another account."""
    token = _reader.set(caller)
    try:
        yield
    finally:
        _reader.reset(token)


async def fetch(inner: Inner, owner: Place, url: str) -> str:
    """The text of an S3 object by its URL; ServiceError when there is none."""
    bucket, key = _object(url)
    try:
        data = await inner.get_object(_reader.get() or owner, bucket, key)
        text = data.decode()
    except (ServiceError, UnicodeDecodeError) as error:
        raise invalid(f"S3 error: {getattr(error, 'message', error)}") from error
    if len(data) > URL_LIMIT:
        raise invalid(f"Template may not exceed {URL_LIMIT} bytes in size.")
    return text


def _object(url: str) -> tuple[str, str]:
    """Bucket and key of an S3 URL, path-style or virtual-hosted."""
    parts = urlsplit(path_style(url))
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    host = parts.hostname or ""
    if not key or not (host in LOOPBACK or host == "s3.amazonaws.com"):
        raise invalid("TemplateURL must be a supported URL.")
    return bucket, key


async def check(
    inner: Inner, caller: Place, template: str, capabilities: Iterable[str]
) -> dict[str, Any]:
    """The parsed template; ServiceError as CloudFormation refuses a bad one."""
    parsed = parse(template)
    resources = parsed.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise invalid(
            "Template format error: At least one Resources member must be defined."
        )
    with large_bodies():
        await inner.query(
            caller, "cloudformation", "ValidateTemplate", TemplateBody=template
        )
    needed = required_capabilities(parsed)
    given = set(capabilities)
    if "CAPABILITY_NAMED_IAM" in given:
        given.add("CAPABILITY_IAM")
    missing = [capability for capability in needed if capability not in given]
    if missing:
        raise ServiceError(
            "InsufficientCapabilitiesException",
            f"Requires capabilities : [{', '.join(missing)}]",
        )
    return parsed


def parse(template: str) -> dict[str, Any]:
    """A template's content; ServiceError when it is neither JSON nor YAML."""
    from ministack.services.cloudformation.engine import _parse_template

    try:
        parsed: dict[str, Any] = _parse_template(template)
    except Exception as error:
        # JSON's, YAML's and ministack's own errors: all mean the same here.
        raise invalid(f"Template format error: {error}") from error
    refusal = getattr(parsed, "error", None)  # see `patches.validation`
    if refusal is not None:
        raise invalid(refusal)
    return parsed


def required_capabilities(template: Mapping[str, Any]) -> list[str]:
    """The capabilities a caller must acknowledge for a template."""
    named = plain = False
    for resource in resources(template).values():
        kind = resource.get("Type") if isinstance(resource, dict) else None
        if kind in IAM_NAMES:
            name = IAM_NAMES[kind]
            properties = resource.get("Properties") or {}
            named = named or (name is not None and name in properties)
            plain = True
    needed = []
    if named:
        needed.append("CAPABILITY_NAMED_IAM")
    elif plain:
        needed.append("CAPABILITY_IAM")
    if transforms(template):
        needed.append("CAPABILITY_AUTO_EXPAND")
    return needed


def resources(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resources of a template, none when it has no such section."""
    found = template.get("Resources")
    return found if isinstance(found, dict) else {}


def transforms(template: Mapping[str, Any]) -> bool:
    """Whether a template uses macros."""
    return bool(template.get("Transform")) or _has_transform(template)


def _has_transform(node: Any) -> bool:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "Fn::Transform" in node:
                return True
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return False


def parameters(
    template: Mapping[str, Any],
    given: Iterable[Mapping[str, Any]],
    previous: Mapping[str, str],
    keep: bool = False,
) -> dict[str, str]:
    """The value of every parameter of a template.

    A parameter that is not given takes its default; its previous value only with `keep`.
    ServiceError for unknown parameters and for those without any value.
    """
    defined: Mapping[str, Any] = template.get("Parameters") or {}
    values = {
        key: _default(definition["Default"])
        for key, definition in defined.items()
        if isinstance(definition, dict) and "Default" in definition
    }
    if keep:
        values.update((k, v) for k, v in previous.items() if k in defined)
    values.update(chosen(defined, given, previous))
    missing = [key for key in defined if key not in values]
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def chosen(
    defined: Iterable[str],
    given: Iterable[Mapping[str, Any]],
    previous: Mapping[str, str],
) -> dict[str, str]:
    """The values given, `UsePreviousValue` replaced by the previous value if any."""
    known = set(defined)
    values: dict[str, str] = {}
    unknown: list[str] = []
    for parameter in given:
        key = parameter.get("ParameterKey", "")
        if key not in known:
            unknown.append(key)
        elif parameter.get("UsePreviousValue"):
            if "ParameterValue" in parameter:
                raise invalid(
                    "You cannot specify both usePreviousValue as true and a "
                    f"parameter value for parameter {key}"
                )
            if key in previous:
                values[key] = previous[key]
        else:
            values[key] = parameter.get("ParameterValue", "")
    if unknown:
        raise invalid(
            f"Parameters: [{', '.join(unknown)}] do not exist in the template"
        )
    return values


def no_echo(template: Mapping[str, Any]) -> frozenset[str]:
    """The parameters whose values are never shown."""
    defined: Mapping[str, Any] = template.get("Parameters") or {}
    return frozenset(
        key
        for key, definition in defined.items()
        if str((definition or {}).get("NoEcho", False)).lower() == "true"
    )


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)
