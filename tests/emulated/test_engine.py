"""The engine in AWS on the embedded AWS: its package by itself, with the boto3 in
TAPGEN_OLDEST_BOTO3 in `make soak`, and its word to people."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tapgen import rollout
from tapgen.engine.turn import Function
from tapgen.errors import RolloutError
from tapgen.model import ApprovalGate, Target
from tapgen.rollout import lock, planned
from tapgen.rollout.remote import Remote
from tests.emulated.conftest import Cloud
from tests.emulated.test_rollout import EAST, part, system
from tests.unit.engine.test_package import sdk, unpack

ARN = "arn:aws:states:us-east-1:{}:stateMachine:tapgen-engine"

# What Lambda does: calls the handler again and again, with the time that is left.
LAMBDA = """
import json, sys
sys.path[:0] = sys.argv[1:3]
from tapgen.engine.turn import handle
class Context:
    def get_remaining_time_in_millis(self):
        return 900_000
answer = {"state": "waiting", "seconds": 1}
while (answer["state"], answer["seconds"]) == ("waiting", 1):
    answer = handle(json.loads(sys.argv[3]), Context())
print(json.dumps(answer))
"""


def in_lambda(cloud: Cloud, tmp_path: Path, event: object) -> object:
    """Call the handler of the package as Lambda does, in a process that has nothing else;
    return its last answer."""
    given = [
        str(unpack(tmp_path / "engine")),
        str(sdk(tmp_path / "sdk")),
        json.dumps(event),
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.account,
        "AWS_SECRET_ACCESS_KEY": "local",
        "TAPGEN_STATE_MACHINE": ARN.format(cloud.account),
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAMBDA, *given],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_its_package_alone_rolls_out_notifies_and_takes_an_approval(
    cloud: Cloud, tmp_path: Path
) -> None:
    wanted = system(part("source", targets=(EAST,), Text="1"))
    settings = replace(wanted.rollout, gates=(ApprovalGate(after="wave"),))
    wanted = replace(wanted, rollout=settings)
    cloud.bootstrap(wanted)
    queue, topic = _topic(cloud)
    arn = ARN.format(cloud.account)
    run, _ = planned.run_in_aws(
        cloud.plan(wanted),
        cloud.sets,
        cloud.events.append,
        Remote(arn, wanted.operator_role, poll_seconds=(0.02, 0.1)),
        starter=rollout.Starter("tester"),
    )
    event = {"do": "advance", "system": wanted.prefix, "run": run}
    waiting = {"state": "waiting", "seconds": 2, "outcome": None}
    assert in_lambda(cloud, tmp_path, event) == waiting

    said: list[str] = []
    admin, url = Target(cloud.account, "us-east-1"), "https://console/approve?a=b"
    function = Function(
        *(cloud.aws, admin, arn, topic, url, (wanted.prefix,)),
        left=lambda: 900.0,
        say=said.append,
    )
    assert function.do(event) == waiting and function.do(event) == waiting
    (told,) = _messages(cloud, queue)
    assert "waits at a gate" in told and f"{url}&System={wanted.prefix}" in told
    assert function.do({"do": "look"}) == []  # somebody advances it
    broken = replace(function, systems=("broken", "broken-too"))
    for one in broken.systems:  # neither keeps from looking at the other
        cloud.sets.bucket.put(lock.key(one), b"?")
    with pytest.raises(ValueError, match="Expecting value"):
        broken.do({"do": "look"})
    found = [one for one in said if "cannot be looked at" in one]
    assert [one.split()[0] for one in found] == ["broken", "broken-too"]

    gate = told.partition("Gate=")[2].split()[0]
    approve = {"do": "approve", "system": wanted.prefix, "run": run, "gate": gate}
    with pytest.raises(RolloutError, match="does not wait for an approval of gate 9.9"):
        function.do({**approve, "gate": "9.9"})
    assert function.do({**approve, "by": "arn:aws:sts::1:x"}) == {"approved": True}
    ended = {"state": "ended", "seconds": 0, "outcome": "done"}
    answers = [function.do(event) for _ in range(10)]
    assert ended in answers and answers[-1] == ended
    (told,) = _messages(cloud, queue)
    assert f"Run {run} of {wanted.prefix}: done." in told
    assert cloud.statuses(wanted) == {"CURRENT"}
    held = lock.read(cloud.sets.bucket, wanted.prefix)
    assert held and not held.lock.open
    assert function.do({**event, "run": "another"})["state"] == "handed-over"


def _topic(cloud: Cloud) -> tuple[str, str]:
    """A topic, and the URL of a queue with what is published there."""
    queue = cloud.client("sqs").create_queue(QueueName="told")["QueueUrl"]
    topic = cloud.client("sns").create_topic(Name="told")["TopicArn"]
    attributes = cloud.client("sqs").get_queue_attributes(
        QueueUrl=queue, AttributeNames=["QueueArn"]
    )
    arn = attributes["Attributes"]["QueueArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return queue, str(topic)


def _messages(cloud: Cloud, queue: str) -> list[str]:
    """Take what has come to a queue."""
    client, found = cloud.client("sqs"), []
    while got := client.receive_message(QueueUrl=queue).get("Messages"):
        for one in got:
            found.append(json.loads(one["Body"])["Message"])
            handle = one["ReceiptHandle"]
            client.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    return found
