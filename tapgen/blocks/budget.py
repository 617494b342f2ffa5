"""What things cost: a monthly budget that warns, and a cost category.

    budget.monthly(
        t, "Budget", name=name("monthly"), limit=Ref("MonthlyBudgetUsd"),
        tag=("Project", Ref("ProjectTag")), topic_arn=Ref("AlertTopicArn"),
    )

Both see a tag only once it is activated for cost allocation, in the account that pays,
and from then on: `ce:UpdateCostAllocationTagsStatus`, for which CloudFormation has no
resource.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from troposphere import Sub, Template, budgets, ce

from tapgen.blocks import names

# (what is measured, percent of the limit): spent, and expected by the end of the month.
WARNINGS: Sequence[tuple[str, int]] = (
    ("ACTUAL", 80),
    ("ACTUAL", 100),
    ("FORECASTED", 100),
)


def monthly(
    t: Template,
    title: str,
    *,
    name: str,
    limit: Any,
    tag: tuple[str, str],
    topic_arn: Any,
) -> Any:
    """Add a budget in US dollars for what has a tag (key, value as text for `Fn::Sub`).

    It warns a topic, never an address: subscribers cannot be changed, only replaced
    with the budget, and a budget of a fixed name cannot be replaced.
    """
    key, value = tag
    subscriber = budgets.Subscriber(SubscriptionType="SNS", Address=topic_arn)
    return t.add_resource(
        budgets.Budget(
            title,
            Budget=budgets.BudgetData(
                BudgetName=names.sub(name),
                BudgetType="COST",
                TimeUnit="MONTHLY",
                BudgetLimit=budgets.Spend(Amount=limit, Unit="USD"),
                # The dollar sign that stands between them must not meet that of a variable.
                CostFilters={
                    "TagKeyValue": [Sub(f"user:{key}${{Dollar}}{value}", Dollar="$")]
                },
            ),
            NotificationsWithSubscribers=[
                budgets.NotificationWithSubscribers(
                    Notification=budgets.Notification(
                        NotificationType=measured,
                        ComparisonOperator="GREATER_THAN",
                        Threshold=percent,
                        ThresholdType="PERCENTAGE",
                    ),
                    Subscribers=[subscriber],
                )
                for measured, percent in WARNINGS
            ],
        )
    )


def cost_category(
    t: Template, title: str, *, name: str, tag: str, otherwise: str, condition: str
) -> Any:
    """Add a category that sorts costs by the values of a tag, where a condition holds.

    Costs without the tag are `otherwise`.
    """
    rules = [{"Type": "INHERITED_VALUE", "InheritedValue": _by_tag(tag)}]
    return t.add_resource(
        ce.CostCategory(
            title,
            Condition=condition,
            Name=names.sub(name),
            RuleVersion="CostCategoryExpression.v1",
            Rules=json.dumps(rules),
            DefaultValue=otherwise,
        )
    )


def _by_tag(tag: str) -> dict[str, str]:
    return {"DimensionName": "TAG", "DimensionKey": tag}
