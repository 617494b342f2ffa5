"""Traffic that is shifted in each way, killed at every call and resumed or reversed, with a
gate that turns red at every step: it ends where it should, or exactly where it began.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tapgen import rollout
from tapgen.aws.stacksets import Definition
from tapgen.errors import AwsError, RolloutError
from tapgen.model import InstanceStatus, Release, Share, Shift, System
from tapgen.model.procedures import Call, Check, with_saved
from tapgen.operate import (
    canaries,
    dividing,
    filling,
    notifying,
    programs,
    ringing,
    running,
    shifting,
)
from tapgen.operate.dividing import Shifting
from tapgen.operate.programs import Move
from tapgen.rollout import Event, Outcome, Starter, history, opening
from tests import make
from tests.make import EAST
from tests.systems import look
from tests.unit.operate.world import UUID, Client
from tests.unit.rollout.fakes import (
    Cloud,
    Faults,
    Instance,
    Killed,
    StackSet,
    kill,
)
from tests.unit.rollout.test_kills import SOAK

ACCELERATOR = "arn:aws:globalaccelerator::111111111111:accelerator/a1"
GROUPS = [f"{ACCELERATOR}/listener/l1/endpoint-group/{n}" for n in ("blue", "green")]
WRITES = {
    *("ChangeResourceRecordSets", "UpdateEndpointGroup"),
    *("ModifyListener", "UpdateStage", "UpdateAlias"),
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WAYS = ("dns", "accelerator", "targets", "canary")


def record(name: str, weight: int) -> dict[str, Any]:
    """A weighted alias with what else a record may have."""
    target = {"HostedZoneId": "Z2", "DNSName": name, "EvaluateTargetHealth": False}
    return {
        **{"Name": "api.example.com.", "Type": "A", "SetIdentifier": name},
        **{"Weight": weight, "AliasTarget": target, "HealthCheckId": f"check-{name}"},
    }


@dataclass
class World:
    """What divides traffic. `reds` are alarms, by the share of green from which on they are
    in ALARM; `lags` is for how many looks a change is under way, and `lost` is a region that
    does not answer."""

    records: list[Any] = field(
        default_factory=lambda: [record("blue", 100), record("green", 0)]
    )
    dials: dict[str, float] = field(
        default_factory=lambda: dict(zip(GROUPS, (100.0, 0.0), strict=True))
    )
    actions: list[Any] = field(
        default_factory=lambda: [
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [
                        {"TargetGroupArn": "arn:tg/blue", "Weight": 100},
                        {"TargetGroupArn": "arn:tg/green", "Weight": 0},
                    ],
                    "TargetGroupStickinessConfig": {"Enabled": True},
                },
            }
        ]
    )
    stage: dict[str, Any] = field(
        default_factory=lambda: {
            "deploymentId": "old",
            "canarySettings": {"percentTraffic": 0.0},
        }
    )
    aliases: dict[str, str] = field(
        default_factory=lambda: {"live": "3", "canary": "4"}
    )
    reds: float | None = None
    failing: float = 0.0
    refused: str = ""
    lost: str = ""
    writes: str = "allowed"
    servers: tuple[str, ...] = ("healthy", "unhealthy")
    endpoints: tuple[str, ...] = ("UNHEALTHY", "HEALTHY")
    changes: dict[str, int] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def state(self) -> Any:
        state = [self.records, self.dials, self.actions, self.stage, self.aliases]
        return copy.deepcopy(state)

    def green(self) -> float:
        """The share of green or the canary, however it is kept."""
        groups = self.actions[0]["ForwardConfig"]["TargetGroups"]
        settings = self.stage.get("canarySettings") or {"percentTraffic": 0.0}
        return max(
            self.records[1]["Weight"],
            self.dials[GROUPS[1]],
            groups[1]["Weight"],
            settings["percentTraffic"],
        )

    def call(self, region: str, service: str, api: str, given: dict[str, Any]) -> Any:
        number = self.faults.enter(f"{service} {api}", writes=api in WRITES)
        if api == self.refused:
            error = {"Code": "AccessDenied", "Message": f"not authorized: {api}"}
            raise ClientError({"Error": error}, api)
        if region == self.lost:
            raise EndpointConnectionError(endpoint_url=f"https://{service}.{region}")
        if service == "globalaccelerator":
            assert region == "us-west-2"
        answer = _ANSWERS[api](self, **given)
        self.faults.leave(number)
        return answer

    def list_records(self, HostedZoneId: str, **_: Any) -> Any:
        return {"ResourceRecordSets": copy.deepcopy(self.records)}

    def change_records(self, HostedZoneId: str, ChangeBatch: Any) -> Any:
        sets = [one["ResourceRecordSet"] for one in ChangeBatch["Changes"]]
        assert len(sets) == 2, "both in one batch"
        self.records = copy.deepcopy(sets)
        id = f"/change/C{len(self.changes)}"
        self.changes[id] = 2
        return {"ChangeInfo": {"Id": id, "Status": "PENDING"}}

    def change(self, Id: str) -> Any:
        self.changes[Id] -= 1  # KeyError: nobody was given this id
        status = "PENDING" if self.changes[Id] > 0 else "INSYNC"
        return {"ChangeInfo": {"Id": Id, "Status": status}}

    def group(self, EndpointGroupArn: str) -> Any:
        dial = self.dials[EndpointGroupArn]
        states = [{"HealthState": state} for state in self.endpoints]
        found = {"TrafficDialPercentage": dial, "EndpointDescriptions": states}
        return {"EndpointGroup": found}

    def turn(self, EndpointGroupArn: str, TrafficDialPercentage: float) -> Any:
        self.dials[EndpointGroupArn] = TrafficDialPercentage
        assert sum(self.dials.values()) > 0, "somebody gets the traffic"
        return {}

    def accelerator(self, AcceleratorArn: str) -> Any:
        assert AcceleratorArn == ACCELERATOR
        return {"Accelerator": {"Status": "DEPLOYED"}}

    def listeners(self, ListenerArns: list[str]) -> Any:
        return {"Listeners": [{"DefaultActions": copy.deepcopy(self.actions)}]}

    def forward(self, ListenerArn: str, DefaultActions: Any) -> Any:
        self.actions = copy.deepcopy(DefaultActions)
        return {}

    def get_stage(self, restApiId: str, stageName: str) -> Any:
        return copy.deepcopy(self.stage)

    def patch(self, patchOperations: Any, **_: Any) -> Any:
        (one,) = patchOperations
        if one["path"] == "/deploymentId":
            self._nobody_is_served_otherwise()
            self.stage["deploymentId"] = one["value"]
        else:
            self.stage["canarySettings"]["percentTraffic"] = float(one["value"])
        return {}

    def _nobody_is_served_otherwise(self) -> None:
        assert self.stage["canarySettings"]["percentTraffic"] == 100, "nobody sees it"

    def alias(self, FunctionName: str, Name: str) -> Any:
        return {"FunctionVersion": self.aliases[Name]}

    def update_alias(self, FunctionName: str, Name: str, FunctionVersion: str) -> Any:
        self._nobody_is_served_otherwise()
        self.aliases[Name] = FunctionVersion
        return {}

    def check(self, HealthCheckId: str) -> Any:
        config = {"Type": "HTTPS", "FullyQualifiedDomainName": HealthCheckId}
        return {"HealthCheck": {"HealthCheckConfig": config}}

    def reports(self, HealthCheckId: str) -> Any:
        bad = round(self.failing * 10)
        words = ["Failure: no answer"] * bad + ["Success: HTTP 200"] * (10 - bad)
        reports = [{"StatusReport": {"Status": word}} for word in words]
        return {"HealthCheckObservations": reports}

    def alarms(self, AlarmNames: list[str], **_: Any) -> Any:
        red = self.reds is not None and self.green() >= self.reds
        state = "ALARM" if red else "OK"
        found = {"AlarmName": "errors", "StateValue": state}
        return {"MetricAlarms": [{**found, "StateUpdatedTimestamp": LONG_AGO}]}

    def resources(self, StackName: str) -> Any:
        alarm = {
            **{"LogicalResourceId": "Errors", "PhysicalResourceId": "errors"},
            **{"ResourceType": "AWS::CloudWatch::Alarm", "ResourceStatus": "COMPLETE"},
        }
        return {"StackResourceSummaries": [alarm]}

    def target_health(self, TargetGroupArn: str) -> Any:
        found = [{"TargetHealth": {"State": state}} for state in self.servers]
        return {"TargetHealthDescriptions": found}

    def stacks(self, **_: Any) -> Any:
        topic = {"OutputKey": notifying.TOPIC, "OutputValue": "alerts"}
        name = f"StackSet-demo-test-edge-{UUID}"
        found = {"StackName": name, "StackId": name, "StackStatus": "CREATE_COMPLETE"}
        return {"Stacks": [{**found, "Outputs": [topic]}]}

    def publish(self, TopicArn: str, Subject: str, Message: str) -> Any:
        self.published.append(Subject)
        return {"MessageId": "m-1"}

    def parameter(self, Name: str) -> Any:
        return {"Parameter": {"Value": self.writes}}


_ANSWERS: dict[str, Callable[..., Any]] = {
    "ListResourceRecordSets": World.list_records,
    "ChangeResourceRecordSets": World.change_records,
    "GetChange": World.change,
    "DescribeEndpointGroup": World.group,
    "UpdateEndpointGroup": World.turn,
    "DescribeAccelerator": World.accelerator,
    "DescribeListeners": World.listeners,
    "ModifyListener": World.forward,
    "GetStage": World.get_stage,
    "UpdateStage": World.patch,
    "GetAlias": World.alias,
    "UpdateAlias": World.update_alias,
    "GetHealthCheck": World.check,
    "GetHealthCheckStatus": World.reports,
    "DescribeAlarms": World.alarms,
    "DescribeAlarmHistory": lambda world, **_: {},
    "ListStackResources": World.resources,
    "GetParameter": World.parameter,
    "DescribeTargetHealth": World.target_health,
    "DescribeStacks": World.stacks,
    "GetCallerIdentity": lambda world: {"Arn": "ada"},
    "Publish": World.publish,
    "TestDNSAnswer": lambda world, **_: {"RecordData": ["192.0.2.1"]},
}


@dataclass
class Around(Cloud):
    """The world, and the bucket of the journal."""

    world: World = field(default_factory=World)
    local: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.faults = self.faults
        there = Instance({}, InstanceStatus.CURRENT, stack=("", {}))
        definition = Definition(template="", parameters={}, capabilities=(), tags={})
        self.sets["demo-test-edge"] = StackSet(definition, {}, {EAST: there})

    @property
    def aws(self) -> Any:
        def client(service: str, target: Any, attempts: int = 0) -> Any:
            return Client(self.world, target.region, service)

        return SimpleNamespace(
            client=client, throttled=lambda: {}, local=self.local, account=EAST.account
        )


def way(by: str, **more: Any) -> Shift:
    of = {
        "dns": {"HostedZoneId": "Z1", "Name": "api.example.com"},
        "targets": {"ListenerArn": "arn:listener"},
        "canary": {"restApiId": "a", "stageName": "prod"},
    }
    blue = Share("blue", "blue", "BlueWeight", "domain.blue_weight")
    green = Share("green", "green", "GreenWeight", "domain.green_weight", **more)
    if by == "accelerator":
        blue, green = replace(blue, id=GROUPS[0]), replace(green, id=GROUPS[1])
    if by == "targets":
        blue, green = replace(blue, id="arn:tg/blue"), replace(green, id="arn:tg/green")
    if by == "canary":
        blue, green = replace(blue, id="stable"), replace(green, id="canary")
    return Shift(by, "requests", "edge", of.get(by, {}), (blue, green))


def system(*ways: Shift) -> System:
    text = make.template({}, outputs=("Arn", notifying.TOPIC))
    return replace(make.system(make.stack_set("edge", text=text)), shifts=ways)


def forward(cloud: Around, by: str, *, to: str = "green", **more: Any) -> Shifting:
    shift = more.pop("shift", None) or way(by)
    known = system(shift)
    where = dividing.located(known, cloud.aws, shift)
    given: dict[str, Any] = {"bake": 0.0, **more}
    return shifting.forward(known, cloud.aws, where, to, **given)


def backward(cloud: Around, by: str, release: Release | None = None) -> Shifting:
    shift = replace(way(by), release=release)
    where = dividing.located(system(shift), cloud.aws, shift)
    return shifting.backward(system(shift), cloud.aws, where, cloud.bucket)


def carry_out(
    cloud: Around, found: Shifting, on_event: Callable[[Event], None] = lambda e: None
) -> Outcome:
    known = system(way("dns"))
    end = notifying.Ending()
    if found.steps:
        end = notifying.of_shift(known, found, "Ada")
        found = replace(found, steps=(*found.steps, *end.last))
    return running.run(
        shifting.compiled(found, known),
        known,
        cloud,  # type: ignore[arg-type]
        on_event,
        starter=Starter("Ada", "shift", found.facts),
        otherwise=end.otherwise,
        sleep=lambda seconds: None,
    )


def resume(cloud: Around, reverse: bool = False) -> Any:
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        "demo-test",
        lambda event: None,
        back=reverse,
        sleep=lambda seconds: None,
    )


def changes(cloud: Around) -> list[str]:
    """The calls that moved traffic, in their order."""
    return [c for c in cloud.faults.calls if c.split()[-1] in WRITES]


@pytest.mark.parametrize("by", WAYS)
def test_traffic_moves_step_by_step_and_exactly_back(by: str) -> None:
    cloud = Around()
    before, seen = cloud.world.state(), []

    def note(event: Event) -> None:
        if event.kind == "gate" and "all alarms quiet" in event.message:
            seen.append(cloud.world.green())

    found = forward(cloud, by)
    ended = carry_out(cloud, found, note)

    assert ended.green and seen == [0, 5, 25, 50, 100]
    done = f"demo-test: done: shift requests to green, by {by}"
    assert cloud.world.published == [done]
    there = dividing.read(cloud.aws, found.where)
    assert sorted(there.shares.values()) == [0, 100]
    assert shifting.settings(found) == {
        "domain.blue_weight": 0,
        "domain.green_weight": 100,
    }
    assert not forward(cloud, by).steps, "it has as much already"

    back = backward(cloud, by)
    assert carry_out(cloud, back).green
    assert cloud.world.state() == before
    with pytest.raises(
        RolloutError, match="has taken the shift of run .* back already"
    ):
        backward(cloud, by)


@pytest.mark.parametrize("by", WAYS)
def test_a_gate_that_turns_red_at_any_step_restores_what_was_recorded(by: str) -> None:
    for percent in (5, 25, 50, 100):
        cloud = Around(world=World(reds=percent))
        before = cloud.world.state()

        ended = carry_out(cloud, forward(cloud, by))

        assert "errors in 111111111111/us-east-1 went off" in str(ended.failures)
        assert not ended.open and not ended.left and ended.back and ended.undone
        assert cloud.world.state() == before
        back = f"demo-test: taken back: shift requests to green, by {by}"
        assert cloud.world.published == [back]
        assert opening.opened(cloud.bucket, "demo-test") is None
        with pytest.raises(RolloutError, match="no shift of requests was done"):
            backward(cloud, by)


def interesting(by: str, red: float | None) -> list[tuple[int, bool]]:
    """The calls of an undisturbed shift, before and after each."""
    cloud = Around(world=World(reds=red))
    found = forward(cloud, by)
    first = len(cloud.faults.calls) + 1
    carry_out(cloud, found)
    every = [*range(first, len(cloud.faults.calls) + 1)]
    writes = [number for number in cloud.faults.writes if number >= first]
    known = [(n, False) for n in every] + [(n, True) for n in writes]
    # Without the soak some, another one each day would find nothing twice.
    return known if SOAK else random.Random(f"{by}{red}").sample(known, 10)


@pytest.mark.parametrize("red", [None, 50], ids=["green", "red"])
@pytest.mark.parametrize("reverse", [False, True], ids=["resumed", "reversed"])
@pytest.mark.parametrize("by", WAYS)
def test_killed_at_any_call_it_is_continued_or_reversed(
    by: str, reverse: bool, red: float | None
) -> None:
    for number, takes_effect in interesting(by, red):
        cloud = Around(world=World(reds=red))
        before, found = cloud.world.state(), forward(cloud, by)
        faults = cloud.faults.after if takes_effect else cloud.faults.before
        faults[number] = kill
        try:
            carry_out(cloud, found)
        except Killed:
            pass
        faults.clear()

        ended = resume(cloud, reverse)

        where = f"{by}, call {number}, {takes_effect}"
        assert opening.opened(cloud.bucket, "demo-test") is None, where
        if ended is None:  # it had not begun, or had ended
            assert cloud.world.green() in (0, 100), where
        elif reverse or red:
            assert cloud.world.state() == before and not ended.left, where
        else:
            assert ended.green and cloud.world.green() == 100, where
            assert sorted(dividing.read(cloud.aws, found.where).shares.values()) == [
                0,
                100,
            ], where


@pytest.mark.parametrize("by", WAYS)
def test_a_lost_answer_is_asked_for_again(by: str) -> None:
    undisturbed = Around()
    carry_out(undisturbed, forward(undisturbed, by))
    for number in undisturbed.faults.writes:
        cloud = Around()

        def lose() -> None:
            raise EndpointConnectionError(endpoint_url="https://aws")

        if undisturbed.faults.calls[number - 1].split()[-1] in WRITES:
            cloud.faults.after[number] = lose
            assert carry_out(cloud, forward(cloud, by)).green
            assert cloud.world.green() == 100
            # Only the id of a change is needed, and asked for again.
            again = 1 if by == "dns" else 0
            assert len(changes(cloud)) == len(changes(undisturbed)) + again


def test_a_refused_return_leaves_the_run_open_until_it_is_allowed() -> None:
    cloud = Around(world=World(reds=25))
    before = cloud.world.state()

    def refuse(event: Event) -> None:
        if event.kind == "failed":
            cloud.world.refused = "ChangeResourceRecordSets"

    ended = carry_out(cloud, forward(cloud, "dns"), refuse)

    assert ended.open and ended.partial and ended.back
    assert "Shift5" in ended.left[0]
    cloud.world.refused = ""
    assert not resume(cloud).left and cloud.world.state() == before


@pytest.mark.parametrize("fault", ["lost", "killed"])
def test_a_call_that_was_made_and_is_refused_when_sent_again_is_taken_back(
    fault: str,
) -> None:
    cloud = Around()
    before, found = cloud.world.state(), forward(cloud, "dns")

    def fail() -> None:
        cloud.world.refused = "ChangeResourceRecordSets"
        if fault == "killed":
            kill()
        raise EndpointConnectionError(endpoint_url="https://aws")

    undisturbed = Around()
    first = forward(undisturbed, "dns")
    carry_out(undisturbed, first)
    number = 1 + next(
        n for n, c in enumerate(undisturbed.faults.calls) if c.split()[-1] in WRITES
    )
    cloud.faults.after[number] = fail
    try:
        carry_out(cloud, found)
    except Killed:
        resume(cloud)

    assert cloud.world.green() == 5 and opening.opened(cloud.bucket, "demo-test")
    cloud.world.refused = ""
    assert not resume(cloud).left and cloud.world.state() == before


def by_a_colleague(world: World) -> None:
    """All traffic to blue, at another address."""
    world.records = [record("blue", 100), record("green", 0)]
    world.records[1]["AliasTarget"]["DNSName"] = "other"
    groups = world.actions[0]["ForwardConfig"]
    for group, weight in zip(groups["TargetGroups"], (100, 0), strict=True):
        group["Weight"] = weight
    groups["TargetGroupStickinessConfig"] = {"Enabled": False}


@pytest.mark.parametrize("fault", ["none", "killed", "red"])
@pytest.mark.parametrize("by", ["dns", "targets"])
def test_what_somebody_else_changes_between_two_steps_is_left_alone(
    by: str, fault: str
) -> None:
    cloud = Around()
    before, done = cloud.world.state(), []

    def meddle(event: Event) -> None:
        moved = "all alarms quiet" in event.message and cloud.world.green()
        if moved and not done:
            if fault == "red":
                cloud.world.reds = 0
            done.append(cloud.world.state())
            by_a_colleague(cloud.world)
            done.append(cloud.world.state())
            if fault == "killed":
                kill()

    try:
        ended = carry_out(cloud, forward(cloud, by), meddle)
    except Killed:
        ended = resume(cloud)

    assert ended.open and ended.left and ended.back
    assert "somebody else has changed what divides traffic" in str(ended.failures)
    assert cloud.world.state() == done[1] and len(changes(cloud)) == 1
    assert resume(cloud).open and cloud.world.state() == done[1]
    records, _, actions, *_ = copy.deepcopy(done[0])
    cloud.world.records, cloud.world.actions = records, actions
    assert not resume(cloud).left and cloud.world.state() == before


@pytest.mark.parametrize("by", ["dns", "targets"])
def test_one_weight_that_changes_is_written_with_the_other_one(by: str) -> None:
    world = World(records=[record("blue", 95), record("green", 0)])
    world.actions[0]["ForwardConfig"]["TargetGroups"][0]["Weight"] = 95
    cloud = Around(world=world)
    before = cloud.world.state()
    assert carry_out(cloud, forward(cloud, by, steps=(5,))).green
    assert cloud.world.green() == 5
    assert carry_out(cloud, backward(cloud, by)).green
    assert cloud.world.state() == before


def test_nothing_is_shifted_where_somebody_else_has_changed_it_meanwhile() -> None:
    cloud = Around()
    found = forward(cloud, "dns")
    cloud.world.records[1]["AliasTarget"]["DNSName"] = "other"
    before = cloud.world.state()

    ended = carry_out(cloud, found)

    assert "AsRecorded" in str(ended.failures) and not ended.open and not ended.left
    assert (
        ended.back and not ended.undone
    ), "nothing to say of shares that are as before"
    assert cloud.world.state() == before and not changes(cloud)


def test_a_rollback_goes_back_to_before_a_shift_that_was_given_up() -> None:
    cloud = Around()
    assert carry_out(cloud, forward(cloud, "dns", steps=(25,))).green
    middle = cloud.world.state()

    def kill_it(event: Event) -> None:
        if "all alarms quiet" in event.message and cloud.world.green() > 25:
            kill()

    for again in (False, True):  # a way back that is given up changes nothing of it
        with pytest.raises(Killed):
            if again:
                wrote = 1 + len(cloud.faults.calls)
                cloud.faults.after |= {
                    wrote + n: kill_on_write(cloud) for n in range(60)
                }
                carry_out(cloud, backward(cloud, "dns"))
            else:
                carry_out(cloud, forward(cloud, "dns", steps=(50, 100)), kill_it)
        cloud.faults.after.clear()
        rollout.abandon(cloud, "demo-test", lambda event: None)  # type: ignore[arg-type]

    cloud.world.records[0]["Weight"], cloud.world.records[1]["Weight"] = 50, 50
    assert carry_out(cloud, backward(cloud, "dns")).green
    assert cloud.world.state() == middle


def kill_on_write(cloud: Around) -> Callable[[], None]:
    """Kill after a call that moved traffic, and only then."""

    def fault() -> None:
        if cloud.faults.calls[-1].split()[-1] in WRITES:
            kill()

    return fault


def test_a_dry_run_names_what_may_be_refused() -> None:
    for by in WAYS:
        known = " ".join(shifting.permissions(forward(Around(), by)))
        assert "cloudwatch:DescribeAlarms" in known
        wanted = {
            "dns": "route53:ChangeResourceRecordSets",
            "accelerator": "globalaccelerator:UpdateEndpointGroup",
            "targets": "elasticloadbalancing:ModifyListener",
            "canary": "apigateway:PATCH",
        }
        assert wanted[by] in known and ("GetHealthCheck" in known) == (by == "dns")


def test_a_rollback_undoes_nothing_but_the_shares() -> None:
    cloud = Around()
    carry_out(cloud, forward(cloud, "dns"))
    cloud.world.records[0]["AliasTarget"]["DNSName"] = "other"
    with pytest.raises(RolloutError, match="has changed in more than its shares"):
        backward(cloud, "dns")


def test_a_dial_of_the_side_that_gets_more_is_never_turned_down() -> None:
    cloud = Around(world=World(dials=dict(zip(GROUPS, (100.0, 100.0), strict=True))))

    found = forward(cloud, "accelerator")

    sent = [c.act.arguments for s in found.steps for c in s.calls if c.act]
    assert [(s["EndpointGroupArn"], s["TrafficDialPercentage"]) for s in sent] == [
        (GROUPS[0], dial) for dial in (95, 75, 50, 0)
    ]


def test_a_step_is_watched_for_twice_as_long_as_resolvers_keep_answers() -> None:
    def bakes(by: str, **more: Any) -> set[float]:
        cloud = Around(local=False)
        gates = [s.gate for s in forward(cloud, by, **more).steps if s.gate]
        return {gate["bake"] for gate in gates[1:]}

    assert bakes("dns", bake=30) == {120} and bakes("dns", bake=300) == {300}
    assert bakes("accelerator", bake=30) == {30}


def test_a_side_that_is_not_well_gets_nothing() -> None:
    cloud = Around(world=World(failing=0.3))
    with pytest.raises(RolloutError, match="green is not healthy: 7 of 10 checkers"):
        forward(cloud, "dns")
    for servers in ((), ("unhealthy", "draining")):
        cloud = Around(world=World(servers=servers, endpoints=servers), local=False)
        for by in ("targets", "accelerator"):
            with pytest.raises(RolloutError, match="green is not healthy: 0 of its"):
                forward(cloud, by)
    cloud = Around(world=World(endpoints=("INITIAL", "UNHEALTHY")), local=False)
    assert forward(cloud, "accelerator").warnings == (
        "nobody knows whether green is healthy: its endpoints have not been checked yet",
    )
    cloud = Around(world=World(servers=("unavailable",)))
    assert forward(cloud, "targets").warnings == (
        "nobody knows whether green is healthy: its health checks are off",
    )
    cloud = Around(world=World(refused="GetHealthCheckStatus"))
    with pytest.raises(AwsError, match="not authorized"):
        forward(cloud, "dns")


def test_an_alarm_that_goes_off_while_a_question_waits_stops_a_shift() -> None:
    cloud = Around()
    before, found = cloud.world.state(), forward(cloud, "dns")
    cloud.world.reds = 0

    ended = carry_out(cloud, found)

    assert "errors in 111111111111/us-east-1 went off" in str(ended.failures)
    assert not changes(cloud) and cloud.world.state() == before
    assert not ended.open and not ended.left


def test_an_alarm_that_is_red_already_is_no_surprise_of_a_gate() -> None:
    """Gates leave it out: so nothing moves to where it is before somebody names it."""
    cloud = Around(world=World(reds=0))
    red = ringing.look(cloud, system())  # type: ignore[arg-type]
    with pytest.raises(
        RolloutError,
        match="nothing was shifted: green is in us-east-1, where errors in 1{12}/us-east-1 "
        "is in ALARM since 2020-01-01 .*--despite-alarm errors$",
    ):
        forward(cloud, "dns", ringing=red, despite=("others",))
    found = forward(cloud, "dns", ringing=red, despite=("errors",))
    warning, *_ = found.warnings
    assert "errors in 111111111111/us-east-1 is in ALARM since" in warning
    assert "the gates leave it out" in warning and carry_out(cloud, found).green
    # Away from where it is, and out of a canary, that is the reason to move.
    elsewhere = Around(world=World(reds=0))
    away = forward(elsewhere, "dns", ringing=red, shift=way("dns", role="dr"))
    assert away.warnings[0] == warning
    cloud.world.stage["canarySettings"]["percentTraffic"] = 50.0
    assert forward(cloud, "canary", to="blue", ringing=red).warnings == (warning,)


@pytest.mark.parametrize(
    ("refused", "place"),
    [
        ("DescribeAlarms", "111111111111/us-east-1"),
        ("ListStackResources", "111111111111/us-east-1"),
    ],
)
def test_alarms_that_nobody_could_read_are_unknown_and_nothing_moves(
    refused: str, place: str
) -> None:
    cloud = Around(world=World(refused=refused))
    unread = ringing.look(cloud, system())  # type: ignore[arg-type]
    found = forward(cloud, "dns", ringing=unread)
    warning, *_ = found.warnings
    assert f"nobody knows which alarms of {place} are in ALARM" in warning
    assert f"not authorized: {refused}" in warning
    with pytest.raises(AwsError, match=f"not authorized: {refused}"):
        carry_out(cloud, found)
    assert not changes(cloud)


def test_what_must_hold_before_is_looked_at_first() -> None:
    read = Call("ssm", "GetParameter", {"Name": "/writes"})
    check = Check("WritesAreAllowed", read, "$.Parameter.Value", ("allowed",))
    guarded = way("dns", role="primary", before=(check,))
    for writes, moved in (("paused", 0), ("allowed", 4)):
        cloud = Around(world=World(writes=writes))
        ended = carry_out(cloud, forward(cloud, "dns", shift=guarded))
        assert len(changes(cloud)) == moved and not ended.open
        assert ended.green == bool(moved)


@pytest.mark.parametrize(
    ("ways", "asked", "words"),
    [
        ((), {}, "nothing in its file divides traffic"),
        (("dns",), {"by": "canary"}, "it has no --by canary; it has dns .requests."),
        (("dns", "targets"), {}, "choose one with --by: dns .requests., targets"),
    ],
)
def test_what_cannot_be_chosen_is_said(
    ways: tuple[str, ...], asked: dict[str, str], words: str
) -> None:
    with pytest.raises(RolloutError, match=words):
        dividing.chosen(system(*map(way, ways)), **asked)


def test_a_way_in_each_region_needs_the_region() -> None:
    each = [replace(way("targets"), role=role) for role in ("primary", "dr")]
    known = system(*each)
    with pytest.raises(RolloutError, match="name a region; give --in-region"):
        dividing.chosen(known)
    with pytest.raises(RolloutError, match="--in-region mars is none of its regions"):
        dividing.chosen(known, "targets", "mars")
    assert dividing.chosen(known, "targets", "us-west-2").role == "dr"


@pytest.mark.parametrize(
    ("weights", "to", "steps", "words"),
    [
        ((100, 0), "red", (5,), "--to red is missing or unknown; give blue or green"),
        ((50, 50), "green", (5, 25), "green has 50 % already, and 25 is less"),
    ],
)
def test_a_shift_that_makes_no_sense_is_refused(
    weights: tuple[int, int], to: str, steps: tuple[int, ...], words: str
) -> None:
    names = ("blue", "green")
    records = [record(n, w) for n, w in zip(names, weights, strict=True)]
    cloud = Around(world=World(records=records))
    with pytest.raises(RolloutError, match=words):
        forward(cloud, "dns", to=to, steps=steps)


def test_weights_of_0_alone_divide_equally() -> None:
    shift = way("dns")
    assert shifting.progress(shift, {"blue": 0, "green": 0}, "green") == 50


RELEASE = Release(
    *("demo", "new", "live", "canary"),
    *("StableVersion", "StableDeployment", "canary.stable"),
)


def promotion(cloud: Around, **more: Any) -> Shifting:
    shift = replace(way("canary"), release=RELEASE)
    known = system(shift)
    where = dividing.located(known, cloud.aws, shift)
    return shifting.promotion(known, cloud.aws, where, **{"bake": 0.0, **more})


@pytest.mark.parametrize("percent", [0.0, 10.0, 100.0])
def test_a_canary_is_promoted_and_taken_back_without_a_mixture(percent: float) -> None:
    cloud = Around()
    cloud.world.stage["canarySettings"]["percentTraffic"] = percent
    before = cloud.world.state()
    found = promotion(cloud)
    assert found.warnings[0] == (
        "all requests will get version 4 and deployment new instead of version 3 and "
        "deployment old"
    )
    assert "lambda:UpdateAlias" in shifting.permissions(found)

    assert carry_out(cloud, found).green
    assert cloud.world.aliases == {"live": "4", "canary": "4"}
    assert cloud.world.stage == {
        "deploymentId": "new",
        "canarySettings": {"percentTraffic": 0},
    }
    assert not promotion(cloud).steps, "it is promoted"
    assert shifting.settings(found) == {
        "domain.blue_weight": 100,
        "domain.green_weight": 0,
        "canary.stable": {},
    }
    assert carry_out(cloud, backward(cloud, "canary", RELEASE)).green
    assert cloud.world.state() == before


@pytest.mark.parametrize("reverse", [False, True], ids=["resumed", "reversed"])
def test_a_promotion_killed_at_any_call_is_continued_or_reversed(reverse: bool) -> None:
    def place(red: float | None = None) -> Around:
        return Around(world=World(reds=red))

    once = place()
    begun, found = len(once.faults.calls), promotion(once)
    first = len(once.faults.calls) + 1
    carry_out(once, found)
    wanted, calls = once.world.state(), range(first, len(once.faults.calls) + 1)
    writes = [n for n in once.faults.writes if n >= first]
    known = [(n, False) for n in calls] + [(n, True) for n in writes]
    assert begun == 0
    for number, takes_effect in known if SOAK else random.Random(1).sample(known, 20):
        cloud = place()
        before, found = cloud.world.state(), promotion(cloud)
        faults = cloud.faults.after if takes_effect else cloud.faults.before
        faults[number] = kill
        try:
            carry_out(cloud, found)
        except Killed:
            pass
        faults.clear()
        ended = resume(cloud, reverse)
        where = f"call {number}, {takes_effect}"
        assert opening.opened(cloud.bucket, "demo-test") is None, where
        if ended is None:  # it had not begun, or had ended
            assert cloud.world.state() in (before, wanted), where
        else:
            assert not ended.left, where
            assert cloud.world.state() == (before if reverse else wanted), where


def test_a_promotion_leaves_alone_what_somebody_else_has_released() -> None:
    cloud = Around()
    found = promotion(cloud)

    def meddle(event: Event) -> None:
        if event.message.startswith("Shift100"):
            cloud.world.aliases["live"] = "2"

    ended = carry_out(cloud, found, meddle)
    assert "serves version 2 and deployment old, not 3 or 4" in str(ended.failures)
    assert cloud.world.aliases["live"] == "2" and not ended.left and not ended.open
    with pytest.raises(RolloutError, match="let --steps end with 100"):
        promotion(Around(), steps=(5, 50))


def test_a_canary_is_given_up_at_once_whatever_is_red() -> None:
    cloud = Around(world=World(reds=0))
    cloud.world.stage["canarySettings"]["percentTraffic"] = 25.0
    shift = replace(way("canary"), release=RELEASE)
    where = dividing.located(system(shift), cloud.aws, shift)
    assert carry_out(cloud, canaries.abandonment(cloud.aws, where)).green
    assert cloud.world.green() == 0 and cloud.world.aliases["live"] == "3"
    assert not canaries.abandonment(cloud.aws, where).steps


def test_a_promotion_that_the_file_does_not_have_is_said_until_it_has() -> None:
    shift = replace(way("canary"), release=RELEASE)
    values = {"GreenWeight": "0", "BlueWeight": "100", "StableVersion": "3"}

    def lines(**given: str) -> tuple[str, ...]:
        edge = make.stack_set("edge", parameters={**values, **given})
        known = replace(make.system(edge), shifts=(shift,))
        return shifting.unpersisted(known, cloud.aws, {edge.name: make.observed(edge)})

    cloud = Around()
    assert lines() == ()
    carry_out(cloud, promotion(cloud))
    (line,) = lines()
    assert "version 4, not as its stack says" in line and "version 3" in line
    assert "canary.stable: {} into the file, or shift back" in line
    assert lines(StableVersion="") == ()


def test_a_shift_that_the_stack_does_not_have_is_said_and_so_is_what_is_unread() -> (
    None
):
    values = {"BlueWeight": "100", "GreenWeight": "0"}
    edge = make.stack_set("edge", parameters=values)
    known = replace(make.system(edge), shifts=(way("dns"),))
    observed = {edge.name: make.observed(edge)}

    def lines(cloud: Around) -> tuple[str, ...]:
        return shifting.unpersisted(known, cloud.aws, observed)

    cloud = Around()
    assert lines(cloud) == ()
    carry_out(cloud, forward(cloud, "dns", steps=(25,)))
    (line,) = lines(cloud)
    assert "go blue 75, green 25, not as its stack says (blue 100, green 0)" in line
    assert "domain.blue_weight: 75, domain.green_weight: 25" in line
    cloud.world.refused = "ListResourceRecordSets"
    (line,) = lines(cloud)
    assert "cannot be read how traffic is divided" in line


def test_the_journal_has_what_was_recorded_and_an_older_tapgen_refuses_it() -> None:
    cloud = Around()
    before = cloud.world.state()[0]
    carry_out(cloud, forward(cloud, "dns"))
    (last,), _ = history.runs(cloud.bucket, "demo-test", 5)  # type: ignore[arg-type]
    assert last.command == "shift" and last.result == "done"
    events = [
        json.loads(b) for k, b in cloud.bucket.objects.items() if k[-5:] == ".json"
    ]
    (opened,) = (e for e in events if e.get("event") == "opened")
    assert opened["shift"]["recorded"]["ResourceRecordSets"] == before
    saved = [e["saved"] for e in events if e.get("saved")]
    assert len(saved) == 4 and {"Shift5.ChangeId": "/change/C0"} in saved
    program = json.loads(cloud.bucket.objects[_object(cloud, opened["program"])])
    assert program["format"] == 6


def _object(cloud: Around, digest: str) -> str:
    (key,) = (k for k in cloud.bucket.objects if digest.removeprefix("sha256:") in k)
    return key


def test_a_step_of_a_procedure_hands_what_it_saves_to_its_checks() -> None:
    migrating = look.shipped("region_migration").resolve(EAST.account)
    sync = filling.procedure(migrating, "sync")
    here = filling.place(migrating, sync, "source")
    start, wait, *_ = programs.steps([Move(sync, here)], lambda value, target: "arn:x")

    (call,) = start.calls
    assert call.needs_answer and call.proof is None, "its token makes it safe to repeat"
    assert wait.check and wait.check.arguments["JobId"] == "{{ StartJob.JobId }}"
    known = with_saved(wait.check, {"StartJob.JobId": "j1"})
    assert known.arguments["JobId"] == "j1"
