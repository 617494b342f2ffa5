"""DynamoDB global tables: one table with a writable replica in each region.

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

Deploy the template with the table in one region only: DynamoDB creates the other
replicas. A `Table` is only a name, so roles can refer to it before it exists.

Without `strong` a table has eventual consistency: a condition is judged in one region,
and of two writes to one item at once the last wins. With it (MRSC) conditions are judged
against the latest version anywhere, for the price of slower writes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from awacs import dynamodb as actions
from awacs import kms
from awacs.aws import Action, ConditionElement, Statement, StringEquals
from troposphere import If, NoValue, Ref, Tags, Template, dynamodb

from tapgen.blocks import context, frame, monitoring, names, security
from tapgen.frozen import dataclass

RECOVERY_DAYS = 35
"""Days of point-in-time recovery: DynamoDB's maximum."""

LAG_MILLISECONDS = 5000
"""The replication lag that triggers an alarm."""


@dataclass(frozen=True)
class Key:
    """The key of a table or an index: the names of its attributes, all strings."""

    hash: str
    range: str = ""

    @property
    def attributes(self) -> list[str]:
        """The names, the hash key first."""
        return [name for name in (self.hash, self.range) if name]


@dataclass(frozen=True)
class Replica:
    """A replica of the table: its region, region role and key.

    The key is in that region. Either all replicas have one, or none.
    """

    region: Any
    role: str
    key_arn: Any = None


@dataclass(frozen=True)
class Strong:
    """Multi-Region strong consistency, if a condition holds: two replicas and a witness.

    `witness` is the region of the witness, which is none of the replicas'.
    """

    condition: str
    witness: Any


class _GlobalTable(dynamodb.GlobalTable):  # type: ignore[misc]
    """With the property that troposphere does not know yet."""

    props = {**dynamodb.GlobalTable.props, "GlobalTableWitnesses": (list, False)}


@dataclass(frozen=True)
class Table:
    """A table, by its name and regions, both text for `Fn::Sub`.

    `key_arns` are the keys of its replicas, in the order of regions.
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
        """Allow some actions on the items, in every region.

        Queries of an index require the ARN of the index.
        """
        resources = [r for arn in self.arns for r in (arn, f"{arn}/index/*")]
        return [
            security.statement(sid, use, resources, *conditions),
            *self._with_keys(f"{sid}Key"),
        ]

    def read(self, sid: str = "ReadItems") -> list[Statement]:
        """Allow getting items, and querying the table and its indexes."""
        return self.allow(sid, [actions.BatchGetItem, actions.GetItem, actions.Query])

    def write(self, sid: str = "WriteItems") -> list[Statement]:
        """Allow putting, updating and deleting items, also under a condition."""
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
        """Allow DynamoDB to use the keys in their regions, on the caller's behalf."""
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
    """Add the parameter for the name of a table from another part of the system."""
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
    strong: Strong | None = None,
) -> Any:
    """Add a global table with on-demand capacity and point-in-time recovery.

    One of the replicas is in the stack's own region. `expires` is the attribute with
    the time to live, in seconds of the epoch; a table with `strong` cannot have it.
    """
    assert not (expires and strong), "a table with strong consistency expires nothing"
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
    if strong is not None:
        optional["MultiRegionConsistency"] = If(strong.condition, "STRONG", NoValue)
        optional["GlobalTableWitnesses"] = If(
            strong.condition, [{"Region": strong.witness}], NoValue
        )
    return t.add_resource(
        _GlobalTable(
            title,
            # A failed creation leaves no table behind that blocks the next one; after
            # that, the data outlives the stack.
            DeletionPolicy="RetainExceptOnCreate",
            UpdateReplacePolicy="Retain",
            Metadata=context.metadata("table"),
            TableName=names.sub(name),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                dynamodb.AttributeDefinition(AttributeName=each, AttributeType="S")
                for each in attributes
            ],
            KeySchema=_schema(key),
            # Replication to the other regions requires the stream.
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
    """Add alarms on a table in the stack's region; `alarm_name` has a `%s` for each.

    Throttled reads and writes are those of the table, and of each of its `indexes`,
    which have metrics of their own: a throttled index blocks writes to the table.
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
    t: Template,
    title: str,
    *,
    name: str,
    table: str,
    to: Any,
    topic_arn: Any,
    condition: str = "",
) -> None:
    """Add the alarm on replication latency to another region.

    DynamoDB publishes it in the source region, for each receiving region; not for tables
    with strong consistency, so `condition` is that the table has none.
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
        condition=condition,
    )
