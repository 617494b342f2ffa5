"""How a function of ministack's CloudFormation is replaced."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

CFN = "ministack.services.cloudformation"
"""The package of ministack's CloudFormation."""


@cache
def loaded(name: str) -> Any:
    """Return a module of ministack, untyped: what it has is private."""
    return import_module(name)


def replace_everywhere(name: str, wrap: Callable[[Any], Any]) -> None:
    """Replace a function in each module of CloudFormation that imported it by name.

    `wrap` takes the original and returns the replacement, which gets the original's
    signature. A module that was left out would go on with the old behaviour.
    """
    modules = [module for module in _modules() if hasattr(module, name)]
    original = getattr(modules[0], name)
    replacement = wrap(original)
    replacement.__signature__ = inspect.signature(original)
    replacement.__name__ = name
    for module in modules:
        if getattr(module, name) is original:
            setattr(module, name, replacement)


def _modules() -> list[ModuleType]:
    import_module("ministack.app")
    import_module(CFN)
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name == CFN or name.startswith(f"{CFN}.")
    ]


def wrap_action(action: str, wrap: Callable[[Any], Any]) -> None:
    """Replace the handler of an API action of CloudFormation."""
    handlers = loaded(f"{CFN}.handlers")._ACTION_HANDLERS
    handlers[action] = wrap(handlers[action])
