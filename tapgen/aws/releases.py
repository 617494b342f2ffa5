"""What the requests outside a canary get: the version of a function that an alias names,
and the deployment of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.aws.session import ATTEMPTS, Aws, ask
from tapgen.frozen import dataclass
from tapgen.model import Target


@dataclass(frozen=True)
class Served:
    """A version of a function, and a deployment of an API."""

    version: str
    deployment: str

    def __str__(self) -> str:
        return f"version {self.version} and deployment {self.deployment}"


def served(
    aws: Aws, target: Target, of: Mapping[str, str], attempts: int = ATTEMPTS
) -> Served:
    """Return what a stage serves outside its canary; `of` are the arguments of GetStage
    and GetAlias. Raises AwsError."""
    stage = {name: of[name] for name in ("restApiId", "stageName")}
    found = ask(aws.client("apigateway", target, attempts), "get_stage", **stage)
    return Served(
        version(aws, target, of["FunctionName"], of["Name"], attempts),
        str(found["deploymentId"]),
    )


def version(
    aws: Aws, target: Target, function: str, alias: str, attempts: int = ATTEMPTS
) -> str:
    """Return the version that an alias names. Raises AwsError."""
    client = aws.client("lambda", target, attempts)
    found = ask(client, "get_alias", FunctionName=function, Name=alias)
    return str(found["FunctionVersion"])


def are_served(
    aws: Aws, target: Target, payload: Mapping[str, Any]
) -> tuple[bool, str, bool]:
    """Return whether a stage serves one of some versions and deployments, and what it
    serves. A check of a procedure."""
    found = served(aws, target, payload["Of"])
    versions, deployments = payload["Versions"], payload["Deployments"]
    if found.version in versions and found.deployment in deployments:
        return True, str(found), False
    wanted = f"{' or '.join(versions)} and {' or '.join(deployments)}"
    return False, f"the stage serves {found}, not {wanted}", True
