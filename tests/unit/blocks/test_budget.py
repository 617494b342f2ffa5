"""Budgets that warn in time, of the right things."""

from __future__ import annotations

import json

from troposphere import Template

from tapgen.blocks import budget


def test_a_budget_warns_a_topic_at_80_and_100_percent() -> None:
    t = Template()
    budget.monthly(
        t,
        "Budget",
        name="pd-x-monthly",
        limit=1000,
        tag=("Project", "${ProjectTag}"),
        topic_arn="topic",
    )
    found = t.to_dict()["Resources"]["Budget"]["Properties"]
    warned = {
        (n["Notification"]["NotificationType"], n["Notification"]["Threshold"])
        for n in found["NotificationsWithSubscribers"]
    }
    assert {("ACTUAL", 80), ("ACTUAL", 100)} <= warned
    for notification in found["NotificationsWithSubscribers"]:
        assert notification["Subscribers"] == [
            {"SubscriptionType": "SNS", "Address": "topic"}
        ]
    (tag,) = found["Budget"]["CostFilters"]["TagKeyValue"]
    text, values = tag["Fn::Sub"]
    assert text.replace("${Dollar}", values["Dollar"]) == "user:Project$${ProjectTag}"


def test_a_cost_category_inherits_the_values_of_a_tag() -> None:
    t = Template()
    budget.cost_category(
        t, "Category", name="pd-x", tag="DR-Role", otherwise="none", condition="Has"
    )
    found = t.to_dict()["Resources"]["Category"]
    assert found["Condition"] == "Has"
    (rule,) = json.loads(found["Properties"]["Rules"])
    assert rule["InheritedValue"]["DimensionKey"] == "DR-Role"
