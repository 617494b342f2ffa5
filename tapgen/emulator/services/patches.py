"""What ministack's services get wrong, or leave out of their answers, put right."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

from tapgen.emulator.services import replicated_secrets
from tapgen.emulator.wire import cbor


def apply() -> None:
    """Puts every patch in place; to be called once."""
    describe_networks()
    describe_databases()
    replicate_by_rule()
    read_health_checks()
    replicated_secrets.install()
    read_drift()
    speak_cbor()


def describe_networks() -> None:
    # DescribeNatGateways and DescribeFlowLogs leave out what the record knows: the
    # addresses of a NAT gateway, and a flow log's log group, role and interval.
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


def describe_databases() -> None:
    # DescribeDBInstances says nothing of replication, exported logs or the secret that
    # RDS keeps the password in.
    rds: Any = import_module("ministack.services.rds")
    original = rds._instance_xml

    def instance(i: Mapping[str, Any]) -> str:
        text: str = original(i)
        statuses = "".join(
            "<DBInstanceStatusInfo>"
            + "".join(
                f"<{k}>{str(v).lower() if v is True else v}</{k}>"
                for k, v in status.items()
            )
            + "</DBInstanceStatusInfo>"
            for status in i.get("StatusInfos", [])
        )
        exports = "".join(
            f"<member>{escape(name)}</member>"
            for name in i.get("EnabledCloudwatchLogsExports", [])
        )
        secret = "".join(
            f"<{k}>{escape(v)}</{k}>" for k, v in i.get("MasterUserSecret", {}).items()
        )
        for empty, full in (
            ("<StatusInfos/>", f"<StatusInfos>{statuses}</StatusInfos>"),
            (
                "<EnabledCloudwatchLogsExports/>",
                "<EnabledCloudwatchLogsExports>"
                f"{exports}</EnabledCloudwatchLogsExports>",
            ),
        ):
            text = text.replace(empty, full)
        key = escape(i.get("PerformanceInsightsKMSKeyId", ""))
        for name, value in (
            ("MasterUserSecret", secret),
            ("PerformanceInsightsKMSKeyId", key),
        ):
            text += f"<{name}>{value}</{name}>" * bool(value)
        return text

    instance.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    rds._instance_xml = instance


_SSE = "x-amz-server-side-encryption"
_SSE_KEY = f"{_SSE}-aws-kms-key-id"


def replicate_by_rule() -> None:
    # S3 replicates objects encrypted with a KMS key only where the rule says so, and
    # encrypts the replica with the rule's own key; ministack copies object and key.
    s3: Any = import_module("ministack.services.s3")
    original = s3._maybe_replicate

    def replicate(
        bucket_name: str,
        key: str,
        obj: dict[str, Any],
        data: Any,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        rule, _ = s3._replication_rule_for(bucket_name, key, tags)
        headers = obj.get("preserved_headers") or {}
        if rule is None or headers.get(_SSE) != "aws:kms":
            original(bucket_name, key, obj, data, tags)
            return
        criteria = rule.get("SourceSelectionCriteria") or {}
        wanted = criteria.get("SseKmsEncryptedObjects") or {}
        if wanted.get("Status") != "Enabled":
            return
        encryption = rule["Destination"].get("EncryptionConfiguration") or {}
        replica_key = encryption.get("ReplicaKmsKeyID")
        obj["preserved_headers"] = {**headers, _SSE_KEY: replica_key}
        original(bucket_name, key, obj, data, tags)
        obj["preserved_headers"] = headers

    replicate.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    s3._maybe_replicate = replicate


def read_health_checks() -> None:
    # Of the checks that a calculated one adds up, and of the regions that checks are
    # made from, ministack reads how many there are and not which.
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


def read_drift() -> None:
    # Secrets are looked up by name, but a stack knows them by ARN (see resources.keys).
    readers = import_module("ministack.services.cloudformation.drift")._DRIFT_READERS
    read, covered = readers["AWS::SecretsManager::Secret"]

    def by_arn(physical_id: str, props: Mapping[str, Any]) -> Any:
        secrets = import_module("ministack.services.secretsmanager")
        name, _ = secrets._resolve(physical_id)
        return read(name, props) if name else None

    readers["AWS::SecretsManager::Secret"] = (by_arn, covered)


def speak_cbor() -> None:
    # Without cbor2, which ministack does not require, every SDK call of CloudWatch
    # that has an answer fails.
    try:
        import_module("cbor2")
    except ImportError:
        sys.modules["cbor2"] = cbor
