"""Texts of errors that tools read: CloudFormation answers ValidationError for almost all.

Recorded on real AWS (localstack/localstack, tests/aws/services/cloudformation, api:
test_resources, test_templates, test_changesets, test_change_set_parameters).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded, wrap_action

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_p": ("params", "key", "default"),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""

Find = Callable[[str, Mapping[str, Any]], str | None]
"""The text about a request to a stack of this name, None where nothing is wrong."""


def apply() -> None:
    """Answer in AWS's words about stacks and resources that are not there."""
    no_stack = _unless_there("Stack '{name}' does not exist")
    for action in ("DescribeStackResource", "DescribeStackResources"):
        _refuse(action, no_stack, _no_resource)
    _refuse("DescribeChangeSet", _unless_there("Stack [{name}] does not exist"))
    no_id = _unless_there("Stack with id {name} does not exist")
    _refuse("GetTemplate", _no_name, no_id)
    _refuse("ListStackResources", no_id)
    for action in ("CreateStack", "UpdateStack", "CreateChangeSet"):
        _refuse(action, _no_url)
    _refuse("CreateStack", _no_template)


def _refuse(action: str, *finds: Find) -> None:
    def wrap(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def handle(params: Any) -> Any:
            helpers = loaded(f"{CFN}.helpers")
            name = helpers._p(params, "StackName")
            for find in finds:
                text = find(name, params)
                if text:
                    return helpers._error("ValidationError", text)
            return handler(params)

        return handle

    wrap_action(action, wrap)


def _stack(name: str) -> Any:
    return loaded(f"{CFN}.handlers")._resolve_stack(name)


def _unless_there(text: str) -> Find:
    def find(name: str, params: Mapping[str, Any]) -> str | None:
        return text.format(name=name) if name and not _stack(name) else None

    return find


def _no_resource(name: str, params: Mapping[str, Any]) -> str | None:
    wanted = loaded(f"{CFN}.helpers")._p(params, "LogicalResourceId")
    stack = _stack(name) if wanted else None
    if not stack or wanted in stack.get("_resources", {}):
        return None
    return f"Resource {wanted} does not exist for stack {name}"


def _no_name(name: str, params: Mapping[str, Any]) -> str | None:
    if name or loaded(f"{CFN}.helpers")._p(params, "ChangeSetName"):
        return None
    return "StackName is required if ChangeSetName is not specified."


def _no_template(name: str, params: Mapping[str, Any]) -> str | None:
    read = loaded(f"{CFN}.helpers")._p
    given = read(params, "TemplateBody") or read(params, "TemplateURL")
    return None if given else "Either Template URL or Template Body must be specified."


def _no_url(name: str, params: Mapping[str, Any]) -> str | None:
    """A template is read from S3 only (API reference, TemplateURL); here also from the
    loopback address, as clients with an endpoint of their own address S3."""
    url = loaded(f"{CFN}.helpers")._p(params, "TemplateURL")
    if not url:
        return None
    host = urlsplit(url).hostname or ""
    local = host in ("localhost", "127.0.0.1") or host.endswith(".localhost")
    aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return None if local or aws else "TemplateURL must be a supported URL."
