"""A replica is judged by the replication slot of its source, which says bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tapgen.handlers import behind

ARN = "arn:aws:rds:us-west-1:123456789012:db:source"
ASKED = {"Source": ARN, "Bytes": "100"}


class Metrics:
    """Answers with the values of one minute after another, the last one first."""

    def __init__(self, *answers: list[float]) -> None:
        self.answers = list(answers)

    def get_metric_data(self, **given: Any) -> dict[str, Any]:
        (query,) = given["MetricDataQueries"]
        metric = query["MetricStat"]["Metric"]
        assert metric["Dimensions"] == [
            {"Name": "DBInstanceIdentifier", "Value": "source"}
        ]
        assert given["StartTime"] < given["EndTime"]
        first = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {"MetricDataResults": [{"Values": first}]}


@pytest.mark.parametrize(
    ("answers", "looks"),
    [([[100, 900]], 1), ([[101.0], [], [0.0]], 3), ([[-1.0], [7.0]], 2)],
)
def test_it_waits_until_the_slot_holds_little(
    answers: list[list[float]], looks: int
) -> None:
    slept = list[float]()
    told = behind.wait(ASKED, Metrics(*answers), slept.append)
    assert told["Source"] == ARN and int(told["BytesBehind"]) <= 100
    assert len(slept) == looks - 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [([900.0], "holds 900 bytes"), ([], "says nothing"), ([-1.0], "says nothing")],
)
def test_a_slot_that_stays_behind_or_is_silent_is_an_error_in_ten_minutes(
    answer: list[float], said: str
) -> None:
    slept = list[float]()
    with pytest.raises(TimeoutError, match=said):
        behind.wait(ASKED, Metrics(answer), slept.append)
    assert sum(slept) < 600  # Systems Manager ends it then
