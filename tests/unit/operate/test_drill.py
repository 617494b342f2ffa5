"""A drill: what it measures, and that the system is afterwards as it was, also when it was
killed at any call and resumed or reversed, or when a step of it fails.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tapgen import rollout
from tapgen.aws import acting
from tapgen.cli import DONE, FAILED
from tapgen.cli import resume as cli_resume
from tapgen.errors import RolloutError
from tapgen.model import Output, Target
from tapgen.model.drills import DrillReport, Goals, Measure, Measured, Sample, Verdict
from tapgen.model.procedures import Act
from tapgen.operate import drilled, drilling, running
from tapgen.procedures.drills import EXERCISES
from tapgen.report import drill as report
from tapgen.report.page import Page, html
from tapgen.rollout import Event, Outcome, Starter, history, opening, ran
from tests.systems import look
from tests.systems.test_loss import ROLES, region, system
from tests.unit.operate import world as worlds
from tests.unit.operate.world import Around, World
from tests.unit.rollout.fakes import Killed, kill
from tests.unit.rollout.test_kills import SOAK

WAYS = {"sleep": lambda seconds: None}
ID = "0a1b2c3d"
# What is measured in the time of this machine is in time on the slowest.
GOALS = Goals(**{goal: 1e9 for goal in asdict(Goals()) if goal != "rpo"})
PREFIX = "payments-dr-prod"
worlds.WRITES |= {
    *("DeleteItem", "PutObject", "DeleteObject", "SetAlarmState"),
    *("CreateQueue", "DeleteQueue", "Subscribe", "Unsubscribe"),
}
OUTPUTS = {
    "table": {"TableName": "pd-prod-payments"},
    "storage": {"BucketName": "data-primary"},
    "storage-dr": {"BucketName": "data-dr"},
    "app": {"ApiId": "abc", "StageName": "prod", "HealthPath": "/prod/health/1"},
    "observe": {"LagAlarmName": "lag"},
    "messages": {"AlertTopicArn": "arn:aws:sns:us-east-2:123456789012:alerts"},
}


def no_such(code: str, api: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no such"}}, api)


@dataclass
class Drilled(World):
    """Payments with all that a drill touches; what it makes is `litter`. `deaf` says that
    notifications do not arrive, `broken` that objects are not copied, and `ill` is the
    region whose API answers 500.
    """

    items: set[str] = field(default_factory=set)
    objects: set[tuple[str, str]] = field(default_factory=set)
    queues: dict[str, list[str]] = field(default_factory=dict)
    subscribed: set[str] = field(default_factory=set)
    deaf: bool = False
    broken: bool = False
    ill: str = ""

    def _put_metric_data(self, role: str, **given: Any) -> Any:
        (point,) = given["MetricData"]
        home = self.writes == "primary" or not self.moved
        assert point["Value"] or home, "traffic goes home to where nobody writes"
        return super()._put_metric_data(role, **given)

    def litter(self) -> list[Any]:
        return [*self.items, *self.objects, *self.queues, *self.subscribed]

    def _put_item(self, role: str, TableName: str, Item: Any) -> Any:
        if "drill" not in Item:
            return super()._put_item(role, TableName, Item)
        self.mark = Item["drill"]
        self.items.add(Item["timestamp"]["S"])
        return {}

    def _get_item(self, role: str, Key: Any, **more: Any) -> Any:
        if Key["paymentId"]["S"] != "#drill":
            return super()._get_item(role, Key, **more)
        return {"Item": {"drill": self.mark}}

    def _delete_item(self, role: str, Key: Any, **_: Any) -> Any:
        self.items.discard(Key["timestamp"]["S"])
        return {}

    def _put_object(self, role: str, Bucket: str, Key: str, **_: Any) -> Any:
        self.objects |= {("data-primary", Key)}
        self.objects |= {("data-dr", Key)} if not self.broken else set()
        return {}

    def _head_object(self, role: str, Bucket: str, Key: str) -> Any:
        if (Bucket, Key) not in self.objects:
            raise no_such("404", "HeadObject")
        return {"ReplicationStatus": "FAILED" if self.broken else "COMPLETED"}

    def _list_object_versions(self, role: str, Bucket: str, Prefix: str) -> Any:
        found = [k for b, k in self.objects if b == Bucket and k.startswith(Prefix)]
        return {"Versions": [{"Key": k, "VersionId": "1"} for k in found]}

    def _delete_object(self, role: str, Bucket: str, Key: str, **_: Any) -> Any:
        self.objects.discard((Bucket, Key))
        return {}

    def _create_queue(self, role: str, QueueName: str, Attributes: Any) -> Any:
        assert "aws:SourceArn" in Attributes["Policy"]
        self.queues.setdefault(QueueName, [])
        return {}

    def _get_queue_url(self, role: str, QueueName: str) -> Any:
        if QueueName not in self.queues:
            raise no_such("QueueDoesNotExist", "GetQueueUrl")
        return {"QueueUrl": QueueName}

    def _delete_queue(self, role: str, QueueUrl: str) -> Any:
        del self.queues[QueueUrl]
        return {}

    def _receive_message(self, role: str, QueueUrl: str, **_: Any) -> Any:
        return {"Messages": [{"Body": body} for body in self.queues[QueueUrl]]}

    def _subscribe(self, role: str, Endpoint: str, **_: Any) -> Any:
        self.subscribed.add(Endpoint)
        return {}

    def _list_subscriptions_by_topic(self, role: str, **_: Any) -> Any:
        found = [{"Endpoint": e, "SubscriptionArn": e} for e in self.subscribed]
        other = {"Endpoint": "oncall@example.com", "SubscriptionArn": "other"}
        return {"Subscriptions": [other, *found]}

    def _unsubscribe(self, role: str, SubscriptionArn: str) -> Any:
        self.subscribed.remove(SubscriptionArn)
        return {}

    def _set_alarm_state(
        self, role: str, AlarmName: str, StateValue: str, StateReason: str
    ) -> Any:
        self.alarm = StateValue
        told = {"AlarmName": AlarmName, "NewStateReason": StateReason}
        body = json.dumps({"Message": json.dumps(told)})
        for heard in self.queues.values():
            heard += [body] * (not self.deaf)
        return {}

    def _describe_alarms(self, role: str, AlarmNames: list[str], **_: Any) -> Any:
        found = super()._describe_alarms(role, AlarmNames)
        (one,) = found["MetricAlarms"]
        at = {"AlarmName": AlarmNames[0], "StateUpdatedTimestamp": None}
        return {"MetricAlarms": [{**one, **at}]}

    def _describe_stacks(self, role: str, **_: Any) -> Any:
        return {
            "Stacks": [
                {
                    "StackName": f"StackSet-{PREFIX}-{part}-{worlds.UUID}",
                    "StackId": part,
                    "StackStatus": "CREATE_COMPLETE",
                    "Outputs": [
                        {"OutputKey": k, "OutputValue": v} for k, v in found.items()
                    ],
                }
                for part, found in OUTPUTS.items()
                if _.get("StackName", part) == part
            ]
        }

    def send(self, request: Any, seconds: float) -> tuple[int, str]:
        """What the APIs answer; a request that nobody signed is refused, save for the one
        under the name."""
        if request.url == "https://pay.example.com/health/1":
            where = region("dr" if self.switch else "primary")
            return 200, json.dumps({"status": "ok", "region": where})
        place = request.headers["Authorization"].split("/")[2]
        (role,) = (r for r in ROLES if region(r) == place)
        self.faults.enter(f"{role} api {request.url}")
        if role == self.ill:
            return 500, "{}"
        if request.method == "POST":
            return 400, '{"message": "the payment is not valid"}'
        closed = self.closed.get(role) == "closed"
        writer = {"status": "available", "writer": role == self.writes}
        seen = {"writes": "closed" if closed else "open", "database": writer}
        return 200, json.dumps(seen)


@dataclass
class Place(Around):
    """The world, and what signs requests to its APIs."""

    @property
    def aws(self) -> Any:
        return SimpleNamespace(
            **vars(super().aws),
            endpoint=None,
            region=region("primary"),
            keys=lambda account: Credentials("key", "secret"),
            send=self.world.send,
        )


def place(**facts: Any) -> Place:
    return Place(world=Drilled(**facts))


def carry_out(
    cloud: Place,
    scenario: str = "region-loss",
    on_event: Callable[[Event], None] = lambda event: None,
    goals: Goals = GOALS,
    **ways: Any,
) -> Outcome:
    found = drilling.plan(system(), cloud.aws, scenario, ID)
    facts = drilled.facts(found, asdict(goals), "arn:aws:iam::1:user/ada", False)
    return running.run(
        found.steps,
        system(),
        cloud,  # type: ignore[arg-type]
        on_event,
        starter=Starter("Ada", "drill", facts),
        on_failure="rollback",
        **{**WAYS, **ways},
    )


def reported(cloud: Place, run: str) -> DrillReport:
    read = history.find(cloud.bucket, PREFIX, run)  # type: ignore[arg-type]
    return drilled.report(read, system().regions)


def page_of(cloud: Place, run: str, shown: DrillReport | None = None) -> str:
    """The page of the run of a drill, without what is HTML."""
    read = history.find(cloud.bucket, PREFIX, run)  # type: ignore[arg-type]
    one = ran.read(read, system(), cloud)  # type: ignore[arg-type]
    one = replace(one, drill=shown or reported(cloud, run))
    return unescape(html(Page("Drill", system(), datetime.now(UTC), "1", ran=one)))


def at_home(cloud: Place) -> bool:
    """Whether nothing of a drill is left, and everything is as it was before."""
    world = cloud.world
    assert world.state() == World().state() and world.alarm == "OK", world
    assert world.litter() == []
    return True


@pytest.mark.parametrize("scenario", ["region-loss", "database", "api", "dns"])
def test_a_drill_measures_and_leaves_everything_as_it_was(scenario: str) -> None:
    cloud = place(unturned="INSUFFICIENT_DATA")

    ended = carry_out(cloud, scenario)

    assert ended.green and at_home(cloud)
    found = reported(cloud, ended.run)
    assert found.passed and not found.left, report.data(found)
    assert all(m.times for m in found.measured)
    moved = ["dr", "primary"] if scenario in ("region-loss", "database") else []
    assert cloud.world.moved == moved
    data = report.data(found)
    assert json.loads(json.dumps(data))["result"] == "done"
    for text in (report.markdown(found), page_of(cloud, ended.run)):
        assert all(m.measure.title.split(",")[0] in text for m in found.measured)
    if scenario == "region-loss":
        copies = [m for m in found.measured if "item of" in m.measure.title]
        assert [len(m.samples) for m in copies] == [drilling.ITEMS] * 3


def test_goals_are_met_by_what_was_measured_only() -> None:
    cloud = place(lag=9000.0)
    ended = carry_out(cloud, "database")
    found = reported(cloud, ended.run)
    assert ended.green and not found.passed
    assert [m.verdict for m in found.measured] == ["missed", "met", "met", "met"]
    cloud.world.lag = None
    found = reported(cloud, carry_out(cloud, "database").run)
    assert found.measured[0].verdict == "unknown" and not found.passed
    assert "no data of the last 15 minutes" in report.markdown(found)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"ill": "dr"}, "answers 500"),
        ({"broken": True}, "replication FAILED"),
        ({"refused": "SwitchoverGlobalCluster"}, "not authorized"),
        ({"refused": "Subscribe"}, "not authorized"),
    ],
)
def test_what_fails_is_reported_and_all_of_it_taken_back(
    facts: dict[str, Any], words: str
) -> None:
    cloud = place(**facts)

    ended = carry_out(cloud)

    assert not ended.green and not ended.open and not ended.left
    cloud.world.refused = ""
    assert at_home(cloud)
    found = reported(cloud, ended.run)
    assert found.result == "restored" and not found.passed
    assert words in str(found.failures) and words in page_of(cloud, ended.run)
    assert any(d.failed for d in found.done) and found.measured


FAILOVER: dict[str, Any] = {
    "writes": "dr",
    "closed": {"primary": "closed"},
    "switch": 1,
}


@pytest.mark.parametrize("scenario", ["region-loss", "database", "dns"])
@pytest.mark.parametrize("moved", [*FAILOVER, "all"])
def test_a_failover_of_somebody_else_is_not_taken_back(
    scenario: str, moved: str
) -> None:
    """A runbook takes no lock: it moves all of it, or is still at it, once the drill has
    begun."""
    cloud = place()
    found = {k: v for k, v in FAILOVER.items() if moved in (k, "all")}

    happens = list(found.items())

    def fails_over(event: Event) -> None:
        while happens:
            setattr(cloud.world, *happens.pop())

    ended = carry_out(cloud, scenario, on_event=fails_over)

    assert not ended.green and not ended.open and cloud.world.moved == []
    assert cloud.world.state() == Drilled(**found).state()
    assert cloud.world.litter() == []
    assert reported(cloud, ended.run).result == "restored"


def test_a_drill_that_measures_nothing_is_refused_and_has_not_passed() -> None:
    shipped = look.shipped("region_migration")
    kept = tuple(s for s in shipped.stack_sets if s.part != "storage")
    left = replace(shipped, stack_sets=kept)
    with pytest.raises(RolloutError, match="nothing to rehearse.*has no storage"):
        drilling.plan(left, place().aws, "region-loss", ID)

    cloud = place()
    found = reported(cloud, carry_out(cloud, "database").run)
    assert found.passed
    silent = Measured(Measure("lag", "lag", "rpo", "why"), 5.0)
    partly = replace(found, measured=(silent, *found.measured[1:]), local=True)
    words = f"passed, but 1 of {len(found.measured)} goals was not measured"
    assert partly.passed and report.verdict(partly) == words
    for text in (report.markdown(partly), page_of(cloud, found.run, partly)):
        assert words in text.lower() and report.LOCAL in text
        assert text.index("What was not proven") < text.rindex("lag: not measured: why")
    assert 'card good">' not in page_of(cloud, found.run, partly)
    assert 'card good">' in page_of(cloud, found.run)
    for measured in ((), (silent,)):
        nothing = replace(found, measured=measured)
        assert not nothing.passed
        assert report.verdict(nothing) == "failed: no goal was measured"


def test_a_resumed_drill_is_reported_and_judged_as_any_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def resumed(lag: float, *, reverse: bool = False, as_json: bool = False) -> int:
        cloud, heard = place(lag=lag), list[Event]()
        carry_out(
            cloud, "database", on_event=heard.append, stopping=lambda: len(heard) > 9
        )
        found = opening.opened(cloud.bucket, PREFIX)  # type: ignore[arg-type]
        assert found
        ended = resume(cloud, reverse=reverse)
        assert ended.green
        reached = SimpleNamespace(
            sets=cloud, system=system(), local=False, without=(), by_prefix=False
        )
        return cli_resume._report(
            reached, ended, found, True, as_json=as_json  # type: ignore[arg-type]
        )

    assert resumed(9000.0) == FAILED
    assert "drill database failed: not every goal was met" in capsys.readouterr().out
    assert resumed(9000.0, reverse=True) == DONE
    capsys.readouterr()
    assert resumed(9000.0, as_json=True) == FAILED
    answer = json.loads(capsys.readouterr().out)
    assert answer["outcome"]["run"] == answer["report"]["run"]
    assert not answer["report"]["passed"]


@pytest.mark.parametrize(
    "message", ["hello", "[1]", '"text"', '{"NewStateReason": null}', None]
)
def test_other_messages_on_the_topic_are_passed_over(message: str | None) -> None:
    cloud = place()
    cloud.world.queues["q"] = [
        "no JSON",
        json.dumps({"Message": message} if message else []),
    ]
    heard = Act(
        "Heard",
        Target("123456789012", region("dr")),
        arguments={"Queue": "q", "Reason": "Drill"},
        script="heard",
    )
    assert acting.look(cloud.aws, heard).shown == "no notification yet"
    told = {"AlarmName": "lag", "NewStateReason": "Drill 1"}
    cloud.world.queues["q"] += [json.dumps({"Message": json.dumps(told)})]
    assert acting.look(cloud.aws, heard).holds


def test_a_region_that_does_not_take_over_is_left_again() -> None:
    """The API there answers before the move, and no longer afterwards."""
    cloud = place()

    def falls_ill(event: Event) -> None:
        if event.kind == "gate" and "WaitForSwitch" in event.message:
            cloud.world.ill = "dr"

    ended = carry_out(cloud, on_event=falls_ill, stopping=lambda: cloud.world.ill != "")

    assert ended.interrupted and ended.open and cloud.world.writes == "dr"
    back = resume(cloud, reverse=True)
    assert not back.left and at_home(cloud)
    assert cloud.world.moved == ["dr", "primary"]
    found = reported(cloud, ended.run)
    assert found.result == "restored" and any(d.back for d in found.done)


def resume(cloud: Place, *, reverse: bool = False) -> Any:
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        PREFIX,
        lambda event: None,
        back=reverse,
        sleep=lambda seconds: None,
    )


def kills() -> list[tuple[int, bool]]:
    """The calls of an undisturbed drill, before and after each."""
    cloud = place()
    drilling.plan(system(), cloud.aws, "region-loss", ID)
    first = len(cloud.faults.calls) + 1
    carry_out(cloud)
    every = [*range(first, len(cloud.faults.calls) + 1)]
    writes = [number for number in cloud.faults.writes if number >= first]
    found = [(n, False) for n in every] + [(n, True) for n in writes]
    return found if SOAK else random.Random("drill").sample(found, 24)


@pytest.mark.parametrize("reverse", [False, True], ids=["resumed", "reversed"])
def test_killed_at_any_call_it_leaves_the_system_as_it_was(reverse: bool) -> None:
    for number, takes_effect in kills():
        cloud = place()
        faults = cloud.faults.after if takes_effect else cloud.faults.before
        faults[number] = kill
        where = f"call {number}, {takes_effect}"
        try:
            carry_out(cloud)
        except Killed:
            pass
        faults.clear()

        ended = resume(cloud, reverse=reverse)

        assert opening.opened(cloud.bucket, PREFIX) is None, where  # type: ignore[arg-type]
        if ended is not None:
            assert not ended.left, where
            found = reported(cloud, ended.run)
            assert reverse or found.result == "done", where
            # A time in which nobody ran the drill is no measurement.
            assert all(s.seconds is not None for m in found.measured for s in m.samples)
        assert at_home(cloud), where


def test_the_permissions_are_those_that_are_used_and_are_documented() -> None:
    """Actions are called as calls are, save for some of S3 and of API Gateway."""
    cloud = place()
    found = drilling.plan(system(), cloud.aws, "region-loss", ID)
    before = len(cloud.faults.calls)
    carry_out(cloud)
    used = set()
    for call in cloud.faults.calls[before:]:
        role, service, *api = call.split()
        if role in ROLES and api:
            action = f"{service}:{api[0]}"
            used.add(
                "execute-api:Invoke"
                if service == "api"
                else _ACTIONS.get(action, action)
            )
    assert {*drilling.permissions(found.steps)} == used | {
        "kms:GenerateDataKey",
        "s3:ListBucket",  # else HeadObject of what is not there is refused
    }
    page = (look.ROOT / "docs" / "how-to" / "drill.md").read_text()
    assert all(f"`{one}`" in page for one in drilling.permissions(found.steps))


_ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
}


def test_what_cannot_be_rehearsed_now_is_said() -> None:
    away = place(writes="dr")
    with pytest.raises(RolloutError, match="already writes.*tapgen failback"):
        drilling.plan(system(), away.aws, "dns", ID)
    closed = place(closed={"dr": "closed"})
    with pytest.raises(RolloutError, match="all regions open.*tapgen failback"):
        drilling.plan(system(), closed.aws, "database", ID)
    home = place(closed={"primary": "closed"})
    with pytest.raises(RolloutError, match="all regions open.*tapgen failback"):
        drilling.plan(system(), home.aws, "database", ID)
    ringing = place(alarm="ALARM")
    with pytest.raises(RolloutError, match="is in ALARM, so it cannot be raised"):
        drilling.plan(system(), ringing.aws, "database", ID)


def test_a_percentile_is_judged_and_an_interrupted_time_is_not() -> None:
    def verdict(*samples: Sample, silent: str = "") -> Verdict:
        return Measured(Measure("k", "t", "rto", silent), 10.0, samples).verdict

    quick, slow = Sample(1.0), Sample(11.0)
    assert verdict(*[quick] * 20) == verdict(*[quick] * 19, slow) == "met"
    assert verdict(*[quick] * 18, slow, slow) == verdict(Sample(None)) == "missed"
    assert verdict() == verdict(Sample(99.0, broken=True)) == "unknown"
    assert verdict(silent="why") == "not measured"


@pytest.mark.parametrize("name", EXERCISES)
def test_what_a_drill_reads_is_what_the_shipped_system_has(name: str) -> None:
    """Every output is there, in the region of its role, and marks have the keys of tables."""
    found, shipped = EXERCISES[name], look.shipped(name)

    def body(part: str, role: str) -> Any:
        targets = shipped.part(part).targets
        assert shipped.regions[role] in {t.region for t in targets}, part
        return json.loads(shipped.part(part).template)

    copies = [o for one in found.objects for o in (one.source, one.copy)]
    bells = [found.bell.alarm, found.bell.topic] if found.bell else []
    read = [
        *(t.table for t in found.tables),
        *copies,
        *bells,
        *filter(None, [found.lag]),
    ]
    if found.apis:
        names = ["ApiId", "StageName", *([found.name.path] if found.name else [])]
        read += [Output(found.apis.part, n, r) for n in names for r in shipped.regions]
    for one in read:
        assert one.output in body(one.part, one.region)["Outputs"], one
    for table in found.tables:
        (made,) = (
            resource["Properties"]["KeySchema"]
            for resource in body(table.table.part, table.table.region)[
                "Resources"
            ].values()
            if resource["Type"] == "AWS::DynamoDB::GlobalTable"
        )
        assert {key["AttributeName"] for key in made} == {*table.key}
    assert found.moves <= ("failback" in {p.name for p in shipped.procedures})
