"""The journal of a run on the embedded AWS: conditional writes, and who goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tapgen import rollout
from tapgen.aws import artifact_bucket as artifact_buckets
from tapgen.emulator.server import lifecycle
from tapgen.errors import AwsError, Conflict, RolloutError
from tapgen.model import Target, artifact_bucket
from tapgen.rollout import history as runs
from tapgen.rollout import lock, places, runner
from tapgen.rollout.execute import Ways
from tapgen.rollout.journal import Fenced, Journal
from tapgen.rollout.program import Program
from tests.emulated.conftest import Cloud
from tests.emulated.test_rollout import by_region, history, part, system


@pytest.fixture
def ready(cloud: Cloud) -> Cloud:
    cloud.bootstrap(system(part("source", Text="1")))
    return cloud


def test_of_twenty_writers_one_wins(ready: Cloud) -> None:
    bucket = ready.sets.bucket

    def write(number: int) -> bool:
        try:
            bucket.write("runs/demo-test/one.json", str(number).encode())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        won = list(pool.map(write, range(20)))

    assert won.count(True) == 1
    found = bucket.read("runs/demo-test/one.json")
    assert found and found.body == str(won.index(True)).encode()


def test_an_object_is_replaced_only_in_place_of_the_one_that_was_read(
    ready: Cloud,
) -> None:
    bucket = ready.sets.bucket
    first = bucket.write("runs/demo-test/two.json", b"1")
    second = bucket.write("runs/demo-test/two.json", b"2", etag=first)

    with pytest.raises(Conflict):
        bucket.write("runs/demo-test/two.json", b"3", etag=first)
    with pytest.raises(Conflict):
        bucket.write("runs/demo-test/missing.json", b"3", etag=second)

    assert bucket.keys("runs/demo-test/t") == ["runs/demo-test/two.json"]
    regions = artifact_buckets.regions(ready.sets.aws, ready.sets.admin)
    assert ready.sets.admin.region in regions


def test_of_twenty_starters_one_gets_the_lock(ready: Cloud) -> None:
    bucket = ready.sets.bucket

    def start(number: int) -> str:
        wanted = lock.new(f"run{number}", "tester", "rollout")
        try:
            return lock.take(bucket, "demo-test", wanted, None).lock.run
        except lock.Taken as taken:
            return f"after {taken.lock.run}"

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(start, range(20)))

    (winner,) = [one for one in found if not one.startswith("after")]
    assert found.count(f"after {winner}") == 19


def test_a_process_whose_number_is_taken_stops_and_says_who_went_on(
    ready: Cloud,
) -> None:
    bucket = ready.sets.bucket
    old = Journal(bucket, "demo-test", "run", "Ada", "laptop")
    old.append("opened")
    new = Journal(bucket, "demo-test", "run", "Bob", "desktop")
    new.events()
    new.append("resumed")

    with pytest.raises(Fenced, match="Bob on desktop went on with it"):
        old.append("intent")
    with pytest.raises(Fenced, match="Bob on desktop"):
        old.require_unfenced()
    new.append("intent")


def test_without_a_bucket_the_advice_is_bootstrap(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="run tapgen bootstrap"):
        cloud.sets.bucket.write("runs/x.json", b"1")
    assert artifact_buckets.regions(cloud.sets.aws, cloud.sets.admin) == frozenset()
    assert cloud.sets.bucket.read("runs/x.json") is None
    assert cloud.sets.bucket.keys("runs/") == []


def test_a_run_that_is_turned_round_restores_base_values_and_overrides(
    cloud: Cloud,
) -> None:
    before = system(part("source", **by_region("e1", "w1")))
    assert cloud.rollout(before).green
    deployed = cloud.observe(before)
    the_plan = cloud.plan(system(part("source", **by_region("e2", "w2"))))
    start = len(cloud.events)
    ended = cloud.run(
        the_plan,
        stopping=lambda: any(e.kind == "done" for e in cloud.events[start:]),
    )
    assert ended.interrupted

    turned = cloud.resume(before, back=True)

    assert turned and turned.restored == ("demo-test-source",)
    now = cloud.observe(before)
    assert {n: (o.parameters, o.tags) for n, o in now.items()} == {
        n: (o.parameters, o.tags) for n, o in deployed.items()
    }
    assert history(cloud, "/demo/source", "us-west-2") == ["w1", "w2", "w1"]
    assert not cloud.plan(before)


def test_destroy_is_refused_while_a_rollout_is_open(cloud: Cloud) -> None:
    wanted = system(part("source", Text="1"))
    cloud.bootstrap(wanted)
    the_plan = cloud.plan(wanted)
    cloud.run(the_plan, stopping=lambda: any(e.target for e in cloud.events))

    with pytest.raises(RolloutError, match="tapgen destroy SYSTEM --supersede"):
        rollout.run(
            the_plan,
            cloud.sets,
            cloud.events.append,
            starter=rollout.Starter(command="destroy"),
        )


def test_a_journal_of_before_is_copied_and_read_while_the_admin_region_is_away(
    cloud: Cloud, server: lifecycle.Server
) -> None:
    wanted = system(part("source", Text="1"))
    assert cloud.rollout(wanted).green  # with a journal in one region
    west = Target(cloud.account, "us-west-2")
    assert wanted.resolve(cloud.account).journal_copies == (west,)
    sets = replace(cloud.sets, copies=(west,))
    newer = system(part("source", Text="2"))
    ended = rollout.run(cloud.plan(newer), sets, cloud.events.append)
    assert ended.green and not cloud.plan(newer)
    (fault,) = lifecycle.add_faults(
        server.folder,
        {
            "effect": "unavailable",
            "match": {
                "region": "us-east-1",
                "account": cloud.account,
                "times": "always",
            },
        },
    )

    try:
        there = replace(
            sets, aws=replace(cloud.aws, others=("us-west-2",), _account=None)
        )
        assert there.aws.account == cloud.account
        near = places.nearest(there, "demo-test")
        found, _ = runs.runs(near.store, "demo-test", 5)
        with pytest.raises(RolloutError, match="--without-region us-east-1"):
            rollout.resume(there, "demo-test", cloud.events.append)
        acting = rollout.Starter("Ada", "failover", without=("us-east-1",))
        ways = Ways(cloud.events.append)
        nothing = Program(())
        elsewhere = runner.start(
            there, newer, acting, ways, lambda old, store: (nothing, {}, {})
        )
    finally:
        lifecycle.clear_faults(server.folder, fault["id"])

    assert (near.region, [*near.away]) == ("us-west-2", ["us-east-1"])
    assert [one.result for one in found] == ["done", "done"] and elsewhere.green
    assert rollout.resume(sets, "demo-test", cloud.events.append) is None
    listed, _ = runs.runs(sets.bucket, "demo-test", 5)
    assert [one.command for one in listed] == ["failover", "rollout", "rollout"]
    assert not cloud.plan(newer)
    before = {key: sets.bucket.get(key) for key in sets.bucket.keys("runs/demo-test/")}
    empty(cloud, "us-east-1")
    near = places.nearest(sets, "demo-test")
    assert near.lost and near.region == "us-west-2"
    assert runs.runs(near.store, "demo-test", 5)[0] == listed
    assert rollout.resume(sets, "demo-test", cloud.events.append) is None
    assert "it is there again" in cloud.events[-1].message
    assert runs.runs(sets.bucket, "demo-test", 5)[0] == listed
    fleeting = {key for key in before if key.endswith("heartbeat.json")}
    assert {*sets.bucket.keys("runs/demo-test/")} == {*before} - fleeting
    assert sets.bucket.keys("snapshots/demo-test/")


def empty(cloud: Cloud, region: str) -> None:
    """Delete all objects of an artifact bucket, as somebody may who tidies up."""
    client, name = cloud.client("s3", region), artifact_bucket(
        Target(cloud.account, region)
    )
    for one in client.list_objects_v2(Bucket=name)["Contents"]:
        client.delete_object(Bucket=name, Key=one["Key"])
