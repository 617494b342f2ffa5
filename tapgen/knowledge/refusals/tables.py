"""What DynamoDB refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.knowledge.custom_names import CUSTOM_NAMED
from tapgen.knowledge.refusals.model import RENAME, Refusal, Rule

_TABLE: Mapping[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
_WITH_DAY = {
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "day", "AttributeType": "S"},
    ]
}
_STREAM = {"StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"}}
_ONE_INDEX = (
    "roll out in steps: add or remove one index, wait until it is ACTIVE, then roll "
    "out the next one"
)
_STRONG: Mapping[str, Any] = {
    "MultiRegionConsistency": "STRONG",
    "GlobalTableWitnesses": [{"Region": "us-west-2"}],
}
_CONSISTENCY = (
    "give the old value again; for another one make a second table, in a system with "
    "another suffix or under another name and logical id, copy the items while nobody "
    "writes, let its users follow, and then delete the first one"
)
_TTL_WORDS = "TimeToLive is active on a different AttributeName: {old}"
_TTL_ADVICE = (
    "roll out twice: first with Enabled: false and the old attribute, then, an hour "
    "later, with the new attribute and Enabled: true"
)


def _index(
    name: str, key: str = "day", projection: str = "ALL", **more: Any
) -> Mapping[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "Projection": {"ProjectionType": projection},
        **more,
    }


def _indexes(*indexes: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**_TABLE, **_WITH_DAY, "GlobalSecondaryIndexes": list(indexes)}


def _global(*regions: str, **more: Any) -> Mapping[str, Any]:
    replicas = [{"Region": region} for region in regions]
    return {**_TABLE, **_STREAM, "Replicas": replicas, **more}


def _expiring(attribute: str, enabled: bool = True) -> Mapping[str, Any]:
    found = {"AttributeName": attribute, "Enabled": enabled}
    return {"TimeToLiveSpecification": found}


def _named(
    type: str,
    path: str,
    after: Mapping[str, Any],
    neutral: Mapping[str, Any],
    source: str,
    checked: str = "",
) -> Refusal:
    """What replaces a table, which must not have a name of its own then."""
    base = {**_global("us-east-1"), "TableName": "orders"}
    if type == "AWS::DynamoDB::Table":
        base = {**_TABLE, "TableName": "orders"}
    return Refusal(
        type=type,
        path=path,
        rule=Rule.CHANGED,
        held={"TableName": ()},
        same=("TableName",),
        although_replaced=True,
        words=CUSTOM_NAMED,
        code="",
        advice=RENAME,
        source=source,
        checked=checked,
        before=base,
        after={**base, **after},
        neutral={**base, **neutral},
    )


def _changed_index(
    type: str,
    source: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    neutral: Mapping[str, Any],
    checked: str = "",
) -> Refusal:
    return Refusal(
        type=type,
        path="GlobalSecondaryIndexes",
        rule=Rule.ITEM_CHANGED,
        key="IndexName",
        parts=("KeySchema", "Projection"),
        words=(
            "Cannot update GSI's properties other than Provisioned Throughput and "
            "Contributor Insights Specification. You can create a new GSI with a "
            "different name."
        ),
        advice=(
            "roll out twice: first add an index with another name, then, when it is "
            "ACTIVE and used, remove this one"
        ),
        source=source,
        checked=checked,
        before=before,
        after=after,
        neutral=neutral,
    )


_OTHER_KEY = {
    "AttributeDefinitions": [{"AttributeName": "no", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "no", "KeyType": "HASH"}],
}
_BY_DAY = {
    "IndexName": "by-day",
    "KeySchema": [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "day", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "ALL"},
}

TABLES: tuple[Refusal, ...] = (
    _named(
        "AWS::DynamoDB::Table",
        "KeySchema",
        _OTHER_KEY,
        {"TableName": "orders-2", **_OTHER_KEY},
        source="resource reference of AWS::DynamoDB::Table, TableName and KeySchema",
        checked="ministackorg/ministack#1433 (UPDATE_ROLLBACK_COMPLETE, data kept)",
    ),
    _named(
        "AWS::DynamoDB::Table",
        "LocalSecondaryIndexes",
        {**_WITH_DAY, "LocalSecondaryIndexes": [_BY_DAY]},
        {"TableName": "orders-2", **_WITH_DAY, "LocalSecondaryIndexes": [_BY_DAY]},
        source=(
            "resource reference of AWS::DynamoDB::Table, TableName and "
            "LocalSecondaryIndexes"
        ),
    ),
    _named(
        "AWS::DynamoDB::GlobalTable",
        "KeySchema",
        _OTHER_KEY,
        {"TableName": "orders-2", **_OTHER_KEY},
        source="resource reference of AWS::DynamoDB::GlobalTable, TableName",
    ),
    Refusal(
        type="AWS::DynamoDB::Table",
        path="AttributeDefinitions",
        rule=Rule.ITEM_CHANGED,
        key="AttributeName",
        held={"TableName": ()},
        same=("TableName",),
        although_replaced=True,
        words=CUSTOM_NAMED,
        code="",
        advice=RENAME,
        source=(
            "resource reference of AWS::DynamoDB::Table, AttributeDefinitions: another "
            "type of an attribute replaces the table"
        ),
        checked="ministackorg/ministack#1433 (this very change)",
        before={**_TABLE, "TableName": "orders"},
        after={
            **_TABLE,
            "TableName": "orders",
            "AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "N"},
            ],
        },
        neutral={**_TABLE, "TableName": "orders", "DeletionProtectionEnabled": True},
    ),
    Refusal(
        type="AWS::DynamoDB::Table",
        path="GlobalSecondaryIndexes",
        rule=Rule.SEVERAL_ITEMS,
        key="IndexName",
        words=(
            "Cannot perform more than one GSI creation or deletion in a single update"
        ),
        advice=_ONE_INDEX,
        source="aws/aws-cdk#14920",
        checked="aws-amplify/amplify-cli#12826 (event with its HandlerErrorCode)",
        before=_TABLE,
        after=_indexes(_index("by-day"), _index("by-date")),
        neutral=_indexes(_index("by-day")),
    ),
    _changed_index(
        type="AWS::DynamoDB::Table",
        source="aws-amplify/amplify-cli#11384",
        checked="bcgov/parks-reso-api#554 (a projection)",
        before=_indexes(_index("by-day")),
        after=_indexes(_index("by-day", projection="KEYS_ONLY")),
        neutral=_indexes(
            _index("by-day", ContributorInsightsSpecification={"Enabled": True})
        ),
    ),
    Refusal(
        type="AWS::DynamoDB::Table",
        path="TimeToLiveSpecification/AttributeName",
        rule=Rule.CHANGED,
        held={"TimeToLiveSpecification/Enabled": ("true",)},
        then={"TimeToLiveSpecification/Enabled": ("true",)},
        words=_TTL_WORDS,
        advice=_TTL_ADVICE,
        source="go-to-k/cdkd#932",
        checked="govuk-one-login/authentication-api#5572, aws/aws-cdk#13106",
        before={**_TABLE, **_expiring("expires")},
        after={**_TABLE, **_expiring("gone_after")},
        neutral={**_TABLE, **_expiring("expires", enabled=False)},
    ),
    Refusal(
        type="AWS::DynamoDB::Table",
        path="StreamSpecification/StreamViewType",
        rule=Rule.CHANGED,
        held={"StreamSpecification/StreamViewType": ()},
        then={"StreamSpecification/StreamViewType": ()},
        words="Table already has an enabled stream: TableName: {name}",
        advice=(
            "roll out twice: first without StreamSpecification, then with the other "
            "view type; readers of the stream must take its new ARN"
        ),
        source="hashicorp/terraform-provider-aws#18402",
        checked="scylladb/scylladb#6939 (the same sentence, from a test against AWS)",
        before={**_TABLE, "StreamSpecification": {"StreamViewType": "NEW_IMAGE"}},
        after={**_TABLE, "StreamSpecification": {"StreamViewType": "OLD_IMAGE"}},
        neutral=_TABLE,
    ),
    Refusal(
        type="AWS::DynamoDB::GlobalTable",
        path="Replicas",
        rule=Rule.SEVERAL_ITEMS,
        key="Region",
        words="You can only add or remove a single replica in each update",
        advice=(
            "roll out in steps: add or remove one replica, wait until it is ACTIVE, "
            "then roll out the next one"
        ),
        source="resource reference of AWS::DynamoDB::GlobalTable, Replicas",
        checked="aws/aws-cdk#26563 (review), go-to-k/cdkd#388",
        before=_global("us-east-1", "us-west-2"),
        after=_global("us-east-1", "us-east-2"),
        neutral=_global("us-east-1", "us-west-2", "us-east-2"),
    ),
    Refusal(
        type="AWS::DynamoDB::GlobalTable",
        path="GlobalSecondaryIndexes",
        rule=Rule.SEVERAL_ITEMS,
        key="IndexName",
        words=(
            "Cannot perform more than one GSI creation or deletion in a single update"
        ),
        advice=_ONE_INDEX,
        source=(
            "resource reference of AWS::DynamoDB::GlobalTable, GlobalSecondaryIndexes"
        ),
        before=_global("us-east-1"),
        after=_global(
            "us-east-1",
            **_WITH_DAY,
            GlobalSecondaryIndexes=[_index("by-day"), _index("by-date")],
        ),
        neutral=_global(
            "us-east-1", **_WITH_DAY, GlobalSecondaryIndexes=[_index("by-day")]
        ),
    ),
    _changed_index(
        type="AWS::DynamoDB::GlobalTable",
        source=(
            "resource reference of AWS::DynamoDB::GlobalTable GlobalSecondaryIndex: "
            "KeySchema and Projection, updates are not supported"
        ),
        before=_global(
            "us-east-1", **_WITH_DAY, GlobalSecondaryIndexes=[_index("by-day")]
        ),
        after=_global(
            "us-east-1",
            **_WITH_DAY,
            GlobalSecondaryIndexes=[_index("by-day", projection="KEYS_ONLY")],
        ),
        neutral=_global("us-east-1"),
    ),
    Refusal(
        type="AWS::DynamoDB::GlobalTable",
        path="MultiRegionConsistency",
        rule=Rule.CHANGED,
        default="EVENTUAL",
        words="You cannot change a global table's consistency mode after creation",
        advice=_CONSISTENCY,
        source="DynamoDB developer guide, How DynamoDB global tables work",
        checked="API reference of DynamoDB, UpdateTable (MultiRegionConsistency)",
        before=_global("us-east-1", "us-east-2"),
        after=_global("us-east-1", "us-east-2", **_STRONG),
        neutral=_global("us-east-1", "us-east-2", MultiRegionConsistency="EVENTUAL"),
    ),
    Refusal(
        type="AWS::DynamoDB::GlobalTable",
        path="GlobalTableWitnesses",
        rule=Rule.ITEM_REMOVED,
        key="Region",
        then={"MultiRegionConsistency": ("STRONG",)},
        words="You cannot delete a single replica or a witness from a MRSC global table",
        advice=_CONSISTENCY,
        source="DynamoDB developer guide, How DynamoDB global tables work",
        checked="API reference of DynamoDB, GlobalTableWitnessGroupUpdate",
        before=_global("us-east-1", "us-east-2", **_STRONG),
        after=_global(
            "us-east-1",
            "us-east-2",
            **{**_STRONG, "GlobalTableWitnesses": [{"Region": "ca-central-1"}]},
        ),
        neutral=_global("us-east-1", "us-east-2", **_STRONG),
    ),
    Refusal(
        type="AWS::DynamoDB::GlobalTable",
        path="TimeToLiveSpecification/AttributeName",
        rule=Rule.CHANGED,
        held={"TimeToLiveSpecification/Enabled": ("true",)},
        then={"TimeToLiveSpecification/Enabled": ("true",)},
        words=_TTL_WORDS,
        advice=_TTL_ADVICE,
        source="API reference of DynamoDB, UpdateTimeToLive",
        before=_global("us-east-1", **_expiring("expires")),
        after=_global("us-east-1", **_expiring("gone_after")),
        neutral=_global("us-east-1", **_expiring("expires", enabled=False)),
    ),
)
"""Refusals of DynamoDB."""
