"""A drill as steps: what is measured, moved and brought back, and what takes each act back
where the drill ends early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tapgen.aws import acting, alarms, probes
from tapgen.aws.session import Aws
from tapgen.errors import RolloutError
from tapgen.model import Output, System, Target
from tapgen.model.drills import Measure
from tapgen.model.procedures import Act
from tapgen.operate import databases, filling, outputs, programs
from tapgen.operate.databases import Moving
from tapgen.operate.programs import Move
from tapgen.procedures import drills
from tapgen.procedures.drills import (
    API,
    DATABASE,
    DNS,
    EXERCISES,
    REGION_LOSS,
    Exercises,
    Request,
)
from tapgen.rollout.program import Call, Kind, Step, Verb

ITEMS = 10
"""How many items are put into a table, in each direction."""

OBJECTS = 3
REQUESTS = 5
LONGEST_COPY = 1800
"""How long the copy of an object is waited for, in seconds: twice what S3 promises."""

LONGEST_NOTICE = 300
LONGEST_ANSWER = 900
_MOVES = 3600
_NEEDS = {
    "measure lag": ("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"),
    "copy items": ("dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"),
    "remove items": ("dynamodb:DeleteItem",),
    "put object": ("kms:GenerateDataKey", "s3:PutObject"),
    "copied": ("s3:GetObject", "s3:ListBucket"),
    "remove objects": ("s3:DeleteObjectVersion", "s3:ListBucketVersions"),
    "ask api": ("execute-api:Invoke",),
    "answers": ("execute-api:Invoke",),
    "listen": ("sns:Subscribe", "sqs:CreateQueue"),
    "leads": ("route53:TestDNSAnswer",),
    "heard": ("sqs:GetQueueUrl", "sqs:ReceiveMessage"),
    "stop listening": (
        *("sns:ListSubscriptionsByTopic", "sns:Unsubscribe"),
        *("sqs:DeleteQueue", "sqs:GetQueueUrl"),
    ),
    "switchover": ("rds:DescribeGlobalClusters", "rds:SwitchoverGlobalCluster"),
    "writer": ("rds:DescribeDBClusters", "rds:DescribeGlobalClusters"),
    "release": ("cloudwatch:DescribeAlarms", "cloudwatch:PutMetricData"),
}
"""The IAM actions of scripts. Listing and deleting versions, and HeadObject, have actions
with other names than their calls. Without s3:ListBucket, S3 answers 403 instead of 404 for
an object that is not there.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""
_NO_LAG = "the embedded AWS publishes no replication lag"


@dataclass(frozen=True)
class Drill:
    """A drill of a system: its steps, what they measure, and what they leave out."""

    id: str
    scenario: str
    account: str
    steps: tuple[Step, ...]
    measures: tuple[Measure, ...]
    left_out: tuple[str, ...]
    moves: bool


def plan(
    system: System, aws: Aws, scenario: str, id: str, *, account: str = ""
) -> Drill:
    """Return the drill of a scenario; `id` is part of the names of all that it makes.

    Raises RolloutError where the system has no such scenario, is not deployed, has nothing
    to measure as it is, or is not in its first region with all regions open, and AwsError.
    """
    found = EXERCISES.get(system.blueprint)
    if found is None:
        known = ", ".join(EXERCISES)
        raise RolloutError(
            f"{system.name}: blueprint {system.blueprint} has nothing to rehearse; these "
            f"have: {known}"
        )
    if scenario not in found.scenarios:
        raise RolloutError(
            f"{system.name}: blueprint {system.blueprint} has no scenario {scenario}; it "
            f"has {', '.join(found.scenarios)}"
        )
    writing = _Writing(system, aws, id, account)
    whole = scenario == REGION_LOSS
    if whole and found.lag or scenario == DATABASE and found.lag:
        writing.lag(found.lag)
    if whole or scenario == API:
        writing.tables(found.tables)
    if whole:
        writing.objects(found.objects)
    if found.apis and scenario != DATABASE:
        for role in system.regions:
            writing.api(role, found.apis.part, found.apis.requests)
    if found.bell and (whole or scenario == DATABASE):
        writing.bell(found.bell)
    moves = found.moves and scenario != API
    if moves:
        writing.move(found, scenario)
    writing.require_measures(scenario)
    return Drill(
        id,
        scenario,
        writing.account,
        tuple(writing.steps),
        tuple(writing.measures),
        (*found.never, *writing.left_out),
        moves,
    )


@dataclass
class _Writing:
    """The steps so far."""

    system: System
    aws: Aws
    id: str
    given: str
    steps: list[Step] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        accounts = {
            t.account
            for s in self.system.stack_sets
            for t in s.targets
            if not t.joins_later
        }
        chosen = [a for a in sorted(accounts) if self.given in ("", a)]
        if len(chosen) != 1:
            raise RolloutError(
                f"{self.system.prefix}: a drill is in one account, and the system is in "
                f"{', '.join(sorted(accounts))}; name one with --in-account"
            )
        (self.account,) = chosen
        self._read = outputs.reader(self.system, self.aws)

    def target(self, role: str) -> Target:
        return Target(self.account, self.system.regions[role])

    def value(self, output: Output) -> str:
        return self._read(output, self.target(output.region))

    def measure(self, key: str, title: str, goal: str = "", silent: str = "") -> str:
        self.measures.append(Measure(key, title, goal, silent))
        return key

    def require_measures(self, scenario: str) -> None:
        if not self.measures:
            raise RolloutError(
                f"{self.system.prefix}: scenario {scenario} has nothing to rehearse as the "
                f"system is now: {'; '.join(self.left_out)}; a drill that measures nothing "
                "says nothing"
            )

    # -- what a step is ------------------------------------------------------------

    def act(
        self,
        act: Act,
        *measures: str,
        undo: Act | None = None,
        proof: Act | None = None,
        undoes: int = 0,
    ) -> int:
        """Add an act; return its number."""
        back = (Call(Verb.PERFORM, act=undo),) if undo else ()
        self.steps.append(
            Step(
                Kind.ACT,
                calls=(Call(Verb.PERFORM, act=act, proof=proof),),
                words=str(act),
                undo=back,
                undoes=_id(undoes),
                measures=measures,
            )
        )
        return len(self.steps)

    def check(self, check: Act, *measures: str) -> None:
        words = str(check)
        self.steps.append(Step(Kind.CHECK, check=check, words=words, measures=measures))

    # -- what is rehearsed ---------------------------------------------------------

    def lag(self, alarm: Output | None) -> None:
        assert alarm
        target, name = self.target(alarm.region), self.value(alarm)
        silent = _NO_LAG if self.aws.local else ""
        key = self.measure(
            "lag",
            f"time that the database copy in {target.region} is behind: what a loss of the "
            "other region loses (RPO)",
            "rpo",
            silent,
        )
        given = {"Alarm": name}
        self.act(Act("MeasureLag", target, arguments=given, script="measure lag"), key)

    def tables(
        self, found: Sequence[drills.TableCopies], only: str = "", when: str = ""
    ) -> None:
        """Put items into tables in each region, or in that of one role."""
        for one in found:
            name = self.value(one.table)
            for place, role in enumerate(one.roles):
                if only in ("", role):
                    other = one.roles[1 - place]
                    self._table(one, name, role, self.target(other).region, when)

    def _table(
        self, one: drills.TableCopies, name: str, role: str, to: str, when: str
    ) -> None:
        here = self.target(role)
        key = self.measure(
            f"table {here.region}{when}",
            f"time until an item of {name}, written in {here.region}, is in {to}{when}",
            "table_copy",
        )
        mark = f"{self.id}-{role}{'-moved' * bool(when)}"
        given = {
            "Table": name,
            "To": to,
            "Samples": ITEMS,
            "Key": {k: text.replace("{id}", mark) for k, text in one.key.items()},
        }
        undo = Act("RemoveItems", here, arguments=given, script="remove items")
        done = Act("CopyItems", here, arguments=given, script="copy items")
        self.act(done, key, undo=undo)
        self.act(undo, undoes=len(self.steps))

    def objects(self, found: Sequence[drills.ObjectCopies]) -> None:
        parts = {s.part for s in self.system.stack_sets}
        for one in found:
            if not {one.source.part, one.copy.part} <= parts:
                self.left_out.append(
                    f"copies of objects: the system has no {one.source.part}"
                )
                continue
            here, there = self.target(one.source.region), self.target(one.copy.region)
            bucket, copy = self.value(one.source), self.value(one.copy)
            key = self.measure(
                f"objects {here.region}",
                f"time until an object of {bucket} is in {copy} in {there.region}",
                "object_copy",
            )
            prefix = f"drill/{self.id}/"
            given = {"Bucket": bucket, "Copy": copy, "To": there.region}
            away = {**given, "Prefix": prefix}
            undo = Act("RemoveObjects", here, arguments=away, script="remove objects")
            first = 0
            for number in range(OBJECTS):
                mark = {**given, "Key": f"{prefix}{number}"}
                put = Act("PutObject", here, arguments=mark, script="put object")
                begun = self.act(put, key, undo=None if first else undo)
                first = first or begun
                self.check(
                    Act(
                        "ObjectIsCopied",
                        here,
                        arguments=mark,
                        script="copied",
                        seconds=LONGEST_COPY,
                    ),
                    key,
                )
            self.act(undo, undoes=first)

    def api(self, role: str, part: str, requests: Sequence[Request]) -> None:
        target = self.target(role)
        for one in requests:
            key = self.measure(
                f"api {target.region} {one.method} {one.path}",
                f"time until {one.method} {one.path} answers in {target.region}, signed",
                "answer" if one.timed else "",
            )
            given = {**self._request(role, part, one)}
            given["Samples"] = REQUESTS if one.timed else 1
            self.act(Act("AskApi", target, arguments=given, script="ask api"), key)

    def _request(self, role: str, part: str, one: Request) -> dict[str, Any]:
        def output(name: str) -> str:
            return self.value(Output(part, name, region=role))

        return {
            "Api": output("ApiId"),
            "Stage": output("StageName"),
            "Method": one.method,
            "Path": one.path,
            "Status": one.status,
            "Body": one.body,
            "Wanted": dict(one.wanted),
        }

    def bell(self, bell: drills.Bell) -> None:
        target = self.target(bell.role)
        alarm, topic = self.value(bell.alarm), self.value(bell.topic)
        found = [*alarms.read(self.aws, target, [alarm])]
        if not found or found[0].state == "ALARM":
            why = "is in ALARM" if found else "does not exist"
            raise RolloutError(
                f"{self.system.prefix}: alarm {alarm} in {target.region} {why}, so it "
                "cannot be raised; see tapgen verify"
            )
        key = self.measure(
            "notification",
            f"time until {topic.rpartition(':')[2]} has notified a queue of the alarm "
            f"{alarm}",
            "notification",
        )
        reason = f"Drill {self.id} of tapgen"
        queue = f"{self.system.prefix}-drill-{self.id}"[-80:].lstrip("-")
        given = {"Queue": queue, "Topic": topic, "Reason": reason}
        away = Act("StopListening", target, arguments=given, script="stop listening")
        listens = self.act(
            Act("Listen", target, arguments=given, script="listen"), undo=away
        )

        def state(name: str, value: str, why: str) -> Act:
            sent = {"AlarmName": alarm, "StateValue": value, "StateReason": why}
            return Act(name, target, "cloudwatch", "SetAlarmState", sent)

        calm = state("CalmAlarm", found[0].state, f"{reason} is over")
        rings = self.act(state("RaiseAlarm", "ALARM", reason), key, undo=calm)
        self.check(
            Act(
                "NotificationIsReceived",
                target,
                arguments=given,
                script="heard",
                seconds=LONGEST_NOTICE,
            ),
            key,
        )
        self.act(calm, undoes=rings)
        self.act(away, undoes=listens)

    # -- there and back ------------------------------------------------------------

    def move(self, found: Exercises, scenario: str) -> None:
        """Move database or traffic, or both, to the last role and back, as procedures do."""
        system, aws = self.system, self.aws
        moving = databases.failover(system, aws, account=self.account)
        self._require_at_home(moving)
        there, back = _moves(system, moving, scenario)
        far, near = moving.to.target, back[0].place.target
        out = self.measure(
            "there",
            f"time until {far.region} serves, from the request to move there (RTO)",
            "rto",
        )
        name = None if scenario == DATABASE else self._name(found.name)
        self._is_at_home()
        first = len(self.steps)
        begun = self._carried(there)
        if found.apis and found.apis.taken_over and scenario != DNS:
            self._serves(moving.to.role, found.apis)
        if name:
            self._leads(moving.to.role, found, {**name, "Back": False})
        self._span(first, out)
        if scenario == REGION_LOSS:
            self.tables(found.tables, moving.to.role, " after the move")
        home = self.measure(
            "back",
            f"time until {near.region} serves again, from the request to move back",
            "rto",
        )
        first = len(self.steps)
        self._returned(back, begun)
        if found.apis and found.apis.taken_over and scenario != DNS:
            self._serves(back[0].place.role, found.apis)
        if name:
            self._leads(moving.origin, found, {**name, "Back": True})
        self._span(first, home)

    def _require_at_home(self, moving: Moving) -> None:
        system, home = self.system, filling.procedure(self.system, databases.BACK[0])
        role = home.roles[0]
        if moving.origin == role and all(
            acting.look(self.aws, check).holds for check in self._at_home
        ):
            return
        raise RolloutError(
            f"{system.prefix}: a drill begins with {system.regions[role]} ({role}) "
            "writing, all regions open and no traffic redirected; first: tapgen failback "
            f"{system.name}"
        )

    def _is_at_home(self) -> None:
        """See once more that nothing has moved: runbooks and the console take no lock, and
        the way back would reverse a real failover."""
        for check in self._at_home:
            self.check(check)

    def _name(self, found: drills.Name | None) -> dict[str, Any] | None:
        """Return what is known of the name before anything moves; None without one."""
        if not found:
            return None
        values = self.system.part(found.part).parameters
        zone, name = values.get("HostedZoneId"), values.get("DomainName")
        if not (isinstance(zone, str) and isinstance(name, str) and zone and name):
            self.left_out.append("the name: the file sets no settings.domain")
            return None
        home = probes.dns_answers(self.aws, self.account, zone, name)
        return {"Zone": zone, "Name": name, "Home": home}

    def _leads(self, role: str, found: Exercises, given: dict[str, Any]) -> None:
        assert found.apis and found.name
        output = Output(found.apis.part, found.name.path, region=role)
        # The path of an API begins with its stage, that of a domain does not.
        path = "/" + self.value(output).split("/", 2)[2]
        self.check(
            Act(
                "NameLeadsHere",
                self.target(role),
                arguments={**given, "Path": path},
                script="leads",
                seconds=LONGEST_ANSWER,
            )
        )

    def _span(self, first: int, key: str) -> None:
        """Measure from the first act since a step to the last step."""
        acts = (n for n in range(first, len(self.steps)) if self.steps[n].calls)
        for number in (next(acts), -1):
            self.steps[number] = replace(self.steps[number], measures=(key,))

    def _serves(self, role: str, apis: drills.Apis) -> None:
        assert apis.taken_over
        given = self._request(role, apis.part, apis.taken_over)
        self.check(
            Act(
                "RegionServes",
                self.target(role),
                arguments=given,
                script="answers",
                seconds=LONGEST_ANSWER,
            )
        )

    def _carried(self, moves: Sequence[Move]) -> dict[str, int]:
        """Add the steps there; return the numbers of the acts by name."""
        begun: dict[str, int] = {}
        for step in programs.steps(moves, databases.unread):
            if step.kind is Kind.ACT:
                act = step.calls[0].act
                assert act
                if act.script == "switchover":
                    step = self._reversible(step)
                begun[act.name] = len(self.steps) + 1
            self.steps.append(step)
        return begun

    def _reversible(self, step: Step) -> Step:
        """Let a move of the writer be taken back, and waited for: both regions are there. It
        goes home before traffic does, which would find no database there."""
        home = self._back
        (move,) = (s for s in home if _script(s) == "switchover")
        (waits,) = (s.check for s in home if s.check and _is_writer(s.check))
        calm, *_ = (
            s.check
            for s in home
            if s.check and s.check.action == "DescribeGlobalClusters"
        )
        return replace(
            step,
            undo=move.calls,
            remains="",
            before_undo=replace(calm, seconds=_MOVES),
            after_undo=waits,
            undo_first=True,
        )

    @cached_property
    def _at_home(self) -> list[Act]:
        """What is so while the first region writes, all regions are open, and no traffic is
        redirected; each is looked at once."""
        release = filling.procedure(self.system, databases.RELEASE)
        places = (
            filling.place(self.system, release, role, self.account)
            for role in release.roles
        )
        moves = [Move(release, place) for place in places]
        steps = [*self._back, *programs.steps(moves, databases.unread)]
        (writes,) = (s.check for s in self._back if s.check and _is_writer(s.check))
        found = [replace(writes, name="WriterIsAtHome", seconds=0)]
        for proof in (c.proof for s in steps for c in s.calls if c.proof):
            if proof.script == "switchover":
                continue  # also so while the writer is still on its way home
            check = replace(proof, name="RegionIsOpen")
            if proof.script == "release":
                check = _not_redirected(proof)
            if check not in found:
                found.append(check)
        return found

    @cached_property
    def _back(self) -> list[Step]:
        """The steps that bring all of it home."""
        wanted = filling.procedure(self.system, databases.BACK[0])
        here = filling.place(self.system, wanted, wanted.roles[0], self.account)
        return programs.steps([Move(wanted, here)], databases.unread)

    def _returned(self, moves: Sequence[Move], begun: dict[str, int]) -> None:
        """Add the steps back: each takes back what was done, so nothing takes it back. It is
        taken back once a check has seen so."""
        ends = {"writer": "MoveDatabase", "release": "PutSwitch"}
        for step in programs.steps(moves, databases.unread):
            name = ends.get(step.check.script, "") if step.check else ""
            bare = replace(step, undo=(), remains="", undoes=_id(begun.get(name, 0)))
            self.steps.append(bare)


def permissions(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return the IAM actions that a drill takes, beside those of its journal."""
    acts = [call.act for s in steps for call in (*s.calls, *s.undo)]
    looks = [one for s in steps for one in (s.check, s.before_undo, s.after_undo)]
    found = {"cloudformation:DescribeStacks"}
    for act in [a for a in (*acts, *looks) if a]:
        found |= (
            {*_NEEDS[act.script]} if act.script else {f"{act.service}:{act.action}"}
        )
    return tuple(sorted(found))


def _is_writer(check: Act) -> bool:
    return check.script == "writer"


def _script(step: Step) -> str:
    act = step.calls[0].act if step.calls else None
    return act.script if act else ""


def _id(number: int) -> str:
    """The id of a step: each is in a wave of its own."""
    return f"{number}.1.1" if number else ""


def _not_redirected(proof: Act) -> Act:
    """The switch that a release turns off is not on; its alarm has no data before somebody
    has turned it."""
    given = proof.arguments
    return Act(
        "NoTrafficIsRedirected",
        Target(proof.target.account, given["Region"]),
        "cloudwatch",
        "DescribeAlarms",
        {"AlarmNames": [given["Alarm"]]},
        selector="$.MetricAlarms[0].StateValue",
        wanted=("OK", "INSUFFICIENT_DATA"),
    )


def _moves(
    system: System, moving: Moving, scenario: str
) -> tuple[list[Move], list[Move]]:
    """Return the procedures there and back. Both regions are there, so nothing is lost."""
    back = filling.procedure(system, databases.BACK[0])
    home = filling.place(system, back, back.roles[0], moving.to.target.account)

    def at(place: filling.Place, *names: str) -> list[Move]:
        return [Move(filling.procedure(system, name), place) for name in names]

    database, traffic = databases.PLANNED
    if scenario == DATABASE:
        return at(moving.to, database), at(home, database)
    if scenario == DNS:
        return at(moving.to, traffic), at(moving.to, databases.RELEASE)
    return [*moving.moves], at(home, back.name)
