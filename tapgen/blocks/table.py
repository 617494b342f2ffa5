"""DynamoDB global tables: one table, a replica in each region, all of them writable.

    table.global_table(
        t,
        "Table",
        name=name("payments"),
        key=table.Key("paymentId", "timestamp"),
        indexes={"by-customer": table.Key("customerId", "timestamp")},
        replicas=[
            table.Replica(Ref("PrimaryRegion"), "primary", Ref("KmsKeyArn")),
            table.Replica(Ref("DrRegion"), "dr", Ref("ReplicaKeyArn")),
        ],
        deletion_protection=Ref("DeletionProtection"),
        purpose="payments",
    )

A template with the table belongs in one region only: the others get theirs from it. A
`Table` is known by its name alone, so that roles can be written before it exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from awacs import dynamodb as actions
from awacs import kms
from awacs.aws import Action, ConditionElement, Statement, StringEquals
from troposphere import Ref, Tags, Template, dynamodb

from tapgen.blocks import frame, monitoring, names, security

RECOVERY_DAYS = 35
"""Days back to which a replica can be restored: the most that DynamoDB keeps."""

LAG_MILLISECONDS = 5000
"""How far behind a replica may be before an alarm is raised."""


@dataclass(frozen=True)
class Key:
    """The key of a table or an index: the names of its attributes, all of them text."""

    hash: str
    range: str = ""

    @property
    def attributes(self) -> list[str]:
        """The names, the hash key first."""
        return [name for name in (self.hash, self.range) if name]


@dataclass(frozen=True)
class Replica:
    """The table in one region: the region, its role in the system, and its key.

    The key is of that region. Either all replicas have one or none has.
    """

    region: Any
    role: str
    key_arn: Any = None


@dataclass(frozen=True)
class Table:
    """A table by its name and the regions it is in, both text for `Fn::Sub`.

    `key_arns` are the keys its replicas are encrypted with, in the order of regions.
    """

    name: str
    regions: tuple[str, ...]
    key_arns: tuple[Any, ...] = ()

    @property
    def arns(self) -> list[str]:
        """The ARN in each region, as text for `Fn::Sub`."""
        return [
            names.arn("dynamodb", f"table/{self.name}", region=region)
            for region in self.regions
        ]

    def allow(
        self, sid: str, use: Sequence[Action], *conditions: ConditionElement
    ) -> list[Statement]:
        """What a role needs for some actions on the items, in every region.

        Queries of an index are asked of the index's own ARN.
        """
        resources = [r for arn in self.arns for r in (arn, f"{arn}/index/*")]
        return [
            security.statement(sid, use, resources, *conditions),
            *self._with_keys(f"{sid}Key"),
        ]

    def read(self, sid: str = "ReadItems") -> list[Statement]:
        """What a role needs to get items and to query the table and its indexes."""
        return self.allow(sid, [actions.BatchGetItem, actions.GetItem, actions.Query])

    def write(self, sid: str = "WriteItems") -> list[Statement]:
        """What a role needs to put, change and delete items, also under a condition."""
        return self.allow(
            sid,
            [
                actions.BatchWriteItem,
                actions.ConditionCheckItem,
                actions.DeleteItem,
                actions.PutItem,
                actions.UpdateItem,
            ],
        )

    def _with_keys(self, sid: str) -> list[Statement]:
        """Use of the keys by DynamoDB in their regions, on the caller's behalf."""
        if not self.key_arns:
            return []
        via = [
            names.sub(f"dynamodb.{region}.${{AWS::URLSuffix}}")
            for region in self.regions
        ]
        return [
            security.statement(
                sid,
                [kms.Decrypt, kms.GenerateDataKey],
                list(self.key_arns),
                StringEquals({"kms:ViaService": via}),
            )
        ]


def name_parameter(t: Template, description: str) -> Ref:
    """The parameter for the name of a table that another part of the system makes."""
    pattern = r"^[\w.-]{3,255}$"
    return frame.wired(t, "TableName", description, pattern, "the name of a table")


def global_table(
    t: Template,
    title: str,
    *,
    name: str,
    key: Key,
    replicas: Sequence[Replica],
    deletion_protection: Any,
    purpose: str,
    indexes: Mapping[str, Key] | None = None,
    expires: str = "",
) -> Any:
    """Add a global table, paid by request and restorable to any second.

    One of the replicas is in the stack's own region. `expires` names the attribute
    with the time (in seconds of the epoch) after which an item goes by itself.
    """
    encrypted = [replica.key_arn is not None for replica in replicas]
    assert all(encrypted) or not any(encrypted), "all replicas have a key or none has"
    keys = [key, *(indexes or {}).values()]
    attributes = dict.fromkeys(name for each in keys for name in each.attributes)
    optional: dict[str, Any] = {}
    if indexes:
        optional["GlobalSecondaryIndexes"] = [
            dynamodb.GlobalTableGlobalSecondaryIndex(
                IndexName=index,
                KeySchema=_schema(on),
                Projection=dynamodb.Projection(ProjectionType="ALL"),
            )
            for index, on in indexes.items()
        ]
    if expires:
        optional["TimeToLiveSpecification"] = dynamodb.TimeToLiveSpecification(
            AttributeName=expires, Enabled=True
        )
    if any(encrypted):
        optional["SSESpecification"] = dynamodb.GlobalTableSSESpecification(
            SSEEnabled=True, SSEType="KMS"
        )
    return t.add_resource(
        dynamodb.GlobalTable(
            title,
            # A failed first try leaves nothing behind that the next would trip over;
            # from then on the data outlives the stack.
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            TableName=names.sub(name),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                dynamodb.AttributeDefinition(AttributeName=each, AttributeType="S")
                for each in attributes
            ],
            KeySchema=_schema(key),
            # Without the stream there is nothing to copy to the other regions.
            StreamSpecification=dynamodb.StreamSpecification(
                StreamViewType="NEW_AND_OLD_IMAGES"
            ),
            Replicas=[
                _replica(replica, deletion_protection, purpose) for replica in replicas
            ],
            **optional,
        )
    )


def _schema(key: Key) -> list[Any]:
    kinds = ("HASH", "RANGE")
    return [
        dynamodb.KeySchema(AttributeName=name, KeyType=kind)
        for name, kind in zip(key.attributes, kinds, strict=False)
    ]


def _replica(replica: Replica, deletion_protection: Any, purpose: str) -> Any:
    optional: dict[str, Any] = {}
    if replica.key_arn is not None:
        optional["SSESpecification"] = dynamodb.ReplicaSSESpecification(
            KMSMasterKeyId=replica.key_arn
        )
    return dynamodb.ReplicaSpecification(
        Region=replica.region,
        PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(
            PointInTimeRecoveryEnabled=True, RecoveryPeriodInDays=RECOVERY_DAYS
        ),
        DeletionProtectionEnabled=deletion_protection,
        Tags=Tags(Purpose=purpose, RegionRole=replica.role),
        **optional,
    )


_INDEX = "GlobalSecondaryIndexName"


def alarms(
    t: Template,
    *,
    table: str,
    alarm_name: str,
    topic_arn: Any,
    operations: Sequence[str] = (),
    indexes: Iterable[str] = (),
    title: str = "Table",
) -> None:
    """Alarms on a table in the stack's region; `alarm_name` has a `%s` for each.

    Throttled reads and writes are those of the table, and of each of its `indexes`,
    which have metrics of their own: a throttled index holds up writes to the table.
    `operations` (`PutItem`, `Query` …) add an alarm on the throttled requests of each.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    """
    dimensions = {"TableName": names.sub(table)}
    events = (("ReadThrottleEvents", "reads"), ("WriteThrottleEvents", "writes"))
    watched: list[tuple[str, str, dict[str, Any]]] = [
        *((metric, what, dimensions) for metric, what in events),
        *(
            (metric, f"{what}-{index}", {**dimensions, _INDEX: index})
            for index in indexes
            for metric, what in events
        ),
        *(
            ("ThrottledRequests", operation, {**dimensions, "Operation": operation})
            for operation in operations
        ),
    ]
    for metric, what, measured in watched:
        words = "".join(word[0].upper() + word[1:] for word in what.split("-"))
        of = f"the index {measured[_INDEX]}" if _INDEX in measured else "the table"
        monitoring.alarm(
            t,
            f"{title}Throttled{words}Alarm",
            name=alarm_name % f"throttled-{what.lower()}",
            description=f"DynamoDB throttles {what.partition('-')[0]} of {of}",
            namespace="AWS/DynamoDB",
            metric=metric,
            dimensions=measured,
            statistic="Sum",
            period=60,
            datapoints=(2, 5),
            comparison=">",
            threshold=0,
            missing="notBreaching",
            topic_arn=topic_arn,
        )


def lag_alarm(
    t: Template, title: str, *, name: str, table: str, to: Any, topic_arn: Any
) -> None:
    """An alarm on how long items take to reach the table in another region.

    DynamoDB publishes it in the region that sends, for each region that receives.
    """
    monitoring.alarm(
        t,
        title,
        name=name,
        description="Items take more than five seconds to reach the other region",
        namespace="AWS/DynamoDB",
        metric="ReplicationLatency",
        dimensions={"TableName": names.sub(table), "ReceivingRegion": to},
        statistic="Average",
        period=60,
        datapoints=(5, 5),
        comparison=">",
        threshold=LAG_MILLISECONDS,
        missing="notBreaching",
        topic_arn=topic_arn,
    )
