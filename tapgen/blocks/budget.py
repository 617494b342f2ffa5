"""Costs: a monthly budget with notifications, and a cost category.

    budget.monthly(
        t, "Budget", name=name("monthly"), limit=Ref("MonthlyBudgetUsd"),
        tag=("Project", Ref("ProjectTag")), topic_arn=Ref("AlertTopicArn"),
    )

Both count a tag only from its activation for cost allocation, in the payer account:
`ce:UpdateCostAllocationTagsStatus`, for which CloudFormation has no resource.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from troposphere import Sub, Template, budgets, ce

from tapgen.blocks import names

# (what is measured, percent of the limit): actual and forecast costs of the month.
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
    """Add a budget in US dollars for the costs with a tag (key, value for `Fn::Sub`).

    It notifies a topic, not an address: a change of subscribers replaces the budget,
    and a budget with a fixed name cannot be replaced.
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
                # The dollar sign between them must not join that of a variable.
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
    """Add a cost category by the values of a tag, if a condition is true.

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
