"""A switch is turned off from the other region, and seen to have followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tapgen.handlers import release

ASKED = {"Region": "us-east-2", "Namespace": "n", "Metric": "m", "Alarm": "a"}


@dataclass
class Metrics:
    """An alarm that follows after some looks, or never."""

    states: list[str]
    put: list[dict[str, Any]] = field(default_factory=list)

    def put_metric_data(self, **given: Any) -> None:
        self.put.append(given)

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:
        assert AlarmNames == ["a"]
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"MetricAlarms": [{"StateValue": state}] if state else []}


def test_it_puts_zeros_until_the_alarm_follows() -> None:
    metrics, slept = Metrics(["ALARM", "ALARM", "OK"]), list[float]()
    assert release.release(ASKED, metrics, slept.append)["State"] == "OK"
    zero = {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 0}]}
    assert metrics.put == [zero] * 3
    assert len(slept) == 2


@pytest.mark.parametrize("state", ["ALARM", ""])
def test_an_alarm_that_does_not_follow_is_an_error_in_ten_minutes(state: str) -> None:
    slept = list[float]()
    with pytest.raises(TimeoutError, match="a in us-east-2 is (ALARM|missing), not OK"):
        release.release(ASKED, Metrics([state]), slept.append)
    assert sum(slept) < 600  # Systems Manager ends it then
