"""Sources of new read replicas: whether RDS can make the replica that a plan creates, and
whether it can take over.

A source may be outside the system, so no template says what it is: RDS is asked, and where
it does not answer, the plan says that this is not known.

Sources: `CreateDBInstanceReadReplica` in the RDS API reference, and "Creating a read
replica in a different AWS Region" and "Managing capacity automatically with Amazon RDS
storage autoscaling" in the RDS user guide.
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.XRgn.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tapgen.aws.database_instances import Instance
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.plan.model import Plan
from tapgen.template import changes

_INSTANCE, _GROUP = "AWS::RDS::DBInstance", "AWS::RDS::DBParameterGroup"
_ARN = re.compile(r"arn:aws[a-z-]*:rds:[a-z0-9-]+:\d{12}:db:[^:]+")
_KEY = re.compile(r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:key/[\w-]+")

ROOM = 110
"""The least limit of storage autoscaling, in percent of the storage that is allocated."""


@dataclass(frozen=True)
class Replica:
    """A replica that a plan creates: its properties, and the family of its parameters,
    empty where that is not known."""

    place: str
    source_arn: str
    properties: Mapping[str, Any]
    family: str = ""

    def number(self, name: str) -> int:
        """A property as a number; 0 where it has none, or one that is not known yet."""
        value = str(self.properties.get(name))
        return int(value) if value.isdecimal() else 0


def with_sources(plan: Plan, read: Callable[[str], Instance | None]) -> Plan:
    """Return the plan with what follows from the sources of the replicas that it creates.

    `read` returns the instance of an ARN, None where there is none; it raises AwsError.
    """
    for replica in _replicas(plan):
        try:
            source = read(replica.source_arn)
        except AwsError as error:
            line = (
                f"{replica.place}: what its source {replica.source_arn} is like cannot be "
                f"read ({error}): class, storage, version, encryption and backups were not "
                "compared. RDS refuses the replica where they do not fit; let tapgen read "
                "it (rds:DescribeDBInstances), then plan again"
            )
            plan = replace(plan, sources=(*plan.sources, line))
            continue
        blocked = [f"{replica.place}: {text}" for text in _wrong(replica, source)]
        doubts = [f"{replica.place}: {text}" for text in _doubts(replica, source)]
        doubts += _other_keys(plan, replica.source_arn, source)
        plan = replace(
            plan,
            blocked=(*plan.blocked, *blocked),
            sources=(*plan.sources, *doubts),
        )
    return plan


def _replicas(plan: Plan) -> Iterator[Replica]:
    """Yield the replicas that a plan creates of what is there already."""
    added = [
        (step.part, target, change, changed)
        for step in plan.steps
        for target, changed in step.changes.items()
        for change in changed
        if change.type == _INSTANCE and change.verb is changes.Verb.ADD
    ]
    created = {(t, str(c.after.get("DBInstanceIdentifier"))) for _, t, c, _ in added}
    for part, target, change, changed in added:
        arn = change.after.get("SourceDBInstanceIdentifier")
        if not isinstance(arn, str) or not _ARN.fullmatch(arn):
            continue
        _, _, _, region, account, _, identifier = arn.split(":")
        if (Target(account, region), identifier) not in created:
            yield Replica(
                f"{part}.{change.logical_id} in {target}",
                arn,
                change.after,
                _family(changed, change.after.get("DBParameterGroupName")),
            )


def _family(changed: Any, group: Any) -> str:
    """The family of a parameter group that is created with the replica."""
    for change in changed:
        if change.type == _GROUP and group == {"Ref": change.logical_id}:
            family = (change.after or {}).get("Family")
            return family if isinstance(family, str) else ""
    return ""


def _wrong(replica: Replica, source: Instance | None) -> Iterator[str]:
    """Yield why RDS would refuse a replica."""
    arn = replica.source_arn
    if source is None:
        yield f"there is no database {arn}; correct its ARN"
        return
    if source.backup_days == 0:
        yield (
            f"{arn} has no automated backups, and RDS replicates no such instance; set "
            "its backup retention to 1 day or more"
        )
    if "KmsKeyId" in replica.properties and not source.encrypted:
        yield (
            f"{arn} is not encrypted, and RDS makes no encrypted replica of it; restore "
            "an encrypted copy of its snapshot, and use that"
        )
    if replica.family and not _fits(replica.family, source):
        yield (
            f"{arn} runs {source.engine} {source.version}, and the replica gets "
            f"parameters of {replica.family}; give it the major version of its source"
        )
    if source.managed_password and not source.engine.startswith("sqlserver"):
        yield (
            f"RDS manages the password of {arn}, and replicates no such instance; set a "
            "password of your own"
        )
    most = replica.number("MaxAllocatedStorage")
    if most and most * 100 < source.storage * ROOM:
        least = -(-source.storage * ROOM // 100)
        yield (
            f"{arn} has {source.storage:,} GiB, which the replica starts with, and its "
            f"storage may grow to {most:,} GiB; RDS demands a tenth more than it starts "
            f"with: allow {least:,} GiB or more"
        )
    own = replica.number("AllocatedStorage")
    if own and own < source.storage:
        yield (
            f"{arn} has {source.storage:,} GiB, and the replica would have {own:,} GiB; "
            "give it as much"
        )


def _other_keys(plan: Plan, arn: str, source: Instance | None) -> Iterator[str]:
    """Yield which parts take the source, and for its key another one of its region.

    Who works with the source there, such as on its snapshots, could not use its key.
    """
    if source is None or not source.key_arn:
        return
    for step in plan.steps:
        keys = {
            name: value
            for name, value in step.values.items()
            if isinstance(value, str)
            and (key := _KEY.fullmatch(value))
            and key["region"] == arn.split(":")[3]
        }
        if arn in step.values.values() and keys and source.key_arn not in keys.values():
            given = ", ".join(f"{name} is {value}" for name, value in keys.items())
            yield (
                f"{step.part}: {arn} is encrypted with {source.key_arn}, and {given}: "
                "roles for this database could not use its key; correct the ARN"
            )


def _fits(family: str, source: Instance) -> bool:
    """Whether a family, such as postgres17, is that of the source's version."""
    version = family.removeprefix(source.engine).lstrip("-")
    return family.startswith(source.engine) and f"{source.version}.".startswith(
        f"{version}."
    )


def _doubts(replica: Replica, source: Instance | None) -> Iterator[str]:
    """Yield why a replica may not keep up with its source, or take over from it."""
    if source is None:
        return
    arn = replica.source_arn
    for what, name, there in (
        ("class", "DBInstanceClass", source.instance_class),
        ("storage type", "StorageType", source.storage_type),
    ):
        here = replica.properties.get(name)
        if isinstance(here, str) and there and here != there:
            yield (
                f"has the {what} {here}, and its source {arn} {there}: a smaller or "
                "slower one may not keep up, or not bear the load once it is promoted"
            )
    most = replica.number("MaxAllocatedStorage")
    if most and source.most_storage > most:
        yield (
            f"may grow to {most:,} GiB, and its source {arn} to "
            f"{source.most_storage:,} GiB: the replica stops when its storage is full"
        )
    if source.status != "available":
        yield f"its source {arn} is {source.status}; RDS replicates one that is available"
