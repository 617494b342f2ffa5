"""Cost allocation tags that a plan's budgets and cost categories count by.

A tag counts only from its activation, for which CloudFormation has no resource: a budget
by another tag is created, and never warns.
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from tapgen.errors import AwsError
from tapgen.model import Target
from tapgen.plan.model import Plan
from tapgen.template import diff

_BUDGET, _CATEGORY = "AWS::Budgets::Budget", "AWS::CE::CostCategory"
_WHAT = {_BUDGET: "budget", _CATEGORY: "cost category"}


def warnings(
    plan: Plan, active: Callable[[Target, Collection[str]], frozenset[str]]
) -> Iterator[str]:
    """Yield a line for each account in which a plan creates or changes what counts by a
    tag that is not active, or where that cannot be read.

    `active` is `aws.cost_tags.active` of a caller.
    """
    for target, keys in _counted(plan).items():
        what = " and ".join(sorted({_WHAT[kind] for kind in keys.values()}))
        try:
            missing = sorted({*keys} - active(target, keys))
        except AwsError as error:
            yield (
                f"whether the tags {', '.join(sorted(keys))} are active for cost "
                f"allocation in {target.account} is not known ({error}); the {what} "
                "counts nothing by a tag that is not: check it in the payer account, "
                "under Cost allocation tags"
            )
            continue
        if missing:
            status = " ".join(f"TagKey={key},Status=Active" for key in missing)
            yield (
                f"not active for cost allocation in {target.account}: "
                f"{', '.join(missing)}; the {what} counts nothing until then. Once "
                "resources have the tag, and AWS lists it (up to 24 hours later), run in "
                "the payer account: aws ce update-cost-allocation-tags-status "
                f"--cost-allocation-tags-status {status}"
            )


def _counted(plan: Plan) -> Mapping[Target, Mapping[str, str]]:
    """The tag keys by target, one for each account, with the type that counts by it."""
    found: dict[str, tuple[Target, dict[str, str]]] = {}
    for step in plan.steps:
        for target, changes in step.changes.items():
            for change in changes:
                if change.type in _WHAT and change.verb is not diff.Verb.REMOVE:
                    _, keys = found.setdefault(target.account, (target, {}))
                    keys |= dict.fromkeys(_keys(change.type, change.after), change.type)
    return {target: keys for target, keys in found.values() if keys}


def _keys(kind: str, properties: Any) -> Iterator[str]:
    match properties:
        case {"Budget": {"CostFilters": {"TagKeyValue": [*values]}}}:
            for value in values:
                if isinstance(value, str) and value.startswith("user:"):
                    yield value.removeprefix("user:").partition("$")[0]
        case {"Budget": {"FilterExpression": expression}}:
            yield from _tags(expression)
        case {"Rules": str(rules)} if kind == _CATEGORY:
            yield from _tags(json.loads(rules) if _is_json(rules) else [])


def _tags(node: Any) -> Iterator[str]:
    """The keys of the tags in the rules of a cost category, or in the expression of a
    budget."""
    match node:
        case {"DimensionName": "TAG", "DimensionKey": str(key)}:
            yield key
        case {"Tags": {"Key": str(key)}}:
            yield key
        case dict():
            for inner in node.values():
                yield from _tags(inner)
        case list():
            for inner in node:
                yield from _tags(inner)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
