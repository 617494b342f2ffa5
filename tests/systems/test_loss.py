"""The loss of a region, played on the graph of resources, roles and runbooks.

Everything that lives in the lost region is taken away, and so is every call to it. The
records, health checks, runbooks, function and alarms that the templates make for the
other region must still take payments, move the name and the writer there, and tell
somebody. What Route 53 does with a health check is written down here once
(`Loss.healthy`), from its API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import pytest

from tapgen.blocks import compute
from tapgen.handlers import release, switchover, writer
from tapgen.model import SAME, Output, System, Target
from tapgen.template import evaluate
from tests.systems import look

ROLES = ("primary", "dr")
OTHER = {"primary": "dr", "dr": "primary"}
GONE = "no answer: the region is lost"
ACCOUNT = "123456789012"
TABLE = "pd-prod-payments"

# What a procedure may call while a region is lost: data planes, and RDS in the region
# that takes over. Route 53, IAM and CloudFormation are not among them.
CALLS = {
    ("dynamodb", "GetItem"),
    ("dynamodb", "PutItem"),
    ("cloudwatch", "PutMetricData"),
    ("cloudwatch", "DescribeAlarms"),
    ("rds", "DescribeGlobalClusters"),
    ("rds", "DescribeDBClusters"),
    ("rds", "FailoverGlobalCluster"),
}
# Parameters of the function's part that name what is in both regions, or in none.
NAMES = {
    ("table", "TableName"),
    ("roles", "FunctionRoleArn"),
    ("roles", "HealthRoleArn"),
}


@cache
def system() -> System:
    domain = {"name": "pay.example.com", "hosted_zone_id": "Z0123456789ABCDEFGHIJ"}
    return look.shipped("payments_dr", settings={"domain": domain}).resolve(ACCOUNT)


def region(role: str) -> str:
    return system().regions[role]


def role_of(place: str) -> str:
    (role,) = (r for r, name in system().regions.items() if name == place)
    return role


def values(part: str, target: Target) -> dict[str, Any]:
    """The values of a part; an output is written as the part, its name and its role."""
    found = {}
    for name, value in system().part(part).values(target).items():
        if isinstance(value, Output):
            where = target.region if value.region == SAME else value.region
            value = f"{value.part}.{value.output}@{role_of(where)}"
        found[name] = value
    return found


@cache
def living(role: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(part, logical id) -> resource of everything that lives in the region of a role."""
    found = {}
    for stack_set in system().stack_sets:
        for target in stack_set.targets:
            if target.region == region(role):
                given = values(stack_set.part, target)
                made = evaluate.evaluate(stack_set.template, given, target)
                for title, resource in made.resources.items():
                    found[stack_set.part, title] = resource
    return found


def of_type(role: str, type_: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for (part, title), resource in living(role).items():
        if resource["Type"] == type_:
            yield part, title, resource["Properties"]


class Lost(Exception):
    """A call went to the region that is lost."""


@dataclass
class Loss:
    """Both regions, as far as a failover goes; `lost` is the role of the lost one."""

    lost: str = ""
    writes: str = "primary"
    closed: dict[str, dict[str, bool]] = field(
        default_factory=lambda: {role: {} for role in ROLES}
    )
    """Fence items in the replica of each region: role -> whether it is closed."""
    metric: dict[str, int] = field(default_factory=dict)
    asked: set[tuple[str, str, str]] = field(default_factory=set)

    # -- what is there ------------------------------------------------------------------

    def serves(self, role: str) -> bool:
        """Whether the API of a region answers 200 to /health."""
        return role != self.lost and not self.closed[role].get(role)

    def healthy(self, title: str) -> bool:
        """The status of a health check. Route 53's data plane outlives each region.

        https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
        """
        config = living("primary")["dns", title]["Properties"]["HealthCheckConfig"]
        match config["Type"]:
            case "HTTPS":
                host = config["FullyQualifiedDomainName"]
                found = self.serves(host.removeprefix("app.ApiHost@"))
            case "CALCULATED":
                children = [ref["Ref"] for ref in config["ChildHealthChecks"]]
                # No calculated check watches another: that is documented nowhere.
                assert not {c for c in children if c in _calculated()}
                count = sum(map(self.healthy, children))
                found = count >= config["HealthThreshold"]
            case "CLOUDWATCH_METRIC":
                alarm = config["AlarmIdentifier"]
                # One value was put, long ago: all that there is, is the last status.
                assert config["InsufficientDataHealthStatus"] == "LastKnownStatus"
                found = not self.metric.get(role_of(alarm["Region"]))
        return bool(found) is not config.get("Inverted", False)

    def answer(self) -> str:
        """The role of the region that the name of the API leads to."""
        records = {
            properties["Failover"]: (title, properties)
            for _, title, properties in of_type("primary", "AWS::Route53::RecordSet")
            if "Failover" in properties
        }
        chosen, properties = records["PRIMARY"]
        if not self.healthy(properties["HealthCheckId"]["Ref"]):
            chosen, second = records["SECONDARY"]
            check = second.get("HealthCheckId")
            if check and not self.healthy(check["Ref"]):
                chosen = records["PRIMARY"][0]
        return chosen.removesuffix("Record").lower()

    # -- runbooks -----------------------------------------------------------------------

    def run(self, procedure: str, role: str) -> None:
        """Run the runbook of a procedure in a region."""
        title = f"{procedure.title()}Runbook"
        document = living(role)["drills", title]["Properties"]
        for step in document["Content"]["mainSteps"]:
            self._step(role, step)

    def _step(self, role: str, step: Mapping[str, Any]) -> None:
        given = dict(step["inputs"])
        if step["action"] == "aws:executeScript":
            self._script(role, given["Script"], given["InputPayload"])
            return
        service, api = given.pop("Service"), given.pop("Api")
        found = self.ask(role, service, api, given)
        if "DesiredValues" in given:
            assert found in given["DesiredValues"], (step["name"], found)

    def _script(self, role: str, code: str, payload: Mapping[str, str]) -> None:
        databases = Client(self, role, "rds")
        if code == compute.source("switchover"):
            there = Connection(self)
            switchover.switch(payload, databases, there)
        elif code == compute.source("release"):
            metrics = Client(self, role_of(payload["Region"]), "cloudwatch")
            release.release(payload, metrics, sleep=print)
        else:
            assert code == compute.source("writer")
            assert writer.writes(payload, databases)

    def ask(self, role: str, service: str, api: str, given: Mapping[str, Any]) -> Any:
        """Make one call in the region of a role."""
        if role == self.lost:
            raise Lost(f"{service}:{api}: {GONE}")
        self.asked.add((role, service, api))
        match api:
            case "PutItem":
                assert given["TableName"] == TABLE and TABLE in _replicas(role)
                item = given["Item"]
                for replica in {role, OTHER[role]} - {self.lost}:
                    closed = item["closed"]["BOOL"]
                    self.closed[replica][item["timestamp"]["S"]] = closed
                    assert item["state"] == {"S": "closed" if closed else "open"}
            case "GetItem":
                key = given["Key"]["timestamp"]["S"]
                return "closed" if self.closed[role][key] else "open"
            case "PutMetricData":
                (point,) = given["MetricData"]
                assert point["MetricName"] == _switch(role)["MetricName"]
                self.metric[role] = point["Value"]
            case "DescribeAlarms":
                (name,) = given["AlarmNames"]
                alarm = _alarm(role, name)
                if alarm["MetricName"] == "FailoverRequested":
                    return "ALARM" if self.metric.get(role) else "OK"
                return "OK"
            case "DescribeGlobalClusters":
                return "available"
            case _:
                raise AssertionError(f"{service}:{api}")
        return None


def _calculated() -> set[str]:
    return {
        title
        for _, title, check in of_type("primary", "AWS::Route53::HealthCheck")
        if check["HealthCheckConfig"]["Type"] == "CALCULATED"
    }


def _replicas(role: str) -> set[str]:
    """The tables with a replica in the region of a role, wherever they are declared."""
    return {
        table["TableName"]
        for each in ROLES
        for _, _, table in of_type(each, "AWS::DynamoDB::GlobalTable")
        if region(role) in {r["Region"] for r in table["Replicas"]}
    }


def _alarm(role: str, name: str) -> Mapping[str, Any]:
    alarms = of_type(role, "AWS::CloudWatch::Alarm")
    (found,) = (alarm for _, _, alarm in alarms if alarm["AlarmName"] == name)
    return found


def _switch(role: str) -> Mapping[str, Any]:
    return living(role)["observe", "FailoverRequestedAlarm"]["Properties"]


@dataclass(frozen=True)
class Client:
    """A client of boto3 in the region of a role, for the handlers of runbooks."""

    world: Loss
    role: str
    service: str

    def describe_global_clusters(self, **given: Any) -> Any:
        self.world.ask(self.role, self.service, "DescribeGlobalClusters", given)
        members = [
            {"DBClusterArn": cluster(role), "IsWriter": role == self.world.writes}
            for role in ROLES
        ]
        return {"GlobalClusters": [{"GlobalClusterMembers": members}]}

    def describe_db_clusters(self, DBClusterIdentifier: str) -> Any:
        arn = cluster(self.role)
        assert arn.endswith(f":cluster:{DBClusterIdentifier}")
        return {"DBClusters": [{"DBClusterArn": arn, "Status": "available"}]}

    def failover_global_cluster(self, **given: Any) -> None:
        assert given["AllowDataLoss"] is True
        assert given["TargetDbClusterIdentifier"] == cluster(self.role)
        self._move("FailoverGlobalCluster", self.role)

    def switchover_global_cluster(self, **given: Any) -> None:
        assert self.role == self.world.writes, "asked for where the writer is"
        target = given["TargetDbClusterIdentifier"]
        self._move("SwitchoverGlobalCluster", role_of(target.split(":")[3]))

    def _move(self, api: str, to: str) -> None:
        if self.role == self.world.lost:
            raise Lost(f"rds:{api}: {GONE}")
        self.world.asked.add((self.role, "rds", api))
        self.world.writes = to

    def put_metric_data(self, **given: Any) -> None:
        self.world.ask(self.role, self.service, "PutMetricData", given)

    def describe_alarms(self, **given: Any) -> Any:
        state = self.world.ask(self.role, self.service, "DescribeAlarms", given)
        return {"MetricAlarms": [{"StateValue": state}]}


@dataclass(frozen=True)
class Connection:
    world: Loss

    def __call__(self, region_name: str) -> Client:
        return Client(self.world, role_of(region_name), "rds")


def cluster(role: str) -> str:
    return f"arn:aws:rds:{region(role)}:{ACCOUNT}:cluster:pd-prod-db-{role}"


# --- before the loss -----------------------------------------------------------------


def at_home() -> Loss:
    return Loss()


def redirected() -> Loss:
    """Traffic was sent to the recovery region, and both are well."""
    world = Loss()
    world.run("redirect", "dr")
    assert world.answer() == "dr"
    return world


def failed_over() -> Loss:
    """The recovery region has taken over before, and the primary one is back."""
    world = Loss()
    world.run("failover", "dr")
    assert (world.answer(), world.writes) == ("dr", "dr")
    return world


def there_and_back() -> Loss:
    """Failed over, and back, with the runbooks and nothing else."""
    world = failed_over()
    world.run("failback", "primary")
    assert (world.answer(), world.writes) == ("primary", "primary")
    return world


def sent_home() -> Loss:
    """Traffic was sent from the recovery region to the primary one."""
    world = redirected()
    world.run("redirect", "primary")
    assert world.answer() == "primary"
    return world


BEFORE = (at_home, redirected, failed_over, there_and_back, sent_home)


@pytest.mark.parametrize(("before", "lost"), [*product(BEFORE, ROLES)])
def test_the_other_region_takes_over_without_a_call_to_the_lost_one(
    before: Any, lost: str
) -> None:
    world: Loss = before()
    stays = OTHER[lost]
    world.lost = lost
    world.asked.clear()

    world.run("failover", stays)

    assert world.answer() == stays, "the name leads to the region that is there"
    assert world.serves(stays), "its API takes payments"
    assert world.writes == stays
    assert {where for where, _, _ in world.asked} == {stays}
    assert {(service, api) for _, service, api in world.asked} <= CALLS


@pytest.mark.parametrize("lost", ROLES)
def test_traffic_leaves_a_lost_region_by_itself(lost: str) -> None:
    """Health checks alone, unless an operator has closed the region that stays."""
    for before in (at_home, redirected, there_and_back):
        world: Loss = before()
        world.lost = lost
        assert world.answer() == OTHER[lost], before.__name__


@pytest.mark.parametrize("lost", ROLES)
def test_payments_need_nothing_of_the_other_region(lost: str) -> None:
    stays = OTHER[lost]
    app = system().part("app")
    (target,) = (t for t in app.targets if t.region == region(stays))
    for name, value in app.values(target).items():
        if isinstance(value, Output) and (value.part, value.output) not in NAMES:
            where = target.region if value.region == SAME else value.region
            assert where == region(stays), name
    assert TABLE in _replicas(stays)
    variables = [
        text
        for _, _, function in of_type(stays, "AWS::Lambda::Function")
        for text in look.texts(function["Environment"]["Variables"])
    ]
    named = [text for text in variables if region(lost) in text or f"@{lost}" in text]
    assert {*named} == ({f"table.TableName@{lost}"} if lost == "primary" else set())


@pytest.mark.parametrize("lost", ROLES)
def test_somebody_hears_of_the_loss_where_it_can_still_be_told(lost: str) -> None:
    """An alarm that goes off when nothing is heard of the other region, on a topic that
    is here with its own key."""
    stays = OTHER[lost]
    topic = f"messages.AlertTopicArn@{stays}"
    checks = {"DrCheck" if lost == "dr" else "PrimaryCheck"}
    heard = set()
    for _, title, alarm in of_type(stays, "AWS::CloudWatch::Alarm"):
        of_check = {
            d["Value"].get("Ref") for d in alarm["Dimensions"] if "Ref" in str(d)
        }
        silent = title == "ReplicationSilentAlarm" or of_check & checks
        if silent and alarm["TreatMissingData"] == "breaching":
            assert topic in alarm["AlarmActions"]
            heard.add(title)
    assert heard
    (alerts,) = (
        topic
        for part, title, topic in of_type(stays, "AWS::SNS::Topic")
        if "alerts" in topic["TopicName"]
    )
    assert alerts["KmsMasterKeyId"].endswith(f"@{stays}")


def test_both_regions_have_the_same_runbooks() -> None:
    """But for the one of the paying account, which is no matter of a region."""
    found = {
        role: {title for _, title, _ in of_type(role, "AWS::SSM::Document")}
        for role in ROLES
    }
    assert found["primary"] - {"CostTagsRunbook"} == found["dr"]
