"""Route 53 health checks: the names of child checks and regions, and what checkers report.

ministack reads how many child checks a calculated check has, and how many regions a
check is made from, but not which. It does not know GetHealthCheckStatus: here one checker
asks what is an API of the embedded AWS, by its name at AWS, when somebody wants to know. Of
any other endpoint nobody reports. A check has no memory: it is what its last report says,
whatever its failure threshold.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from xml.etree.ElementTree import SubElement

from tapgen.emulator.services import reach
from tapgen.emulator.services.patches import alarm_states
from tapgen.emulator.services.patches.alarm_states import NO_DATA, OK

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.route53": {
        "_find": ("el", "tag"),
        "_error_response": ("code", "message", "status"),
        "_health_checks": None,
        "_parse_health_check_config": ("el",),
        "_xml_response": ("root_tag", "builder_fn", "status"),
        "handle_request": ("method", "path", "headers", "body", "query_params"),
    },
    "ministack.services.apigateway_v1": {
        "find_api_scope": ("api_id",),
        "handle_execute": (
            *("api_id", "stage_name", "method", "path"),
            *("headers", "body", "query_params"),
        ),
    },
}
"""Private names of ministack used here, as `private_names` describes them."""


_STATUS = re.compile(r"/healthcheck/([^/]+)/status")
_API = re.compile(r"([0-9a-z]+)\.execute-api\.[-0-9a-z]+\.amazonaws\.com")
_NO_ENDPOINT = ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")


def apply() -> None:
    """Read and store the names, and report on endpoints."""
    _names()
    _reports()


def _names() -> None:
    route53: Any = import_module("ministack.services.route53")
    original = route53._parse_health_check_config

    def parse(el: Any) -> dict[str, Any]:
        config: dict[str, Any] = original(el)
        for name in ("ChildHealthChecks", "Regions"):
            given = route53._find(el, name)
            if given is not None:
                config[name] = [each.text or "" for each in given]
        return config

    parse.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    route53._parse_health_check_config = parse


def _reports() -> None:
    route53: Any = import_module("ministack.services.route53")
    original = route53.handle_request

    async def handle(
        method: str, path: str, headers: Any, body: Any, query_params: Any
    ) -> Any:
        found = _STATUS.fullmatch(path.removeprefix(f"/{route53.API_VERSION}"))
        if not found or method != "GET":
            return await original(method, path, headers, body, query_params)
        check = route53._health_checks.get(found[1])
        if check is None:
            words = f"No health check exists with the specified ID {found[1]}."
            return route53._error_response("NoSuchHealthCheck", words, 404)
        if check["config"].get("Type") in _NO_ENDPOINT:
            # https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHealthCheckStatus.html
            words = f"The health check {found[1]} asks no endpoint."
            return route53._error_response("InvalidInput", words, 400)
        said = await _reported(check["config"])

        def build(root: Any) -> None:
            observed = SubElement(root, "HealthCheckObservations")
            for status in said:
                one = SubElement(observed, "HealthCheckObservation")
                SubElement(one, "Region").text = "us-east-1"
                SubElement(one, "IPAddress").text = "127.0.0.1"
                report = SubElement(one, "StatusReport")
                SubElement(report, "Status").text = status
                SubElement(report, "CheckedTime").text = datetime.now(UTC).isoformat()

        return route53._xml_response("GetHealthCheckStatusResponse", build)

    route53.handle_request = handle


async def is_healthy(id_: str) -> bool:
    """Whether Route 53 takes a health check of the current account for healthy.

    A check that is not there is: nothing says otherwise.
    """
    checks: Any = import_module("ministack.services.route53")._health_checks
    config = (checks.get(id_) or {}).get("config", {})
    # "Route 53 considers the status of the health check to always be healthy", and
    # inverts it: https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
    healthy = bool(config.get("Disabled")) or await _found_healthy(config)
    return healthy is not bool(config.get("Inverted"))


async def _found_healthy(config: Mapping[str, Any]) -> bool:
    match config.get("Type"):
        case "CALCULATED":
            children = config.get("ChildHealthChecks") or []
            healthy = [await is_healthy(child) for child in children]
            return sum(healthy) >= int(config.get("HealthThreshold") or 0)
        case "CLOUDWATCH_METRIC":
            return _alarm_is_well(config)
        case "RECOVERY_CONTROL":
            return True  # such a control has no state here
    # "healthy until there's enough data"
    reports = await _reported(config)
    return not reports or any(said.startswith("Success") for said in reports)


def _alarm_is_well(config: Mapping[str, Any]) -> bool:
    """By the data of an alarm: SetAlarmState changes no health check."""
    responses: Any = import_module("ministack.core.responses")
    watch: Any = import_module("ministack.services.cloudwatch")
    named = config.get("AlarmIdentifier") or {}
    region = str(named.get("Region"))
    with responses.request_scope(responses.get_account_id(), region):
        alarm = watch._alarms.get(named.get("Name")) or {}
        now, last = alarm_states.by_data(alarm) if alarm else (NO_DATA, OK)
    if now == NO_DATA:
        said = config.get("InsufficientDataHealthStatus")
        return last == OK if said == "LastKnownStatus" else said != "Unhealthy"
    return now == OK


async def _reported(config: Mapping[str, Any]) -> list[str]:
    """Return what a checker says of an API here, in the words of Route 53; nothing of any
    other endpoint. An answer with 2xx or 3xx is good.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
    """
    gateway: Any = import_module("ministack.services.apigateway_v1")
    api = _API.fullmatch(config.get("FullyQualifiedDomainName", ""))
    scope = gateway.find_api_scope(api[1]) if api else None
    if not api or scope is None:
        return []
    account, region = scope
    if not reach.can_reach(account, region, "execute-api"):
        return ["Failure: Connection timed out."]
    path = str(config.get("ResourcePath", "/")).partition("?")[0]
    _, stage, *rest = path.split("/", 2)
    status, *_ = await gateway.handle_execute(
        api[1], stage, "GET", f"/{''.join(rest)}", {}, b"", {}
    )
    good = 200 <= status < 400
    return [f"{'Success' if good else 'Failure'}: HTTP Status Code {status}"]
