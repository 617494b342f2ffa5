"""The last good definition of a stack set, as bytes and back.

`UpdateStackSet` keeps a bad template even when its operation fails (API reference),
so the last good definition is stored before every change.
"""

from __future__ import annotations

import json

from tapgen.model import (
    AutoDeployment,
    InstanceStatus,
    Observed,
    ObservedInstance,
    PermissionModel,
    Target,
)

FORMAT = 1


def key(prefix: str, name: str) -> str:
    """Return the key of a stack set's snapshot in the artifact bucket; `prefix` is the
    name and suffix of the system."""
    return f"snapshots/{prefix}/{name}.json"


def leftovers(prefix: str) -> str:
    """Return the key, in the artifact bucket, of the list of what deletions of a system
    have retained; `prefix` is its name and suffix."""
    return f"leftovers/{prefix}.json"


def is_good(found: Observed) -> bool:
    """Whether this is worth restoring: every instance is CURRENT."""
    return all(i.status is InstanceStatus.CURRENT for i in found.instances.values())


def dump(found: Observed) -> bytes:
    """Return the definition and every instance's overrides as JSON.

    Values of NoEcho parameters are not in it: CloudFormation never returns them.
    """
    instances = [
        {"account": t.account, "region": t.region, "overrides": dict(i.overrides)}
        for t, i in sorted(found.instances.items())
    ]
    data = {
        "format": FORMAT,
        "name": found.name,
        "id": found.id,
        "template": found.template,
        "parameters": dict(found.parameters),
        "capabilities": list(found.capabilities),
        "tags": dict(found.tags),
        "description": found.description,
        "execution_role": found.execution_role,
        "administration_role": found.administration_role,
        "permission_model": str(found.permission_model),
        "auto_deployment": vars(found.auto_deployment),
        "instances": instances,
    }
    return json.dumps(data).encode()


def load(body: bytes) -> Observed:
    """Read what `dump` wrote."""
    data = json.loads(body)
    del data["format"]
    instances = {
        Target(i["account"], i["region"]): ObservedInstance(
            InstanceStatus.CURRENT, None, overrides=i["overrides"]
        )
        for i in data.pop("instances")
    }
    data["capabilities"] = tuple(data["capabilities"])
    # Snapshots of older versions do not have these two.
    data["permission_model"] = PermissionModel(
        data.get("permission_model", "SELF_MANAGED")
    )
    data["auto_deployment"] = AutoDeployment(**data.get("auto_deployment", {}))
    return Observed(instances=instances, **data)
