"""CloudWatch alarms: those of a stack, their states, and when they went off.

Source: `DescribeAlarms` and `DescribeAlarmHistory` in CloudWatch's API reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tapgen.aws import stacks
from tapgen.aws.session import Aws, ask, pages
from tapgen.errors import NotFound
from tapgen.frozen import dataclass
from tapgen.model import Target

_AT_ONCE = 100  # AlarmNames of one call
_KINDS = ["MetricAlarm", "CompositeAlarm"]  # without it, only metric alarms
_TYPES = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")


@dataclass(frozen=True)
class Metric:
    """A metric that an alarm watches; `account` is that of the metric where the alarm names
    one, else empty."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    account: str = ""

    def __str__(self) -> str:
        of = ", ".join(f"{name} {value}" for name, value in self.dimensions.items())
        return f"{self.namespace} {self.name}" + (f" of {of}" if of else "")


@dataclass(frozen=True)
class Alarm:
    """An alarm as CloudWatch reports it; `state` is OK, ALARM or INSUFFICIENT_DATA.

    `changed` is when the state last changed. `went_off` is when the alarm last entered
    ALARM after the time that was asked for, also where it has left it since. `metrics` are
    those it watches, none of a composite alarm; `missing` is what it takes missing data
    for (`TreatMissingData`).
    """

    target: Target
    name: str
    state: str
    changed: datetime
    reason: str = ""
    went_off: datetime | None = None
    metrics: tuple[Metric, ...] = ()
    missing: str = "missing"

    def __str__(self) -> str:
        return f"{self.name} in {self.target}"


def of_stack(aws: Aws, target: Target, stack_id: str) -> tuple[str, ...]:
    """Return the names of the alarms in a stack; none where the stack does not exist."""
    try:
        found = stacks.resources(aws, target, stack_id)
    except NotFound:
        return ()
    return tuple(name for kind, name in found.values() if kind in _TYPES and name)


def read(
    aws: Aws, target: Target, names: Iterable[str], since: datetime | None = None
) -> list[Alarm]:
    """Return the alarms of these names that exist in a target, by name; with `since` also
    when each went off after that."""
    client = aws.client("cloudwatch", target)
    wanted = sorted(dict.fromkeys(names))
    found = [
        alarm
        for start in range(0, len(wanted), _AT_ONCE)
        for alarm in _described(client, wanted[start : start + _AT_ONCE])
    ]
    went_off = _went_off(client, since) if found and since else {}
    return [
        Alarm(
            target,
            alarm["AlarmName"],
            alarm["StateValue"],
            alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"],
            alarm.get("StateReason", ""),
            went_off.get(alarm["AlarmName"]),
            tuple(_metrics(alarm)),
            alarm.get("TreatMissingData") or "missing",
        )
        for alarm in sorted(found, key=lambda a: str(a["AlarmName"]))
    ]


def dimensions(aws: Aws, target: Target, metric: Metric) -> list[Mapping[str, str]]:
    """Return under which dimensions CloudWatch has data of the last two weeks for a metric:
    those of the metric, with or without others. A new metric may take 15 minutes.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
    """
    given = [{"Name": n, "Value": v} for n, v in metric.dimensions.items()]
    listed = pages(
        aws.client("cloudwatch", target),
        "list_metrics",
        "Metrics",
        Namespace=metric.namespace,
        MetricName=metric.name,
        Dimensions=given or None,
    )
    found = [_dimensions(one) for one in listed]
    return [one for one in found if one.items() >= metric.dimensions.items()]


def _metrics(alarm: Mapping[str, Any]) -> Iterator[Metric]:
    if "MetricName" in alarm:
        yield Metric(alarm["Namespace"], alarm["MetricName"], _dimensions(alarm))
    for query in alarm.get("Metrics", ()):
        if "MetricStat" in query:  # else an expression of the others
            metric = query["MetricStat"]["Metric"]
            name, account = metric["MetricName"], query.get("AccountId", "")
            yield Metric(metric["Namespace"], name, _dimensions(metric), account)


def _dimensions(of: Mapping[str, Any]) -> dict[str, str]:
    return {one["Name"]: one["Value"] for one in of.get("Dimensions", ())}


def _described(client: Any, names: list[str]) -> Iterator[Mapping[str, Any]]:
    token = None
    while True:
        answer = ask(
            client,
            "describe_alarms",
            AlarmNames=names,
            AlarmTypes=_KINDS,
            NextToken=token,
        )
        yield from answer.get("MetricAlarms", ())
        yield from answer.get("CompositeAlarms", ())
        token = answer.get("NextToken")
        if not token:
            return


def _went_off(client: Any, since: datetime) -> dict[str, datetime]:
    """Alarm name → when it last entered ALARM after a time, to the second."""
    since = since.replace(microsecond=0)
    found: dict[str, datetime] = {}
    items = pages(
        client,
        "describe_alarm_history",
        "AlarmHistoryItems",
        AlarmTypes=_KINDS,
        HistoryItemType="StateUpdate",
        StartDate=since,
    )
    for item in items:
        when = item["Timestamp"]
        if when >= since and _new_state(item.get("HistoryData", "")) == "ALARM":
            name = item["AlarmName"]
            found[name] = max(when, found.get(name, when))
    return found


def _new_state(data: str) -> str:
    try:
        return str(json.loads(data)["newState"]["stateValue"])
    except (ValueError, KeyError, TypeError):
        return ""
