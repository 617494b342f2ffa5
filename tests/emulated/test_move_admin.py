"""The administration of a system moves to another region of the embedded AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tapgen import plan, rollout
from tapgen.accounts import bootstrap
from tapgen.aws.stacksets import StackSets
from tapgen.emulator.server import lifecycle
from tapgen.errors import RolloutError
from tapgen.model import Observed, Output, System, Target
from tapgen.rollout import history as runs
from tapgen.rollout import moving, places
from tapgen.system import ownership
from tests.emulated.conftest import Cloud
from tests.emulated.test_rollout import (
    EAST,
    by_region,
    history,
    parameter,
    part,
    system,
    template,
)

TO = "us-west-2"
THERE = template({"There": parameter("/demo/there")})


def demo(text: str = "east", west: str = "west", **more: Any) -> System:
    """Values that differ by region, and one that is an output of another part."""
    return system(
        part("source", **by_region(text, west)),
        part("there", THERE, Text=Output("source", "Name")),
        part("one", template({"One": parameter("/demo/one")}), (EAST,), **more),
    )


def sets_in(cloud: Cloud, region: str) -> StackSets:
    """The stack sets of a region, with a copy of their journal in the other one."""
    (other,) = {"us-east-1", TO} - {region}
    admin, copy = Target(cloud.account, region), Target(cloud.account, other)
    return StackSets(cloud.aws, admin, copies=(copy,))


@pytest.fixture
def deployed(cloud: Cloud) -> Cloud:
    cloud.bootstrap(demo())
    sets = sets_in(cloud, "us-east-1")
    ended = rollout.run(
        cloud.plan(demo()), sets, cloud.events.append, poll_seconds=(0.02, 0.1)
    )
    assert ended.green, ended
    return cloud


def at(cloud: Cloud, wanted: System, region: str) -> System:
    return moving.elsewhere(wanted.resolve(cloud.account), region)


def observe(cloud: Cloud, region: str) -> dict[str, Observed]:
    wanted = at(cloud, demo(), region)
    return ownership.observe(wanted, sets_in(cloud, region))


def prepare(cloud: Cloud, to: str, observed: dict[str, Observed]) -> None:
    bootstrap.run(
        cloud.aws,
        at(cloud, demo(), to),
        code="",
        deployed_types={"AWS::SSM::Parameter"} if observed else (),
    )


def move(cloud: Cloud, home: str, to: str, **ways: Any) -> rollout.Outcome:
    observed = observe(cloud, home)
    there = sets_in(cloud, to).definitions(observed)
    assert not moving.refusals(observed, there, to)
    prepare(cloud, to, observed)
    return moving.move(
        at(cloud, demo(), home),
        observed,
        sets_in(cloud, home),
        to,
        cloud.events.append,
        poll_seconds=(0.02, 0.1),
        **ways,
    )


def change(cloud: Cloud, region: str, wanted: System, **starter: Any) -> Any:
    """Plan and roll out from a region; return the plan, and how it ended."""
    there, sets = at(cloud, wanted, region), sets_in(cloud, region)
    made = plan.make(there, ownership.observe(there, sets))
    if not made:
        return made, None
    return made, rollout.run(
        made,
        sets,
        cloud.events.append,
        starter=rollout.Starter("tester", **starter),
        poll_seconds=(0.02, 0.1),
    )


def facts(found: dict[str, Observed]) -> dict[str, Any]:
    """What a move must not change: definitions, and stacks with their overrides."""
    return {
        name: (
            one.template,
            one.parameters,
            one.tags,
            {t: (i.stack_id, i.overrides, i.status) for t, i in one.instances.items()},
        )
        for name, one in found.items()
    }


@pytest.fixture
def away(server: lifecycle.Server, cloud: Cloud) -> Iterator[Callable[[str], None]]:
    """Let a region give no answer until the end of the test."""
    added: list[str] = []

    def go(region: str) -> None:
        match = {"region": region, "account": cloud.account, "times": "always"}
        fault = {"effect": "unavailable", "match": match}
        *_, one = lifecycle.add_faults(server.folder, fault)
        added.append(one["id"])

    yield go
    for id in added:
        lifecycle.clear_faults(server.folder, id)


def test_roles_are_found_in_a_region_that_has_no_role_in_the_system(
    cloud: Cloud,
) -> None:
    old = "us-east-2"
    bootstrap.run(cloud.aws, at(cloud, demo(), old), code="")
    bootstrap.run(
        cloud.aws,
        at(cloud, demo(), TO),
        code="",
        deployed_types={"AWS::SSM::Parameter"},
    )

    found = bootstrap.unready(cloud.aws, at(cloud, demo(), TO), "")

    assert found == bootstrap.Unready((), {})


def test_another_region_takes_over_and_rolls_out_while_the_first_one_is_away(
    deployed: Cloud, away: Callable[[str], None]
) -> None:
    cloud, before = deployed, facts(observe(deployed, "us-east-1"))

    ended = move(cloud, "us-east-1", TO)

    assert ended.green and {*ended.done} == {*before}, ended
    assert facts(observe(cloud, TO)) == before
    assert not observe(cloud, "us-east-1")
    assert history(cloud, "/demo/source", TO) == ["west"]  # no stack was changed
    made, _ = change(cloud, TO, demo())
    assert not made
    with pytest.raises(RolloutError, match=f"set admin.region: {TO}"):
        places.nearest(sets_in(cloud, "us-east-1"), "demo-test")
    for region in (TO, "us-east-1"):  # whichever one somebody remembers
        assert places.found(sets_in(cloud, region), "demo-test", ()) == (TO, ())
    listed, _ = runs.runs(sets_in(cloud, TO).bucket, "demo-test", 5)
    assert [(o.command, o.result) for o in listed] == [
        ("move-admin", "done"),
        ("rollout", "done"),
    ]

    away("us-east-1")
    cloud.aws._handles.clear()
    unready = bootstrap.unready(cloud.aws, at(cloud, demo(), TO), "")
    assert not unready.everywhere and not unready.accounts
    assert "us-east-1, which does not answer" in unready.unread[0]
    change(cloud, TO, demo(west="away"), without=("us-east-1",))
    assert history(cloud, "/demo/source", TO) == ["west", "away"]
