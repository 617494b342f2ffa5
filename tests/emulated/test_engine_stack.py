"""The engine as it is deployed: a run that it advances, while its function is throttled,
killed and timed out and its state machine is stopped and goes on in new executions, ends
like a run at a terminal."""

from __future__ import annotations

import io
import json
import os
import random
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tapgen import rollout
from tapgen.accounts import doctor, engine
from tapgen.accounts.engine import Engine
from tapgen.blueprints import engine as blueprint
from tapgen.cli.bootstrap import package
from tapgen.emulator.server import lifecycle
from tapgen.engine import executions
from tapgen.errors import RolloutError
from tapgen.model import ApprovalGate, System, Target
from tapgen.rollout import gating, lock, planned, turns
from tapgen.rollout.remote import Remote
from tests.emulated.conftest import Cloud
from tests.emulated.test_rollout import part, system

SOAK = int(os.environ.get("TAPGEN_SOAK", "0"))
PATIENCE = 600  # seconds
TIMEOUT = "Task timed out after 900.00 seconds"


@dataclass
class InAws:
    """The engine of an account, and a system that it runs."""

    cloud: Cloud
    folder: Any
    system: System

    @property
    def admin(self) -> Target:
        return Target(self.cloud.account, "us-east-1")

    @property
    def engine(self) -> Engine:
        found = engine.deployed(self.cloud.aws, self.admin)
        assert found
        return found

    def deploy(self, turns_: int, newer: bool = False) -> bool:
        """Deploy the engine for the system, with executions of so many turns, and with the
        code of a newer tapgen."""
        runs, resolved = package(), self.system.resolve(self.cloud.account)
        runs = replace(runs, body=with_more(runs.body)) if newer else runs
        wanted = engine.wanted(self.cloud.aws, resolved, runs)
        text = json.loads(wanted.template)
        machine = text["Resources"]["Machine"]["Properties"]
        machine["DefinitionString"] = json.dumps(blueprint.definition(turns_))
        short = replace(wanted, template=json.dumps(text))
        return engine.deploy(self.cloud.aws, self.admin, runs, short)

    def start(self) -> str:
        """Start a rollout and leave it to the engine; return the run."""
        run, number = planned.run_in_aws(
            self.cloud.plan(self.system),
            self.cloud.sets,
            self.cloud.events.append,
            Remote(
                self.engine.state_machine,
                self.system.operator_role,
                poll_seconds=(0.02, 0.1),
            ),
            starter=rollout.Starter("tester"),
        )
        self.go_on(run, number)
        return run

    def go_on(self, run: str, generation: int) -> str:
        machine, prefix = self.engine.state_machine, self.system.prefix
        return executions.start(self.cloud.aws, machine, prefix, run, generation)

    def to_the_end(self, run: str) -> None:
        """Move the clock whenever the state machine waits, and approve gates, until the run
        has ended."""
        prefix, machine = self.system.prefix, self.engine.state_machine
        deadline, approved = time.monotonic() + PATIENCE, set[str]()
        while found := turns.held(self.cloud.sets.bucket, prefix, run, machine):
            assert time.monotonic() < deadline, found.progress
            if turns.over(found):
                return
            if not self.waits():
                time.sleep(0.05)
                continue
            for gate in dict(gating.waiting(found.state)).keys() - approved:
                if self.approve(run, gate):
                    approved.add(gate)
            lifecycle.move_clock(self.folder, 5)

    def to_failure(self) -> None:
        """Start an execution, and move the clock until no try is left."""
        self.go_on("another", 1)
        while self.running():
            if self.waits():
                lifecycle.move_clock(self.folder, 300)
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop all executions, as soon as they wait."""
        wait_for(self.running)
        wait_for(self.waits)
        for arn in self.running():
            self.states.stop_execution(executionArn=arn)

    def require_done(self) -> None:
        """Everything is there, and was made once: an operation for each wave."""
        assert self.cloud.statuses(self.system) == {"CURRENT"}
        held = lock.read(self.cloud.sets.bucket, self.system.prefix)
        assert held and not held.lock.open
        (stack_set,) = self.system.stack_sets
        found = self.cloud.client("cloudformation").list_stack_set_operations(
            StackSetName=stack_set.name
        )
        assert [o["Action"] for o in found["Summaries"]] == ["CREATE", "CREATE"]

    def waits(self) -> bool:
        """Whether executions run, and all of them wait, for a turn or to try one again."""
        return all(
            self.last_event(arn) in ("WaitStateEntered", "TaskFailed")
            for arn in self.running()
        )

    def running(self) -> list[str]:
        found = self.states.list_executions(
            stateMachineArn=self.engine.state_machine, statusFilter="RUNNING"
        )
        return [one["executionArn"] for one in found["executions"]]

    def last_event(self, arn: str) -> str:
        found = self.states.get_execution_history(
            executionArn=arn, reverseOrder=True, maxResults=1
        )
        return str(found["events"][0]["type"])

    @property
    def states(self) -> Any:
        return self.cloud.client("stepfunctions")

    def approve(self, run: str, gate: str) -> bool:
        """Approve a gate with the document, as who opens its link in the console; return
        whether that is done, and the function was not killed meanwhile."""
        given = {"System": [self.system.prefix], "Run": [run], "Gate": [gate]}
        client = self.cloud.client("ssm")
        id_ = client.start_automation_execution(
            DocumentName="tapgen-engine-approve", Parameters=given
        )["AutomationExecutionId"]

        def ended() -> Any:
            found = client.get_automation_execution(AutomationExecutionId=id_)
            found = found["AutomationExecution"]
            return found["AutomationExecutionStatus"] != "InProgress" and found

        found = wait_for(ended)
        (answer,) = found["Outputs"]["approve.Payload"]
        killed = "Runtime.ExitError" in answer
        done = "was already approved" in answer or json.loads(answer).get("approved")
        assert killed or done, answer
        return not killed


def wait_for(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def with_more(body: bytes) -> bytes:
    buffer = io.BytesIO(body)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("tapgen/newer.py", "")
    return buffer.getvalue()


def wanted() -> System:
    found = system(part("source", Text="1"))
    gates = (ApprovalGate(after="wave"),)
    return replace(found, rollout=replace(found.rollout, gates=gates))


@pytest.fixture
def in_aws(cloud: Cloud, server: lifecycle.Server) -> Iterator[InAws]:
    found = InAws(cloud, server.folder, wanted())
    cloud.bootstrap(found.system)
    lifecycle.move_clock(server.folder, 0)  # it stands still from here on
    yield found
    lifecycle.clear_faults(server.folder)
    lifecycle.release_clock(server.folder)


def hit(in_aws: InAws, effect: str, action: str, nth: int, **more: Any) -> None:
    service = {"Invoke": "lambda", "PutObject": "s3"}.get(action, "cloudformation")
    match = {"service": service, "action": action, "account": in_aws.cloud.account}
    times = more.pop("times", None)
    counts = {"nth": nth, **({"times": times} if times else {})}
    fault = {"effect": effect, "match": {**match, **counts}, **more}
    lifecycle.add_faults(in_aws.folder, fault)


def test_a_run_ends_like_one_at_a_terminal_whatever_befalls_the_engine(
    in_aws: InAws,
) -> None:
    cloud, chance = in_aws.cloud, random.Random("engine")
    assert in_aws.deploy(turns_=2)
    assert not in_aws.deploy(turns_=2)
    queue = subscribed(cloud, in_aws.engine.topic)
    hit(in_aws, "throttle", "Invoke", 1)
    hit(in_aws, "kill", "PutObject", chance.randint(2, 6))
    hit(in_aws, "kill", "CreateStackInstances", 1, when="after", reason=TIMEOUT)

    run = in_aws.start()
    in_aws.stop()
    assert in_aws.deploy(turns_=2, newer=True)
    in_aws.go_on(run, 2)
    in_aws.to_the_end(run)

    fired = [fault["fired"] for fault in lifecycle.faults(in_aws.folder)]
    assert fired == [1, 1, 1]
    in_aws.require_done()
    require_told(
        *(cloud, queue),
        in_aws.engine.approve_url,
        f"Run {run} of {in_aws.system.prefix}: done.",
    )
    resolved = in_aws.system.resolve(cloud.account)
    assert bad(resolved, cloud) == ["its code is of another tapgen: tapgen bootstrap"]
    hit(in_aws, "throttle", "Invoke", 1, times="always")
    in_aws.to_failure()

    def in_alarm() -> bool:
        """The metric may come after the end of the execution."""
        lifecycle.move_clock(in_aws.folder, 1)
        return len(bad(resolved, cloud)) > 1

    wait_for(in_alarm)
    _, alarm = bad(resolved, cloud)
    assert alarm.startswith("alarm tapgen-engine-ExecutionsFailed since")
    require_told(cloud, queue, '"AlarmName": "tapgen-engine-ExecutionsFailed"')

    other = replace(resolved, suffix="other")
    more = engine.wanted(cloud.aws, other, package())
    assert "change SystemsPolicy1 (AWS::IAM::ManagedPolicy)" in more.changes
    assert engine.deploy(cloud.aws, in_aws.admin, package(), more)
    assert in_aws.engine.systems == {resolved.prefix, other.prefix}
    assert engine.wanted(cloud.aws, other, package()).changes == ()
    assert engine.remove(cloud.aws, other, None) == ["tapgen-engine"]
    with pytest.raises(RolloutError, match=f"the engine has run {run}"):
        engine.remove(cloud.aws, resolved, run)
    assert engine.remove(cloud.aws, resolved, None) == ["tapgen-engine"]
    assert engine.deployed(cloud.aws, in_aws.admin) is None
    assert engine.remove(cloud.aws, resolved, None) == []


def bad(resolved: System, cloud: Cloud) -> list[str]:
    """What doctor reports of the engine, without the time that an alarm says."""
    checks = doctor.of_engine(resolved, cloud.aws, package(), True)
    return [c.words.removesuffix(" --engine") for c in checks if c.verdict == "fails"]


def subscribed(cloud: Cloud, topic: str) -> str:
    """Return the URL of a queue with what is published to a topic."""
    client = cloud.client("sqs")
    url = client.create_queue(QueueName="told")["QueueUrl"]
    names = ["QueueArn"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    arn = found["Attributes"]["QueueArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return str(url)


def require_told(cloud: Cloud, url: str, *wanted: str) -> None:
    """Take messages until each of these texts was in one: they come in any order, and some
    after what they are about."""
    client, told = cloud.client("sqs"), ""

    def all_there() -> bool:
        nonlocal told
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for one in found.get("Messages", ()):
            told += json.loads(one["Body"])["Message"]
            handle = one["ReceiptHandle"]
            client.delete_message(QueueUrl=url, ReceiptHandle=handle)
        return all(text in told for text in wanted)

    wait_for(all_there)


@pytest.mark.skipif(not SOAK, reason="make soak runs it")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 31, 3))
def test_the_function_may_be_killed_at_any_write(
    in_aws: InAws, nth: int, when: str
) -> None:
    in_aws.deploy(turns_=3)
    hit(in_aws, "kill", "PutObject", nth, when=when)
    in_aws.to_the_end(in_aws.start())
    in_aws.require_done()


@pytest.mark.skipif(not SOAK, reason="make soak runs it")
def test_the_schedule_goes_on_with_a_run_that_nobody_advances(in_aws: InAws) -> None:
    """It takes two minutes: until then, somebody may advance the run."""
    in_aws.deploy(turns_=3)
    hit(in_aws, "throttle", "Invoke", 1)
    run = in_aws.start()
    in_aws.stop()

    def looked() -> bool:
        lifecycle.move_clock(in_aws.folder, 600)
        time.sleep(5)
        return bool(in_aws.running())

    wait_for(looked)
    in_aws.to_the_end(run)
    in_aws.require_done()
