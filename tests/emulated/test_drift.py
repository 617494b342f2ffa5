"""A system that was just rolled out has not drifted, and what was changed has."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tapgen import config
from tapgen.aws import change_sets
from tapgen.blueprints import find
from tapgen.emulator.server import lifecycle
from tapgen.model import System
from tapgen.operate import reverting
from tapgen.plan import drift
from tapgen.report import watching as report
from tapgen.rollout import (
    Event,
    Lost,
    Outcome,
    Starter,
    abandon,
    history,
    watching,
)
from tests.emulated.conftest import Cloud
from tests.systems import look

SHIPPED = Path(__file__).parents[2] / "stacksets" / "secure_network.yaml"
PATIENCE = 60  # seconds


def secure_network(profile: str, folder: Path) -> System:
    """The shipped system with another profile."""
    file = folder / "secure_network.yaml"
    shipped = look.plain(config.load(SHIPPED, find).settings)["profile"]
    text = SHIPPED.read_text()
    assert f"profile: {shipped}" in text
    file.write_text(text.replace(f"profile: {shipped}", f"profile: {profile}"))
    blueprint = find("secure_network")
    assert blueprint is not None
    return blueprint.build(config.load(file, find))


def drifts(cloud: Cloud, name: str) -> Iterator[dict[str, Any]]:
    """Detect drift of a stack set: every resource drift that was found."""
    client = cloud.client("cloudformation")
    started = client.detect_stack_set_drift(StackSetName=name)["OperationId"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = client.describe_stack_set_operation(
            StackSetName=name, OperationId=started
        )["StackSetOperation"]
        if found["Status"] not in ("QUEUED", "RUNNING"):
            break
        time.sleep(0.02)
    results = client.list_stack_set_operation_results(
        StackSetName=name, OperationId=started
    )["Summaries"]
    assert found["Status"] == "SUCCEEDED", results
    for instance in client.list_stack_instances(StackSetName=name)["Summaries"]:
        yield from client.list_stack_instance_resource_drifts(
            StackSetName=name,
            StackInstanceAccount=instance["Account"],
            StackInstanceRegion=instance["Region"],
            OperationId=started,
            MaxResults=100,
        )["Summaries"]


@pytest.mark.parametrize("profile", ["minimal", "ideal"])
def test_a_fresh_rollout_has_no_drift(
    cloud: Cloud, profile: str, tmp_path: Path, server: lifecycle.Server
) -> None:
    system = secure_network(profile, tmp_path)
    cloud.code = "sn"
    assert cloud.rollout(system).green
    client = cloud.client("cloudformation")
    names = [s["StackSetName"] for s in client.list_stack_sets()["Summaries"]]
    found = [drift for name in names for drift in drifts(cloud, name)]
    wrong = [
        (d["LogicalResourceId"], d["ResourceType"], d["PropertyDifferences"])
        for d in found
        if d["StackResourceDriftStatus"] not in ("IN_SYNC", "NOT_CHECKED")
    ]
    assert wrong == []
    checked = Counter(
        d["ResourceType"] for d in found if d["StackResourceDriftStatus"] == "IN_SYNC"
    )
    assert {"AWS::EC2::SecurityGroup", "AWS::IAM::Role", "AWS::S3::Bucket"} <= set(
        checked
    )
    if profile == "minimal":
        reverted(cloud, system, server)


def reverted(cloud: Cloud, system: System, server: lifecycle.Server) -> None:
    """What was changed by hand is reverted, by a process that stops in between and another
    one; and nothing is executed twice. Where that fails, the run is over, and the drift is
    found again."""
    logs, group = cloud.client("logs"), "sn-prod-app-primary"
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    parts = {"secure-network-prod-observability": "observability"}
    resolved = system.resolve(cloud.account)
    fault: dict[str, Any] = {
        "effect": "fail",
        "reason": "not today",
        "match": {"account": cloud.account, "logical_id": "AppLogGroup"},
    }

    def proposed() -> change_sets.Proposal:
        drift.detect(cloud.sets, parts, lambda line: None, poll_seconds=0.02)
        (found,) = drift.survey(cloud.sets, parts).drifted
        return change_sets.propose_revert(
            cloud.aws, found.target, found.stack_id, found.stack_set, ()
        )

    def reverting_run(on_event: Any) -> Outcome:
        return reverting.run(
            [proposed()],
            resolved,
            cloud.sets,
            on_event,
            starter=Starter("a", "drift"),
            poll_seconds=(0.02, 0.1),
        )

    lifecycle.add_faults(server.folder, fault)
    failed = reverting_run(lambda event: None)
    lifecycle.clear_faults(server.folder)
    (why,) = failed.failures
    assert "UPDATE_ROLLBACK_COMPLETE: AppLogGroup: not today" in why.reason
    assert "seconds" not in why.reason, "it has ended: nobody has waited for long"
    assert not (failed.partial or failed.open), "CloudFormation has rolled it back"
    run = history.find(cloud.sets.bucket, system.prefix, failed.run)
    shown = report.text(watching.Watch(run, cloud.sets).look())
    assert "not today" in shown and "over: abandoned" in shown

    def at_once(event: Event) -> None:
        raise KeyboardInterrupt  # nothing is executed yet

    with pytest.raises(Lost):
        reverting_run(at_once)
    name = history.newest(cloud.sets.bucket, system.prefix)
    assert name and abandon(cloud.sets, system.prefix, lambda event: None) == ()
    run = history.find(cloud.sets.bucket, system.prefix, name)
    act = next(iter(run.state.there.steps.values())).calls[0].act
    assert act
    client, which = cloud.client("cloudformation"), act.arguments["ChangeSetName"]
    assert client.describe_change_set(ChangeSetName=which)["Changes"]
    assert reverting.discard(run.state, cloud.sets) == []
    with pytest.raises(ClientError, match="does not exist"):
        client.describe_change_set(ChangeSetName=which)

    def stop(event: Event) -> None:
        if event.kind == "done":
            raise KeyboardInterrupt  # the change set is being executed

    with pytest.raises(Lost):
        reverting_run(stop)
    ended = cloud.resume(resolved)

    assert ended and ended.green
    (now,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert now["retentionInDays"] == 90
    drift.detect(cloud.sets, parts, lambda line: None, poll_seconds=0.02)
    assert drift.survey(cloud.sets, parts).clean
