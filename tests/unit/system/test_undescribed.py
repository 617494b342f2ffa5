"""Stack sets of a system that its file does not describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from tapgen import plan
from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.knowledge.regions import PARTITIONS
from tapgen.model import Target, Undescribed, Unsearched
from tapgen.plan import forecast
from tapgen.report import markdown, outlook, text
from tapgen.report import undescribed as shown
from tapgen.system import undescribed
from tests import make
from tests.make import EAST


@dataclass(frozen=True)
class Account:
    """Stack sets by region and name, with their tags; None for a region that is shut."""

    regions: Mapping[str, Mapping[str, Mapping[str, str]] | None]
    admin: Target = EAST

    def names(self, prefix: str) -> list[str]:
        there = self.regions.get(self.admin.region, {})
        if there is None:
            raise AwsError("cloudformation:ListStackSets", "AccessDenied", "no")
        return sorted(name for name in there if name.startswith(prefix))

    def tags(self, name: str) -> Mapping[str, str]:
        return (self.regions[self.admin.region] or {})[name]


def found(
    *described: tuple[str, str], **regions: Any
) -> list[Undescribed | Unsearched]:
    account = Account({name.replace("_", "-"): sets for name, sets in regions.items()})
    sets = cast(StackSets, account)
    places = [name.replace("_", "-") for name in regions]
    return list(undescribed.find(make.system(), sets, described, places))


def tags(suffix: str, system: str = "demo") -> dict[str, str]:
    return {"tapgen:system": system, "tapgen:suffix": suffix}


def test_an_earlier_suffix_is_found_and_a_described_one_is_not() -> None:
    there = {"demo-old-data": tags("old"), "demo-test-data": tags("test")}

    assert found(("us-east-1", "test"), us_east_1=there) == [
        Undescribed("us-east-1", "old", "demo-old-data")
    ]


def test_the_same_suffix_in_another_administration_region_is_found() -> None:
    there = {"demo-test-data": tags("test")}

    assert found(("us-east-1", "test"), us_east_1=there, us_west_2=there) == [
        Undescribed("us-west-2", "test", "demo-test-data")
    ]


def test_an_environment_in_the_file_is_described_and_a_removed_one_is_not() -> None:
    there = {"demo-dev-data": tags("dev"), "demo-qa-data": tags("qa")}
    described = ("us-east-1", "test"), ("us-east-1", "dev")

    assert found(*described, us_east_1=there) == [
        Undescribed("us-east-1", "qa", "demo-qa-data")
    ]


def test_a_stack_set_of_another_system_or_of_nobody_is_not_named() -> None:
    there = {"demo-api-prod-data": tags("prod", "demo_api"), "demo-x": {}}

    assert found(("us-east-1", "test"), us_east_1=there) == []


def test_a_region_that_cannot_be_read_hides_no_other_and_is_not_empty() -> None:
    there = {"demo-old-data": tags("old")}
    known, unknown = found(us_east_1=there, us_west_2=None)

    assert known == Undescribed("us-east-1", "old", "demo-old-data")
    assert unknown == Unsearched("us-west-2", "no")
    assert shown.data([known, unknown]) == shown.data([known])
    assert shown.lines([unknown, Unsearched("eu-west-1", "no")]) == [
        "not known for us-west-2, eu-west-1: stack sets cannot be listed there (no); if "
        "this system was ever administered from there, look with other credentials"
    ]


def test_every_usual_region_is_looked_at_only_where_nothing_is_deployed() -> None:
    system = make.system()

    for deployed, buckets in ((True, None), (True, ()), (False, ())):
        found = undescribed.where(system, buckets, deployed=deployed)
        assert {"us-east-1", "us-west-2"} <= {*found.regions}
        assert ("eu-west-1" in found.regions) is not deployed
        assert found.left_out == ()


def test_regions_with_a_bucket_are_searched_and_of_many_without_one_none() -> None:
    many = {f"r{n}": r for n, r in enumerate(PARTITIONS["aws"])}
    system = replace(make.system(), regions=many)
    buckets = {"us-east-1", "eu-west-1", "mx-central-1"}

    found = undescribed.where(system, buckets, deployed=True)
    assert {*found.regions} == buckets
    assert {*found.left_out} == {*many.values()} - buckets

    for known, everything in ((None, False), (buckets, True)):
        found = undescribed.where(system, known, deployed=True, everything=everything)
        assert {*found.regions} == {*many.values()} and not found.left_out
    few = undescribed.where(make.system(), {"eu-west-3"}, deployed=True)
    assert few.regions == ("eu-west-3", "us-east-1", "us-west-2")


def test_a_line_names_suffix_and_region_to_destroy_them_with() -> None:
    old = [Undescribed("us-east-1", "old", f"demo-old-{p}") for p in ("a", "b")]

    assert shown.lines(old) == [
        "demo-old-a, demo-old-b: deployed with suffix old from us-east-1, and not "
        "described by the file; they stay as they are. To delete them, run tapgen "
        "destroy with a file that has suffix old and admin.region us-east-1"
    ]


def test_a_plan_without_changes_names_them_too() -> None:
    system = make.system(make.stack_set())
    same = plan.make(system, {s.name: make.observed(s) for s in system.stack_sets})
    left = (Undescribed("us-west-2", "old", "demo-old-a"),)
    ahead = outlook.Outlook(forecast.of(same), undescribed=left)

    assert not same
    for told in (text.plan(same, outlook=ahead), markdown.plan(same, outlook=ahead)):
        assert "demo-old-a: deployed with suffix old" in " ".join(told.split())
