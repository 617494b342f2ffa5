"""Random walks: a system changes its config again and again, while AWS fails in between.

    walk = Walk(cloud, server.folder, WAYS["serverless_api"], seed=1)
    walk.begin()
    for _ in range(5):
        walk.step()

Each step draws a change of the config, and what goes wrong meanwhile. However it ends, no
data is lost that the plan did not name, no two databases take writes, and there is a way
on: a refusal that says what to do, a run to resume or to take back, a repair, or a plan.
The walk takes such a way until nothing is left to do.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tapgen import blueprints, config, plan, rollout
from tapgen.aws import stuck
from tapgen.blueprints.region_migration.path import PATH
from tapgen.blueprints.region_migration.path import settings as at
from tapgen.emulator.server import lifecycle
from tapgen.errors import AwsError, TapgenError
from tapgen.model import System
from tapgen.operate import databases, programs, replicas, running
from tapgen.plan import Plan, repairs, writers
from tapgen.rollout import Lost, Outcome, Starter, repairing
from tests.emulated.conftest import Cloud
from tests.systems import look

Settings = dict[str, Any]
Turn = tuple[str, Any]
"""A setting, with dots where it is in a block, and its value; `=KEY` is a key beside the
settings."""

PATIENCE = 8  # ways that a walk takes until all is done
FAST = (0.02, 0.1)

WHAT_TO_DO = re.compile(
    r"\b(set|pass|give|first|wait|keep|leave|remove|take|plan again|undone|run"
    r"|roll out|turn|choose)\b|tapgen|--|in the file|there is nothing to"
)


ADVICE = (
    re.compile(r"(?:set|and|also set) ([a-z_]+): ([\w.]+)"),
    re.compile(r"([a-z_]+) is [\w.]+; set it to (\w+)"),
    re.compile(r"set it to 0 and ([a-z_]+) to (100)"),
)
"""A setting that a refusal names, and its value."""

PLAIN = ("true", "false", "0", "1", "100")


class Killed(BaseException):
    """The process is gone: nothing catches this."""


@dataclass(frozen=True)
class Way:
    """How a shipped system may be walked: what its settings can become, and what it does
    beside rollouts (`acts`). `wrong` says what must never be."""

    system: str
    turns: Mapping[str, tuple[Any, ...]]
    begin: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[Mapping[str, Any], ...] = ()  # blocks of settings, step by step
    wrong: Callable[[Walk], Iterable[str]] = lambda walk: ()
    acts: tuple[Callable[[Walk], str], ...] = ()
    troubles: tuple[str, ...] = (
        *("none", "none", "none", "kill", "stop"),
        *("fail", "hang", "throttle", "cut", "away"),
    )

    def brief(self, *turns: str, **begin: Any) -> Way:
        """A way for a few steps of a system that is there, with these settings: each meets
        trouble."""
        return replace(
            self,
            turns={name: self.turns[name] for name in turns},
            begin=begin,
            path=(),
            acts=(),
            troubles=("kill", "fail", "cut"),
        )


@dataclass
class Walk:
    """A walk of one system in an account of its own."""

    cloud: Cloud
    folder: Path
    way: Way
    seed: int
    said: list[str] = field(default_factory=list)
    held: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        path = look.ROOT / "stacksets" / f"{self.way.system}.yaml"
        self.loaded = config.load(path, blueprints.find)
        blueprint = blueprints.find(self.loaded.blueprint)
        assert blueprint is not None
        self.cloud.code = blueprint.code
        self.settings = look.plain(self.loaded.settings)
        for name, value in self.way.begin.items():
            self.settings = changed(self.settings, (name, value))
        self.keys: dict[str, Any] = {}
        self.advice: dict[str, Any] = {}

    # --- The walk -------------------------------------------------------------------

    def begin(self) -> None:
        """Roll the system out, unless it is, and put something into all that holds data."""
        self.system = self.built(self.settings, self.keys)
        self.ready: System | None = None
        if self.cloud.plan(self.system):
            assert self.run(self.planned(), {}).green, self.told()
        self.look()

    def step(self) -> None:
        """Change the config and roll it out, or act, whatever comes of it."""
        if self.way.acts and not self.draw.randrange(6):
            act = self.draw.choice(self.way.acts)
            self.say(f"{act.__name__}: {act(self)}")
            self.look()
            return
        settings, keys = self.drawn()
        self.advice = {}
        if self.rolled_out(settings, keys) or not self.advice:
            return
        settings = self.settings  # what the refusal says comes first
        for name, value in self.advice.items():
            self.say(f"as advised, {name}: {value}")
            settings = changed(settings, (name, value))
        self.rolled_out(settings, self.keys)

    def drawn(self) -> tuple[Settings, dict[str, Any]]:
        """Settings and keys to go to: on the documented path, or anywhere."""
        settings, keys = self.settings, dict(self.keys)
        if self.way.path and self.draw.randrange(2):
            there = self.draw.choice((1, 1, 1, 1, 2, -1))
            number = min(max(self.at + there, 0), len(self.way.path) - 1)
            self.say(f"step {number} of the path")
            for block, values in self.way.path[number].items():
                settings = changed(settings, (block, values))
            return settings, keys
        for _ in range(self.draw.choice((1, 1, 2, 3))):
            name = self.draw.choice(sorted(self.way.turns))
            now = keys.get(name[1:]) if name.startswith("=") else valued(settings, name)
            others = [value for value in self.way.turns[name] if value != now]
            value = self.draw.choice(others or [now])
            self.say(f"{name}: {value}")
            if name.startswith("="):
                keys[name[1:]] = value
            else:
                settings = changed(settings, (name, value))
        return settings, keys

    @property
    def at(self) -> int:
        """The last step of the path whose settings the system has."""
        return max(
            (
                number
                for number, step in enumerate(self.way.path)
                if all(self.settings[k] == v for k, v in step.items())
            ),
            default=0,
        )

    def rolled_out(self, settings: Settings, keys: dict[str, Any]) -> bool:
        """Whether the system gets there; if not, it is as it was."""
        try:
            wanted = self.built(settings, keys)
        except (ValueError, TapgenError) as error:
            self.refused([str(error)])
            return False
        before = self.system
        self.system = wanted
        done = self.goes_on(before)
        if done:
            self.settings, self.keys = settings, keys
        else:
            self.system = before
        self.look()
        return done

    def goes_on(self, before: System) -> bool:
        """Roll the wanted system out; whether it is there in the end, and not `before`."""
        the_plan = self.planned()
        refused = self.refusals(the_plan)
        if refused:
            self.refused(refused)
            return False
        trouble = self.trouble(the_plan)
        ended = self.attempt(lambda: self.run(the_plan, trouble), trouble)
        self.clear()
        if ended is None or not ended.green:
            self.look()
        for number in range(PATIENCE):
            if ended is None or ended.open:
                gone_on = self.gone_on_with(ended, number)
                if gone_on is not None:
                    ended = gone_on
                    continue
            the_plan = self.planned()
            if not the_plan:
                return True
            if ended is not None and ended.restored and not ended.left:
                if not self.cloud.plan(before):
                    self.say("all is as it was")
                    return False
            refused = self.refusals(the_plan)
            if refused:
                self.refused(refused)
                self.repair(refused)
                ended = rollout.Outcome()
                continue
            self.say("rollout again")
            ended = self.attempt(lambda: self.run(the_plan, {}), {})
        raise AssertionError(f"no way on:\n{self.told()}")

    def gone_on_with(self, ended: Outcome | None, number: int) -> Outcome | None:
        """Go on with the open run, there or back, repair what keeps it from that, or in the
        end replace it by another; None where no run is open."""
        if ended is not None and hangs(ended):
            self.repair([str(f) for f in ended.failures], ended.run)
            return rollout.Outcome()
        if ended is not None and number > PATIENCE // 2:
            the_plan = self.planned()
            assert not plan.refusals(the_plan), self.told()
            self.say("rollout --supersede")
            return self.attempt(lambda: self.run(the_plan, {}, ended.run), {})
        back = bool(self.draw.randrange(2))
        self.say("resume" + " --back" * back)
        return self.attempt(lambda: self.resume(back), {})

    # --- What may be done -----------------------------------------------------------

    def built(self, settings: Settings, keys: Mapping[str, Any]) -> System:
        loaded = replace(self.loaded, **keys)
        return look.built(replace(loaded, settings=look.changed(loaded, settings)))

    def planned(self) -> Plan:
        if self.ready is not self.system:
            self.cloud.bootstrap(self.system)
            self.ready = self.system
        return writers.with_writers(self.cloud.plan(self.system), self.cloud.aws)

    def refusals(self, the_plan: Plan) -> list[str]:
        """Why a plan is refused; losses that it names are sometimes allowed."""
        lost = losses(the_plan)
        found = plan.refusals(the_plan)
        assert found or not lost, f"{lost} without a word\n{self.told()}"
        names = set(re.findall(r"--allow-replacement (\S+)", "\n".join(found)))
        if names and not self.draw.randrange(3):
            allowed = plan.refusals(the_plan, names)
            if not allowed:
                self.say(f"allowed: {', '.join(sorted(names))}")
                self.named |= lost
                self.named |= {n for n in names if "." not in n}
            return allowed
        return found

    def run(
        self, the_plan: Plan, trouble: Mapping[str, Any], supersede: str | None = None
    ) -> Outcome:
        start = len(self.cloud.events)
        killed, stopped = (int(trouble.get(kind, 0)) for kind in ("kill", "stop"))

        def heard(event: rollout.Event) -> None:
            self.cloud.events.append(event)
            if killed and len(self.cloud.events) - start >= killed:
                raise Killed

        return rollout.run(
            the_plan,
            self.sets,
            heard,
            starter=Starter("walker", supersede=supersede),
            stopping=lambda: bool(stopped)
            and len(self.cloud.events) - start >= stopped,
            poll_seconds=FAST,
            # Nobody brings the service back while the run waits for it.
            patience=5.0 if "unavailable" in str(trouble) else 600.0,
        )

    def resume(self, back: bool) -> Outcome | None:
        return rollout.resume(
            self.sets,
            self.system.prefix,
            self.cloud.events.append,
            back=back,
            poll_seconds=FAST,
        )

    @property
    def sets(self) -> Any:
        copies = self.system.resolve(self.cloud.account).journal_copies
        return replace(self.cloud.sets, copies=copies)

    def attempt(
        self, work: Callable[[], Outcome | None], trouble: Mapping[str, Any]
    ) -> Outcome | None:
        """An outcome; None where the process ended, or has nothing to go on with."""
        try:
            ended = work()
        except Killed:
            self.say("killed")
            return None
        except (Lost, AwsError) as error:
            self.say(f"lost: {error}")
            assert trouble, self.told()
            return None
        except TapgenError as error:
            self.refused([str(error)])
            assert trouble, self.told()
            return None
        if ended is None:
            self.say("nothing to resume")
            return None
        for failure in ended.failures:
            self.say(f"failed: {failure}")
        state = [w for w in ("green", "interrupted", "open") if getattr(ended, w)]
        self.say(" ".join(["ended", *state, f"restored {len(ended.restored)}"]))
        return ended

    def repair(self, refused: Iterable[str], run: str | None = None) -> None:
        """Repair what hangs, as `tapgen repair` does; nothing else is left to do here."""
        observed = self.cloud.observe(self.system)
        states = {
            (name, target): stuck.state(self.cloud.aws, target, one.stack_id)
            for name, found in observed.items()
            for target, one in found.instances.items()
            if one.stack_id
        }
        found = repairs.find(observed, states, set())
        assert found, f"refused, and nothing to repair: {refused}\n{self.told()}"
        self.say(f"repair {', '.join(f'{r.part} {r.way.name}' for r in found)}")
        ended = repairing.repair(
            found,
            self.system.resolve(self.cloud.account),
            self.sets,
            self.cloud.events.append,
            starter=Starter("walker", "repair", supersede=run),
            poll_seconds=FAST,
        )
        self.say(f"repaired, failures {[str(f) for f in ended.failures]}")

    def refused(self, reasons: Iterable[str]) -> None:
        for reason in reasons:
            self.say(f"refused: {reason}")
            assert WHAT_TO_DO.search(reason), f"what to do?\n{self.told()}"
            for name, value in (one for form in ADVICE for one in form.findall(reason)):
                path = next(_paths(self.settings, name), None)
                if path:
                    self.advice[path] = json.loads(value) if value in PLAIN else value

    # --- What goes wrong ------------------------------------------------------------

    def trouble(self, the_plan: Plan) -> dict[str, Any]:
        """Set what goes wrong in the next run, if anything does."""
        kind = self.draw.choice(self.way.troubles)
        account = {"account": self.cloud.account}
        changes = [
            (step, change)
            for step in the_plan.steps
            for found in step.changes.values()
            for change in found
        ]
        step = self.draw.choice(the_plan.steps) if the_plan.steps else None
        found: dict[str, Any] = {}
        faults: list[dict[str, Any]] = []
        match kind:
            case "kill" | "stop":
                found = {kind: self.draw.randrange(1, 16)}
            case "fail" | "hang" if changes:
                step, change = self.draw.choice(changes)
                where = {"stack_set": step.stack_set, **account}
                one = {"effect": "fail", "reason": "not today"}
                faults = [{**one, "match": {"logical_id": change.logical_id, **where}}]
                if kind == "hang":  # another one fails in the rollback
                    others = [c.logical_id for s, c in changes if s is step]
                    match_ = {"logical_id": self.draw.choice(others), "nth": 2, **where}
                    faults.append({**one, "match": match_})
            case "throttle":
                match_ = {**account, "service": "cloudformation"}
                match_ |= {"probability": 0.2, "seed": self.seed, "times": 30}
                faults = [{"effect": "throttle", "match": match_}]
            case "cut":
                action = self.draw.choice(
                    ["UpdateStackSet", "*StackInstances", "PutObject", "Describe*"]
                )
                match_ = {**account, "action": action}
                match_ |= {"nth": self.draw.randrange(1, 6)}
                when = self.draw.choice(["before", "after"])
                faults = [{"effect": "cut", "match": match_, "when": when}]
            case "away" if step:
                region = self.draw.choice(sorted(t.region for t in step.targets))
                match_ = {**account, "region": region, "times": "always"}
                match_ |= {"service": self.draw.choice(["s3", "kms", "iam", "lambda"])}
                faults = [{"effect": "unavailable", "match": match_}]
        if faults:
            lifecycle.add_faults(self.folder, faults)
            found = {"faults": faults}
        self.say(f"trouble: {found or 'none'}")
        return found

    def clear(self) -> None:
        lifecycle.clear_faults(self.folder)

    # --- What must be ---------------------------------------------------------------

    def look(self) -> None:
        """See that nothing is wrong, and hold what is new."""
        wrong = [*self.way.wrong(self)]
        assert not wrong, f"{wrong}\n{self.told()}"
        for (region, kind, name), then in self.held.items():
            now = found(self, region, kind, name)
            assert (
                now == then
            ), f"{kind} {name} in {region}: {then} → {now}\n{self.told()}"
        for region, kind, name in self.resources():
            if (region, kind, name) not in self.held:
                put(self, region, kind, name)
                self.held[region, kind, name] = found(self, region, kind, name)

    def resources(self) -> Iterator[tuple[str, str, str]]:
        """Region, type and name of all that holds data."""
        for observed in self.cloud.observe(self.system).values():
            types = {
                r["Type"] for r in json.loads(observed.template)["Resources"].values()
            }
            if not types & {*KINDS}:
                continue
            for target, instance in observed.instances.items():
                if not instance.stack_id:
                    continue
                client = self.cloud.client("cloudformation", target.region)
                for one in client.describe_stack_resources(StackName=instance.stack_id)[
                    "StackResources"
                ]:
                    if one["ResourceType"] in KINDS and one.get("PhysicalResourceId"):
                        if not one["ResourceStatus"].startswith("DELETE"):
                            yield target.region, one["ResourceType"], one[
                                "PhysicalResourceId"
                            ]

    def say(self, text: str) -> None:
        self.said.append(text)

    def told(self) -> str:
        head = f"{self.way.system}, seed {self.seed}, in {self.cloud.account}"
        return "\n  ".join([head, *self.said])


def hangs(ended: Outcome) -> bool:
    """Whether a stack of a run can be neither updated nor taken back."""
    return any("ROLLBACK_FAILED" in str(failure) for failure in ended.failures)


def losses(the_plan: Plan) -> set[str]:
    """What a plan deletes, or replaces, of what holds data."""
    return {
        f"{step.part}.{change.logical_id}"
        for step in the_plan.steps
        for changes in step.changes.values()
        for change in changes
        if change.loses_data
    }


def changed(settings: Settings, turn: Turn) -> Settings:
    """Settings with one of them changed."""
    name, value = turn
    first, _, rest = name.partition(".")
    if not rest:
        return {**settings, first: value}
    return {**settings, first: changed(settings.get(first) or {}, (rest, value))}


def valued(settings: Settings, name: str) -> Any:
    """The value of a setting, None without one."""
    found: Any = settings
    for part in name.split("."):
        found = (found or {}).get(part)
    return found


def _paths(settings: Settings, name: str, above: str = "") -> Iterator[str]:
    """Where a setting of a name is, with dots."""
    for key, value in settings.items():
        if key == name:
            yield above + key
        if isinstance(value, dict):
            yield from _paths(value, name, f"{above}{key}.")


# --- What holds data ------------------------------------------------------------------


def _bucket(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("s3", region)
    return client.get_object(Bucket=name, Key=f"walk/{region}")["Body"].read()


def _table(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("dynamodb", region)
    key = _key(client, name)
    return client.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")


def _key(client: Any, name: str) -> dict[str, Any]:
    table = client.describe_table(TableName=name)["Table"]
    kinds = {
        a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]
    }
    return {
        k["AttributeName"]: {kinds[k["AttributeName"]]: "1"} for k in table["KeySchema"]
    }


def _instance(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("rds", region)
    (one,) = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return one["DbiResourceId"]


def _cluster(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("rds", region)
    (one,) = client.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
    return one["DbClusterResourceId"]


def _secret(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("secretsmanager", region)
    return client.get_secret_value(SecretId=name)["SecretString"]


def _key_state(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("kms", region)
    return client.describe_key(KeyId=name)["KeyMetadata"]["KeyState"]


def _vault(walk: Walk, region: str, name: str) -> Any:
    client = walk.cloud.client("backup", region)
    return client.describe_backup_vault(BackupVaultName=name)["BackupVaultArn"]


KINDS: Mapping[str, Callable[[Walk, str, str], Any]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::DynamoDB::Table": _table,
    "AWS::RDS::DBInstance": _instance,
    "AWS::RDS::DBCluster": _cluster,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::KMS::Key": _key_state,
    "AWS::KMS::ReplicaKey": _key_state,
    "AWS::Backup::BackupVault": _vault,
}


def found(walk: Walk, region: str, kind: str, name: str) -> Any:
    """What tells whether the data of a resource is there."""
    try:
        return KINDS[kind](walk, region, name)
    except ClientError as error:
        return error.response["Error"]["Code"]


def put(walk: Walk, region: str, kind: str, name: str) -> None:
    """Put something into what holds data."""
    if kind == "AWS::S3::Bucket":
        client = walk.cloud.client("s3", region)
        # Under a name of its own: what replicates both ways must not overwrite it.
        client.put_object(Bucket=name, Key=f"walk/{region}", Body=name.encode())
    if "DynamoDB" in kind:
        client = walk.cloud.client("dynamodb", region)
        item = {**_key(client, name), "walked": {"S": name}}
        client.put_item(TableName=name, Item=item)


# --- The four systems -----------------------------------------------------------------


def carry_out(walk: Walk, steps: Any, command: str) -> str:
    """Do what a procedure does, without what takes a minute: its switches for traffic."""
    system = walk.system.resolve(walk.cloud.account)
    ended = running.run(
        [s for s in steps if not re.search("Switch|Traffic", s.words)],
        system,
        walk.sets,
        walk.cloud.events.append,
        starter=Starter("walker", command),
        poll_seconds=FAST,
    )
    assert ended.green, (ended.failures, walk.told())
    return "done"


def _moved(walk: Walk, moving: Callable[[], databases.Moving]) -> str:
    try:
        found = moving()
    except TapgenError as error:
        assert WHAT_TO_DO.search(str(error)), walk.told()
        return f"refused: {error}"
    steps = programs.steps(found.moves, databases.unread)
    return carry_out(walk, steps, found.command)


def failover(walk: Walk) -> str:
    system = walk.system.resolve(walk.cloud.account)
    lose = bool(walk.draw.randrange(2))
    return _moved(
        walk, lambda: databases.failover(system, walk.cloud.aws, lose_data=lose)
    )


def failback(walk: Walk) -> str:
    system = walk.system.resolve(walk.cloud.account)
    return _moved(walk, lambda: databases.failback(system, walk.cloud.aws))


def promote(walk: Walk) -> str:
    system = walk.system.resolve(walk.cloud.account)
    try:
        found = replicas.promote(system, walk.cloud.aws, "walk", lose_data=True)
    except TapgenError as error:
        assert WHAT_TO_DO.search(str(error)), walk.told()
        return f"refused: {error}"
    return carry_out(walk, found.steps, "promote")


def _one_writer(walk: Walk) -> Iterator[str]:
    """A global database has one writer, which every region knows."""
    for region in walk.system.regions.values():
        client = walk.cloud.client("rds", region)
        for one in client.describe_global_clusters()["GlobalClusters"]:
            members = one["GlobalClusterMembers"]
            writing = [m["DBClusterArn"] for m in members if m["IsWriter"]]
            if len(writing) != 1:
                yield f"{len(writing)} writers in {region}"


def _name_leads_to_a_writer(walk: Walk) -> Iterator[str]:
    """The name of the database leads to a replica once its switch is on."""
    dr = walk.system.regions["dr"]
    alarms = walk.cloud.client("cloudwatch", dr).describe_alarms(
        AlarmNames=[f"sn-{walk.system.suffix}-db-name-moved-dr"]
    )["MetricAlarms"]
    for one in walk.cloud.client("rds", dr).describe_db_instances()["DBInstances"]:
        if one.get("ReadReplicaSourceDBInstanceIdentifier"):
            if any(a["StateValue"] == "ALARM" for a in alarms):
                yield "the name of the database leads to a replica"


def _one_master(walk: Walk) -> Iterator[str]:
    """In a migration, the database that takes writes is one, and it is no replica."""
    places = {role: walk.system.regions[role] for role in ("source", "target")}
    writes = {}
    for role, region in places.items():
        ssm = walk.cloud.client("ssm", region)
        name = f"/rm/{walk.system.suffix}/writes"
        found = ssm.get_parameters(Names=[name])["Parameters"]
        writes[role] = [p["Value"] for p in found] == ["allowed"]
    instances = walk.cloud.client("rds", places["target"]).describe_db_instances()
    replica = any(
        one.get("ReadReplicaSourceDBInstanceIdentifier")
        for one in instances["DBInstances"]
    )
    client = walk.cloud.client("route53", places["target"])
    led = {
        r["SetIdentifier"]
        for zone in client.list_hosted_zones()["HostedZones"]
        for r in client.list_resource_record_sets(HostedZoneId=zone["Id"])[
            "ResourceRecordSets"
        ]
        if r["Name"].startswith("db.") and r.get("Weight")
    }
    if replica and "target" in led:
        yield "the name leads to a replica"
    if any(writes.values()) and not replica and led and led != {"target"}:
        yield f"two databases take writes: {writes}, led to {led}"


START: Mapping[str, Any] = {
    name: look.plain(
        config.load(
            look.ROOT / "stacksets" / "region_migration.yaml", blueprints.find
        ).settings
    )[name]
    for name in ("traffic", "promotion", "source")
}
"""What a migration begins with, of the settings that its path changes."""

_DAYS = (30, 90, 180)
_TAGS = ({"CostCenter": "a"}, {"CostCenter": "b", "Team": "c"})
_ORDER = ("stop", "rollback")

WAYS: Mapping[str, Way] = {
    "serverless_api": Way(
        "serverless_api",
        {
            "log_retention_days": _DAYS,
            "noncurrent_version_days": (30, 90),
            "website": ("public", "cloudfront"),
            "cors_origins": ([], ["https://a.example.com"]),
            "authorizer": ("none", "iam"),
            "replication_time_control": (True, False),
            "deletion_protection": (True, False),
            "concurrency": (0, 5),
            "memory_mib": (256, 512),
            "requests_per_second": (100, 50),
            "requests_per_address": (0, 1000),
            "alert_email": ("", "ops@example.com"),
            "canary": ({"percent": 0}, {"percent": 10}),
            "=regions": (
                {"source": "us-east-1", "target": "us-west-2"},
                {"source": "us-east-1", "target": "eu-west-1"},
            ),
            "=tags": _TAGS,
        },
    ),
    "secure_network": Way(
        "secure_network",
        {
            "log_retention_days": _DAYS,
            "profile": ("ideal", "ideal", "minimal"),
            "zones": (2, 3),
            "audit_retention_days": (400, 500),
            "noncurrent_version_days": (30, 90),
            "reverse_replication": (True, False),
            "rejected_packets_alarm": (10_000, 5_000),
            "app_port": (8080, 8081),
            "allowed_cidr": ("203.0.113.0/24", "198.51.100.0/24"),
            "database.backup_days": (14, 7),
            "database.storage_gib": (20, 50, 100),
            "database.deletion_protection": (True, False),
            "dr_database": ("replica", "promoted", "multi_az"),
            "alert_email": ("", "ops@example.com"),
            "=tags": _TAGS,
        },
        wrong=_name_leads_to_a_writer,
        acts=(promote,),
    ),
    "region_migration": Way(
        "region_migration",
        {
            "deletion_protection": (True, False),
            "traffic": (
                {"target_writes": "allowed"},
                {
                    "source_dial": 50,
                    "target_dial": 50,
                    "target_writes": "allowed",
                },
                {
                    **{"source_dial": 0, "target_dial": 100},
                    **{"app_source_weight": 0, "app_target_weight": 100},
                    "target_writes": "allowed",
                },
                {
                    **{"source_dial": 0, "target_dial": 100},
                    **{"app_source_weight": 0, "app_target_weight": 100},
                    **{"source_writes": "paused", "target_writes": "paused"},
                },
                {
                    **{"source_dial": 0, "target_dial": 100},
                    **{"app_source_weight": 0, "app_target_weight": 100},
                    **{"source_writes": "paused", "target_writes": "paused"},
                    **{"db_source_weight": 0, "db_target_weight": 100},
                },
                {
                    **{"source_dial": 0, "target_dial": 100},
                    **{"app_source_weight": 0, "app_target_weight": 100},
                    **{"source_writes": "paused", "target_writes": "allowed"},
                    **{"db_source_weight": 0, "db_target_weight": 100},
                },
                {},
            ),
            "traffic.source_writes": ("allowed", "paused"),
            "traffic.target_writes": ("allowed", "paused"),
            "promotion.promoted": (True, True, False),
            "promotion.standby": (True, False),
            "source": ("kept", "leaving", "removed"),
            "log_retention_days": _DAYS,
            "servers.target": (
                {"blue_min": 2, "green_min": 2, "most": 6},
                {"blue_min": 2, "green_min": 1, "most": 6, "green_weight": 10},
            ),
            "reverse_replication": (True, False),
            "replication_time_control": (True, False),
            "backups.days": (35, 14),
            "alert_email": ("", "ops@example.com"),
            "=tags": _TAGS,
        },
        path=tuple(
            {
                name: {**START[name], **value} if isinstance(value, dict) else value
                for name, value in at(step.name, START).items()
            }
            for step in PATH
        ),
        wrong=_one_master,
    ),
    "payments_dr": Way(
        "payments_dr",
        {
            "nat": ("per_zone", "single"),
            "private_endpoints": (True, False),
            "max_amount": ("100000", "1000"),
            "currencies": (["USD", "EUR", "GBP"], ["USD"]),
            "requests_per_second": (100, 50),
            "health.concurrency": (5, 0),
            "health.requests_per_address": (0, 1000),
            "concurrency": (0, 5),
            "memory_mib": (512, 1024),
            "consistency": ("eventual", "eventual", "strong"),
            "database.instances": (2, 3),
            "database.backup_days": (35, 14),
            "database.instance_class": ("db.r6g.large", "db.r6g.xlarge"),
            "deletion_protection": (True, False),
            "replication_lag_ms": (1000, 2000),
            "reverse_replication": (True, False),
            "replication_time_control": (True, False),
            "noncurrent_version_days": (30, 90),
            "backup_days": (35, 14),
            "log_retention_days": _DAYS,
            "table_events": (True, False),
            "alert_email": ("", "ops@example.com"),
            "second_factor": (True, False),
            "cost_category": (False, True),
            "drills.automatic": (False, True),
            "=tags": _TAGS,
        },
        wrong=_one_writer,
        acts=(failover, failback),
    ),
}
"""The ways of the shipped systems."""
