"""Who writes in a global database is asked, and what assumes another writer is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tapgen import plan
from tapgen.errors import AwsError
from tapgen.model import StackSet, Target
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
        service_model=SimpleNamespace(service_name="rds"),
        method_to_api_mapping={"describe_global_clusters": "DescribeGlobalClusters"},
    )

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def describe_global_clusters(self, GlobalClusterIdentifier: str) -> Any:
        assert GlobalClusterIdentifier == "db-aws"
        if isinstance(self.answer, Exception):
            raise self.answer
        members = [
            {"DBClusterArn": ARN % (region, role), "IsWriter": region == self.answer}
            for region, role in (("us-east-1", "main"), ("us-west-2", "dr"))
        ]
        return {"GlobalClusters": [{"GlobalClusterMembers": members}]}


class Aws:
    """Answers in each region, and notes which were asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, list[str]()

    def client(self, service: str, place: Target, attempts: int) -> Client:
        assert (service, place.account) == ("rds", ACCOUNT)
        self.asked.append(place.region)
        return Client(self.answers[place.region])


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


def test_systems_without_a_global_database_ask_nothing() -> None:
    topic = make.stack_set("a")
    before = plan.make(make.system(topic), {topic.name: make.observed(topic)})
    assert writers.with_writers(before, Aws({})) is before  # type: ignore[arg-type]
