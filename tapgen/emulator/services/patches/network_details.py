"""Details of NAT gateways and flow logs that ministack stores but does not return.

DescribeNatGateways lacks the addresses of a NAT gateway; DescribeFlowLogs lacks a flow
log's log group, role and interval.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.ec2": {
        "_ACTION_MAP": None,
        "_addresses": None,
        "_flow_logs": None,
        "_nat_gateways": None,
    }
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Add the missing details to the answers."""
    ec2: Any = import_module("ministack.services.ec2")
    actions = ec2._ACTION_MAP
    actions["CreateFlowLogs"] = _remembering_flow_logs(actions["CreateFlowLogs"], ec2)
    actions["DescribeFlowLogs"] = _with_details(
        actions["DescribeFlowLogs"], "flowLogId", lambda id_: _flow_log_xml(ec2, id_)
    )
    actions["DescribeNatGateways"] = _with_details(
        actions["DescribeNatGateways"],
        "natGatewayId",
        lambda id_: _nat_gateway_xml(ec2, id_),
    )


_FLOW_LOG_DETAILS = {
    "LogGroupName": "logGroupName",
    "DeliverLogsPermissionArn": "deliverLogsPermissionArn",
    "MaxAggregationInterval": "maxAggregationInterval",
    "LogFormat": "logFormat",
}


def _remembering_flow_logs(handler: Callable[[Any], Any], ec2: Any) -> Any:
    def create(params: Any) -> Any:
        answer = handler(params)
        details = {
            name: params[name][0] for name in _FLOW_LOG_DETAILS if params.get(name)
        }
        for created in re.findall(r"<item>(fl-\w+)</item>", answer[2].decode()):
            ec2._flow_logs[created].update(details)
        return answer

    return create


def _flow_log_xml(ec2: Any, flow_log: str) -> str:
    record = ec2._flow_logs.get(flow_log) or {}
    return "".join(
        f"<{element}>{escape(record[name])}</{element}>"
        for name, element in _FLOW_LOG_DETAILS.items()
        if record.get(name)
    )


def _nat_gateway_xml(ec2: Any, gateway: str) -> str:
    record = ec2._nat_gateways.get(gateway) or {}
    address = ec2._addresses.get(record.get("AllocationId") or "")
    if not address:
        return ""
    return (
        f"<natGatewayAddressSet><item><allocationId>{address['AllocationId']}"
        f"</allocationId><publicIp>{address['PublicIp']}</publicIp>"
        "<isPrimary>true</isPrimary></item></natGatewayAddressSet>"
    )


def _with_details(
    handler: Callable[[Any], Any], element: str, details: Callable[[str], str]
) -> Callable[[Any], Any]:
    """Adds `details` of each id after the element that holds it."""

    def add(found: re.Match[str]) -> str:
        return found[0] + details(found[1])

    def describe(params: Any) -> Any:
        status, headers, body = handler(params)
        text = body.decode().replace("<natGatewayAddressSet/>", "")
        return (
            status,
            headers,
            re.sub(rf"<{element}>([^<]+)</{element}>", add, text).encode(),
        )

    return describe
