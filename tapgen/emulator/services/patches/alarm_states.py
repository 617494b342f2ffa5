"""Alarms that follow their metrics while the clock is moved.

With the real time, ministack judges an alarm when data of its metric arrives. A clock
that was moved shows what happens without data: INSUFFICIENT_DATA, or what the alarm says
of missing data, and back when data arrives.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
Alarms on expressions of metrics, and on anomalies, keep their state.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.cloudwatch": {
        "_alarms": None,
        "_calc_stats": ("points",),
        "_dims_from_list": ("dimensions",),
        "_dims_key": ("dims",),
        "_dispatch_alarm_actions": ("alarm", "old_state", "new_state", "reason"),
        "_evaluate_alarm": ("alarm",),
        "_evaluate_parent_alarms": ("child", "seen"),
        "_metrics": None,
        "_record_history": (
            *("alarm_name", "old_state", "new_state", "reason"),
            *("alarm_type", "reason_data"),
        ),
        "_stat_value": ("stats", "stat_name", "points"),
        "time": None,
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

OK, ALARM, NO_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
# What the data of an alarm last said.
_KNOWN = "_by_data"
# More periods than an alarm needs are read, so that late data counts.
_MORE = 2


def apply() -> None:
    """Judge alarms by the clock."""
    watch: Any = _watch()
    clock.drive("ministack.services.cloudwatch")
    original = watch._evaluate_alarm

    def evaluate(alarm: dict[str, Any]) -> None:
        _judge(alarm) if clock.stands() else original(alarm)
        now, _ = by_data(alarm)
        if now != NO_DATA:
            alarm[_KNOWN] = now

    evaluate.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    watch._evaluate_alarm = evaluate
    clock.watch(_happen)


def _happen() -> None:
    if clock.stands():
        for _, alarm in clock.everywhere(_watch()._alarms):
            _judge(alarm)


def by_data(alarm: Mapping[str, Any]) -> tuple[str, str]:
    """The state of an alarm by its data alone, now and when there last was enough: what
    Route 53 sees of it. Of an alarm on an expression, its state.
    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
    """
    found = _by_metric(alarm, NO_DATA)
    if found is None:
        return alarm.get("StateValue", NO_DATA), alarm.get("StateValue", OK)
    return found[0], alarm.get(_KNOWN, OK)


def _by_metric(
    alarm: Mapping[str, Any], now: str
) -> tuple[str, list[float | None]] | None:
    """The state that the metric of an alarm gives it, and its values; None without one."""
    breaches = COMPARED.get(alarm.get("ComparisonOperator", ""))
    if not (breaches and alarm.get("Namespace") and alarm.get("MetricName")):
        return None
    needed = int(alarm.get("EvaluationPeriods") or 1)
    values = _values(alarm, needed + _MORE)
    # "Alarms that evaluate metrics in the AWS/DynamoDB namespace always ignore missing
    # data even if you choose a different option" (API reference, PutMetricAlarm).
    ignores = alarm["Namespace"] == "AWS/DynamoDB"
    missing = "ignore" if ignores else alarm.get("TreatMissingData") or "missing"
    new = state(
        [v if v is None else breaches(v, float(alarm["Threshold"])) for v in values],
        needed,
        int(alarm.get("DatapointsToAlarm") or needed),
        missing,
        now,
    )
    return new, values


def _judge(alarm: dict[str, Any]) -> None:
    found = _by_metric(alarm, alarm["StateValue"])
    if found is None:
        return
    new, values = found
    old = alarm["StateValue"]
    if new == old:
        return
    shown = "no datapoints were received" if set(values) == {None} else f"{values}"
    reason = f"{alarm['ComparisonOperator']} {alarm['Threshold']}: {shown}"
    watch = _watch()
    alarm |= {
        "StateValue": new,
        "StateReason": reason,
        "StateUpdatedTimestamp": int(clock.now()),
    }
    watch._record_history(alarm["AlarmName"], old, new, reason)
    watch._dispatch_alarm_actions(alarm, old, new, reason)
    watch._evaluate_parent_alarms(alarm)


def state(
    breaching: Sequence[bool | None],
    periods: int,
    to_alarm: int,
    missing: str,
    now: str,
) -> str:
    """The state of an alarm by its last periods, the newest first; None is no data.

    `missing` is its TreatMissingData, `now` its present state. As in the tables of the
    page above: the newest `periods` with data count, and only what these lack is filled.
    """
    found = [b for b in breaching if b is not None][:periods]
    lacking = periods - len(found)
    bad = sum(found)
    if missing == "ignore" and lacking and not found:
        return now
    if missing == "breaching":
        return "ALARM" if bad + lacking >= to_alarm else "OK"
    if missing == "notBreaching" or not lacking:
        return "ALARM" if bad >= to_alarm else "OK"
    if not found:
        return "INSUFFICIENT_DATA"
    if bad + lacking < to_alarm or not bad:
        return "OK"
    oldest = max(n for n, b in enumerate(breaching, 1) if b)
    if missing == "missing" and oldest >= to_alarm:
        return "ALARM"
    return now


def _values(alarm: Mapping[str, Any], count: int) -> list[float | None]:
    """The statistic of each of the last periods, the newest first."""
    watch = _watch()
    dimensions = alarm.get("Dimensions") or {}
    if isinstance(dimensions, list):
        dimensions = watch._dims_from_list(dimensions)
    key = (alarm["Namespace"], alarm["MetricName"], watch._dims_key(dimensions))
    points = watch._metrics.get(key) or []
    period = int(alarm.get("Period") or 60)
    wanted = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    values: list[float | None] = []
    for number in range(count):
        end = clock.now() - number * period
        within = [p for p in points if end - period < p["Timestamp"] <= end]
        stats = watch._calc_stats(within)
        values.append(watch._stat_value(stats, wanted, within) if stats else None)
    return values


def _watch() -> Any:
    return import_module("ministack.services.cloudwatch")
