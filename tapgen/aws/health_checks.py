"""Health checks of Route 53, and what its checkers last said.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.aws import alarms
from tapgen.aws.session import Aws, ask
from tapgen.errors import NotFound
from tapgen.frozen import dataclass
from tapgen.model import Target

ALARM = "CLOUDWATCH_METRIC"
CALCULATED = "CALCULATED"
RECOVERY_CONTROL = "RECOVERY_CONTROL"
# Of these, GetHealthCheckStatus says nothing: it is for endpoints.
# https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHealthCheckStatus.html
_NO_ENDPOINT = (ALARM, CALCULATED, RECOVERY_CONTROL)
_SUCCESS = "Success"
ENOUGH = 0.18
"""Route 53 takes an endpoint for healthy where more than this share of its checkers do.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""
STEADY = 0.8
"""The share of checkers that must get a good answer before an endpoint gets more traffic."""


@dataclass(frozen=True)
class HealthCheck:
    """A health check; `kind` is its type in the API.

    `endpoint` is what it asks, `reports` what each checker last said of it, `alarm` the name
    and region of the alarm that it follows, `children` the checks that it combines.
    """

    id: str
    kind: str
    disabled: bool = False
    endpoint: str = ""
    reports: tuple[str, ...] = ()
    alarm: tuple[str, str] = ("", "")
    children: tuple[str, ...] = ()
    inverted: bool = False

    @property
    def failures(self) -> tuple[str, ...]:
        """The reports of checkers that got no good answer, as Route 53 words them. An
        inverted check turns its own state around, not these."""
        return tuple(one for one in self.reports if not one.startswith(_SUCCESS))


def read(aws: Aws, target: Target, id: str) -> HealthCheck | None:
    """Return a health check of an account with the last reports; None where there is none."""
    client = aws.client("route53", target)
    try:
        answer = ask(client, "get_health_check", HealthCheckId=id)
    except NotFound:
        return None
    config: Mapping[str, Any] = answer["HealthCheck"]["HealthCheckConfig"]
    kind = str(config["Type"])
    alarm = config.get("AlarmIdentifier", {})
    return HealthCheck(
        id,
        kind,
        config.get("Disabled", False),
        _endpoint(config),
        () if kind in _NO_ENDPOINT else _reports(client, id),
        (alarm.get("Name", ""), alarm.get("Region", "")),
        tuple(config.get("ChildHealthChecks", ())),
        config.get("Inverted", False),
    )


@dataclass(frozen=True)
class Health:
    """Whether a health check is well enough for more traffic, None where nobody can say,
    and why."""

    id: str
    well: bool | None
    words: str


def health(aws: Aws, target: Target, id: str) -> Health:
    """Return whether a health check of an account is well: for an endpoint, whether at
    least `STEADY` of its checkers get a good answer. Raises AwsError.

    A check without data of its alarm counts as well: the alarms of switches keep their
    state, so it has had none yet.
    """
    found = read(aws, target, id)
    if found is None:
        return Health(id, False, f"health check {id} does not exist")
    if found.disabled:
        return Health(
            id, True, f"health check {id} is disabled, which counts as healthy"
        )
    if found.kind == ALARM:
        return _by_alarm(aws, target, found)
    if found.kind in _NO_ENDPOINT:
        return Health(id, None, f"AWS reports no status of {found.kind} check {id}")
    count, good = len(found.reports), len(found.reports) - len(found.failures)
    if not count:
        return Health(id, None, f"no checker has reported on {found.endpoint} yet")
    words = f"{good} of {count} checkers got a good answer of {found.endpoint}"
    return Health(id, good >= STEADY * count, words)


def _by_alarm(aws: Aws, target: Target, check: HealthCheck) -> Health:
    name, region = check.alarm
    there = alarms.read(aws, Target(target.account, region), [name])
    if not there:
        return Health(check.id, None, f"alarm {name} in {region} does not exist")
    state = there[0].state
    well = (state == "ALARM") is check.inverted or state == "INSUFFICIENT_DATA"
    return Health(check.id, well, f"alarm {name} in {region} is {state}")


def _reports(client: Any, id: str) -> tuple[str, ...]:
    answer = ask(client, "get_health_check_status", HealthCheckId=id)
    observed = answer.get("HealthCheckObservations", ())
    found = [one.get("StatusReport", {}).get("Status", "") for one in observed]
    return tuple(one for one in found if one)


def _endpoint(config: Mapping[str, Any]) -> str:
    host = config.get("FullyQualifiedDomainName") or config.get("IPAddress", "")
    port = f":{config['Port']}" if "Port" in config else ""
    return f"{host}{port}{config.get('ResourcePath', '')}"
