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
from tests.emulator.conftest import HELD, PATIENCE, Aws, template
from tests.emulator.stacksets.test_operations import held, start

LAG = 3600.0  # seconds: longer than a test takes on the slowest machine


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


def seen(aws: Aws, id_: str) -> tuple[list[str], list[str]]:
    """Statuses of all operations, and of the results of one."""
    client = aws.cloudformation
    operations = client.list_stack_set_operations(StackSetName="s")["Summaries"]
    results = client.list_stack_set_operation_results(StackSetName="s", OperationId=id_)
    return (
        [o["Status"] for o in operations],
        [r["Status"] for r in results["Summaries"]],
    )


def test_lists_lag_behind_descriptions(
    aws: Aws, server: lifecycle.Server, lagging: None
) -> None:
    """DescribeStackSetOperation is strongly consistent, both lists are not."""
    aws.cloudformation.create_stack_set(StackSetName="s", TemplateBody=HELD)
    id_ = start(aws, "s", Regions=["us-east-1"])
    assert seen(aws, id_) == ([], [])
    configure(server, {"list_lag_seconds": 0})
    deadline = time.monotonic() + PATIENCE
    while seen(aws, id_) != (["RUNNING"], ["RUNNING"]):
        assert time.monotonic() < deadline
    running = time.time()
    time.sleep(0.5)
    signalled = time.time()
    held(aws, "s", "us-east-1")
    assert aws.finished("s", id_)["Status"] == "SUCCEEDED"

    # The lists as they were while it ran; asked again where the machine was so slow
    # that the answer is of a later time.
    asked = float("inf")
    while asked >= signalled:
        lag = time.time() - running
        configure(server, {"list_lag_seconds": lag})
        shown = seen(aws, id_)
        asked = time.time() - lag
    assert shown == (["RUNNING"], ["RUNNING"])
    # Instances are not said to be eventually consistent.
    assert set(aws.states("s").values()) == {("CURRENT", "SUCCEEDED")}
    configure(server, {"list_lag_seconds": 0})
    assert seen(aws, id_) == (["SUCCEEDED"], ["SUCCEEDED"])


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
