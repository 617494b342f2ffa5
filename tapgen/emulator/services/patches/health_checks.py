"""Route 53 health checks: the names of child checks and regions, and what checkers report.

ministack reads how many child checks a calculated check has, and how many regions a
check is made from, but not which. It does not know GetHealthCheckStatus: here one checker
asks what is an API of the embedded AWS, by its name at AWS, when somebody wants to know. Of
any other endpoint nobody reports.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from xml.etree.ElementTree import SubElement

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


async def _reported(config: Mapping[str, Any]) -> list[str]:
    """Return what a checker says of an API here, in the words of Route 53; nothing of any
    other endpoint. An answer with 2xx or 3xx is good.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
    """
    gateway: Any = import_module("ministack.services.apigateway_v1")
    api = _API.fullmatch(config.get("FullyQualifiedDomainName", ""))
    if not api or gateway.find_api_scope(api[1]) is None:
        return []
    path = str(config.get("ResourcePath", "/")).partition("?")[0]
    _, stage, *rest = path.split("/", 2)
    status, *_ = await gateway.handle_execute(
        api[1], stage, "GET", f"/{''.join(rest)}", {}, b"", {}
    )
    good = 200 <= status < 400
    return [f"{'Success' if good else 'Failure'}: HTTP Status Code {status}"]
