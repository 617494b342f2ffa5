"""What is remembered never hides a change: random operations between two commands."""

from __future__ import annotations

import itertools
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tapgen.aws import sweep
from tapgen.aws.remembered import Memory, Newest
from tapgen.aws.session import ask
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.model import Observed, Override, System, Target
from tapgen.rollout import snapshot
from tapgen.system import ownership
from tests import make
from tests.emulated.conftest import Cloud

NAME = "demo-test-topic"
REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")
_numbers = itertools.count(1)


@dataclass
class Kept:
    """Files that stay from one command to the next."""

    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, body: bytes) -> None:
        self.files[name] = body


@dataclass
class Operator:
    """Somebody who works on a stack set with another tool, and tapgen in between."""

    cloud: Cloud
    system: System
    kept: Kept = field(default_factory=Kept)

    def sets(self, later: bool) -> StackSets:
        """Stack sets as the next command has them; `later` long after what came before."""
        shift = timedelta(hours=later)
        memory = Memory(self.kept, lambda: datetime.now(UTC) + shift)
        return replace(self.cloud.sets, memory=memory)

    @property
    def fresh(self) -> dict[str, Observed]:
        return replace(self.cloud.sets, memory=Memory()).observe([NAME])

    def observed(self, listed: Any) -> dict[str, Observed]:
        sets = replace(self.cloud.sets, memory=Memory())
        return sets.observe([NAME], outputs=sweep.nowhere, listed=listed)

    def do(self, call: str, **more: Any) -> None:
        """Start an operation; one that AWS refuses changes nothing."""
        client = self.cloud.client("cloudformation")
        with suppress(AwsError):
            ask(client, call, StackSetName=NAME, **more)

    def settle(self) -> None:
        with suppress(AwsError):
            while self.cloud.sets.running(NAME):
                time.sleep(0.01)


def _overrides(value: str) -> list[dict[str, str]]:
    return [{"ParameterKey": "Name", "ParameterValue": value}] if value else []


def _template(value: str) -> str:
    return json.dumps(
        {
            "Parameters": {"Name": {"Type": "String", "Default": "none"}},
            "Resources": {
                "Topic": {
                    "Type": "AWS::SNS::Topic",
                    "Properties": {"DisplayName": {"Ref": "Name"}},
                }
            },
            "Description": value,
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
        }
    )


values = st.sampled_from(["", "one", "two"])
places = st.sets(st.sampled_from(REGIONS), min_size=1).map(sorted)
steps = st.one_of(
    st.tuples(st.just("create"), places, values),
    st.tuples(st.just("override"), places, values),
    st.tuples(st.just("define"), places, values),
    st.tuples(st.just("delete"), places, values),
    st.tuples(st.just("drift"), places, values),
    st.tuples(st.just("by hand"), places, values),
    st.tuples(st.just("anew"), places, values),
)
times = st.tuples(
    st.booleans(), st.sampled_from([True, True, False])
)  # look while it runs; look much later


def _do(who: Operator, step: tuple[str, list[str], str]) -> None:
    what, regions, value = step
    at = {"Accounts": [who.cloud.account], "Regions": regions}
    if what == "create":
        who.do("create_stack_instances", ParameterOverrides=_overrides(value), **at)
    elif what == "override":
        who.do("update_stack_instances", ParameterOverrides=_overrides(value), **at)
    elif what == "define":
        body = _template(value)
        given = [{"ParameterKey": "Name", "ParameterValue": value or "none"}]
        who.do(
            "update_stack_set", TemplateBody=body, Parameters=given, **at, **_roles(who)
        )
    elif what == "delete":
        who.do("delete_stack_instances", RetainStacks=False, **at)
    elif what == "drift":
        who.do("detect_stack_set_drift")
    elif what == "by hand":
        _by_hand(who, regions[0], value)
    else:
        everywhere = {**at, "Regions": list(REGIONS)}
        who.do("delete_stack_instances", RetainStacks=False, **everywhere)
        who.settle()
        who.do("delete_stack_set")
        _begin(who)
        who.do("create_stack_instances", ParameterOverrides=_overrides(value), **at)


def _by_hand(who: Operator, region: str, value: str) -> None:
    """Update a stack itself, not through its stack set."""
    found = who.fresh.get(NAME)
    instance = found and found.instances.get(Target(who.cloud.account, region))
    if instance and instance.stack_id:
        client = who.cloud.client("cloudformation", region)
        given = [{"ParameterKey": "Name", "ParameterValue": value or "hand"}]
        with suppress(AwsError):
            ask(
                client,
                "update_stack",
                StackName=instance.stack_id,
                UsePreviousTemplate=True,
                Parameters=given,
            )


def _begin(who: Operator) -> None:
    who.do("create_stack_set", TemplateBody=_template(""), **_roles(who))


def _roles(who: Operator) -> dict[str, str]:
    return {
        "AdministrationRoleARN": ownership.administration_role(who.system),
        "ExecutionRoleName": who.system.execution_role,
    }


@given(st.lists(st.tuples(steps, times), min_size=3, max_size=8))
@settings(
    max_examples=int(os.environ.get("TAPGEN_SOAK", 5)),
    deadline=None,
    phases=[Phase.generate],
)
def test_memory_and_a_fresh_look_agree_whatever_was_done_between(
    server: Any, history: list[Any]
) -> None:
    cloud = Cloud(server.url, f"77{next(_numbers):010}")
    targets = [Target(cloud.account, region) for region in REGIONS]
    parts = make.stack_set("topic", targets=targets, text=_template(""))
    system = replace(make.system(parts), admin=targets[0])
    cloud.bootstrap(system)
    who = Operator(cloud, system)
    _begin(who)
    first = ("create", list(REGIONS), "one"), (False, False)
    before: dict[str, Observed] = {}

    def listed(name: str, newest: Newest) -> Any:
        known = before.get(name)
        return known.instances if known and known.last_operation == newest.id else None

    for step, (at_once, later) in [first, *history]:
        _do(who, step)
        if at_once:
            who.sets(later).observe([NAME])
        who.settle()

        fresh = who.fresh
        assert who.sets(later).observe([NAME]) == fresh
        # Only operations change what is listed.
        assert who.observed(listed) == who.observed(None)
        before = fresh


@dataclass
class Commands(Cloud):
    """An account where each command has what the one before it has kept."""

    kept: Kept = field(default_factory=Kept)
    described: int = 0
    listed: int = 0

    @property
    def sets(self) -> StackSets:
        return replace(super().sets, memory=Memory(self.kept))

    def count(self) -> None:
        def called(**_: Any) -> None:
            self.described += 1

        def listing(**_: Any) -> None:
            self.listed += 1

        name = "before-call.cloudformation.DescribeStackInstance"
        self.aws.session.events.register(name, called)
        name = "before-call.cloudformation.ListStackInstances"
        self.aws.session.events.register(name, listing)


rollouts = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.dictionaries(st.sampled_from(REGIONS), st.sampled_from("abc")),
        st.sets(st.sampled_from(REGIONS), min_size=1),
        st.booleans(),
    ),
    min_size=2,
    max_size=4,
)


@given(rollouts)
@settings(
    max_examples=int(os.environ.get("TAPGEN_SOAK", 3)),
    deadline=None,
    phases=[Phase.generate],
)
def test_a_run_remembers_what_it_gave(server: Any, history: list[Any]) -> None:
    cloud = Commands(server.url, f"78{next(_numbers):010}")
    cloud.count()
    for value, own, regions, drops in history:
        body = json.loads(_template(value))
        if drops and not own:
            body["Parameters"] = {"Other": {"Type": "String", "Default": "x"}}
            body["Resources"]["Topic"]["Properties"] = {"DisplayName": value}
        part = make.stack_set(
            "topic",
            targets=[Target(cloud.account, region) for region in sorted(regions)],
            text=json.dumps(body),
            parameters={} if "Other" in body["Parameters"] else {"Name": value},
            overrides=tuple(Override({"Name": v}, region=r) for r, v in own.items()),
        )
        system = replace(make.system(part), admin=Target(cloud.account, REGIONS[0]))
        assert cloud.rollout(system).green

        cloud.described = 0
        found = cloud.sets.observe([NAME])
        assert cloud.described == 0
        assert found == replace(cloud.sets, memory=Memory()).observe([NAME])

    for value in "yz":
        assert cloud.rollout(_plain(cloud, value)).green
    cloud.listed = 0
    assert cloud.run(cloud.plan(_plain(cloud, "x"))).green
    assert cloud.listed == 2  # for the plan, and once the operation has ended
    assert cloud.rollout(_plain(cloud, "w", *REGIONS[:1])).green  # deletes at the end
    body = cloud.sets.bucket.get(snapshot.key("demo-test", NAME))
    assert body
    assert {*snapshot.load(body).instances} == {Target(cloud.account, REGIONS[0])}


def _plain(cloud: Commands, value: str, *regions: str) -> System:
    targets = [Target(cloud.account, region) for region in regions or REGIONS]
    part = make.stack_set(
        "topic", targets=targets, text=_template(""), parameters={"Name": value}
    )
    return replace(make.system(part), admin=targets[0])
