"""What a plan will be like to run, from data alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen import plan
from tapgen.model import (
    PREFERENCES,
    Action,
    Output,
    Preferences,
    RolloutSettings,
    StackSet,
    Strategy,
    Target,
)
from tapgen.plan import durations, forecast
from tapgen.plan.forecast import pace
from tapgen.report import outlook
from tests import make
from tests.make import EAST, WEST

SOFT = "SOFT_FAILURE_TOLERANCE"
ACCOUNTS = [f"{n:012}" for n in range(1, 9)]


def planned(*stack_sets: StackSet, found: Any = (), **rollout: Any) -> plan.Plan:
    settings = RolloutSettings(preferences=Preferences(**rollout))
    system = replace(make.system(*stack_sets), rollout=settings)
    return plan.make(system, {o.name: o for o in found})


def fleet(*regions: str) -> StackSet:
    return make.stack_set(targets=[Target(a, r) for r in regions for a in ACCOUNTS])


NO_RECTANGLE = make.stack_set(
    targets=[Target(ACCOUNTS[0], "us-east-1"), *fleet("us-west-2").targets]
)

# -- by name ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "more", "waves"),
    [
        (Output("base", "Arn"), {"max_concurrent_count": 8}, 2),
        (Output("base", "Arn", region="us-east-1"), {"max_concurrent_count": 8}, None),
    ],
)
def test_a_plan_says_what_values_by_name_would_save(
    value: Output, more: Any, waves: int | None
) -> None:
    targets = [Target(a, r) for r in ("us-east-1", "us-west-2") for a in ACCOUNTS]
    base = make.stack_set("base", targets=targets)
    app = make.stack_set("app", targets=targets, parameters={"Arn": value})
    system = replace(
        make.system(base, app),
        rollout=RolloutSettings(
            preferences=Preferences(**{"concurrency_mode": SOFT, **more})
        ),
    )

    found = forecast.of(plan.make(system, {}))
    shown = outlook.Outlook(found)

    if waves is None:
        assert found.by_name is None
        assert outlook.data(shown)["by_name"] is None
        return
    assert found.by_name and found.by_name.waves == waves
    said = f"make {len(found.waves)} waves; by: ssm at app.Arn makes it {waves}, "
    for lines in (outlook.last(shown), outlook.markdown(shown)):
        assert any(said in line for line in lines)
    assert outlook.data(shown)["by_name"]["parameters"] == ["app.Arn"]


# -- pace ----------------------------------------------------------------------------

preferences = st.builds(
    lambda mode, tolerance, concurrent: Preferences(
        concurrency_mode=mode, **tolerance, **concurrent
    ),
    st.sampled_from(["STRICT_FAILURE_TOLERANCE", SOFT]),
    st.one_of(
        st.builds(lambda n: {"failure_tolerance_count": n}, st.integers(0, 500)),
        st.builds(
            lambda n: {
                "failure_tolerance_count": None,
                "failure_tolerance_percentage": n,
            },
            st.integers(0, 100),
        ),
    ),
    st.one_of(
        st.builds(lambda n: {"max_concurrent_count": n}, st.integers(1, 500)),
        st.builds(
            lambda n: {"max_concurrent_count": None, "max_concurrent_percentage": n},
            st.integers(1, 100),
        ),
    ),
)
accounts = st.integers(1, 2000)


@given(preferences, accounts)
def test_never_more_at_once_than_there_are_accounts(
    chosen: Preferences, number: int
) -> None:
    found = pace(chosen, number)

    assert 1 <= found.at_once <= min(number, forecast.MOST_AT_ONCE)
    assert 1 <= found.worst <= number


@given(preferences, accounts)
def test_strict_is_never_more_than_the_tolerance_and_one(
    chosen: Preferences, number: int
) -> None:
    strict = replace(chosen, concurrency_mode="STRICT_FAILURE_TOLERANCE")
    found = pace(strict, number)

    assert found.at_once <= found.tolerance + 1
    assert found.worst == min(number, found.tolerance + 1)
    assert found.worst <= pace(replace(chosen, concurrency_mode=SOFT), number).worst


@given(preferences, accounts, st.integers(0, 500))
def test_more_accounts_are_never_fewer_at_once(
    chosen: Preferences, number: int, more: int
) -> None:
    few, many = pace(chosen, number), pace(chosen, number + more)

    assert few.at_once <= many.at_once
    assert few.worst <= many.worst


@given(accounts, st.integers(1, 500), st.integers(0, 500), st.integers(0, 50))
def test_asking_for_more_never_gives_less(
    number: int, concurrent: int, tolerance: int, more: int
) -> None:
    def at_once(concurrent: int, tolerance: int) -> int:
        chosen = Preferences(
            max_concurrent_count=concurrent, failure_tolerance_count=tolerance
        )
        return pace(chosen, number).at_once

    assert at_once(concurrent, tolerance) <= at_once(concurrent + more, tolerance)
    assert at_once(concurrent, tolerance) <= at_once(concurrent, tolerance + more)


def test_percentages_are_rounded_down_and_at_least_one_account() -> None:
    quarter = PREFERENCES[Strategy.BALANCED]

    assert [pace(quarter, n).at_once for n in (1, 7, 8, 40)] == [1, 1, 2, 10]
    assert [pace(quarter, n).tolerance for n in (1, 9, 10, 40)] == [0, 0, 1, 4]
    assert pace(quarter, 40).worst == 14


@pytest.mark.parametrize(
    ("stack_set", "chosen", "words"),
    [
        (
            make.stack_set(),
            {},
            "1 account at a time; stops at the first failure",
        ),
        (
            fleet("us-east-1", "us-west-2"),
            {},
            "1 of 8 accounts at a time, region by region; stops us-east-1 after 1 "
            "failure; later regions are not started",
        ),
        (
            fleet("us-east-1", "us-west-2"),
            {
                "region_concurrency": "PARALLEL",
                "concurrency_mode": SOFT,
                "max_concurrent_count": 4,
                "failure_tolerance_count": 1,
            },
            "4 of 8 accounts at a time, all regions at once; stops us-east-1 after 2 "
            "failures, at most 5 fail",
        ),
        (
            NO_RECTANGLE,
            {},
            "accounts at a time: 1 of 1 in us-east-1; 1 of 8 in us-west-2, region by "
            "region; stops us-east-1 after 1 failure; later regions are not started",
        ),
        (
            NO_RECTANGLE,
            {"failure_tolerance_count": 1, "max_concurrent_count": 2},
            "accounts at a time: 1 of 1 in us-east-1; 2 of 8 in us-west-2, region by "
            "region; stops us-west-2 after 2 failures",
        ),
        (
            fleet("us-east-1"),
            {"failure_tolerance_count": 8},
            "1 of 8 accounts at a time; no failure stops it",
        ),
    ],
)
def test_the_pace_is_in_plain_words(
    stack_set: StackSet, chosen: dict[str, Any], words: str
) -> None:
    (step,) = forecast.of(planned(stack_set, **chosen)).steps

    assert step.words == words


def test_concurrency_that_the_tolerance_cuts_is_warned_of() -> None:
    cut = forecast.of(planned(fleet("us-east-1"), max_concurrent_count=4))
    retained = forecast.of(
        planned(fleet("us-east-1"), max_concurrent_count=4, failure_tolerance_count=3)
    )
    alone = forecast.of(planned(make.stack_set(), max_concurrent_count=4))

    (warning,) = cut.warnings
    assert "max_concurrent is 4 of 8 accounts" in warning and "allows 1" in warning
    assert retained.warnings == () == alone.warnings


# -- time ----------------------------------------------------------------------------


def rds(**resources: tuple[str, list[str]]) -> str:
    """A template of resources: logical id → (type, those it depends on)."""
    return make.template(
        resources={
            logical_id: {"Type": kind, "DependsOn": waits}
            for logical_id, (kind, waits) in resources.items()
        }
    )


def high(text: str, **more: Any) -> float:
    return forecast.of(planned(make.stack_set(text=text), **more)).span.high


CLUSTER, DATABASE = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"


def test_what_waits_for_each_other_adds_up_and_what_does_not_does_not() -> None:
    together = high(rds(Cluster=(CLUSTER, []), Other=(DATABASE, [])))
    after = high(rds(Cluster=(CLUSTER, []), Other=(DATABASE, ["Cluster"])))

    create = Action.CREATE
    assert after - together == durations.of(CLUSTER, create).high
    assert together > durations.of(DATABASE, create).high


def test_a_reference_is_waited_for_too() -> None:
    database = {"Type": DATABASE, "Properties": {"DBClusterIdentifier": {"Ref": "C"}}}
    linked = make.template(resources={"C": {"Type": CLUSTER}, "D": database})

    assert high(linked) == high(rds(C=(CLUSTER, []), D=(DATABASE, ["C"])))


def test_what_waits_in_a_circle_is_no_endless_loop() -> None:
    assert high(rds(A=(CLUSTER, ["B"]), B=(CLUSTER, ["A"]))) > 0


def test_regions_one_by_one_take_longer_than_all_at_once() -> None:
    def took(mode: str) -> float:
        both = fleet("us-east-1", "us-west-2")
        return forecast.of(planned(both, region_concurrency=mode)).span.high

    poll = durations.POLL.high
    assert took("SEQUENTIAL") - poll == 2 * (took("PARALLEL") - poll)


def test_accounts_go_in_rounds() -> None:
    def took(**chosen: int) -> float:
        return forecast.of(planned(fleet("us-east-1"), **chosen)).span.high

    one_by_one, by_three = took(), took(
        max_concurrent_count=3, failure_tolerance_count=2
    )
    poll = durations.POLL.high
    assert (one_by_one - poll) / 8 == (by_three - poll) / 3


def test_the_longest_is_named_with_its_wave() -> None:
    data = make.stack_set("data")
    base = make.stack_set(
        "base",
        text=rds(Topic=("AWS::SNS::Topic", []), Database=(DATABASE, ["Topic"])),
        depends_on=("data",),
    )
    found = forecast.of(planned(data, base))

    assert found.slowest is not None
    number, slowest = found.slowest
    assert (number, str(slowest)) == (2, "base.Database (AWS::RDS::DBInstance)")
    assert forecast.of(planned(data)).slowest is None


def test_a_replacement_is_created_and_the_old_one_deleted() -> None:
    def database(name: str) -> StackSet:
        properties = {"DBInstanceIdentifier": name}
        resource = {"Type": DATABASE, "Properties": properties}
        return make.stack_set(text=make.template(resources={"Db": resource}))

    the_plan = planned(database("b"), found=[make.observed(database("a"))])
    expected = durations.of(DATABASE, Action.CREATE) + durations.of(
        DATABASE, Action.DELETE
    )

    span = forecast.of(the_plan).span
    assert span == expected + durations.STACK + durations.POLL


def test_a_step_that_may_not_run_may_take_no_time() -> None:
    from tapgen.model import Output

    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}
    text = make.template(["Name"], ["Arn"], {"Topic": topic}, output_value=make.NAME)
    data = make.stack_set("data", parameters={"Name": "2"}, text=text)
    app = make.stack_set("app", parameters={"Arn": Output("data", "Arn")})
    found = [
        make.observed(data, parameters={"Name": "1"}),
        make.observed(app, parameters={"Arn": "arn:it"}),
    ]

    steps = forecast.of(planned(data, app, found=found)).steps

    assert [s.span.low > 0 for s in steps] == [True, False]


# -- moves and templates -------------------------------------------------------------


def test_a_move_says_which_data_stays_and_which_goes() -> None:
    text = make.template(
        resources={
            "Kept": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
            "Lost": {"Type": "AWS::SQS::Queue"},
            "Topic": {"Type": "AWS::SNS::Topic"},
        }
    )
    old = make.stack_set(targets=(EAST,), text=text)
    new = replace(old, targets=(WEST,))

    (move,) = forecast.of(planned(new, found=[make.observed(old)])).moves

    assert (move.part, move.left, move.entered) == ("data", (EAST,), (WEST,))
    assert move.retained == ("Kept (AWS::S3::Bucket)",)
    assert move.deleted == ("Lost (AWS::SQS::Queue)",)


def test_a_target_more_or_a_target_less_is_no_move() -> None:
    one, both = make.stack_set(), make.stack_set(targets=(EAST, WEST))

    assert forecast.of(planned(both, found=[make.observed(one)])).moves == ()
    assert forecast.of(planned(one, found=[make.observed(both)])).moves == ()


def test_a_template_near_a_limit_is_tight() -> None:
    def fit(number: int) -> forecast.Fit:
        many = {f"T{n}": {"Type": "AWS::SNS::Topic"} for n in range(number)}
        the_plan = planned(make.stack_set(text=make.template(resources=many)))
        return forecast.of(the_plan).fits[0]

    assert [str(m) for m in fit(400).measures if m.tight] == [
        "400 of 500 resources (80 %)"
    ]
    assert not [m for m in fit(399).measures if m.tight]


def test_a_template_larger_than_a_call_goes_through_the_bucket() -> None:
    def by_url(size: int) -> bool:
        body = {"Type": "AWS::SNS::Topic", "Metadata": {"x": "y" * size}}
        pretty = json.dumps({"Resources": {"T": body}}, indent=4)
        return forecast.of(planned(make.stack_set(text=pretty))).fits[0].by_url

    assert (by_url(51_000), by_url(51_200)) == (False, True)
