"""Who writes in a global database is asked, and what assumes another writer is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tapgen import plan
from tapgen.errors import AwsError
from tapgen.model import Output, Precondition, StackSet, Target
from tapgen.plan import writers
from tests import make
from tests.make import ACCOUNT, EAST, WEST

ARN = f"arn:aws:rds:%s:{ACCOUNT}:cluster:db-%s"


def cluster(days: int, **more: Any) -> dict[str, Any]:
    properties = {"Engine": "aurora-postgresql", "BackupRetentionPeriod": days, **more}
    return {"Type": "AWS::RDS::DBCluster", "Properties": properties}


def parts(days: int, topic: str = "a") -> tuple[StackSet, ...]:
    """A global database around a cluster in EAST, one that joins it in WEST, a topic."""
    around = {
        "GlobalClusterIdentifier": {"Fn::Sub": "db-${AWS::Partition}"},
        "SourceDBClusterIdentifier": {"Fn::GetAtt": ["C", "DBClusterArn"]},
    }
    first = {
        "C": cluster(days),
        "G": {"Type": "AWS::RDS::GlobalCluster", "Properties": around},
        "T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": topic}},
    }
    second = {"C": cluster(days, GlobalClusterIdentifier="db-aws")}
    return tuple(
        make.stack_set(part, text=make.template(resources=r), targets=(target,))
        for part, r, target in (("db", first, EAST), ("db-dr", second, WEST))
    )


class Client:
    """A client of one region; `answer` is the region that writes, or an error."""

    meta = SimpleNamespace(
        region_name="us-east-1",
        service_model=SimpleNamespace(service_name="rds"),
        method_to_api_mapping={"describe_global_clusters": "DescribeGlobalClusters"},
    )

    def __init__(self, answer: Any, version: str) -> None:
        self.answer, self.version = answer, version

    def describe_global_clusters(self, GlobalClusterIdentifier: str) -> Any:
        assert GlobalClusterIdentifier == "db-aws"
        if isinstance(self.answer, Exception):
            raise self.answer
        members = [
            {"DBClusterArn": ARN % (region, role), "IsWriter": region == self.answer}
            for region, role in (("us-east-1", "main"), ("us-west-2", "dr"))
        ]
        whole = {"GlobalClusterMembers": members, "EngineVersion": self.version}
        return {"GlobalClusters": [whole]}


class Aws:
    """Answers in each region, and notes which were asked."""

    def __init__(self, answers: dict[str, Any], version: str = "16.8") -> None:
        self.answers, self.asked, self.version = answers, list[str](), version

    def client(self, service: str, place: Target, attempts: int) -> Client:
        assert (service, place.account) == ("rds", ACCOUNT)
        self.asked.append(place.region)
        return Client(self.answers[place.region], self.version)


def planned(
    days: int, topic: str, answers: dict[str, Any]
) -> tuple[plan.Plan, list[str]]:
    observed = {s.name: make.observed(s) for s in parts(7)}
    aws = Aws(answers)
    before = plan.make(make.system(*parts(days, topic)), observed)
    return writers.with_writers(before, aws), aws.asked  # type: ignore[arg-type]


LOST = AwsError("rds:DescribeGlobalClusters", "Timeout", "no answer")
HOME, AWAY = "us-east-1", "us-west-2"


@pytest.mark.parametrize(
    ("answers", "line", "blocks"),
    [
        ({HOME: HOME}, "", 0),
        ({HOME: AWAY}, "db-dr in us-west-2 writes in db-aws, not the cluster in", 2),
        # The region is lost: the other one knows, too.
        ({HOME: LOST, AWAY: AWAY}, "db-dr in us-west-2 writes in db-aws", 2),
        ({HOME: LOST, AWAY: LOST}, "cannot be read who writes in db-aws: rds:", 2),
        # Nobody has made it yet, or it was deleted by hand.
        ({HOME: AwsError("rds:X", "GlobalClusterNotFoundFault", "no")}, "", 0),
    ],
)
def test_changes_of_clusters_wait_for_the_writer_that_the_template_has(
    answers: dict[str, Any], line: str, blocks: int
) -> None:
    found, asked = planned(8, "a", answers)
    assert asked == [*answers]
    assert [*found.writers] == [w for w in found.writers if w.startswith(line)]
    assert bool(found.writers) is bool(line)
    refusals = plan.refusals(found)
    assert len(refusals) == blocks
    assert all("would change C: " in text and line in text for text in refusals)


@pytest.mark.parametrize("answer", [AWAY, LOST])
def test_what_does_not_touch_the_clusters_is_only_told(answer: Any) -> None:
    answers = {HOME: answer, AWAY: answer}
    found, _ = planned(7, "b", answers)
    assert found and plan.refusals(found) == [] and len(found.writers) == 1


def test_a_deletion_waits_too() -> None:
    observed = {s.name: make.observed(s) for s in parts(7)}
    before = plan.destroy(make.system(*parts(7)), observed)
    aws: Any = Aws({HOME: AWAY})
    found = writers.with_writers(before, aws)
    assert {b.split(":")[0] for b in found.blocked} == {
        f"demo-test-db-dr in {WEST} would delete C",
        f"demo-test-db in {EAST} would delete C, G",
    }


def _versions(first: str, second: str) -> tuple[StackSet, ...]:
    """The second part takes the name of the global database from the first."""
    db, dr = parts(7)
    db_text = json.loads(db.template)
    db_text["Resources"]["C"]["Properties"]["EngineVersion"] = {"Ref": "Version"}
    db_text["Outputs"] = {"Id": {"Value": {"Ref": "G"}}}
    dr_text = json.loads(dr.template)
    dr_text["Resources"]["C"]["Properties"] |= {
        "EngineVersion": {"Ref": "Version"},
        "GlobalClusterIdentifier": {"Ref": "Id"},
    }
    for text, more in ((db_text, {}), (dr_text, {"Id": {"Type": "String"}})):
        text["Parameters"] = {"Version": {"Type": "String"}, **more}
    around = Output("db", "Id", region=EAST.region)
    return (
        replace(db, template=json.dumps(db_text), parameters={"Version": first}),
        replace(
            dr,
            template=json.dumps(dr_text),
            parameters={"Version": second, "Id": around},
        ),
    )


def upgraded(first: str, second: str, runs: str = "16.8") -> plan.Plan:
    """A plan that upgrades both from 16.8, with the order that Aurora needs."""
    order = Precondition(
        "db", "Version", first, (("db-dr", "Version", first),), "dr first", True
    )
    system = replace(make.system(*_versions(first, second)), preconditions=(order,))
    db, dr = _versions("16.8", "16.8")
    known = replace(dr, parameters={"Version": "16.8", "Id": "db-aws"})
    there = {EAST: make.instance(outputs={"Id": "db-aws"})}
    observed = {
        db.name: make.observed(db, instances=there),
        dr.name: make.observed(known),
    }
    found = plan.make(system, observed)
    aws: Any = Aws({HOME: HOME}, runs)
    return writers.with_writers(found, aws)


def parts_of(found: plan.Plan) -> list[str]:
    return [step.part for wave in found.waves for step in wave]


def test_a_minor_version_reaches_the_secondary_cluster_first() -> None:
    found = upgraded("16.9", "16.9")
    assert plan.refusals(found) == []
    assert parts_of(found) == ["db-dr", "db"]


def test_the_primary_cluster_alone_is_refused() -> None:
    (line,) = plan.refusals(upgraded("16.9", "16.8"))
    assert line.endswith("is still 16.8; dr first")


def test_a_major_version_is_that_of_the_global_database() -> None:
    lines = plan.refusals(upgraded("17.4", "17.4"))
    assert len(lines) == 2
    assert all("modify-global-cluster" in line for line in lines)
    after = upgraded("17.4", "17.4", runs="17.4")
    assert plan.refusals(after) == []
    assert parts_of(after) == ["db-dr", "db"]
    assert "RDS does not say" in plan.refusals(upgraded("17.4", "17.4", ""))[0]


def test_systems_without_a_global_database_ask_nothing() -> None:
    topic = make.stack_set("a")
    before = plan.make(make.system(topic), {topic.name: make.observed(topic)})
    assert writers.with_writers(before, Aws({})) is before  # type: ignore[arg-type]
