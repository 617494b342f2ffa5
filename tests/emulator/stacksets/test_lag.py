"""Eventually consistent lists that lag on request.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackSetOperations.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackSetOperationResults.html

Both: "This API provides eventually consistent reads meaning it may take some time but
will eventually return the most up-to-date data."
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tapgen.emulator.server import lifecycle
from tests.emulator.conftest import PATIENCE, Aws, template
from tests.emulator.stacksets.test_operations import start

LAG = 2.0  # seconds: longer than an operation takes on a busy machine


def configure(server: lifecycle.Server, given: Any) -> dict[str, Any]:
    request = Request(
        f"{server.url}/_tapgen/settings",
        json.dumps(given).encode(),
        {"x-tapgen-token": server.token},
    )
    with urlopen(request) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


@pytest.fixture
def lagging(server: lifecycle.Server) -> Iterator[None]:
    configure(server, {"list_lag_seconds": LAG})
    yield
    configure(server, {"list_lag_seconds": 0})


REGIONS = ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2"]


def seen(aws: Aws, id_: str) -> tuple[list[str], list[str]]:
    """Statuses of all operations, and of the results of one."""
    client = aws.cloudformation
    operations = client.list_stack_set_operations(StackSetName="s")["Summaries"]
    results = client.list_stack_set_operation_results(StackSetName="s", OperationId=id_)
    return (
        [o["Status"] for o in operations],
        [r["Status"] for r in results["Summaries"]],
    )


def test_lists_lag_behind_descriptions(aws: Aws, lagging: None) -> None:
    """DescribeStackSetOperation is strongly consistent, both lists are not."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    # One region after the other, so that there is time to look while it runs.
    id_ = start(aws, "s", Regions=REGIONS)
    assert aws.finished("s", id_)["Status"] == "SUCCEEDED"
    assert seen(aws, id_) == ([], [])
    shown = []
    end = (["SUCCEEDED"], ["SUCCEEDED"] * len(REGIONS))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and end not in shown:
        shown.append(seen(aws, id_))
        time.sleep(0.005)
    assert shown[-1] == end
    assert any(operations == ["RUNNING"] for operations, _ in shown)
    # Instances are not said to be eventually consistent.
    assert set(aws.states("s").values()) == {("CURRENT", "SUCCEEDED")}


def test_without_the_setting_nothing_lags(aws: Aws) -> None:
    """The emulated AWS is strongly consistent by default."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=template())
    id_ = start(aws, "s", Regions=["us-east-1"])
    aws.finished("s", id_)
    assert seen(aws, id_) == (["SUCCEEDED"], ["SUCCEEDED"])


def test_the_setting_is_shown(server: lifecycle.Server, lagging: None) -> None:
    """Not AWS: the status route."""
    assert lifecycle.status(server.folder)["list_lag_seconds"] == LAG


@pytest.mark.parametrize(
    "given", [[], {"lag": 1}, *({"list_lag_seconds": n} for n in (-1, "2", True, 1e9))]
)
def test_settings_that_make_no_sense_are_refused(
    server: lifecycle.Server, given: Any
) -> None:
    """Not AWS: the settings route."""
    with pytest.raises(HTTPError) as refusal:
        configure(server, given)
    with refusal.value as answer:
        assert answer.code == 400
        assert (
            "settings are" in (answer := answer.read().decode()) or "must be" in answer
        )
    assert lifecycle.status(server.folder)["list_lag_seconds"] == 0
