"""What a month is assumed to bring, for estimates of costs."""

from __future__ import annotations

from collections.abc import Mapping

from tapgen.frozen import dataclass


@dataclass(frozen=True)
class Usage:
    """What each resource is assumed to have in a month; `USAGE` says of what.

    The defaults are ours, and round: they make an estimate that can be corrected.
    """

    hours: int = 730
    requests: int = 1_000_000
    call_ms: int = 100
    table_writes: int = 1_000_000
    table_reads: int = 1_000_000
    table_gb: int = 10
    stored_gb: int = 10
    object_writes: int = 100_000
    database_gb: int = 50
    database_ios: int = 10_000_000
    log_gb: int = 1
    flow_log_gb: int = 10
    nat_gb: int = 100
    endpoint_gb: int = 10
    transit_gb: int = 100
    balancer_units: int = 1
    accelerated_gb: int = 100
    data_events: int = 1_000_000
    config_items: int = 1_000
    rule_evaluations: int = 1_000
    backup_gb: int = 10
    notifications: int = 1_000


USAGE: Mapping[str, str] = {
    "hours": "hours that everything runs",
    "requests": "requests to each API, function and web ACL",
    "call_ms": "milliseconds that each call of a function takes",
    "table_writes": "write request units of each table",
    "table_reads": "read request units of each table, in one region",
    "table_gb": "gigabytes in each table",
    "stored_gb": "gigabytes in each bucket",
    "object_writes": "objects written to each bucket",
    "database_gb": "gigabytes in each Aurora cluster",
    "database_ios": "read and write requests to the storage of each Aurora cluster",
    "log_gb": "gigabytes that each log group takes in, besides flow logs",
    "flow_log_gb": "gigabytes of each flow log",
    "nat_gb": "gigabytes through each NAT gateway",
    "endpoint_gb": "gigabytes through each interface endpoint",
    "transit_gb": "gigabytes through each attachment of a transit gateway",
    "balancer_units": "capacity units (LCU) that each load balancer uses on average",
    "accelerated_gb": "gigabytes through each accelerator",
    "data_events": "data events that each trail records",
    "config_items": "configuration items that each Config recorder records",
    "rule_evaluations": "evaluations of each Config rule",
    "backup_gb": "gigabytes of backups of each backup plan",
    "notifications": "messages published to each topic",
}
"""What each assumption is, in words that follow a number."""
