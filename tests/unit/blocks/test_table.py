"""Global tables, and what it takes to use them."""

from __future__ import annotations

from typing import Any

import pytest
from awacs import dynamodb as actions
from troposphere import Ref, Template, encode_to_dict

from tapgen.blocks import table

KEY = table.Key("paymentId", "timestamp")
HERE = table.Replica("us-east-1", "primary", "key-1")
THERE = table.Replica("us-west-2", "dr", "key-2")


def built(**more: Any) -> dict[str, Any]:
    t = Template()
    given: dict[str, Any] = {
        "name": "pd-x-payments",
        "key": KEY,
        "replicas": [HERE, THERE],
        "deletion_protection": True,
        "purpose": "payments",
        **more,
    }
    table.global_table(t, "Table", **given)
    properties = t.to_dict()["Resources"]["Table"]["Properties"]
    assert isinstance(properties, dict)
    return properties


def test_a_table_streams_and_every_replica_is_restorable_and_protected() -> None:
    properties = built()
    assert properties["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    for replica in properties["Replicas"]:
        recovery = replica["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True
        assert replica["DeletionProtectionEnabled"] is True


def test_either_all_replicas_have_a_key_or_none_has() -> None:
    assert built()["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    plain = [table.Replica("us-east-1", "primary"), table.Replica("us-west-2", "dr")]
    properties = built(replicas=plain)
    assert "SSESpecification" not in properties
    assert all("SSESpecification" not in r for r in properties["Replicas"])
    with pytest.raises(AssertionError, match="all replicas have a key or none"):
        built(replicas=[HERE, plain[1]])


def test_attributes_are_declared_once_and_only_for_keys() -> None:
    properties = built(
        indexes={
            "by-customer": table.Key("customerId", "timestamp"),
            "by-status": table.Key("status"),
        },
        expires="goneAt",
    )
    assert [a["AttributeName"] for a in properties["AttributeDefinitions"]] == [
        *("paymentId", "timestamp", "customerId", "status"),
    ]
    assert properties["KeySchema"] == [
        {"AttributeName": "paymentId", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]
    assert [len(i["KeySchema"]) for i in properties["GlobalSecondaryIndexes"]] == [2, 1]
    assert properties["TimeToLiveSpecification"] == {
        "AttributeName": "goneAt",
        "Enabled": True,
    }


def plain(statements: list[Any]) -> list[dict[str, Any]]:
    return [encode_to_dict(statement) for statement in statements]


def test_statements_name_table_and_indexes_in_every_region() -> None:
    known = table.Table("pd-x-payments", ("us-east-1", "us-west-2"))
    for statements in (
        known.read(),
        known.write(),
        known.allow("Use", [actions.GetItem]),
    ):
        (statement,) = plain(statements)
        resources = [next(iter(r.values())) for r in statement["Resource"]]
        assert resources == [
            f"arn:${{AWS::Partition}}:dynamodb:{region}:${{AWS::AccountId}}"
            f":table/pd-x-payments{suffix}"
            for region in ("us-east-1", "us-west-2")
            for suffix in ("", "/index/*")
        ]
        assert not any("*" in action for action in statement["Action"])
        assert "dynamodb:Scan" not in statement["Action"]


def test_keys_are_used_through_dynamodb_only() -> None:
    known = table.Table("x", ("us-east-1", "us-west-2"), (Ref("One"), Ref("Two")))
    use, key = plain(known.read("Look"))
    assert (use["Sid"], key["Sid"]) == ("Look", "LookKey")
    assert key["Resource"] == [{"Ref": "One"}, {"Ref": "Two"}]
    via = key["Condition"]["StringEquals"]["kms:ViaService"]
    assert [next(iter(v.values())) for v in via] == [
        "dynamodb.us-east-1.${AWS::URLSuffix}",
        "dynamodb.us-west-2.${AWS::URLSuffix}",
    ]


def test_throttled_requests_are_watched_by_operation() -> None:
    t = Template()
    table.alarms(
        t, table="x", alarm_name="x-%s", topic_arn="topic", operations=["PutItem"]
    )
    alarms = {
        r["Properties"]["MetricName"]: r["Properties"]
        for r in t.to_dict()["Resources"].values()
    }
    assert set(alarms) == {
        *("ReadThrottleEvents", "WriteThrottleEvents", "ThrottledRequests")
    }
    # Without the operation there is no such metric, and the alarm never goes off.
    assert alarms["ThrottledRequests"]["Dimensions"] == [
        {"Name": "TableName", "Value": "x"},
        {"Name": "Operation", "Value": "PutItem"},
    ]
    assert alarms["ThrottledRequests"]["AlarmName"] == "x-throttled-putitem"


def test_throttled_indexes_are_watched_each_by_itself() -> None:
    t = Template()
    table.alarms(
        t, table="x", alarm_name="x-%s", topic_arn="topic", indexes=["by-name"]
    )
    built = t.to_dict()["Resources"]
    for what, metric in (("Reads", "ReadThrottle"), ("Writes", "WriteThrottle")):
        alarm = built[f"TableThrottled{what}ByNameAlarm"]["Properties"]
        assert alarm["MetricName"] == f"{metric}Events"
        assert alarm["AlarmName"] == f"x-throttled-{what.lower()}-by-name"
        # The events of an index are not among those of its table.
        assert alarm["Dimensions"] == [
            {"Name": "TableName", "Value": "x"},
            {"Name": "GlobalSecondaryIndexName", "Value": "by-name"},
        ]
        assert "index by-name" in alarm["AlarmDescription"]
    assert len(built) == 4


def test_a_late_replica_is_watched_by_the_region_that_receives() -> None:
    t = Template()
    table.lag_alarm(t, "Lag", name="x-lag", table="x", to=Ref("There"), topic_arn="t")
    alarm = t.to_dict()["Resources"]["Lag"]["Properties"]
    assert alarm["Dimensions"][1] == {
        "Name": "ReceivingRegion",
        "Value": {"Ref": "There"},
    }


def test_a_table_of_another_part_is_known_by_name() -> None:
    t = Template()
    table.name_parameter(t, "The table.")
    found = t.to_dict()["Parameters"]["TableName"]
    assert found["ConstraintDescription"] == "the name of a table"
