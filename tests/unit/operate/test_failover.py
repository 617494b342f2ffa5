"""Failover and failback, killed at every call and resumed or reversed: a move is made once,
and what cannot be taken back is said. A lost region is never called.

`make test` tries some of the calls, `make soak` all of them (TAPGEN_SOAK).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest

from tapgen import rollout
from tapgen.errors import AwsError, RolloutError
from tapgen.model import System
from tapgen.operate import databases, notifying, programs, replicas, running
from tapgen.operate.databases import Moving
from tapgen.operate.replicas import Promotion
from tapgen.rollout import (
    Event,
    Outcome,
    Starter,
    history,
    lock,
    opening,
    places,
)
from tapgen.rollout.program import Step
from tests.systems import look
from tests.systems.test_loss import ACCOUNT, system
from tests.unit.operate.world import Around, Replica, World
from tests.unit.rollout.fakes import Killed, kill
from tests.unit.rollout.test_kills import SOAK

WAYS = {"sleep": lambda seconds: None}
HOME = ("us-east-1",)
DONE = "payments-dr-prod: done: failover to us-east-2 (dr)"


def silent(event: Event) -> None:
    pass


def planned(cloud: Around) -> Moving:
    return databases.failover(system(), cloud.aws)


def unplanned(cloud: Around) -> Moving:
    return databases.failover(system(), cloud.aws, lose_data=True)


def back(cloud: Around) -> Moving:
    return databases.failback(system(), cloud.aws)


@dataclass(frozen=True)
class Promoting:
    """A promotion, as the sweep takes it."""

    found: Promotion
    command: str = "promote"

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.found.steps


def ready(cloud: Around) -> Any:
    return Promoting(replicas.promote(network(), cloud.aws, "run"))


def ready_or_not(cloud: Around) -> Any:
    return Promoting(replicas.promote(network(), cloud.aws, "run", lose_data=True))


@cache
def network() -> System:
    return look.shipped("secure_network").resolve(ACCOUNT)


def carry_out(
    cloud: Around,
    moving: Any,
    without: tuple[str, ...] = (),
    on_event: Callable[[Event], None] = silent,
    **ways: Any,
) -> Outcome:
    if isinstance(moving, Promoting):
        steps = moving.steps
        end = notifying.of_promotion(network(), moving.found, "Ada")
    else:
        steps = tuple(programs.steps(moving.moves, databases.unread))
        end = notifying.of_move(system(), moving, "Ada")
    return running.run(
        (*steps, *end.last),
        system_of(cloud),
        cloud,  # type: ignore[arg-type]
        on_event,
        starter=Starter("Ada", moving.command, without=without),
        otherwise=end.otherwise,
        **{**WAYS, **ways},
    )


def resume(
    cloud: Around, *, reverse: bool = False, without: tuple[str, ...] = ()
) -> Any:
    return rollout.resume(
        cloud,  # type: ignore[arg-type]
        system_of(cloud).prefix,
        silent,
        back=reverse,
        without=without,
        sleep=lambda seconds: None,
    )


def system_of(cloud: Around) -> System:
    return network() if isinstance(cloud.world, Replica) else system()


def replica(**facts: Any) -> Around:
    """secure_network, with a replica."""
    regions = network().regions
    return Around(world=Replica(**facts), regions=regions)


def lost_source() -> Around:
    cloud = replica()
    cloud.lose_primary()
    return cloud


def at_home() -> Around:
    return Around()


def over() -> Around:
    """The recovery region has taken over, and both regions are there."""
    world = World(writes="dr", closed={"primary": "closed", "dr": "open"}, switch=1)
    return Around(world=world)


def lost() -> Around:
    cloud = Around()
    cloud.lose_primary()
    return cloud


IRREVERSIBLE = "MoveDatabase|PromoteReplica"
OPEN = {"primary": "open", "dr": "open"}
# Where it begins, what is done, and what there is afterwards: writer, regions, switch.
SCENARIOS: dict[str, tuple[Any, Any, tuple[str, ...], Any]] = {
    "planned": (at_home, planned, (), ("dr", OPEN, 1)),
    "lost": (lost, unplanned, HOME, ("dr", {**OPEN, "primary": "closed"}, 1)),
    "back": (over, back, (), ("primary", OPEN, 0)),
    "promoted": (replica, ready, (), (True, True, 1)),
    "source lost": (lost_source, ready_or_not, HOME, (True, False, 1)),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_move_ends_where_it_should_and_asks_nothing_of_a_lost_region(
    name: str,
) -> None:
    begin, find, without, wanted = SCENARIOS[name]
    cloud = begin()
    moving = find(cloud)
    cloud.world.asked.clear()

    ended = carry_out(cloud, moving, without)

    assert ended.green and cloud.world.state() == wanted
    if "lost" in name:
        assert {role for role, _ in cloud.world.asked} == {"dr"}
    (last,), _ = history.runs(
        places.nearest(cloud, system_of(cloud).prefix).store,  # type: ignore[arg-type]
        system_of(cloud).prefix,
        5,
    )
    assert last.result == "done" and last.command == moving.command
    assert any(re.match(IRREVERSIBLE, act) for act in last.performed)


def has_topic(world: World) -> bool:
    return not isinstance(world, Replica)


def told(world: World) -> list[str]:
    """How runs ended, as those heard who were notified."""
    return [one["Subject"].split(": ")[1] for one in world.published]


def kills(name: str) -> list[tuple[int, bool]]:
    """The calls of an undisturbed move, before and after each."""
    begin, find, without, _ = SCENARIOS[name]
    cloud = begin()
    moving = find(cloud)
    first = len(cloud.faults.calls) + 1
    carry_out(cloud, moving, without)
    every = [*range(first, len(cloud.faults.calls) + 1)]
    writes = [number for number in cloud.faults.writes if number >= first]
    found = [(n, False) for n in every] + [(n, True) for n in writes]
    # Without the soak some, another one each day would find nothing twice.
    return found if SOAK else random.Random(name).sample(found, min(12, len(found)))


@pytest.mark.parametrize("reverse", [False, True], ids=["resumed", "reversed"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_call_it_is_continued_or_reversed(
    name: str, reverse: bool
) -> None:
    begin, find, without, wanted = SCENARIOS[name]
    for number, takes_effect in kills(name):
        cloud = begin()
        before, moving = cloud.world.state(), find(cloud)
        faults = cloud.faults.after if takes_effect else cloud.faults.before
        faults[number] = kill
        try:
            carry_out(cloud, moving, without)
        except Killed:
            pass
        faults.clear()

        ended = resume(cloud, reverse=reverse, without=without)

        where = f"{name}, call {number}, {takes_effect}"
        world = cloud.world
        store = [*cloud.copies.values()][0] if without else cloud.bucket
        assert opening.opened(store, system_of(cloud).prefix) is None, where
        moved = world.updates if isinstance(world, Replica) else len(world.moved)
        assert moved <= 1, where
        if ended is None:  # it had not begun, or had ended
            assert world.state() in (before, wanted), where
        elif not reverse:
            assert ended.green and world.state() == wanted, where
        elif not moved:
            assert world.state() == before and not ended.left, where
            assert told(world) in ([], ["taken back"]), where
            assert bool(told(world)) == bool(ended.undone and has_topic(world)), where
        else:
            assert any(re.match(IRREVERSIBLE, one) for one in ended.left), where
            if has_topic(world):
                how = "taken back in part" if ended.undone else "not taken back"
                assert told(world)[-1] == how, where


@pytest.mark.parametrize(
    ("begin", "find", "refused", "words"),
    [
        (at_home, planned, "", "pay.example.com: Route 53 answers 192.0.2.2"),
        (lost, unplanned, "", "pay.example.com was not read back: .*us-east-1"),
        (at_home, planned, "Publish", "nobody was notified: .*not authorized: Publish"),
        (at_home, planned, "DescribeStacks", "nobody was notified: .*DescribeStacks"),
        (replica, ready_or_not, "", "the topic of .*-keys-dr in .* is not deployed"),
    ],
)
def test_a_move_is_read_back_and_notified_of_and_neither_can_fail_it(
    begin: Any, find: Any, refused: str, words: str
) -> None:
    cloud, events = begin(), list[Event]()
    moving = find(cloud)
    cloud.world.refused = refused
    without = HOME if cloud.world.lost else ()

    ended = carry_out(cloud, moving, without, events.append)

    assert ended.green
    said = [event.message for event in events if event.kind == "notice"]
    assert re.search(words, "\n".join(said)), said
    for one in cloud.world.published:
        assert one["TopicArn"] == "alerts-dr" and one["Subject"].startswith(DONE)
        assert re.search("by Ada.*assumed-role/oncall/ada", one["Message"], re.DOTALL)
        assert said[0] in one["Message"], "what Route 53 answers is the evidence"
    assert len(cloud.world.published) == (not refused and begin is not replica)


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (World(alarm="ALARM"), "CopyIsCloseBehind"),
        (World(status="switching-over"), "switching-over, not available"),
    ],
)
def test_a_red_check_before_the_first_act_changes_nothing_and_ends_the_run(
    world: World, words: str
) -> None:
    cloud = Around(world=world)

    ended = carry_out(cloud, planned(cloud))

    assert words in str(ended.failures) and not ended.open and not ended.left
    assert cloud.world.state() == World().state()
    cloud.world = World(faults=cloud.faults)
    assert carry_out(cloud, planned(cloud)).green


def test_a_missing_permission_is_named_and_leaves_no_run() -> None:
    cloud = Around(world=World(refused="GetItem"))
    with pytest.raises(AwsError, match="not authorized: GetItem"):
        carry_out(cloud, planned(cloud))
    assert cloud.world.state() == World().state()
    cloud.world.refused = ""
    assert carry_out(cloud, planned(cloud)).green


def test_a_refused_call_leaves_the_run_open_until_it_is_allowed_or_reversed() -> None:
    for reverse in (False, True):
        cloud = Around(world=World(refused="SwitchoverGlobalCluster"))
        cloud.world.closed["dr"] = "closed"
        before = cloud.world.state()
        ended = carry_out(cloud, planned(cloud))
        assert ended.open and ended.partial
        assert "not authorized: SwitchoverGlobalCluster" in str(ended.failures)
        with pytest.raises(lock.Taken, match="tapgen failover") as taken:
            carry_out(cloud, planned(cloud))
        assert "supersede" not in str(taken.value), "a procedure has no plan"
        with pytest.raises(RolloutError, match="cannot be replaced by a plan"):
            supersede = Starter("Bob", supersede=taken.value.lock.run)
            running.run(
                (),
                system(),
                cloud,  # type: ignore[arg-type]
                silent,
                starter=supersede,
            )
        cloud.world.refused = ""
        ended = resume(cloud, reverse=reverse)
        assert not ended.left
        assert cloud.world.state() == (before if reverse else ("dr", OPEN, 1))


def test_a_run_that_is_given_up_names_the_calls_that_stay() -> None:
    cloud = Around(world=World(refused="SwitchoverGlobalCluster"))
    cloud.world.closed["dr"] = "closed"
    ended = carry_out(cloud, planned(cloud))
    assert ended.open and ended.acts and {*ended.acts} <= {*ended.left}

    prefix = system_of(cloud).prefix
    left = rollout.abandon(cloud, prefix, silent)  # type: ignore[arg-type]

    assert left and len(left) == len(ended.acts)
    (one,) = cloud.world.published
    assert one["Subject"] == DONE.replace("done", "given up")
    assert (
        f"not taken back: {left[0]}" in one["Message"]
        and "begun by Ada" in one["Message"]
    )
    assert "pay.example.com: Route 53 answers" in one["Message"]


def test_what_was_so_before_is_not_undone() -> None:
    cloud = Around(world=World(refused="SwitchoverGlobalCluster"))
    cloud.world.closed["dr"] = "open"

    ended = carry_out(cloud, planned(cloud))

    assert not ended.open and not ended.left, "opening it again has changed nothing"
    assert cloud.world.closed == {"dr": "open"}


@pytest.mark.parametrize(
    ("cloud", "ask", "words"),
    [
        (over(), planned, "us-east-2 .dr. already writes.*tapgen failback"),
        (at_home(), back, "there is nothing to go back from"),
        (
            Around(world=World(unturned="INSUFFICIENT_DATA")),
            back,
            "there is nothing to go back from",
        ),
        (lost(), planned, "us-east-1 does not answer.*--lose-data"),
        (
            at_home(),
            partial(lambda c: databases.failover(system(), c.aws, to="mars-1")),
            "--to mars-1 is none of its regions: primary .us-east-1., dr .us-east-2.",
        ),
    ],
)
def test_what_cannot_be_done_now_is_said(cloud: Around, ask: Any, words: str) -> None:
    with pytest.raises(RolloutError, match=words):
        ask(cloud)


def test_the_lag_is_measured_before_data_is_lost_or_said_to_be_unknown() -> None:
    cloud = lost()
    assert str(unplanned(cloud).survey.lag).startswith("120 ms at ")
    assert unplanned(cloud).loses == "lose data of pd-prod-db-global"
    cloud.world.lag = None
    assert "has no data of the last 15 minutes" in str(unplanned(cloud).survey.lag)


def test_a_region_that_failed_over_to_home_is_opened_again_by_failback() -> None:
    cloud = Around(world=World(closed={"dr": "closed"}))

    assert carry_out(cloud, back(cloud)).green
    assert cloud.world.state() == ("primary", OPEN, 0)


def test_a_promotion_whose_stack_goes_back_is_not_waited_for() -> None:
    cloud = replica(breaks=True)

    ended = carry_out(cloud, ready_or_not(cloud))

    assert "UPDATE_ROLLBACK_COMPLETE" in str(ended.failures) and ended.open
    assert not cloud.world.switch, "the name stays"


def test_what_cannot_be_promoted_is_said() -> None:
    with pytest.raises(RolloutError, match="is promoted already"):
        ready(replica(promoted=True))
    other = look.shipped("payments_dr").resolve(ACCOUNT)
    with pytest.raises(RolloutError, match="has no replica to promote"):
        replicas.promote(other, at_home().aws, "run")
    migrating = look.shipped("region_migration").resolve(ACCOUNT)
    with pytest.raises(RolloutError, match="only while its source answers"):
        replicas.promote(migrating, at_home().aws, "run", lose_data=True)
