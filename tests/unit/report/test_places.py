"""Where something happens, as text."""

from __future__ import annotations

from tapgen.model import Target
from tapgen.report import places


def test_many_accounts_that_are_alike_take_one_line() -> None:
    accounts = [str(n) * 12 for n in range(1, 7)]
    alike = [Target(a, r) for r in ("us-east-1", "eu-west-1") for a in accounts]
    alone = Target("0" * 12, "us-east-1")
    waiting = Target("ou-1", "us-east-1", "ou-1")

    assert places.targets([*alike, alone, waiting]).split("; ") == [
        "6 accounts in us-east-1, eu-west-1 (111111111111, 222222222222, 333333333333, "
        "444444444444 + 2)",
        "000000000000 in us-east-1",
        "accounts that join ou-1 in us-east-1",
    ]
