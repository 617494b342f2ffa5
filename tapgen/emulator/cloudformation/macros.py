"""Stacks whose templates use macros of the account, or transforms at the top.

ministack passes over both, and says CREATE_COMPLETE of a template that was never
expanded, in nested stacks whatever the transform.
"""

from __future__ import annotations

import contextvars
import copy
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.read_templates import known, note
from tapgen.emulator.cloudformation.patches.replacing import (
    CFN,
    loaded,
    replace_everywhere,
)
from tapgen.emulator.cloudformation.transforms import (
    Place,
    TransformError,
    calls_macros,
    expand,
    needs_expansion,
)

_LAMBDA = "ministack.services.lambda_svc"
_RESPONSES = "ministack.core.responses"
_MACRO = "AWS::CloudFormation::Macro"
_STACK = "AWS::CloudFormation::Stack"
_ACTIONS = ("CreateStack", "UpdateStack", "CreateChangeSet")

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    CFN: {
        "_stacks": None,
        "handle_request": ("method", "path", "headers", "body", "query_params"),
    },
    f"{CFN}.engine": {
        "_IncludeError": None,
        "_TransformFailed": None,
        "_apply_transforms": ("template", "provided_params", "previous_params"),
        "_fetch_include_snippet": ("location",),
        "_parse_template": ("template_body",),
        "_transform_parameters": ("template", "provided_params", "previous_params"),
    },
    f"{CFN}.handlers": {"_ACTION_HANDLERS": None, "_resolve_stack": ("stack_name",)},
    f"{CFN}.helpers": {
        "_extract_members": ("params", "prefix"),
        "_p": ("params", "key", "default"),
        "_resolve_template": ("params",),
    },
    f"{CFN}.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_check_nested_stack_capabilities": ("parent_stack_name", "template"),
    },
    f"{CFN}.stacks": {"CLIENT_REQUEST_TOKEN": None},
    _RESPONSES: {"get_account_id": (), "get_region": ()},
    _LAMBDA: {
        "_execute_function_with_config_scope": ("func", "event"),
        "_execution_record_for_config": ("func", "config"),
        "_get_func_record_for_ref": ("function_ref",),
    },
    "ministack.core.concurrency": {"run_reentrant": ("fn", "args", "thread_name")},
}
"""Private names of ministack used here, as `private_names` describes them."""

_nested_parameters: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar(
    "tapgen_nested_parameters", default={}
)
# A macro may call the embedded AWS, which the answering thread must be free for: its
# template is expanded on another thread, before the handler asks for it.
_expanded: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar(
    "tapgen_expanded", default=None
)


_AS_IT_IS = "no transform changes it"


def apply() -> None:
    """Expand templates as AWS does; to be called after all other patches of actions."""
    replace_everywhere("_apply_transforms", _with_macros)
    replace_everywhere("_apply_transforms", _where_needed)
    _expand_nested()
    module = loaded(CFN)
    if hasattr(module.handle_request, "awaits"):
        return
    handle = module.handle_request

    async def handling(*request: Any) -> Any:
        answer = await handle(*request)
        return await answer if inspect.isawaitable(answer) else answer

    handling.__signature__ = inspect.signature(handle)  # type: ignore[attr-defined]
    handling.awaits = True  # type: ignore[attr-defined]
    module.handle_request = handling
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    for action in _ACTIONS:
        handlers[action] = _on_thread(handlers[action])


def _where_needed(original: Any) -> Any:
    """Pass over a template that no transform changes, once that is known."""

    def transforms(
        template: Any, provided_params: Any = None, previous_params: Any = None
    ) -> Any:
        if known(template, _AS_IT_IS):
            return template
        expanded = original(template, provided_params, previous_params)
        if expanded is template:
            note(template, _AS_IT_IS)
        return expanded

    return transforms


def _with_macros(original: Any) -> Any:
    def transforms(
        template: Any, provided_params: Any = None, previous_params: Any = None
    ) -> Any:
        engine = loaded(f"{CFN}.engine")
        if isinstance(template, engine._TransformFailed) or not _is_ours(template):
            return _explained(original, template, provided_params, previous_params)
        done = _expanded.get() or {}
        if (key := json.dumps(template, sort_keys=True, default=str)) in done:
            return copy.deepcopy(done[key])
        values = engine._transform_parameters(
            template, provided_params, previous_params
        )
        responses = loaded(_RESPONSES)
        place = Place(responses.get_account_id(), responses.get_region(), values)

        def apply_rest(part: Any) -> Any:
            done = _explained(original, part, provided_params, previous_params)
            if isinstance(done, engine._TransformFailed):
                raise TransformError(done.error)
            return done

        try:
            return expand(template, place, _invoke, _included, apply_rest)
        except TransformError as error:
            return engine._TransformFailed(template, str(error))

    return transforms


def _is_ours(template: Any) -> bool:
    return isinstance(template, Mapping) and needs_expansion(template)


def _explained(original: Any, *given: Any) -> Any:
    """Name the package that the SAM transform needs, not ministack's image."""
    try:
        return original(*given)
    except ValueError as error:
        if "aws-sam-translator" not in str(error):
            raise
        raise ValueError(
            "the transform AWS::Serverless-2016-10-31 needs the package "
            "aws-sam-translator, and it is not installed beside tapgen; run pip "
            "install 'tapgen[sam]' and restart the embedded AWS"
        ) from error


def _included(location: Any) -> Any:
    engine = loaded(f"{CFN}.engine")
    try:
        return engine._fetch_include_snippet(location)
    except engine._IncludeError as error:
        raise TransformError(str(error)) from error


def _invoke(name: str, event: Mapping[str, Any]) -> Any:
    """Call the function of a macro of this account and region; None when it fails."""
    functions = loaded(_LAMBDA)
    found = [
        resource["Properties"]["FunctionName"]
        for stack in loaded(CFN)._stacks.values()
        for resource in (stack.get("_resources") or {}).values()
        if resource["ResourceType"] == _MACRO
        and resource["Properties"].get("Name") == name
    ]
    if not found:
        raise LookupError(name)
    record, config, _ = functions._get_func_record_for_ref(found[0])
    if record is None or config is None:
        return None
    called = functions._execution_record_for_config(record, config)
    answer = functions._execute_function_with_config_scope(called, dict(event))
    return None if answer.get("error") else answer.get("body")


def _on_thread(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Answer a request after the macros of its template."""

    def handling(params: Any) -> Any:
        template = _template(params)
        if template is None or not calls_macros(template):
            return handler(params)
        return _after_macros(handler, params, template)

    return handling


def _template(params: Any) -> Any:
    """The template of a request; None where its handler has to refuse it."""
    body, error = loaded(f"{CFN}.helpers")._resolve_template(params)
    if error or not body or "Transform" not in body:
        return None
    try:
        return loaded(f"{CFN}.engine")._parse_template(body)
    except Exception:  # of whatever the parser raises; the handler says it
        return None


async def _after_macros(
    handler: Callable[[Any], Any], params: Any, template: Any
) -> Any:
    requested = loaded(f"{CFN}.stacks").CLIENT_REQUEST_TOKEN
    sent = requested.get()
    given = loaded(f"{CFN}.helpers")._extract_members(params, "Parameters")
    name = loaded(f"{CFN}.helpers")._p(params, "StackName")
    stack = loaded(f"{CFN}.handlers")._resolve_stack(name) or {}
    has = stack.get("_resolved_params", {})
    run = loaded("ministack.core.concurrency").run_reentrant
    transform = loaded(f"{CFN}.engine")._apply_transforms
    expanded = await run(transform, copy.deepcopy(template), given, has)
    key = json.dumps(template, sort_keys=True, default=str)
    before, token = _expanded.set({key: expanded}), requested.set(sent)
    try:
        return handler(params)
    finally:
        _expanded.reset(before)
        requested.reset(token)


# -- nested stacks --------------------------------------------------------------------


def _expand_nested() -> None:
    """Expand the templates of nested stacks, too: ministack takes them as they are."""

    def checking(original: Any) -> Any:
        def check(parent_stack_name: str, template: Any) -> None:
            engine = loaded(f"{CFN}.engine")
            given = [
                {"Key": name, "Value": str(value)}
                for name, value in _nested_parameters.get().items()
            ]
            expanded = engine._apply_transforms(template, given)
            if (
                not isinstance(expanded, engine._TransformFailed)
                and expanded is not template
            ):
                whole = dict(expanded)
                template.clear()
                template.update(whole)
            original(parent_stack_name, template)
            if isinstance(expanded, engine._TransformFailed):
                raise ValueError(expanded.error)

        return check

    replace_everywhere("_check_nested_stack_capabilities", checking)
    handlers = loaded(f"{CFN}.provisioners")._RESOURCE_HANDLERS[_STACK]
    handlers["create"] = _remembering(handlers["create"], 1)
    handlers["update"] = _remembering(handlers["update"], 2)


def _remembering(handler: Any, place: int) -> Any:
    """Let a nested stack's template know the parameters that its parent gives."""

    def handling(*given: Any, **named: Any) -> Any:
        properties = given[place] if len(given) > place else {}
        parameters = (properties or {}).get("Parameters") or {}
        token = _nested_parameters.set(
            parameters if isinstance(parameters, Mapping) else {}
        )
        try:
            return handler(*given, **named)
        finally:
            _nested_parameters.reset(token)

    return handling
