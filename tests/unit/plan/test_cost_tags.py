"""What a plan says of budgets that count by tags which are not active."""

from __future__ import annotations

import json
from collections.abc import Collection

from tapgen import plan
from tapgen.errors import Denied
from tapgen.model import Target
from tapgen.plan import cost_tags
from tests import make
from tests.make import ACCOUNT, EAST

COSTS = make.template(
    resources={
        "Budget": {
            "Type": "AWS::Budgets::Budget",
            "Properties": {
                "Budget": {
                    "CostFilters": {
                        "TagKeyValue": [
                            {"Fn::Sub": ["user:Project${D}shop", {"D": "$"}]}
                        ]
                    }
                }
            },
        },
        "Expressed": {
            "Type": "AWS::Budgets::Budget",
            "Properties": {
                "Budget": {
                    "FilterExpression": {
                        "Not": {"Tags": {"Key": "Team", "Values": ["shop"]}}
                    }
                }
            },
        },
        "Category": {
            "Type": "AWS::CE::CostCategory",
            "Properties": {
                "Rules": json.dumps(
                    [
                        {
                            "InheritedValue": {
                                "DimensionName": "TAG",
                                "DimensionKey": "Role",
                            }
                        }
                    ]
                )
            },
        },
    }
)


def warned(active: set[str] | None, *, deployed: bool = False) -> list[str]:
    def answer(target: Target, keys: Collection[str]) -> frozenset[str]:
        assert (target, {*keys}) == (EAST, {"Project", "Role", "Team"})
        if active is None:
            raise Denied("ce:ListCostAllocationTags", "AccessDenied", "Linked account")
        return frozenset(active) & frozenset(keys)

    costs = make.stack_set(text=COSTS)
    there = {costs.name: make.observed(costs)} if deployed else {}
    return list(cost_tags.warnings(plan.make(make.system(costs), there), answer))


def test_a_budget_by_a_tag_that_is_not_active_is_named_with_what_to_do() -> None:
    (line,) = warned({"Role", "Team"})
    assert ACCOUNT in line and "budget" in line
    assert line.endswith("TagKey=Project,Status=Active")


def test_what_a_member_account_cannot_read_is_said() -> None:
    (line,) = warned(None)
    assert "not known" in line and "Linked account" in line and "payer" in line


def test_nothing_is_said_where_all_is_active_or_nothing_changes() -> None:
    assert warned({"Role", "Project", "Team"}) == []
    assert warned({"Role"}, deployed=True) == []
