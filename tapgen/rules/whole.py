"""What CloudFormation refuses of a template as a whole, before it creates anything."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tapgen.model import SELF, Target
from tapgen.rules.base import TEMPLATE_REFERENCE, USER_GUIDE, Found, Rule, deployed_to
from tapgen.rules.values import Path, get
from tapgen.rules.view import Place, View
from tapgen.template import evaluate
from tapgen.template.values import MAX_DEPTH, PLACEHOLDER

# Stands for an account whose number is not known: an organizational unit.
_SOME_ACCOUNT = "ou-"


class NullInTemplate(Rule):
    id = "E9594"
    shortdesc = "A template has a null"
    description = (
        "CloudFormation rejects a template with a null anywhere in it: a key without a"
        " value, `~` or `null`, also in Metadata, mappings, policies and event patterns."
        " Remove the key, or give it a value. AWS::NoValue removes a property under a"
        " condition, and a string of JSON can hold a null where a property accepts one."
    )
    source_url = f"{USER_GUIDE}template-formats.html"
    at = "Resources/NoCoupon/Properties/EventPattern/detail/coupon/0"
    bad = """\
Resources:
  NoCoupon:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [shop], detail: {coupon: [null]}}
"""
    good = bad.replace("[null]", "[{exists: false}]")

    def check(self, view: View) -> Iterator[Found]:
        waiting: list[tuple[Path, Any]] = [((), view.template)]
        while waiting:
            path, node = waiting.pop()
            if node is None:
                yield path, (
                    f"[/{'/'.join(map(str, path))}] 'null' values are not allowed in"
                    " templates; remove the key or give it a value"
                )
            elif isinstance(node, Mapping):
                waiting += [((*path, str(key)), inner) for key, inner in node.items()]
            elif isinstance(node, list):
                waiting += [((*path, n), inner) for n, inner in enumerate(node)]


class ReferenceToNothing(Rule):
    id = "E9595"
    shortdesc = "A resource is referred to where its condition is false"
    description = (
        "CloudFormation rejects a template that refers to a resource whose condition is"
        " false: Unresolved resource dependencies. In a stack set that fails in some"
        " targets only, after others have changed. Give the resource or output that"
        " refers to it the same condition, or put the reference into Fn::If. In tapgen"
        " lint, this rule replaces W1001 and E3005 of cfn-lint for conditions whose"
        " outcome is known at every target."
    )
    source_url = f"{TEMPLATE_REFERENCE}intrinsic-function-reference-conditions.html"
    needs_targets = True
    replaces = ("W1001", "E3005")
    deployment = deployed_to("us-east-1", "us-west-1")
    at = "Resources/Where/Properties/Value"
    bad = """\
Conditions:
  IsMain: !Equals [!Ref AWS::Region, us-east-1]
Resources:
  Replica:
    Type: AWS::SNS::Topic
    Condition: IsMain
  Where:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !GetAtt Replica.TopicName
"""
    good = bad.replace(
        "!GetAtt Replica.TopicName", "!If [IsMain, !GetAtt Replica.TopicName, none]"
    )

    def check(self, view: View) -> Iterator[Found]:
        declared = get(view.template, "Resources")
        if not isinstance(declared, Mapping) or not _conditional(declared):
            return
        found: dict[tuple[Path, str], list[str]] = {}
        for place in view.places:
            if place.target:
                for path, name in _missing(view, place, declared):
                    found.setdefault((path, name), []).append(str(place.target))
        for (path, name), places in found.items():
            condition = get(declared, name, "Condition")
            why = f": its condition {condition} is false" * isinstance(condition, str)
            yield path, (
                f"{name} is not created in {', '.join(places)}{why}. CloudFormation"
                f" rejects the template there (Unresolved resource dependencies [{name}]"
                f" in the {path[0]} block of the template); put the reference into"
                f" Fn::If, or give {path[1]} the same condition"
            )


def decided(view: View) -> frozenset[str]:
    """Return the conditions whose outcome is known at every target of a template."""
    if not view.known:
        return frozenset()
    each = [
        {name for name, outcome in sure.conditions.items() if outcome is not None}
        for sure in (_sure(view, place) for place in view.places)
    ]
    return frozenset(set.intersection(*each))


def is_decided(known: frozenset[str], rule: str, message: str) -> bool:
    """Return whether a finding of cfn-lint is about conditions with a known outcome
    only, so that `ReferenceToNothing` reports what there is."""
    names = set(re.findall(r"condition '([^']+)' is", message))
    return rule in ReferenceToNothing.replaces and bool(names) and names <= known


def _conditional(declared: Mapping[str, Any]) -> bool:
    return any(get(it, "Condition") is not None for it in declared.values())


def _sure(view: View, place: Place) -> evaluate.Evaluated:
    """Return a template at a place as far as it is certain: only a plan resolves which
    account `self` is."""
    if place.account != SELF:
        return place.evaluated
    entry = view.stack_sets[place.entry]
    body = view.template if view.written is None else view.written
    given = view.given(place)
    return evaluate.evaluate(
        body, given, Target(_SOME_ACCOUNT, place.region), entry.get("name")
    )


def _missing(
    view: View, place: Place, declared: Mapping[str, Any]
) -> Iterator[tuple[Path, str]]:
    """Yield the references at a place to resources that do not exist there."""
    sure = _sure(view, place)
    absent = {str(name) for name in declared} - sure.resources.keys()
    if not absent:
        return
    outputs = get(view.template, "Outputs")
    parts: list[tuple[Path, Any]] = []
    for name, it in sure.resources.items():
        if _exists(it, sure.conditions):
            parts.append((("Resources", name), it))
    for name, value in sure.outputs.items():
        written = get(outputs, name)
        if _exists(written, sure.conditions):
            parts.append((("Outputs", name, "Value"), value))
            parts.append((("Outputs", name, "Export"), get(written, "Export")))
    for path, part in parts:
        for inner, name in _references(part, path, sure.conditions):
            if name in absent:
                yield inner, name


def _exists(part: Any, conditions: Mapping[str, bool | None]) -> bool:
    condition = part.get("Condition") if isinstance(part, Mapping) else None
    return condition is None or conditions.get(str(condition)) is True


def _references(
    node: Any, path: Path, conditions: Mapping[str, bool | None]
) -> Iterator[tuple[Path, str]]:
    """Yield the names that are certainly referred to below a node, with their paths."""
    if len(path) > MAX_DEPTH:
        return
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _references(item, (*path, number), conditions)
        return
    if not isinstance(node, Mapping):
        return
    match node:
        case {"Fn::If": [str(name), yes, no], **more} if not more:
            outcome = conditions.get(name)
            if outcome is not None:
                branch = (yes, 1) if outcome else (no, 2)
                place = (*path, "Fn::If", branch[1])
                yield from _references(branch[0], place, conditions)
            return
        case {"Ref": str(name), **more} if not more:
            yield path, name
            return
        case {"Fn::GetAtt": str(name) | [str(name), *_], **more} if not more:
            yield path, name.partition(".")[0]
            return
        case {"Fn::Sub": str(text) | [str(text), _], **more} if not more:
            own = node["Fn::Sub"][1] if isinstance(node["Fn::Sub"], list) else {}
            own = own if isinstance(own, Mapping) else {}
            for name in PLACEHOLDER.findall(text):
                if name not in own:
                    yield path, name.partition(".")[0]
            yield from _references(list(own.values()), path, conditions)
            return
    for key, inner in node.items():
        if key == "DependsOn" and len(path) == 2:
            for name in [inner] if isinstance(inner, str) else inner or ():
                yield (*path, "DependsOn"), str(name)
        else:
            yield from _references(inner, (*path, str(key)), conditions)
