"""Details of RDS instances that ministack does not return.

DescribeDBInstances lacks the state of replication, the exported logs, and the secret
that RDS stores the password in.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from xml.sax.saxutils import escape

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.rds": {"_instance_xml": ("i",)}
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Add the missing details to the answers."""
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
