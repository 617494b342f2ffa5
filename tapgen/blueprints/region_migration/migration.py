"""The path of a migration with what must be so before each step, and where it shows.

What a runbook checks is taken from it. Nobody but a person can see whether the replica has
replayed the last LSN of its source, and whether the application writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tapgen.blocks import names
from tapgen.blueprints.region_migration import path, runbooks
from tapgen.blueprints.region_migration.shape import (
    ROLES,
    RULE,
    WRITES,
    Shape,
    name,
)
from tapgen.model import Output
from tapgen.model.migrations import Look, Migration, Promoting, Shown
from tapgen.model.procedures import Check, Script
from tapgen.procedures import databases, region_migration

_DAY = str(24 * 3600)


def migration(shape: Shape, *, both_ways: bool) -> Migration:
    """Return the migration. `both_ways` says that objects are replicated back until the
    source is left, which shows that it is."""
    # A file that says removed already is looked at all the same: nothing leads back.
    looks = {"remove": _last(shape)} if shape.removed else _looks(shape)
    documents = {"half": (region_migration.SYNC, "source")}
    documents["pause"] = (region_migration.READY, "target")
    steps = [
        replace(
            step,
            looks=looks.get(step.name, ()),
            runbook=_runbook(*documents.get(step.name, ("", ""))),
        )
        for step in path.PATH
    ]
    promoting = None if shape.removed else _promoting(shape)
    # The part whose parameters the texts name: the runbooks go with the source.
    part = "storage-target" if shape.removed else region_migration.PART
    return Migration(tuple(steps), _shown(both_ways), part, promoting)


def _promoting(shape: Shape) -> Promoting:
    """Return the step that promotes, for a command. Its rollout changes one parameter."""
    return Promoting(
        "promote",
        region_migration.paused(WRITES, shape.roles),
        region_migration.promotion(
            runbooks.source_arn(shape), name("db", "target"), "database-target"
        ),
        Look("target", _snapshot()),
    )


def _runbook(procedure: str, role: str) -> tuple[str, str]:
    return (runbooks.document(procedure, role) if procedure else "", role)


def _shown(both_ways: bool) -> Mapping[str, Shown]:
    found = {
        f"traffic.{role}_dial": Shown("accelerator", f"{role.title()}Dial")
        for role in ROLES
    }
    for thing in ("app", "db"):
        for role in ROLES:
            parameter = f"{thing.title()}{role.title()}Weight"
            found[f"traffic.{thing}_{role}_weight"] = Shown("dns", parameter)
    for role in ROLES:
        found[f"traffic.{role}_writes"] = Shown("servers", "Writes", role)
    for switch in ("promoted", "standby"):
        parameter = switch.title()
        found[f"promotion.{switch}"] = Shown("database-target", parameter)
    words = {"true": "kept", "false": "leaving"} if both_ways else {}
    absent = ("logs", "source", "removed")
    found["source"] = Shown(
        "storage-target", "ReverseReplication", words=words, absent=absent
    )
    return found


def _looks(shape: Shape) -> dict[str, tuple[Look, ...]]:
    (ready,) = (
        step
        for one in runbooks.procedures(shape)
        if one.name == region_migration.READY
        for step in one.steps
    )
    close = [c for c in ready.before if c.name in ("ReplicaIsAvailable", _CLOSE)]
    there = databases.instance(
        "DatabaseIsAvailable", name("db", "target"), "DBInstanceStatus", "available"
    )
    copied = (
        _alarm("NoObjectFailed", "replication-failed", "source"),
        _alarm("ObjectsArriveInTime", "replication-latency", "target"),
    )
    found = {
        "half": (*_at("source", _jobs(shape), copied[0]), *_at("target", copied[1])),
        "shift": _at("target", _servers("target")),
        "pause": _at("target", *map(_at_once, ready.before), _snapshot()),
        "promote": _at("target", *map(_at_once, close)),
        "move": _at("target", there),
        "resume": _at("target", there),
        "standby": _at("target", there),
        "remove": _last(shape),
    }
    if "source" in shape.roles:
        found["leave"] = _at("source", _requests(), _connections())
    return found


def _last(shape: Shape) -> tuple[Look, ...]:
    return _at("source", _pending("source", "target", shape))


_CLOSE = "ReplicaIsCloseBehind"


def _at(role: str, *checks: Check | Script) -> tuple[Look, ...]:
    return tuple(Look(role, one) for one in checks)


def _at_once(check: Check | Script) -> Check | Script:
    return replace(check, seconds=0) if isinstance(check, Check) else check


def _alarm(title: str, thing: str, role: str) -> Check:
    return databases.alarm(title, name(thing, role), ("OK",), 0)


def _jobs(shape: Shape) -> Script:
    bucket = names.bucket_arn(shape.data)
    return Script("ExistingObjectsAreCopied", "jobs", {"Bucket": bucket})


def _servers(role: str) -> Script:
    groups = {
        colour: Output("servers", f"{colour.title()}TgArn")
        for colour in ("blue", "green")
    }
    return Script("ServersAreHealthy", "servers", groups)


def _snapshot() -> Script:
    given = {"Instance": name("db", "target"), "Prefix": name("before-promotion")}
    return Script("SnapshotIsTaken", "snapshot", given)


def _requests() -> Script:
    dimension = Output("servers", "AlbFullName")
    given = {"Namespace": "AWS/ApplicationELB", "Metric": "RequestCount"}
    return Script(
        "NoRequestsForADay",
        "quiet",
        {**given, "LoadBalancer": dimension, "Stat": "Sum", "Seconds": _DAY},
    )


def _connections() -> Script:
    given = {"Namespace": "AWS/RDS", "Metric": "DatabaseConnections"}
    instance = {"DBInstanceIdentifier": name("db", "source")}
    return Script(
        "NoConnectionsForADay",
        "quiet",
        {**given, **instance, "Stat": "Maximum", "Seconds": _DAY},
    )


def _pending(role: str, other: str, shape: Shape) -> Script:
    buckets = {
        "SourceBucket": shape.data,
        "DestinationBucket": name("data", other, unique=True),
    }
    given = {"Namespace": "AWS/S3", "Metric": "OperationsPendingReplication"}
    return Script(
        "NoObjectIsPending",
        "quiet",
        {**given, **buckets, "RuleId": RULE, "Stat": "Maximum", "Seconds": "3600"},
    )
