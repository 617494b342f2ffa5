"""Clients shared by callers of many accounts: who signs, who assumes, who is slowed down."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import boto3
import botocore.awsrequest
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tapgen.aws.clients import Caller, Clients
from tapgen.aws.pace import Pace
from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError, Denied
from tapgen.model import Target

OWN = "111111111111"
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2")


@dataclass
class Wire:
    """AWS behind real boto3 clients: it answers what they send, and keeps it."""

    minutes: int = 60
    refused: frozenset[str] = frozenset()
    throttles: Counter[str] = field(default_factory=Counter)
    sent: list[tuple[str, str, str]] = field(default_factory=list)  # who, where, what
    lock: Any = field(default_factory=threading.Lock)

    def session(self) -> boto3.session.Session:
        session = boto3.session.Session(OWN, "secret", region_name="us-east-1")
        # The last one, after those of tapgen.
        session.events.register_last("before-send", self.answer)
        return session

    def answer(self, request: Any, **_: Any) -> Any:
        signed = request.headers["Authorization"].decode()
        who, where = re.findall(r"Credential=(\w+)/\d+/([\w-]+)/", signed)[0]
        form = {k: v[0] for k, v in parse_qs(request.body).items()}
        with self.lock:
            self.sent.append((who, where, form["Action"]))
            throttled = self.throttles[who] > 0
            self.throttles[who] -= throttled
        if throttled:
            return response(request.url, 400, refusal("Throttling"))
        if form["Action"] == "GetCallerIdentity":
            return response(request.url, 200, f"<Account>{OWN}</Account>", "GetCaller")
        if form["Action"] != "AssumeRole":
            return response(request.url, 200, "<Stacks/>", "DescribeStacks")
        account = form["RoleArn"].split(":")[4]
        if account in self.refused:
            return response(request.url, 403, refusal("AccessDenied"))
        until = datetime.now(UTC) + timedelta(minutes=self.minutes)
        keys = (
            f"<Credentials><AccessKeyId>{account}</AccessKeyId><SecretAccessKey>s"
            f"</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{until:%FT%TZ}"
            "</Expiration></Credentials>"
        )
        return response(request.url, 200, keys, "AssumeRole")

    def count(self, what: str) -> int:
        return sum(action == what for _, _, action in self.sent)


def refusal(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>"


def response(url: str, status: int, inner: str, name: str = "") -> Any:
    name = name.replace("GetCaller", "GetCallerIdentity")
    body = f"<{name}Result>{inner}</{name}Result>" if name else inner
    text = f"<{name or 'Error'}Response>{body}</{name or 'Error'}Response>"

    class Raw:
        def stream(self, **_: Any) -> Any:
            yield text.encode()

    return botocore.awsrequest.AWSResponse(url, status, {}, Raw())


def test_each_account_is_signed_for_and_assumed_once_over_one_client_per_region() -> (
    None
):
    wire = Wire()
    made: list[tuple[str, str]] = []
    aws = Aws(wire.session(), "us-east-1")
    make = aws._clients.make
    aws._clients.make = lambda *key: made.append(key[:2]) or make(*key)  # type: ignore
    looking = aws.assuming("reader")
    accounts = [OWN, *(f"2{number:011}" for number in range(49))]
    targets = [Target(a, r) for r in REGIONS for a in accounts]

    def call(target: Target) -> None:
        ask(looking.client("cloudformation", target), "describe_stacks")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, [*targets, *targets]))

    described = Counter(s for s in wire.sent if s[2] == "DescribeStacks")
    expected = {(t.account, t.region, "DescribeStacks"): 2 for t in targets}
    assert described == expected
    assert wire.count("AssumeRole") == 49
    assert wire.count("GetCallerIdentity") == 1
    assert sorted(set(made)) == sorted([("sts", "us-east-1")] + _each("cloudformation"))
    assert len(made) == len(REGIONS) + 2  # the first call fails more quickly


def _each(service: str) -> list[tuple[str, str]]:
    return [(service, region) for region in REGIONS]


def test_credentials_are_refreshed_once_when_they_end() -> None:
    wire = Wire(minutes=5)  # botocore refreshes them 10 minutes before they end
    aws = Aws(wire.session(), "us-east-1").assuming("reader")
    client = aws.client("cloudformation", Target("2" * 12, "eu-west-1"))

    ask(client, "describe_stacks")
    assert wire.count("AssumeRole") == 1
    wire.minutes = 60
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(client, "describe_stacks"), range(16)))

    assert wire.count("AssumeRole") == 2


def test_a_refused_role_names_its_account_and_leaves_the_others_alone() -> None:
    wire = Wire(refused=frozenset({"2" * 12}))
    aws = Aws(wire.session(), "us-east-1").assuming("reader")

    with pytest.raises(Denied) as raised:
        ask(
            aws.client("cloudformation", Target("2" * 12, "eu-west-1")),
            "describe_stacks",
        )
    ask(aws.client("cloudformation", Target("3" * 12, "eu-west-1")), "describe_stacks")

    assert str(raised.value) == (
        f"sts:AssumeRole: refused for the caller in {OWN}, to assume "
        f"arn:aws:iam::{'2' * 12}:role/reader: no (AccessDenied)"
    )


@dataclass
class Clock:
    """Time that passes only by waiting."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(clock=lambda: self.now, sleep=self.sleep)


def test_one_throttled_account_takes_neither_time_nor_retries_from_another() -> None:
    """botocore's own retries of a client end after a hundred for all its callers."""
    wire = Wire()
    session = wire.session()
    clients = Clients(lambda s, r, n: session.client(s, r, config=standard(n)))
    slow, quick = Clock(), Clock()

    def caller(digit: str, clock: Clock) -> Any:
        keys = Credentials(digit * 12, "secret")
        who = Caller(keys, "", clock.pace())
        return clients.get("cloudformation", "eu-west-1", 10, who)

    busy, free = caller("2", slow), caller("3", quick)

    for _ in range(30):
        wire.throttles["2" * 12] = 5
        ask(busy, "describe_stacks")
        ask(free, "describe_stacks")
    wire.throttles["3" * 12] = 9
    ask(free, "describe_stacks")
    wire.throttles["2" * 12] = 10
    with pytest.raises(AwsError, match="Throttling"):
        ask(busy, "describe_stacks")

    assert slow.now > 30
    assert 0 < quick.now < slow.now


def test_who_gives_up_soon_is_patient_with_a_service_that_asks_for_fewer_calls() -> (
    None
):
    wire, clock = Wire(), Clock()
    session = wire.session()
    clients = Clients(lambda s, r, n: session.client(s, r, config=standard(n)))
    who = Caller(Credentials("2" * 12, "secret"), "", clock.pace())
    hasty = clients.get("cloudformation", "eu-west-1", 2, who)
    wire.throttles["2" * 12] = 9

    ask(hasty, "describe_stacks")

    assert wire.count("DescribeStacks") == 10


def standard(attempts: int) -> Any:
    return Config(retries={"mode": "standard", "total_max_attempts": attempts})


@given(rate=st.floats(1, 50), calls=st.integers(300, 600))
def test_a_pace_comes_close_to_what_aws_takes(rate: float, calls: int) -> None:
    """AWS as a bucket that holds as many calls as it takes in a second."""
    clock = Clock()
    pace = clock.pace()
    tokens, before, throttled = rate, 0.0, 0
    done = 0
    while done < calls:
        pace.wait()
        clock.now += 0.001
        tokens = min(rate, tokens + (clock.now - before) * rate)
        before = clock.now
        if tokens < 1:
            pace.slow_down()
            throttled += 1
        else:
            tokens -= 1
            done += 1
            pace.quicken()

    assert throttled == pace.throttled <= 1.2 * calls
    assert clock.now <= 3 * calls / rate + 10


@given(share=st.floats(0, 0.3), seed=st.integers())
def test_who_is_throttled_however_slow_does_not_wait_ever_longer(
    share: float, seed: int
) -> None:
    """An account's quota that others use up: a bad day of which nobody slow is spared."""
    clock, chance = Clock(), random.Random(seed)
    pace = clock.pace()
    done = 0
    while done < 500:
        pace.wait()
        if chance.random() < share:
            pace.slow_down()
        else:
            done += 1
            pace.quicken()

    assert clock.now < 1_000  # at the longest pause it would be thousands
