"""Where something happens, as text."""

from __future__ import annotations

from tapgen.model import Target
from tapgen.report.targets import target_list


def test_many_accounts_of_the_same_regions_take_one_line() -> None:
    accounts = [str(n) * 12 for n in range(1, 7)]
    same_regions = [Target(a, r) for r in ("us-east-1", "eu-west-1") for a in accounts]
    alone = Target("0" * 12, "us-east-1")
    waiting = Target("ou-1", "us-east-1", "ou-1")

    assert target_list([*same_regions, alone, waiting]).split("; ") == [
        "6 accounts in us-east-1, eu-west-1 (111111111111, 222222222222, 333333333333, "
        "444444444444 + 2)",
        "000000000000 in us-east-1",
        "accounts that join ou-1 in us-east-1",
    ]
