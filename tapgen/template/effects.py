"""Whether a new template changes anything in a stack, or only what is written about it.

CloudFormation applies only what adds, changes or removes resources, or changes outputs:
"During a stack update, you cannot update the Description section by itself. You can
update it only when you include changes that add, modify, or delete resources" (user
guide, "CloudFormation template Description syntax"; the same for "Metadata syntax" and
"Conditions syntax"). A parameter whose use leads to the same values, or a resource whose
condition is false, is no change either (aws-cloudformation/cloudformation-coverage-
roadmap#2027). An output alone is one, and so is the Metadata attribute of a resource
(#2027, #1185).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tapgen.model import HIDDEN, Target
from tapgen.template import evaluate
from tapgen.template.evaluate import Evaluated
from tapgen.template.values import LATER, identical, mapping

WORDS = ("Description", "Metadata", "AWSTemplateFormatVersion")
"""The sections that say something and do nothing."""

# Sections in which any difference counts, as far as they are not evaluated.
_AS_WRITTEN = ("Outputs", "Transform", "Hooks")
# What a parameter gives to a template; its texts and constraints change no stack.
_GIVEN = ("Type", "Default", "NoEcho")


def sections(old: str, new: str) -> tuple[str, ...]:
    """Return the sections in which two template texts differ."""
    before, after = _body(old), _body(new)
    return tuple(
        name
        for name in dict.fromkeys((*before, *after))
        if not identical(before.get(name), after.get(name))
    )


def only_words(old: str, new: str) -> bool:
    """Whether two template texts differ in descriptions and metadata at most."""
    return bool(_body(old)) and {*sections(old, new)} <= {*WORDS}


def has_effect(old: str, new: str, values: Mapping[str, Any], target: Target) -> bool:
    """Whether a stack with these values changes when it gets another template.

    True also where that cannot be told without AWS.
    """
    before, after = _body(old), _body(new)
    if not before or not after:
        return True
    if not identical(_promised(before), _promised(after)):
        return True
    known = {k: {LATER: k} if v == HIDDEN else v for k, v in values.items()}
    was = evaluate.evaluate(before, known, target)
    now = evaluate.evaluate(after, known, target)
    if _has_open_condition(was, now):
        if not identical(_section(before), _section(after)):
            return True
    sides = [[_resources(side), side.outputs] for side in (was, now)]
    return not identical(*sides)


def _promised(body: Mapping[str, Any]) -> Any:
    parameters = {
        name: {key: mapping(one).get(key) for key in _GIVEN}
        for name, one in mapping(body.get("Parameters")).items()
    }
    return parameters, {name: body.get(name) for name in _AS_WRITTEN}


def _section(body: Mapping[str, Any]) -> Any:
    return body.get("Conditions")


def _has_open_condition(*sides: Evaluated) -> bool:
    return any(value is None for one in sides for value in one.conditions.values())


def _resources(evaluated: Evaluated) -> Mapping[str, Any]:
    """The resources that are there, without the name of the condition for that."""
    return {
        logical_id: {k: v for k, v in resource.items() if k != "Condition"}
        for logical_id, resource in evaluated.resources.items()
    }


def _body(text: str) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}
