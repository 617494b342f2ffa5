"""The path of a migration: its steps are accepted in their order, and whatever else may be
rolled out from any state is right or refused, with the step that comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen import blueprints
from tapgen.blueprints.region_migration.path import PATH
from tapgen.blueprints.region_migration.path import settings as at
from tapgen.config import Config
from tapgen.errors import BlueprintError
from tapgen.model import Observed, System, Target
from tapgen.model.procedures import Procedure
from tapgen.model.verified import Verified
from tapgen.operate import filling, migrating
from tapgen.plan import preconditions
from tests import make
from tests.systems import look
from tests.systems.test_region_migration import (
    EXISTING,
    HERE,
    SETTINGS,
    THERE,
    load,
    values,
)
from tests.unit.aws.test_migrations import answering

ROLES = {"source": HERE, "target": THERE}
PLACES = {"servers": 0, "database-target": 1, "accelerator": 1, "dns": 2}
"""When parts change in a rollout: those of one place in any order."""

PARTS = (*PLACES, "database", "storage-target", "logs", "roles")
"""What steps and their order read."""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The config of the first step."""
    folder = tmp_path_factory.mktemp("path")
    elsewhere = {"region": "us-east-1"}
    return load(folder, SETTINGS, accounts=[make.ACCOUNT], admin=elsewhere)


def build(first: Config, blocks: Mapping[str, Any]) -> System | str:
    """The system with these blocks of settings, or why there is none."""
    blueprint = blueprints.find("region_migration")
    assert blueprint is not None
    try:
        checked = blueprint.model().model_validate(
            {**look.plain(first.settings), **blocks}
        )
    except ValueError as error:
        return str(error)
    return blueprint.build(replace(first, settings=checked))


def built(first: Config, blocks: Mapping[str, Any]) -> System:
    found = build(first, blocks)
    assert isinstance(found, System), found
    return found


@pytest.fixture(scope="module")
def path(first: Config) -> dict[str, System]:
    """The system at each step."""
    return {step.name: built(first, at(step.name)) for step in PATH}


def deployed(system: System) -> dict[str, Observed]:
    return {s.name: make.observed(s) for s in system.stack_sets if s.part in PARTS}


def refused(before: System, after: System) -> str:
    """Why the plan from one system to another is refused."""
    return "\n".join(preconditions.unmet(after, deployed(before)))


# --- What is right, said again without the words of the blueprint ------------------------

State = Mapping[str, Any]


def state(system: System) -> dict[str, Any]:
    """Where users, writes and the name of the database are, by what is deployed."""
    dns = {
        "AppSourceWeight": "0",
        "DbSourceWeight": "0",
        **values(system, "dns", THERE),
    }
    dials = {"SourceDial": "0", **values(system, "accelerator", THERE)}
    servers = {t.region: t for t in system.part("servers").targets}
    return {
        "replica": values(system, "database-target", THERE)["Promoted"] == "false",
        "writes": {
            role: region in servers
            and values(system, "servers", region)["Writes"] == "allowed"
            for role, region in ROLES.items()
        },
        "users": {
            role: (dials[f"{role.title()}Dial"], dns[f"App{role.title()}Weight"])
            for role in ROLES
        },
        "led": {r for r in ROLES if dns[f"Db{r.title()}Weight"] != "0"},
    }


def writers(now: State) -> set[str]:
    return {role for role, allowed in now["writes"].items() if allowed}


def lost(now: State) -> str:
    """Whether data would be lost at a moment."""
    if now["replica"] and "target" in now["led"]:
        return "the name leads to a replica"
    if writers(now) and not now["replica"] and now["led"] != {"target"}:
        return "two databases take writes"
    return ""


def stranded(now: State) -> str:
    """Whether users cannot write, although the others can."""
    for role, shares in now["users"].items():
        if len(writers(now)) == 1 and not now["writes"][role] and set(shares) != {"0"}:
            return f"users in {role} cannot write"
    return ""


def cut_off(before: State, now: State, after: State) -> str:
    """Whether users cannot write for a moment, who could before, though one region takes
    writes afterwards. A pause of all writes is what its rollout is for."""
    if len(writers(after)) != 1:
        return ""
    for role in writers(before) - writers(now):
        if set(now["users"][role]) != {"0"}:
            return f"users in {role} are cut off"
    return ""


def moments(old: State, new: State) -> Iterator[State]:
    """What is there at any moment of a rollout that stops anywhere: a part has changed,
    region by region, or not."""
    changes = [("database-target", ""), ("accelerator", ""), ("dns", "")]
    changes += [("servers", role) for role in ROLES]
    for done in product((False, True), repeat=len(changes)):
        have = {c for c, is_done in zip(changes, done, strict=True) if is_done}
        latest = max((PLACES[part] for part, _ in have), default=0)
        if any(PLACES[c[0]] < latest and c not in have for c in changes):
            continue

        def of(part: str, role: str = "", have: set[Any] = have) -> State:
            return new if (part, role) in have else old

        yield {
            "replica": of("database-target")["replica"],
            "writes": {r: of("servers", r)["writes"][r] for r in ROLES},
            "users": {
                r: (of("accelerator")["users"][r][0], of("dns")["users"][r][1])
                for r in ROLES
            },
            "led": of("dns")["led"],
        }


def wrong(
    before: dict[str, Any], old: State, after: dict[str, Any], new: State
) -> set[str]:
    """What is wrong with a rollout from one state to another."""
    found = {why for now in moments(old, new) if (why := lost(now))}
    found |= {why for now in moments(old, new) if (why := cut_off(old, now, new))}
    if old["replica"] and not new["replica"] and writers(old):
        found.add("what is written during the promotion is lost")
    if new["replica"] and not old["replica"]:
        found.add("a promotion cannot be undone")
    if after.get("source") == "removed" and before.get("source", "kept") == "kept":
        found.add("objects may be on the way to the source, and it is still protected")
    return found


# --- The path ------------------------------------------------------------------------------


def test_each_step_is_accepted_after_the_one_before_it(path: dict[str, System]) -> None:
    for before, after in pairwise(PATH):
        said = refused(path[before.name], path[after.name])
        assert said == "", (before.name, after.name)


def test_the_source_database_takes_no_writes_without_writers_and_after_the_promotion(
    path: dict[str, System],
) -> None:
    fenced = [
        step.name
        for step in PATH
        if step.name != "remove"
        and values(path[step.name], "database", HERE)["ReadOnly"] == "true"
    ]
    assert fenced == ["pause", "promote", "move", "resume", "standby", "leave"]


def test_there_is_a_way_back_to_each_step_before_the_promotion(
    path: dict[str, System],
) -> None:
    """At the latest by the states between: first the users, then their switch."""
    assert refused(path["pause"], path["shift"]) == ""
    assert refused(path["shift"], path["half"]) == ""
    said = refused(path["half"], path["prepare"])
    assert "set target_dial: 0 and app_target_weight: 0 first" in said
    assert [step.name for step in PATH if not step.back] == ["promote", "remove"]
    for before, after in product(PATH, PATH):
        if at_index(before.name) >= at_index("promote") > at_index(after.name):
            said = refused(path[before.name], path[after.name])
            assert "a promotion cannot be undone" in said, (before.name, after.name)


def at_index(name: str) -> int:
    return [step.name for step in PATH].index(name)


# --- Where a migration is -------------------------------------------------------------------


def not_asked(path: str) -> Any:
    raise AssertionError(f"{path} shows in what is deployed")


def test_each_step_shows_in_what_is_deployed_whatever_the_file_says(
    path: dict[str, System],
) -> None:
    for number, step in enumerate(PATH, 1):
        for file in (path["prepare"], path[step.name]):
            known = migrating.migration(file)
            seen, unseen = migrating.deployed(
                file, known, deployed(path[step.name]), not_asked
            )
            assert not unseen
            assert migrating.done(known.steps, seen) == number, step.name
    assert {*known.shown} == {*migrating.flat(at("remove"))} | {
        *("traffic.source_dial", "traffic.target_dial"),
    }


def test_a_state_between_two_steps_counts_as_the_one_before(
    path: dict[str, System],
) -> None:
    system = path["half"]
    known = migrating.migration(system)
    seen, _ = migrating.deployed(system, known, deployed(system), not_asked)
    for dial in ("75", "100"):
        between = {**seen, "traffic.target_dial": dial}
        assert migrating.done(known.steps, between) == (2 if dial == "100" else 1)
    assert migrating.deployed(system, known, {}, not_asked) == ({}, ())


def test_what_no_stack_shows_is_taken_from_the_file_and_said(first: Config) -> None:
    blocks = {"existing": EXISTING, "vpc_cidr": None, "reverse_replication": False}
    system = built(first, {**at("shift"), **blocks})
    asked = {"traffic.source_writes": "allowed", "source": "kept"}

    seen, unseen = migrating.deployed(
        system, migrating.migration(system), deployed(system), asked.__getitem__
    )

    assert {*unseen} == {*asked} and seen["traffic.target_writes"] == "allowed"


def test_what_is_looked_at_only_reads_and_its_names_are_known(
    path: dict[str, System],
) -> None:
    system = path["prepare"]
    known = migrating.migration(system)
    looks = [(step, look) for step in known.steps for look in step.looks]
    assert {step.name for step, _ in looks} == {s.name for s in known.steps} - {
        "prepare"
    }
    for _, one in looks:
        procedure = Procedure("migrate", "", known.part, (one.role,), ())
        here = filling.place(system, procedure, one.role)
        act = filling.act(here, procedure, one.check, lambda value, target: "read")
        assert "${" not in str(act.arguments)
        assert act.script or act.action.startswith(("Describe", "Get", "List"))
    (pause,) = (step for step in known.steps if step.name == "pause")
    assert pause.runbook[1] == "target" and "SnapshotIsTaken" in {
        one.check.name for one in pause.looks
    }


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([], Verified.UNKNOWN),
        ([-1.0], Verified.UNKNOWN),
        ([0.0], Verified.HOLDS),
        ([1e9], Verified.FAILS),
    ],
)
def test_a_lag_that_nobody_knows_is_neither_well_nor_failed(
    path: dict[str, System], values: list[float], verdict: Verified
) -> None:
    system = path["shift"]
    known = migrating.migration(system)
    (close,) = (
        one
        for step in known.steps
        for one in step.looks
        if step.name == "pause" and one.check.name == "ReplicaIsCloseBehind"
    )
    aws = answering(get_metric_data={"MetricDataResults": [{"Values": values}]})

    found = migrating.find(system, aws, known, close, "", lambda value, target: "arn:x")

    assert found.verdict is verdict, found.words


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("shift", "promote", "Writes of servers in 111111111111/us-west-2 is still"),
        ("prepare", "promote", "111111111111/us-west-1 is still allowed"),
        ("shift", "resume", "Promoted would become true, while Writes"),
        ("pause", "resume", "Promoted of database-target"),
        (
            "promote",
            "resume",
            "DbSourceWeight of dns in 111111111111/us-west-2 is still",
        ),
        ("standby", "remove", "ReverseReplication of storage-target in 11"),
        ("pause", "remove", "Promoted of database-target in 111111111111/us-west-2"),
    ],
)
def test_a_step_that_is_left_out_comes_first(
    path: dict[str, System], before: str, after: str, why: str
) -> None:
    text = refused(path[before], path[after])
    assert why in text
    assert "in a rollout of its own" in text or "the last LSN of its source" in text


def test_a_share_that_has_to_go_goes_somewhere(first: Config) -> None:
    """Both names of a pair at 0 are refused, too."""
    said = build(first, {**at("pause"), "source": "leaving"})
    assert "set it to 0 and db_target_weight to 100 first" in str(said)
    assert "app_target_weight" not in str(said)


def test_what_is_not_deployed_yet_has_no_order(path: dict[str, System]) -> None:
    assert preconditions.unmet(path["pause"], {}) == []
    (refused,) = preconditions.unmet(path["resume"], {})
    assert (
        "it would be created with Promoted true; RDS would create an empty" in refused
    )


# --- Everything beside the path ------------------------------------------------------------

_SHARES = [(100, 0), (50, 50), (0, 100)]
_SWITCHES: list[tuple[str, str, list[Any]]] = [
    *(
        ("traffic", f"{role}_writes", ["allowed", "paused"])
        for role in ("source", "target")
    ),
    ("promotion", "promoted", [False, True]),
    ("promotion", "standby", [False, True]),
    ("", "source", ["kept", "leaving", "removed"]),
]


def turns() -> Iterator[dict[str, Any]]:
    """Each single change of settings, by block."""
    for kind in ("{}_dial", "app_{}_weight", "db_{}_weight"):
        for shares in _SHARES:
            names = [kind.format(role) for role in ROLES]
            yield {"traffic": dict(zip(names, shares, strict=True))}
    for block, name, choices in _SWITCHES:
        for value in choices:
            yield {block: {name: value}} if block else {name: value}


def turned(step: str, changes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings of a step, with changes."""
    found = at(step, {"traffic": {}, "promotion": {}})
    for change in changes:
        for name, value in change.items():
            block = isinstance(value, dict)
            found[name] = {**found.get(name, {}), **value} if block else value
    return found


def is_right(said: System | str) -> bool:
    """Whether a config is accepted, and right, or refused with what to do."""
    if isinstance(said, str):
        assert " set " in said
        return False
    now = state(said)
    assert not lost(now) and not stranded(now), now
    return True


def test_each_step_and_each_neighbour_leads_only_where_it_is_right(
    first: Config,
) -> None:
    """The graph: all states that are a step, or a step with one change; each rollout from
    one to another is right at every moment, or refused, and nothing right is refused.
    """
    graph: dict[str, tuple[dict[str, Any], System]] = {}
    for step in PATH:
        for changes in ([], *([turn] for turn in turns())):
            given_blocks = turned(step.name, changes)
            found = build(first, given_blocks)
            if is_right(found):
                assert isinstance(found, System)
                graph.setdefault(
                    str(state(found)) + str(given_blocks.get("source")),
                    (given_blocks, found),
                )
    states = {key: state(system) for key, (_, system) in graph.items()}
    there = {key: deployed(system) for key, (_, system) in graph.items()}
    assert len(graph) > 30
    for (one, (before, _)), (other, (after, system)) in product(
        graph.items(), repeat=2
    ):
        said = preconditions.unmet(system, there[one])
        bad = wrong(before, states[one], after, states[other])
        assert bool(said) == bool(bad), (before, after, bad, said)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.tuples(*[st.sampled_from([step.name for step in PATH])] * 2),
    changes=st.tuples(*[st.lists(st.sampled_from([*turns()]), max_size=6)] * 2),
)
def test_any_rollout_is_right_at_every_moment_or_refused(
    first: Config, steps: tuple[str, str], changes: tuple[list[Any], list[Any]]
) -> None:
    """Also far from the path."""
    before, after = (turned(*one) for one in zip(steps, changes, strict=True))
    old, new = build(first, before), build(first, after)
    if is_right(old) and is_right(new):
        assert isinstance(old, System) and isinstance(new, System)
        said, bad = refused(old, new), wrong(before, state(old), after, state(new))
        assert bool(said) == bool(bad), (bad, said)


# --- What is left when the source region is ------------------------------------------------


@pytest.mark.parametrize("existing", [False, True])
def test_nothing_that_stays_needs_the_region_that_is_left(
    first: Config, existing: bool
) -> None:
    """Neither where it is, nor by a value, nor by its name in a template."""
    more = {"existing": EXISTING, "vpc_cidr": None} if existing else {}
    removed = built(first, {**at("remove"), **more})
    left = built(first, {**at("leave"), **more})
    looks = [s.migration.steps[-1].looks for s in (left, removed) if s.migration]
    assert looks[0] == looks[1] != (), "also where the file is ahead of the stacks"
    assert removed.migration and removed.part(removed.migration.part)
    kept = built(first, {**at("leave"), **more})
    stays = {s.part for s in removed.stack_sets}
    assert {s.part for s in kept.stack_sets} - stays == {
        *("keys", "storage", "runbooks", "operations"),
        *(() if existing else ("peering", "routes", "database")),
    }
    for s in removed.stack_sets:
        assert {t.region for t in s.targets} == {THERE}, s.part
        given_values = s.values(s.targets[0])
        for name, value in given_values.items():
            text = str(value)
            assert name == "SourceRegion" or HERE not in text, (s.part, name)
        for key, resource in look.body(removed, s.part)["Resources"].items():
            if s.part == "database-target" and key == "Database":
                # It was created with it; without, RDS would create it again.
                assert resource["Properties"].pop("SourceRegion")
            assert "SourceRegion" not in str(resource), (s.part, key)


def test_what_an_account_has_once_is_created_where_it_stays(
    path: dict[str, System],
) -> None:
    for step, system in path.items():
        for part in ("roles", "accelerator", "dns", "secret"):
            (target,) = system.part(part).targets
            assert target.region == THERE, (step, part)
        assert look.only(system, "keys-target", "AWS::KMS::Key")["MultiRegion"] is True


def test_the_stack_sets_themselves_do_not_stay_in_the_region_that_is_left(
    first: Config,
) -> None:
    here = replace(first, admin=replace(first.admin, region=HERE))
    built(here, at("leave"))
    with pytest.raises(BlueprintError, match="the stack sets themselves are in"):
        build(here, at("remove"))


def test_what_was_created_in_the_source_region_stays_there_until_somebody_says(
    first: Config, path: dict[str, System]
) -> None:
    old = built(first, {"home": "source"})
    assert {t.region for t in old.part("roles").targets} == {HERE}
    assert refused(old, old) == ""
    assert "cannot move by a rollout: set home: source" in refused(old, path["prepare"])
    said = build(first, {**at("remove"), "home": "source"})
    assert isinstance(said, str) and "set source: leaving" in said


@pytest.mark.parametrize("step", PATH, ids=lambda step: step.name)
def test_what_is_not_known_blocks_a_step_without_a_way_back(step: Any) -> None:
    def blocked(verdict: Verified) -> bool:
        found = migrating.Finding("look", Target(make.ACCOUNT, HERE), verdict, "")
        return migrating.Standing((), step, {}, findings=(found,)).blocked

    assert blocked(Verified.FAILS)
    assert not blocked(Verified.HOLDS) and not blocked(Verified.EXPECTED)
    assert blocked(Verified.UNKNOWN) == (step.name in ("promote", "remove"))
