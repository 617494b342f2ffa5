"""Turns off, from the other region, the switch that brings traffic to a region.

A step of a failback, when both regions are there: a call of a runbook goes to its own
region, so this is a script. The health checks follow the metric, and so does its alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import boto3

TRIES = 30
PAUSE = 15  # seconds


def handler(event: Mapping[str, str], context: Any) -> dict[str, str]:
    """The entry point that Systems Manager calls; `event` is the step's payload."""
    metrics = boto3.client("cloudwatch", region_name=event["Region"])
    return release(event, metrics, time.sleep)


def release(
    asked: Mapping[str, str], metrics: Any, sleep: Callable[[float], None]
) -> dict[str, str]:
    """Put 0 as the `Metric` in `Namespace` until `Alarm` says OK.

    More than once: in a minute in which somebody put 1, the highest value counts. Raises
    TimeoutError when the alarm does not follow in time.
    """
    state = ""
    for _ in range(TRIES):
        metrics.put_metric_data(
            Namespace=asked["Namespace"],
            MetricData=[{"MetricName": asked["Metric"], "Value": 0}],
        )
        found = metrics.describe_alarms(AlarmNames=[asked["Alarm"]])["MetricAlarms"]
        state = found[0]["StateValue"] if found else "missing"
        if state == "OK":
            return {"Alarm": asked["Alarm"], "State": state}
        sleep(PAUSE)
    raise TimeoutError(f"{asked['Alarm']} in {asked['Region']} is {state}, not OK")
