"""Retained resources: those that outlive their stack by their DeletionPolicy.

Lists them while the stacks still exist, and deletes them on request.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tapgen.aws import stacks
from tapgen.aws.session import NOBODY, Aws, ask
from tapgen.errors import AwsError, NotFound
from tapgen.frozen import dataclass
from tapgen.model import Observed, Target
from tapgen.template import evaluate
from tapgen.template.propagation import deletion_policy

REPLICA_MINUTES = 15  # deleting the replicas of a large table takes a while
REPLICA_POLL_SECONDS = 2
KEY_WAIT_DAYS = 30  # PendingWindowInDays of kms:ScheduleKeyDeletion, the longest


@dataclass(frozen=True)
class RetainedResource:
    """A resource that outlives its stack; `policy` is its DeletionPolicy. `physical_id`
    is empty where it could not be read."""

    stack_set: str
    target: Target
    logical_id: str
    type: str
    physical_id: str
    policy: str

    def __str__(self) -> str:
        what = " (as a final snapshot)" if self.policy == "Snapshot" else ""
        named = self.physical_id or f"{self.logical_id} (its name could not be read)"
        return f"{self.target} {self.type} {named}{what}"


def find(aws: Aws, observed: Mapping[str, Observed]) -> list[RetainedResource]:
    """Return every resource of these stack sets that is retained when its stack is
    deleted."""
    found = []
    for name, stack_set in observed.items():
        for target, instance in sorted(stack_set.instances.items()):
            policies = _policies(stack_set, target)
            if not instance.stack_id or not policies:
                continue
            try:
                listed = stacks.resources(aws, target, instance.stack_id)
            except AwsError as error:
                if error.code not in NOBODY:
                    raise
                # Their names are unknown, but they exist.
                listed = _unread(stack_set, target)
            found += [
                RetainedResource(name, target, logical_id, *listed[logical_id], policy)
                for logical_id, policy in policies.items()
                if logical_id in listed
            ]
    return found


def merge(
    earlier: Iterable[RetainedResource], now: Iterable[RetainedResource]
) -> list[RetainedResource]:
    """Return both, each resource once: retained by an earlier deletion, and by this one."""
    found = {
        (x.target, x.type, x.physical_id or x.logical_id): x for x in (*earlier, *now)
    }
    return list(found.values())


def dump(found: Iterable[RetainedResource]) -> bytes:
    """Return retained resources as JSON."""
    rows = [vars(x) | {"target": vars(x.target)} for x in found]
    return json.dumps(rows, indent=2).encode()


def load(body: bytes) -> list[RetainedResource]:
    """Read what `dump` wrote."""
    rows = json.loads(body)
    return [
        RetainedResource(**(row | {"target": Target(**row["target"])})) for row in rows
    ]


def delete(aws: Aws, resource: RetainedResource) -> str:
    """Delete one retained resource; return the result in words."""
    action = _DELETERS.get(resource.type) if resource.physical_id else None
    if action is None or resource.policy == "Snapshot":
        return "kept (delete it by hand)"
    try:
        return action(aws, resource)
    except NotFound:
        return "already gone"
    except AwsError as error:  # one refusal must not stop the others
        return f"not deleted ({error.message})"


def _unread(stack_set: Observed, target: Target) -> dict[str, tuple[str, str]]:
    """Logical id → (type, "") of the resources of an instance, by its template."""
    values = stack_set.values(target)
    listed = evaluate.evaluate(stack_set.template, values, target).resources
    return {name: (str(r.get("Type")), "") for name, r in listed.items()}


def _policies(stack_set: Observed, target: Target) -> dict[str, str]:
    """Logical id → DeletionPolicy, of the resources that leave something behind."""
    values = stack_set.values(target)
    resources = evaluate.evaluate(stack_set.template, values, target).resources
    policies = {k: str(deletion_policy(r)) for k, r in resources.items()}
    return {
        k: p
        for k, p in policies.items()
        if p.startswith("Retain") or (p == "Snapshot" and _has_snapshot(resources[k]))
    }


def _has_snapshot(resource: Mapping[str, Any]) -> bool:
    """Read replicas and members of clusters are deleted without a final snapshot
    (CloudFormation user guide, "DeletionPolicy attribute")."""
    if resource.get("Type") != "AWS::RDS::DBInstance":
        return True
    properties = resource.get("Properties", {})
    copies = ("SourceDBInstanceIdentifier", "DBClusterIdentifier")
    return not any(name in properties for name in copies)


def _bucket(aws: Aws, resource: RetainedResource) -> str:
    client = aws.client("s3", resource.target)
    name = resource.physical_id
    ask(client, "head_bucket", Bucket=name)
    while True:
        page = ask(client, "list_object_versions", Bucket=name, MaxKeys=1000)
        listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not listed:
            break
        objects = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in listed]
        answer = ask(
            client,
            "delete_objects",
            Bucket=name,
            Delete={"Objects": objects, "Quiet": True},
        )
        for error in answer.get("Errors", [])[:1]:
            where = f"s3://{name}/{error.get('Key')}"
            raise AwsError(
                "s3:DeleteObjects", error["Code"], f"{where}: {error['Message']}"
            )
    ask(client, "delete_bucket", Bucket=name)
    return "deleted"


def _log_group(aws: Aws, resource: RetainedResource) -> str:
    ask(
        aws.client("logs", resource.target),
        "delete_log_group",
        logGroupName=resource.physical_id,
    )
    return "deleted"


def _key(aws: Aws, resource: RetainedResource) -> str:
    client = aws.client("kms", resource.target)
    state = ask(client, "describe_key", KeyId=resource.physical_id)["KeyMetadata"]
    if state.get("KeyState") in ("PendingDeletion", "PendingReplicaDeletion"):
        return "already scheduled for deletion"
    ask(
        client,
        "schedule_key_deletion",
        KeyId=resource.physical_id,
        PendingWindowInDays=KEY_WAIT_DAYS,
    )
    return f"scheduled for deletion in {KEY_WAIT_DAYS} days"


def _secret(aws: Aws, resource: RetainedResource) -> str:
    client = aws.client("secretsmanager", resource.target)
    found = ask(client, "describe_secret", SecretId=resource.physical_id)
    copies = [r["Region"] for r in found.get("ReplicationStatus", [])]
    if copies:  # a secret with replicas is not deleted (API reference, DeleteSecret)
        ask(
            client,
            "remove_regions_from_replication",
            SecretId=resource.physical_id,
            RemoveReplicaRegions=copies,
        )
    ask(client, "delete_secret", SecretId=resource.physical_id)
    return "scheduled for deletion in 30 days; its name is free after that"


def _table(aws: Aws, resource: RetainedResource) -> str:
    client = aws.client("dynamodb", resource.target)
    found = ask(client, "describe_table", TableName=resource.physical_id)["Table"]
    if found.get("DeletionProtectionEnabled"):
        return "kept (its deletion protection is on; turn it off and delete it by hand)"
    ask(client, "delete_table", TableName=resource.physical_id)
    return "deleted"


def _global_table(aws: Aws, resource: RetainedResource) -> str:
    """Delete the replicas first, one after the other: AWS deletes no table with replicas.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables.tutorial.html
    """
    client = aws.client("dynamodb", resource.target)
    name = resource.physical_id
    found = ask(client, "describe_table", TableName=name)["Table"]
    if found.get("DeletionProtectionEnabled"):
        return _table(aws, resource)  # which says that it is kept, and why
    deadline = time.monotonic() + REPLICA_MINUTES * 60
    while others := _replicas(client, name, resource.target.region):
        if time.monotonic() > deadline:
            there = ", ".join(others)
            return f"kept (its replica in {there} is still there; delete it by hand)"
        region, status = next(iter(others.items()))
        if status == "ACTIVE":
            update = {"Delete": {"RegionName": region}}
            ask(client, "update_table", TableName=name, ReplicaUpdates=[update])
        else:
            time.sleep(REPLICA_POLL_SECONDS)
    return _table(aws, resource)


def _replicas(client: Any, table: str, home: str) -> dict[str, str]:
    """Region → status of a table's replicas in other regions."""
    found = ask(client, "describe_table", TableName=table)["Table"]
    return {
        r["RegionName"]: r.get("ReplicaStatus", "ACTIVE")
        for r in found.get("Replicas", [])
        if r["RegionName"] != home
    }


def _vault(aws: Aws, resource: RetainedResource) -> str:
    """Delete an empty vault; recovery points in it expire by their lifecycle."""
    client = aws.client("backup", resource.target)
    vault = ask(client, "describe_backup_vault", BackupVaultName=resource.physical_id)
    count = vault.get("NumberOfRecoveryPoints", 0)
    if count:
        return f"kept (delete its {count} recovery points, then the vault, by hand)"
    ask(client, "delete_backup_vault", BackupVaultName=resource.physical_id)
    return "deleted"


def _accelerator(aws: Aws, resource: RetainedResource) -> str:
    """Disable it first, as AWS requires; that takes a few minutes."""
    # Its API is in one region of all.
    client = aws.client(
        "globalaccelerator", Target(resource.target.account, "us-west-2")
    )
    ask(
        client, "update_accelerator", AcceleratorArn=resource.physical_id, Enabled=False
    )
    state = ask(client, "describe_accelerator", AcceleratorArn=resource.physical_id)
    if state["Accelerator"]["Status"] != "DEPLOYED":
        return "disabled (delete it by hand in a few minutes)"
    ask(client, "delete_accelerator", AcceleratorArn=resource.physical_id)
    return "deleted"


def _global_cluster(aws: Aws, resource: RetainedResource) -> str:
    """Delete an empty global database; AWS refuses one with members."""
    client = aws.client("rds", resource.target)
    name = {"GlobalClusterIdentifier": resource.physical_id}
    (found,) = ask(client, "describe_global_clusters", **name)["GlobalClusters"]
    if found.get("DeletionProtection"):
        return "kept (its deletion protection is on; turn it off and delete it by hand)"
    ask(client, "delete_global_cluster", **name)
    return "deleted"


_DELETERS: Mapping[str, Callable[[Aws, RetainedResource], str]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::KMS::Key": _key,
    "AWS::KMS::ReplicaKey": _key,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::DynamoDB::Table": _table,
    "AWS::DynamoDB::GlobalTable": _global_table,
    "AWS::Backup::BackupVault": _vault,
    "AWS::GlobalAccelerator::Accelerator": _accelerator,
    "AWS::RDS::GlobalCluster": _global_cluster,
}
