"""Systems in memory: what their procedures ask and change, in both regions.

A call to a lost region raises what botocore raises. Calls go through `Faults`, as those of
the StackSets and the bucket of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, EndpointConnectionError

from tapgen.model import Target
from tests.systems.test_loss import ACCOUNT, ROLES, cluster, region, role_of
from tests.unit.rollout.fakes import Bucket, Cloud, Faults

GLOBAL = "pd-prod-db-global"
# What is changed; everything else only reads.
WRITES = {
    *("PutItem", "PutMetricData"),
    *("SwitchoverGlobalCluster", "FailoverGlobalCluster"),
    *("CreateDBSnapshot", "DeleteDBSnapshot", "UpdateStack", "Publish"),
}


@dataclass
class World:
    """Both regions. `closed` are the items that close a region, `switch` is the value of the
    metric that brings traffic to dr, `minute` counts values of it that have no effect.
    `refused` is an action that nobody may call, and `status` that of the global database;
    `alarm` is the state of the alarms on the lag, and `unturned` that of the switch's alarm
    while nobody has put its metric.
    """

    lost: str = ""
    writes: str = "primary"
    closed: dict[str, str] = field(default_factory=dict)
    switch: int = 0
    minute: int = 0
    refused: str = ""
    status: str = "available"
    alarm: str = "OK"
    lag: float | None = 120.0
    unturned: str = "OK"
    moved: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    published: list[Any] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def state(self) -> tuple[str, dict[str, str], int]:
        """What a move changes; an item that is missing is an open region."""
        closed = {role: self.closed.get(role, "open") for role in ROLES}
        return self.writes, closed, self.switch

    def call(self, role: str, service: str, api: str, given: dict[str, Any]) -> Any:
        number = self.faults.enter(f"{role} {service} {api}", writes=api in WRITES)
        # Route 53 is called in us-east-1, which is the primary region.
        place = "primary" if service == "route53" else role
        if self.lost and place == self.lost:
            raise EndpointConnectionError(endpoint_url=f"https://{service}.{place}")
        self.asked.append((role, api))
        if api == self.refused:
            error = {"Code": "AccessDenied", "Message": f"not authorized: {api}"}
            raise ClientError({"Error": error}, api)
        answer = getattr(self, f"_{xform_name(api)}")(role, **given)
        self.faults.leave(number)
        return answer

    def _put_item(self, role: str, TableName: str, Item: Any) -> Any:
        self.closed[Item["timestamp"]["S"]] = Item["state"]["S"]
        return {}

    def _get_item(self, role: str, Key: Any, **_: Any) -> Any:
        found = self.closed.get(Key["timestamp"]["S"])
        return {"Item": {"state": {"S": found}}} if found else {}

    def _put_metric_data(self, role: str, Namespace: str, MetricData: Any) -> Any:
        """In the minute in which the switch was turned on, the highest value counts."""
        assert role == "dr", "the switch is there"
        (point,) = MetricData
        if point["Value"] == 0 and self.minute:
            self.minute -= 1
            return {}
        self.minute = 2 * point["Value"]
        self.switch, self.unturned = point["Value"], "OK"
        return {}

    def _describe_alarms(self, role: str, AlarmNames: list[str]) -> Any:
        (name,) = AlarmNames
        state = self.alarm
        if name == "pd-prod-failover-requested-dr":
            state = "ALARM" if self.switch else self.unturned
        metric = {"Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBReplicationLag"}
        return {"MetricAlarms": [{"StateValue": state, **metric}]}

    def _get_metric_data(self, role: str, EndTime: Any, **_: Any) -> Any:
        values = [] if self.lag is None else [self.lag]
        found = {"Values": values, "Timestamps": [EndTime] * len(values)}
        return {"MetricDataResults": [found]}

    def _describe_global_clusters(self, role: str, GlobalClusterIdentifier: str) -> Any:
        assert GlobalClusterIdentifier == GLOBAL
        members = [
            {"DBClusterArn": cluster(r), "IsWriter": r == self.writes} for r in ROLES
        ]
        found = {"Status": self.status, "GlobalClusterMembers": members}
        return {"GlobalClusters": [found]}

    def _describe_db_clusters(self, role: str, DBClusterIdentifier: str) -> Any:
        found = {"DBClusterArn": cluster(role), "Status": "available"}
        return {"DBClusters": [found]}

    def _switchover_global_cluster(
        self, role: str, TargetDbClusterIdentifier: str, **_: Any
    ) -> Any:
        assert role == self.writes, "asked for where the writer is"
        self._move(TargetDbClusterIdentifier)
        return {}

    def _failover_global_cluster(
        self, role: str, TargetDbClusterIdentifier: str, AllowDataLoss: bool, **_: Any
    ) -> Any:
        assert AllowDataLoss and TargetDbClusterIdentifier == cluster(role)
        self._move(TargetDbClusterIdentifier)
        return {}

    def _describe_stacks(self, role: str, **_: Any) -> Any:
        topic = {"OutputKey": "AlertTopicArn", "OutputValue": f"alerts-{role}"}
        name = f"StackSet-payments-dr-prod-messages-{UUID}"
        found = {"StackName": name, "StackId": name, "StackStatus": "CREATE_COMPLETE"}
        return {"Stacks": [{**found, "Outputs": [topic]}]}

    def _test_dns_answer(self, role: str, **_: Any) -> Any:
        return {"RecordData": ["192.0.2.2" if self.switch else "192.0.2.1"]}

    def _get_caller_identity(self, role: str) -> Any:
        return {"Arn": "arn:aws:sts::123456789012:assumed-role/oncall/ada"}

    def _publish(self, role: str, **given: Any) -> Any:
        self.published.append(given)
        return {"MessageId": "m-1"}

    def _move(self, arn: str) -> None:
        role = role_of(arn.split(":")[3])
        assert role != self.writes, "moved once"
        self.writes = role
        self.moved.append(role)


@dataclass
class Replica(World):
    """A replica in dr, its snapshots, and its stack. `held` are the bytes that the source
    keeps for it, None where nobody knows; `breaks` lets the update of the stack go back.
    """

    promoted: bool = False
    held: float | None = 1024.0
    breaks: bool = False
    updates: int = 0
    stack: str = "CREATE_COMPLETE"
    snapshots: dict[str, int] = field(default_factory=dict)

    def state(self) -> Any:
        return self.promoted, bool(self.snapshots), self.switch

    def _describe_alarms(self, role: str, AlarmNames: list[str]) -> Any:
        (name,) = AlarmNames
        moved = "ALARM" if self.switch else "OK"
        state = moved if "moved" in name else self.alarm
        metric = {"Namespace": "AWS/RDS", "MetricName": "ReplicaLag"}
        return {"MetricAlarms": [{"StateValue": state, **metric}]}

    def _get_metric_data(self, role: str, EndTime: Any, **given: Any) -> Any:
        found = self.held if role == "primary" else self.lag
        values = [] if found is None else [found]
        return {"MetricDataResults": [{"Values": values, "Timestamps": [EndTime]}]}

    def _describe_db_instances(self, role: str, DBInstanceIdentifier: str) -> Any:
        follows = [] if self.promoted else [{"Status": "replicating"}]
        found = {"DBInstanceStatus": "available", "StatusInfos": follows}
        return {"DBInstances": [found]}

    def _create_db_snapshot(
        self, role: str, DBSnapshotIdentifier: str, **_: Any
    ) -> Any:
        assert not self.snapshots, "taken once"
        self.snapshots[DBSnapshotIdentifier] = 2
        return {}

    def _delete_db_snapshot(self, role: str, DBSnapshotIdentifier: str) -> Any:
        del self.snapshots[DBSnapshotIdentifier]
        return {}

    def _describe_db_snapshots(self, role: str, DBSnapshotIdentifier: str) -> Any:
        if DBSnapshotIdentifier not in self.snapshots:
            error = {"Code": "DBSnapshotNotFound", "Message": "no such snapshot"}
            raise ClientError({"Error": error}, "DescribeDBSnapshots")
        self.snapshots[DBSnapshotIdentifier] -= 1
        left = self.snapshots[DBSnapshotIdentifier]
        return {"DBSnapshots": [{"Status": "creating" if left > 0 else "available"}]}

    def _describe_stacks(self, role: str, StackName: str = "", **_: Any) -> Any:
        assert role == "dr"
        found = {
            "StackName": f"StackSet-{REPLICA_SET}-{UUID}",
            "StackId": f"arn:aws:cloudformation:us-west-2:{ACCOUNT}:stack/{UUID}",
            "StackStatus": self.stack,
            "Parameters": [
                {
                    "ParameterKey": "Promoted",
                    "ParameterValue": str(self.promoted).lower(),
                }
            ],
        }
        found["Outputs"] = [
            {"OutputKey": "ReplicaStackId", "OutputValue": found["StackId"]}
        ]
        if self.stack == "UPDATE_IN_PROGRESS":
            self.stack = "UPDATE_COMPLETE"
            if self.breaks:
                self.stack, self.promoted = "UPDATE_ROLLBACK_COMPLETE", False
        return {"Stacks": [found]}

    def _update_stack(self, role: str, **_: Any) -> Any:
        self.updates += 1
        self.stack, self.promoted = "UPDATE_IN_PROGRESS", True
        return {}


REPLICA_SET = "secure-network-prod-database-dr"
UUID = "04ccbc52-81d9-41b6-9319-3fbbe024a257"


class _Names(dict[str, str]):
    """The APIs of methods: `put_item` is PutItem."""

    def __missing__(self, method: str) -> str:
        words = method.split("_")
        name = "".join(word.title() for word in words)
        return name.replace("Db", "DB").replace("Dns", "DNS")


@dataclass
class Client:
    """A client of boto3 in a region of the world."""

    world: Any
    role: str
    service: str

    @property
    def meta(self) -> Any:
        return SimpleNamespace(
            service_model=SimpleNamespace(service_name=self.service),
            method_to_api_mapping=_Names(),
            region_name=self.role,
        )

    def __getattr__(self, method: str) -> Callable[..., Any]:
        api = _Names()[method]
        return lambda **given: self.world.call(self.role, self.service, api, given)


@dataclass
class Around(Cloud):
    """The world, and the bucket of the journal in both of its regions."""

    world: Any = field(default_factory=World)
    regions: Mapping[str, str] = field(
        default_factory=lambda: {role: region(role) for role in ROLES}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.admin = Target(ACCOUNT, self.regions["primary"])
        # As AWS's own errors do, by the address.
        self.bucket.name = f"artifacts-{self.admin.region}"
        self.copies = {self.regions["dr"]: Bucket()}
        self.world.faults = self.faults

    @property
    def aws(self) -> Any:
        def client(service: str, target: Target, attempts: int = 0) -> Client:
            assert target.account == ACCOUNT
            (role,) = (r for r, name in self.regions.items() if name == target.region)
            return Client(self.world, role, service)

        return SimpleNamespace(client=client, throttled=lambda: {}, local=False)

    def lose_primary(self) -> None:
        """Take the primary region away, with its bucket."""
        self.world.lost, self.bucket.away = "primary", True

    def find_primary(self) -> None:
        """Let the primary region answer again."""
        self.world.lost, self.bucket.away = "", False
