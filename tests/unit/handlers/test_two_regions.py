"""Payments in two regions over a global table: no payment twice, none lost.

The table here replicates as one with eventual consistency: a condition is judged in one
region, writes arrive late and in any order, and the last write of an item wins.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapgen.handlers import payments
from tests.unit.handlers.test_payments import (
    SETTINGS,
    Databases,
    Objects,
    Table,
    Topics,
    payment,
)

ROLES = ("primary", "dr")


class Crash(BaseException):
    """The function is gone, in the middle of its work."""


@dataclass
class Time:
    now: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc)
    count: int = 0

    def stamp(self) -> tuple[datetime, int]:
        self.count += 1
        return self.now, self.count


Write = tuple[tuple[datetime, int], tuple[str, str], dict[str, Any]]


@dataclass
class Replica(Table):
    """A region's table: what it wrote and has not sent, and when each item was written."""

    time: Time = field(default_factory=Time)
    unsent: list[Write] = field(default_factory=list)
    stamps: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)
    crash_in: int = -1

    def _step(self) -> None:
        if self.crash_in == 0:
            self.crash_in = -1
            raise Crash
        self.crash_in -= 1

    def _wrote(self, key: tuple[str, str]) -> None:
        self.stamps[key] = self.time.stamp()
        self.unsent.append((self.stamps[key], key, dict(self.items[key])))

    def put_item(
        self, Item: dict[str, Any], ConditionExpression: str | None = None
    ) -> None:
        self._step()
        super().put_item(Item, ConditionExpression)
        self._wrote((Item["paymentId"], Item["timestamp"]))

    def update_item(self, Key: Mapping[str, str], **more: Any) -> None:
        self._step()
        super().update_item(Key, **more)
        self._wrote((Key["paymentId"], Key["timestamp"]))

    def take(self, write: Write) -> None:
        stamp, key, item = write
        if key not in self.stamps or self.stamps[key] < stamp:
            self.stamps[key], self.items[key] = stamp, dict(item)


class Both:
    """Two regions with a function and a table each, and clocks that differ."""

    def __init__(self, skew: int) -> None:
        self.time = Time()
        self.topics = Topics()
        self.tables = [Replica(time=self.time) for _ in ROLES]
        self.accepted: set[str] = set()
        apart = [timedelta(0), timedelta(seconds=skew)]
        self.worlds = [
            payments.World(
                table,
                Objects(),
                self.topics,
                Databases(),
                {**SETTINGS, "REGION_ROLE": role, "REGION": role},
                lambda by=by: self.time.now + by,  # type: ignore[misc]
            )
            for table, role, by in zip(self.tables, ROLES, apart, strict=True)
        ]

    def pay(self, region: int, amount: int, crash: int) -> None:
        self.tables[region].crash_in = crash
        body = json.dumps(payment(amount=str(amount)))
        event = {"httpMethod": "POST", "resource": "/validate", "body": body}
        try:
            answer = payments.respond(event, self.worlds[region])
        except Crash:
            return
        finally:
            self.tables[region].crash_in = -1
        if answer["statusCode"] in (200, 201):
            asked = payments.read(payment(amount=str(amount)), SETTINGS)
            self.accepted.add(asked.fingerprint)

    def deliver(self, region: int, which: int, _: int) -> None:
        """Send one write on. What says that a region runs does not overtake by much."""
        table = self.tables[region]
        if not table.unsent:
            return
        write = table.unsent[which % len(table.unsent)]
        if write[1][0] == payments.ALIVE:
            at = datetime.fromisoformat(write[2]["at"])
            allowed = at - payments.SETTLE + timedelta(minutes=2)
            if any(other[0][0] <= allowed for other in table.unsent if other != write):
                return
        table.unsent.remove(write)
        self.tables[1 - region].take(write)

    def wait(self, _: int, minutes: int, __: int) -> None:
        self.time.now += timedelta(minutes=minutes)

    def sweep(self, region: int, _: int, crash: int) -> None:
        self.tables[region].crash_in = crash
        try:
            payments.reconcile(self.worlds[region], lambda: True)
        except Crash:
            pass
        self.tables[region].crash_in = -1

    def settle(self) -> None:
        """Let everything arrive, and reconcile in both regions."""
        for _ in range(3):
            for region in (0, 1):
                self.sweep(region, 0, -1)
            for region in (0, 1):
                while self.tables[region].unsent:
                    self.tables[1 - region].take(self.tables[region].unsent.pop(0))
            self.wait(0, 30, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "deliver", "deliver", "wait", "sweep"]),
        st.integers(0, 1),
        st.integers(1, 3),
        st.sampled_from([-1, -1, 0, 1, 2, 3]),
    ),
    max_size=24,
)
AT_ONCE = [("pay", 0, 1, -1), ("pay", 1, 2, -1)]
CRASHED_AND_LAST = [("pay", 0, 1, -1), ("pay", 1, 2, 1), ("deliver", 1, 0, 0)]


@settings(max_examples=400, deadline=None)
@given(steps, st.integers(-60, 60))
@example(AT_ONCE, 0)
@example([*AT_ONCE, ("deliver", 0, 0, 0), ("deliver", 1, 0, 0)], -60)
@example([*CRASHED_AND_LAST, ("pay", 0, 2, -1)], 0)
def test_every_double_claim_is_found_and_ends_in_one(
    actions: list[tuple[str, int, int, int]], skew: int
) -> None:
    both = Both(skew)
    for what, *given_ in actions:
        getattr(both, what)(*given_)
    both.settle()
    first, second = (table.items for table in both.tables)
    assert {k: v for k, v in first.items() if k[0] == "p-1"} == {
        k: v for k, v in second.items() if k[0] == "p-1"
    }
    stand = both.tables[0].payments
    assert len(stand) <= 1 and (stand or not both.accepted)
    standing = {item["fingerprint"] for item in stand}
    notes = [i for k, i in first.items() if k[1].startswith(payments.CLAIM)]
    assert not any(note.get("status") for note in notes), "all are settled"
    withdrawn = {
        note["payment"]["fingerprint"]
        for note in notes
        if note.get("outcome") == "WITHDRAWN"
    }
    assert both.accepted <= standing | withdrawn, "none is lost without a word"
    assert not standing & withdrawn
    told = [t for t in both.topics.told if t["status"] == "WITHDRAWN"]
    assert bool(told) == bool(withdrawn)


def test_two_regions_that_accept_one_id_end_with_the_first_payment() -> None:
    both = Both(0)
    for what, *given_ in AT_ONCE:
        getattr(both, what)(*given_)
        both.wait(0, 1, 0)
    assert len(both.accepted) == 2, "neither region could know"
    both.settle()
    for table in both.tables:
        (stands,) = table.payments
        assert stands["amount"] == 1
    told = [t for t in both.topics.told if t["status"] == "WITHDRAWN"]
    assert {(t["paymentId"], t["region"]) for t in told} == {("p-1", "dr")}
    both.pay(1, 2, -1)
    assert table.payments == [stands]


def test_a_claim_waits_until_the_other_region_has_been_heard() -> None:
    both = Both(0)
    both.pay(0, 1, -1)
    for _ in range(20):
        both.sweep(0, 0, -1)
        both.wait(0, 5, 0)
    world = both.worlds[0]
    assert payments.reconcile(world, lambda: True) == {"settled": 0, "waiting": 1}
    both.settle()
    assert payments.reconcile(world, lambda: True) == {"settled": 0, "waiting": 0}
