"""The parameters that a template text declares, and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tapgen.template import evaluate
from tapgen.template.values import mapping, scalar


def parameters_of(template: str) -> dict[str, dict[str, Any]]:
    """Return the Parameters block of a template text; empty for a text without one. A
    malformed parameter has no keys."""
    declared = evaluate.block(template, "Parameters")
    return {name: dict(mapping(one)) for name, one in declared.items()}


def complete(values: Mapping[str, Any], template: str) -> dict[str, Any]:
    """Return parameter values with the template's defaults filled in."""
    return {**_defaults(template), **values}


@lru_cache(64)
def _defaults(template: str) -> Mapping[str, str]:
    """Return the defaults of a template text, which thousands of targets have alike."""
    declared = parameters_of(template)
    return {
        name: str(scalar(parameter["Default"]))
        for name, parameter in declared.items()
        if isinstance(parameter, Mapping) and "Default" in parameter
    }
