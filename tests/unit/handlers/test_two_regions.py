"""Payments in two regions over a global table: no payment twice, none lost.

With eventual consistency a condition is judged in one region, writes arrive late and in
any order, and the last write of an item wins. With strong consistency a condition is
judged against the latest version anywhere, and a write that meets another one is refused.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapgen.handlers import fences, payments
from tests.unit.handlers.test_payments import (
    SETTINGS,
    Databases,
    Objects,
    Table,
    Topics,
    payment,
    refused,
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
class Watched(Table):
    """A table where something may happen before each request."""

    step: Callable[[bool], None] = lambda writes: None

    def put_item(
        self, Item: dict[str, Any], ConditionExpression: str | None = None
    ) -> None:
        self.step(True)
        super().put_item(Item, ConditionExpression)
        self.wrote((Item["paymentId"], Item["timestamp"]))

    def update_item(self, Key: Mapping[str, str], **more: Any) -> None:
        self.step(True)
        super().update_item(Key, **more)
        self.wrote((Key["paymentId"], Key["timestamp"]))

    def query(self, **more: Any) -> dict[str, Any]:
        self.step(False)
        return super().query(**more)

    def wrote(self, key: tuple[str, str]) -> None:
        pass


@dataclass
class Replica(Watched):
    """A region's table: what it wrote and has not sent, and when each item was written."""

    time: Time = field(default_factory=Time)
    unsent: list[Write] = field(default_factory=list)
    stamps: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)

    def wrote(self, key: tuple[str, str]) -> None:
        self.stamps[key] = self.time.stamp()
        self.unsent.append((self.stamps[key], key, dict(self.items[key])))

    def take(self, write: Write) -> None:
        stamp, key, item = write
        if key not in self.stamps or self.stamps[key] < stamp:
            self.stamps[key], self.items[key] = stamp, dict(item)


@dataclass
class Run:
    """A function that runs: before which request it ends, meets the next event, or is
    told that another region writes the same item."""

    crash: int = -1
    meets: int = -1
    conflict: int = -1
    steps: int = 0


class Both:
    """Two regions with a function each, and clocks that differ."""

    def __init__(self, skew: int, consistency: str = "eventual") -> None:
        self.time = Time()
        self.topics = Topics()
        self.strong = consistency == "strong"
        self.tables: list[Any] = [Replica(time=self.time) for _ in ROLES]
        if self.strong:
            self.tables = [Watched()] * 2
        for table in self.tables:
            table.step = self.step
        self.running: list[Run] = []
        self.coming: deque[tuple[Any, ...]] = deque()
        self.lost: set[int] = set()
        self.answers: list[tuple[int, str]] = []
        apart = [timedelta(0), timedelta(seconds=skew)]
        self.worlds = [
            payments.World(
                table,
                Objects(),
                self.topics,
                Databases(),
                {
                    **SETTINGS,
                    "REGION_ROLE": role,
                    "REGION": role,
                    "CONSISTENCY": consistency,
                },
                lambda by=by: self.time.now + by,  # type: ignore[misc]
            )
            for table, role, by in zip(self.tables, ROLES, apart, strict=True)
        ]

    @property
    def accepted(self) -> set[str]:
        """The payments that somebody was told were recorded."""
        return {asked for status, asked in self.answers if status in (200, 201)}

    def go(self, *events: tuple[Any, ...]) -> None:
        self.coming.extend(events)
        while self.coming:
            what, *given_ = self.coming.popleft()
            getattr(self, what)(*given_)

    def step(self, writes: bool) -> None:
        """Whatever is to happen before a request of the function that runs."""
        if not self.running:
            return
        run = self.running[-1]
        now, run.steps = run.steps, run.steps + 1
        if now == run.meets and self.coming:
            what, *given_ = self.coming.popleft()
            getattr(self, what)(*given_)
        if now == run.crash:
            raise Crash
        if now == run.conflict and writes and self.strong:
            raise refused("ReplicatedWriteConflictException")

    def _run(self, region: int, run: Run, work: Callable[[], Any]) -> Any:
        """What a function returns: None when it crashes, or its region is gone."""
        if region in self.lost:
            return None
        self.running.append(run)
        try:
            return work()
        except Crash:
            return None
        finally:
            self.running.pop()

    def pay(
        self, region: int, amount: int, crash: int, meets: int = -1, conflict: int = -1
    ) -> None:
        asked = payment(amount=str(amount))
        event = {
            "httpMethod": "POST",
            "resource": "/validate",
            "body": json.dumps(asked),
        }
        answer = self._run(
            region,
            Run(crash, meets, conflict),
            lambda: payments.respond(event, self.worlds[region]),
        )
        if answer is not None:
            fingerprint = payments.read(asked, SETTINGS).fingerprint
            self.answers.append((answer["statusCode"], fingerprint))

    def deliver(self, region: int, which: int, *_: int) -> None:
        """Send one write on. What says that a region runs does not overtake by much."""
        table = self.tables[region]
        if self.strong or region in self.lost or not table.unsent:
            return
        write = table.unsent[which % len(table.unsent)]
        if write[1][0] == payments.ALIVE:
            at = datetime.fromisoformat(write[2]["at"])
            allowed = at - payments.SETTLE + timedelta(minutes=2)
            if any(other[0][0] <= allowed for other in table.unsent if other != write):
                return
        table.unsent.remove(write)
        self.tables[1 - region].take(write)

    def wait(self, _: int, minutes: int, *__: int) -> None:
        self.time.now += timedelta(minutes=minutes)

    def sweep(self, region: int, _: int, crash: int, meets: int = -1, *__: int) -> None:
        run = Run(crash, meets)
        world = self.worlds[region]
        self._run(region, run, lambda: payments.reconcile(world, lambda: True))

    def close(self, region: int, *_: int) -> None:
        """Payments move to the other region."""
        for closed, role in enumerate(ROLES):
            fence = {"paymentId": fences.FENCE, "timestamp": role}
            self.tables[region].put_item({**fence, "closed": closed == region})

    def lose(self, region: int, *_: int) -> None:
        """A region is gone, or comes back."""
        self.lost ^= {region}

    def settle(self) -> None:
        """Let everything arrive, and reconcile in both regions."""
        self.lost.clear()
        for _ in range(3):
            for region in (0, 1):
                self.sweep(region, 0, -1)
            for region in (0, 1) if not self.strong else ():
                while self.tables[region].unsent:
                    self.tables[1 - region].take(self.tables[region].unsent.pop(0))
            self.wait(0, 30)


_WHAT = ("pay", "pay", "pay", "deliver", "deliver", "wait", "sweep", "close", "lose")
_WHEN = st.sampled_from([-1, -1, -1, 0, 1, 2, 3, 4])
steps = st.lists(
    st.tuples(
        st.sampled_from(_WHAT),
        st.integers(0, 1),
        st.integers(1, 3),
        _WHEN,
        _WHEN,
        _WHEN,
    ),
    max_size=24,
)
EXAMPLES = 1000 if "TAPGEN_SOAK" in os.environ else 120
AT_ONCE = [("pay", 0, 1, -1), ("pay", 1, 2, -1)]
CRASHED_AND_LAST = [("pay", 0, 1, -1), ("pay", 1, 2, 1), ("deliver", 1, 0, 0)]
MEETING = [("pay", 0, 1, -1, 1), ("pay", 1, 2, -1)]


@settings(max_examples=EXAMPLES)
@given(steps, st.integers(-60, 60))
@example(AT_ONCE, 0)
@example([*AT_ONCE, ("deliver", 0, 0, 0), ("deliver", 1, 0, 0)], -60)
@example([*CRASHED_AND_LAST, ("pay", 0, 2, -1)], 0)
@example([*AT_ONCE, ("lose", 0), ("pay", 1, 1, -1), ("wait", 0, 3)], 0)
def test_every_double_claim_is_found_and_ends_in_one(
    events: list[tuple[Any, ...]], skew: int
) -> None:
    both = Both(skew)
    both.go(*events)
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


@settings(max_examples=EXAMPLES)
@given(steps, st.integers(-60, 60))
@example(AT_ONCE, 0)
@example(MEETING, 0)
@example([("pay", 0, 1, 1), ("lose", 0), ("pay", 1, 1, -1), ("pay", 1, 2, -1)], 0)
@example([("pay", 0, 1, -1, -1, 0), ("pay", 0, 1, -1)], 0)
def test_with_strong_consistency_one_payment_at_most_is_accepted_for_an_id(
    events: list[tuple[Any, ...]], skew: int
) -> None:
    both = Both(skew, "strong")
    both.go(*events)
    assert len(both.accepted) <= 1
    stand = {item["fingerprint"] for item in both.tables[0].payments}
    assert both.accepted <= stand and len(stand) <= 1
    assert {status for status, _ in both.answers} <= {200, 201, 409, 503}
    kept = both.tables[0].items.values()
    assert not any(item.get("status") == payments.OPEN for item in kept)
    assert not any(told["status"] == "WITHDRAWN" for told in both.topics.told)
    # Whatever happened, a retry where payments are taken completes the one that stands.
    both.lost.clear()
    both.go(*(("pay", region, amount, -1) for region in (0, 1) for amount in (1, 2, 3)))
    assert len(both.accepted) <= 1
    if both.accepted:
        assert {t["status"] for t in both.topics.told} == {"VALIDATED"}


def test_two_regions_that_accept_one_id_end_with_the_first_payment() -> None:
    both = Both(0)
    for event in AT_ONCE:
        both.go(event, ("wait", 0, 1))
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
