"""How far a copy is behind, from the metric that an alarm watches.

The alarm says which metric and dimensions it is, so nothing here knows them.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError
from tapgen.model import Target

RECENT = timedelta(minutes=15)
_PERIOD = 60  # seconds


@dataclass(frozen=True)
class Lag:
    """The last value of a lag, in the `unit` of its metric (milliseconds in Aurora), and
    when it was measured. None where it is unknown; `why` says why."""

    value: float | None = None
    at: datetime | None = None
    why: str = "the region does not answer"
    unit: str = "ms"

    def __str__(self) -> str:
        if self.value is None or self.at is None:
            return f"unknown: {self.why}"
        return f"{self.value:.0f} {self.unit} at {self.at:%H:%M:%S} UTC"


def read(aws: Aws, target: Target, alarm: str, unit: str = "ms") -> Lag:
    """Return the last value of the metric of an alarm; unknown where it cannot be read,
    which nobody in a failover has to wait for."""
    found, why = recent(aws, target, alarm)
    if not found:
        return Lag(why=why)
    at, value = found[0]
    return Lag(value, at, unit=unit)


def recent(
    aws: Aws, target: Target, alarm: str
) -> tuple[list[tuple[datetime, float]], str]:
    """Return the values of the metric of an alarm in the last minutes, the newest first;
    where there are none, why."""
    client = aws.client("cloudwatch", target, attempts=2)
    now = datetime.now(UTC)
    try:
        found = ask(client, "describe_alarms", AlarmNames=[alarm])["MetricAlarms"]
        if not found:
            return [], f"there is no alarm {alarm} in {target.region}"
        metric = {k: found[0].get(k, []) for k in _METRIC}
        query = {"Metric": metric, "Period": _PERIOD, "Stat": "Maximum"}
        values = ask(
            client,
            "get_metric_data",
            MetricDataQueries=[{"Id": "lag", "MetricStat": query}],
            StartTime=now - RECENT,
            EndTime=now,
            ScanBy="TimestampDescending",
        )["MetricDataResults"][0]
    except AwsError as error:
        return [], str(error)
    if not values["Values"]:
        minutes = RECENT.seconds // 60
        name = metric["MetricName"]
        return [], f"{name} has no data of the last {minutes} minutes"
    numbers = map(float, values["Values"])
    return list(zip(values["Timestamps"], numbers, strict=True)), ""


_METRIC = ("Namespace", "MetricName", "Dimensions")
