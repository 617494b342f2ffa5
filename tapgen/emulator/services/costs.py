"""Cost Explorer, which ministack lacks: cost categories, and which tags are activated.

Nothing costs anything here, so there is nothing to explore.
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Operations_AWS_Cost_Explorer_Service.html
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Mapping

from tapgen.emulator.services.registry import Record, Refusal, Service, place, unknown
from tapgen.emulator.state.tracked import Tracked

NAME = "ce"

# By ARN, which has the account in it.
_categories: dict[str, Record] = Tracked()
# By account and key.
_allocated: dict[str, str] = Tracked()

_SETTINGS = ("RuleVersion", "Rules", "DefaultValue", "SplitChargeRules")


def _answer(action: str, given: Record) -> Record:
    operation = _OPERATIONS.get(action)
    if operation is None:
        raise unknown(action)
    return operation(given)


def _found(arn: str) -> Record:
    record = _categories.get(arn)
    if record is None or arn.split(":")[4] != place()[0]:
        raise Refusal("ResourceNotFoundException", f"No cost category found for {arn}")
    return record


def _named(name: str) -> bool:
    account = place()[0]
    return any(
        each["Name"] == name and arn.split(":")[4] == account
        for arn, each in _categories.items()
    )


def _create(given: Record) -> Record:
    if _named(given["Name"]):
        raise Refusal(
            "ValidationException",
            f"Failed to create Cost Category: {given['Name']} already exists",
        )
    arn = f"arn:aws:ce::{place()[0]}:costcategory/{uuid.uuid4()}"
    # Categories take effect at the beginning of the month.
    start = datetime.date.today().replace(day=1).isoformat() + "T00:00:00Z"
    _categories[arn] = {
        "CostCategoryArn": arn,
        "Name": given["Name"],
        "EffectiveStart": given.get("EffectiveStart", start),
        **{name: given[name] for name in _SETTINGS if name in given},
        "Tags": {tag["Key"]: tag["Value"] for tag in given.get("ResourceTags", [])},
    }
    return _effective(_categories[arn])


def _effective(record: Record) -> Record:
    return {name: record[name] for name in ("CostCategoryArn", "EffectiveStart")}


def _describe(given: Record) -> Record:
    record = dict(_found(given["CostCategoryArn"]))
    record.pop("Tags")
    return {"CostCategory": record}


def _update(given: Record) -> Record:
    record = _found(given["CostCategoryArn"])
    record.update({name: given[name] for name in _SETTINGS if name in given})
    return _effective(record)


def _delete(given: Record) -> Record:
    record = _found(given["CostCategoryArn"])
    del _categories[given["CostCategoryArn"]]
    return {"CostCategoryArn": record["CostCategoryArn"]}


def _tag(given: Record) -> Record:
    tags = _found(given["ResourceArn"])["Tags"]
    tags.update({tag["Key"]: tag["Value"] for tag in given["ResourceTags"]})
    return {}


def _untag(given: Record) -> Record:
    tags = _found(given["ResourceArn"])["Tags"]
    for key in given["ResourceTagKeys"]:
        tags.pop(key, None)
    return {}


def _list_tags(given: Record) -> Record:
    tags = _found(given["ResourceArn"])["Tags"]
    return {"ResourceTags": [{"Key": k, "Value": v} for k, v in tags.items()]}


def _allocate(given: Record) -> Record:
    for entry in given["CostAllocationTagsStatus"]:
        _allocated[f"{place()[0]}:{entry['TagKey']}"] = entry["Status"]
    return {"Errors": []}


def _allocations(given: Record) -> Record:
    prefix = f"{place()[0]}:"
    found = [
        {"TagKey": key[len(prefix) :], "Type": "UserDefined", "Status": status}
        for key, status in sorted(_allocated.items())
        if key.startswith(prefix) and given.get("Status") in (None, status)
    ]
    return {"CostAllocationTags": found}


_OPERATIONS: Mapping[str, Callable[[Record], Record]] = {
    "CreateCostCategoryDefinition": _create,
    "DeleteCostCategoryDefinition": _delete,
    "DescribeCostCategoryDefinition": _describe,
    "ListCostAllocationTags": _allocations,
    "ListTagsForResource": _list_tags,
    "TagResource": _tag,
    "UntagResource": _untag,
    "UpdateCostAllocationTagsStatus": _allocate,
    "UpdateCostCategoryDefinition": _update,
}

SERVICE = Service(NAME, _answer, "AWSInsightsIndexService")
