"""CloudFormation's actions that the embedded AWS reports as not emulated.

ministack calls them unknown, as if the request were wrong. They are the registry
of types and publishers, generated templates, resource scans and stack refactoring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

ACTIONS = (
    "ActivateType",
    "BatchDescribeTypeConfigurations",
    "CreateGeneratedTemplate",
    "CreateStackRefactor",
    "DeactivateType",
    "DeleteGeneratedTemplate",
    "DeregisterType",
    "DescribeAccountLimits",
    "DescribeChangeSetHooks",
    "DescribeGeneratedTemplate",
    "DescribePublisher",
    "DescribeResourceScan",
    "DescribeStackRefactor",
    "DescribeType",
    "DescribeTypeRegistration",
    "EstimateTemplateCost",
    "ExecuteStackRefactor",
    "GetGeneratedTemplate",
    "GetHookResult",
    "ListGeneratedTemplates",
    "ListHookResults",
    "ListResourceScanRelatedResources",
    "ListResourceScanResources",
    "ListResourceScans",
    "ListStackRefactorActions",
    "ListStackRefactors",
    "ListTypeRegistrations",
    "ListTypeVersions",
    "ListTypes",
    "PublishType",
    "RecordHandlerProgress",
    "RegisterPublisher",
    "RegisterType",
    "SetTypeConfiguration",
    "SetTypeDefaultVersion",
    "StartResourceScan",
    "TestType",
    "UpdateGeneratedTemplate",
)
"""Their names."""


def apply() -> None:
    """Let ministack answer each with UnsupportedOperation and the reason."""
    handlers = import_module("ministack.services.cloudformation.handlers")
    for action in ACTIONS:
        handlers._ACTION_HANDLERS.setdefault(action, _refusing(action))


def _refusing(action: str) -> Callable[[Any], Any]:
    message = f"{action} is not emulated by the embedded AWS"
    return partial(_refuse, message)


def _refuse(message: str, params: Any) -> Any:
    helpers = import_module("ministack.services.cloudformation.helpers")
    return helpers._error("UnsupportedOperation", message, 400)
