"""What RDS instances do as time goes by: daily backups, and the end of what was asked for.

What CloudFormation asks for is over when its stack says so.

Backups take the whole of their window here; on AWS they begin in it, and take as long as
there is to store.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupWindow.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.rds": {
        "_ACTION_MAP": None,
        "_error": ("code", "message", "status"),
        "_instances": None,
        "_p": ("params", "key", "default"),
        "_resolve_instance": ("db_id",),
        "_single_instance_response": ("root_tag", "result_tag", "instance"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

PROMOTION = 300.0
"""How long an instance is busy after a call, in seconds; AWS says several minutes."""

BUSY: Mapping[str, str] = {
    "CreateDBInstance": "creating",
    "CreateDBInstanceReadReplica": "creating",
    "ModifyDBInstance": "modifying",
    "RebootDBInstance": "rebooting",
    "StartDBInstance": "starting",
}
"""The status of an instance for as long after a call, while the clock stands."""

_UNTIL = "_modifying_until"


def apply() -> None:
    """Promote replicas by the API, and follow the clock."""
    actions = _rds()._ACTION_MAP
    actions["PromoteReadReplica"] = _promote
    for action, status in BUSY.items():
        actions[action] = _busy(actions[action], status)
    clock.watch(_happen)


def _busy(original: Callable[[Any], Any], status: str) -> Callable[[Any], Any]:
    def act(p: Any) -> Any:
        rds = _rds()
        name = rds._p(p, "DBInstanceIdentifier")
        answer = original(p)
        instance = rds._resolve_instance(name)
        if answer[0] < 300 and instance and clock.stands():
            _occupy(instance, status)
        return answer

    return act


def _occupy(instance: dict[str, Any], status: str) -> None:
    instance |= {"DBInstanceStatus": status, _UNTIL: clock.now() + PROMOTION}


def refusal(instance: Mapping[str, Any]) -> tuple[str, str] | None:
    """Code and message of the error with which an instance is not promoted now.

    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PromoteReadReplica.html
    """
    name = instance["DBInstanceIdentifier"]
    if not instance.get("ReadReplicaSourceDBInstanceIdentifier"):
        return "InvalidDBInstanceState", f"DB Instance is not a read replica: {name}"
    if instance["DBInstanceStatus"] != "available":
        return (
            "InvalidDBInstanceState",
            f"DB Instance {name} is not in the available state: "
            f"{instance['DBInstanceStatus']}",
        )
    return None


def promote(instance: dict[str, Any]) -> None:
    """Part a replica from its source; it is `modifying` until the clock goes forward."""
    part(instance)
    if clock.stands():
        _occupy(instance, "modifying")


def part(instance: dict[str, Any]) -> None:
    """Let a replica and its source no longer know of each other."""
    source = instance["ReadReplicaSourceDBInstanceIdentifier"]
    instance["ReadReplicaSourceDBInstanceIdentifier"] = ""
    instance["StatusInfos"] = []
    _, _, _, own, account, _, _ = instance["DBInstanceArn"].split(":", 6)
    region = source.split(":")[3] if source.startswith("arn:") else own
    name = source.rpartition(":")[2]
    origin = _rds()._instances.get_scoped(account, region, name) or {}
    replicas = origin.get("ReadReplicaDBInstanceIdentifiers", [])
    for known_as in (instance["DBInstanceArn"], instance["DBInstanceIdentifier"]):
        if known_as in replicas:
            replicas.remove(known_as)


def _promote(p: Any) -> Any:
    rds = _rds()
    name = rds._p(p, "DBInstanceIdentifier")
    instance = rds._resolve_instance(name)
    if not instance:
        return rds._error("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
    refused = refusal(instance)
    if refused:
        return rds._error(*refused, 400)
    promote(instance)
    days, window = (
        rds._p(p, key) for key in ("BackupRetentionPeriod", "PreferredBackupWindow")
    )
    # "Default: 1"
    instance["BackupRetentionPeriod"] = int(days or 1)
    if window:
        instance["PreferredBackupWindow"] = window
    root = "PromoteReadReplica"
    return rds._single_instance_response(f"{root}Response", f"{root}Result", instance)


def _happen() -> None:
    for _, instance in clock.everywhere(_rds()._instances):
        status = instance["DBInstanceStatus"]
        until = instance.get(_UNTIL)
        if until is not None and not (clock.stands() and until > clock.now()):
            del instance[_UNTIL]
            status = "available"
        if status in ("available", "backing-up"):
            status = "backing-up" if _is_backed_up(instance) else "available"
        instance["DBInstanceStatus"] = status


def _is_backed_up(instance: Mapping[str, Any]) -> bool:
    window = str(instance.get("PreferredBackupWindow") or "")
    if not (clock.stands() and int(instance.get("BackupRetentionPeriod") or 0)):
        return False
    if "-" not in window:
        return False
    now = time.strftime("%H:%M", time.gmtime(clock.now()))
    begin, end = window.split("-")
    return begin <= now < end if begin < end else now >= begin or now < end


def _rds() -> Any:
    return import_module("ministack.services.rds")
