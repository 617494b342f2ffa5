"""Between CloudFormation's shapes and tapgen's nouns: parts of stack sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tapgen.aws.readings import OPERATION_PREFIX
from tapgen.aws.session import one_line
from tapgen.frozen import dataclass
from tapgen.model import (
    AutoDeployment,
    InstanceDetailedStatus,
    InstanceStatus,
    ObservedInstance,
)


@dataclass(frozen=True)
class Active:
    """An operation of a stack set that has not ended, whoever started it."""

    id: str
    action: str
    since: datetime | None

    def __str__(self) -> str:
        whose = "tapgen" if self.id.startswith(OPERATION_PREFIX) else "another tool"
        text = f"operation {self.id} ({self.action or 'unknown'}) of {whose} runs"
        if self.since is None:
            return text
        return f"{text} since {self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def instance(known: Mapping[str, Any]) -> ObservedInstance:
    """Return an instance from the response of a list or a describe call."""
    detailed = known.get("StackInstanceStatus", {}).get("DetailedStatus")
    return ObservedInstance(
        status=InstanceStatus(known["Status"]),
        detailed_status=InstanceDetailedStatus(detailed) if detailed else None,
        stack_id=known.get("StackId") or None,
        overrides=values(known.get("ParameterOverrides", [])),
        reason=one_line(known.get("StatusReason") or "") or None,
        drift_status=known.get("DriftStatus", "NOT_CHECKED"),
        drift_checked=known.get("LastDriftCheckTimestamp"),
        last_operation=known.get("LastOperationId"),
    )


def auto_deployment_request(
    chosen: AutoDeployment | None, arn_of: Callable[[str], str | None]
) -> dict[str, Any]:
    """Return `AutoDeployment` of a request, required for SERVICE_MANAGED; `arn_of`
    returns the ARN of a stack set, None where it does not exist."""
    if chosen is None:
        return {}
    settings: dict[str, Any] = {"Enabled": chosen.enabled}
    if chosen.enabled:  # "Specify only if Enabled is set to True."
        settings["RetainStacksOnAccountRemoval"] = chosen.retain_stacks
    arns = [arn for name in chosen.depends_on if (arn := arn_of(name))]
    return {"AutoDeployment": settings | ({"DependsOn": arns} if arns else {})}


def auto_deployment(known: Mapping[str, Any]) -> AutoDeployment:
    """Return an `AutoDeployment`; of a dependency (`arn:…:stackset/NAME:UUID`) the name
    is enough."""
    return AutoDeployment(
        bool(known.get("Enabled")),
        bool(known.get("RetainStacksOnAccountRemoval")),
        tuple(
            arn.rpartition("/")[2].partition(":")[0]
            for arn in known.get("DependsOn", ())
        ),
    )


def values(parameters: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return parameter values by name."""
    return {p["ParameterKey"]: p.get("ParameterValue", "") for p in parameters}
