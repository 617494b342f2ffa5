"""Which stack sets belong to a system, and which to others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import cast

from tapgen.aws.stacksets import StackSets
from tapgen.model import Observed
from tapgen.system import names, ownership
from tests import make


@dataclass(frozen=True)
class Deployed:
    """Stack sets as an administration account has them."""

    found: tuple[Observed, ...]

    def names(self, prefix: str = "") -> list[str]:
        return [o.name for o in self.found if o.name.startswith(prefix)]

    def observe(
        self, names: Iterable[str], having: Collection[str] = ()
    ) -> dict[str, Observed]:
        wanted = {*names}
        return {
            o.name: o
            for o in self.found
            if o.name in wanted and any(text in o.template for text in having)
        }


def deployed(name: str, **tags: str) -> Observed:
    given = {f"tapgen:{key}": value for key, value in tags.items()}
    return replace(make.observed(make.stack_set("a")), name=name, tags=given)


def others(*found: Observed, systems: Iterable[str] = ("demo", "shop")) -> set[str]:
    sets = cast(StackSets, Deployed(found))
    types = {"AWS::SNS::Topic"}
    return {*ownership.others(make.system(make.stack_set("a")), sets, systems, types)}


def test_other_environments_and_systems_of_the_folder_are_others() -> None:
    assert others(
        deployed("demo-test-a", system="demo", suffix="test"),
        deployed("demo-test-gone", system="demo", suffix="test"),
        deployed("demo-stg-a", system="demo", suffix="stg"),
        deployed("shop-prod-a", system="shop", suffix="prod"),
        deployed("else-prod-a", system="else", suffix="prod"),
        deployed("shop-by-hand"),
    ) == {"demo-stg-a", "shop-prod-a"}


def test_types_that_share_names_are_looked_for_together() -> None:
    assert names.sharing({"AWS::DynamoDB::Table", "AWS::SNS::Topic"}) == {
        *("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::SNS::Topic")
    }
