"""Whatever is sent, a handler answers, and says no account number and no markup.

The tables here refuse what DynamoDB refuses: what its client cannot write, texts that are
no Unicode, keys that are empty or too long, values that are nested too deeply.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from tapgen.handlers import fences, health, items, payments
from tests.unit.handlers import test_items, test_payments

CARDS = ("4111111111111111", "5500-0000-0000-0004", "3782.822463.10005")
MARKUP = "<script>alert(1)</script>"

texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from([*CARDS, MARKUP, "p-1", "\ud800", "\x00", "x" * 300, "1e999"]),
    st.tuples(st.sampled_from(["x", "a-", "", " "]), st.sampled_from(CARDS)).map(
        "".join
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=6,
)
deep = st.integers(1, 8000).map(lambda n: "[" * n + "]" * n)


def bodies(names: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    """Bodies that are nearly right, and bodies that are anything."""
    near = st.dictionaries(st.sampled_from(names), values, max_size=len(names))
    nested = st.tuples(st.sampled_from(names), deep).map(
        lambda pair: f'{{"name": "x", "{pair[0]}": {pair[1]}}}'
    )
    return st.one_of(
        st.none(), texts, deep, nested, near.map(json.dumps), values.map(json.dumps)
    )


def payment_bodies() -> st.SearchStrategy[str | None]:
    """A right payment with some fields changed is among them."""
    names = ("paymentId", "customerId", "amount", "currency", "reference", "other")
    changed = st.dictionaries(st.sampled_from(names), values, max_size=2)
    right = changed.map(lambda new: json.dumps(test_payments.payment(**new)))
    return st.one_of(right, bodies(names))


def check(item: Mapping[str, Any]) -> None:
    """Raise what DynamoDB, or its client, raises for an item or a key."""
    sent = json.dumps(
        {name: TypeSerializer().serialize(value) for name, value in item.items()},
        default=str,
        ensure_ascii=False,
    )
    wrong = ClientError({"Error": {"Code": "ValidationException"}}, "PutItem")
    try:
        sent.encode()
    except UnicodeEncodeError:
        raise wrong from None
    # Each level has a brace or bracket of its own besides that of its type.
    level = deepest = 0
    for sign in re.sub(r'"(?:\\.|[^"\\])*"', "", sent):
        level += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, level)
    if deepest > 2 * 32 + 1:
        raise wrong


class Payments(test_payments.Table):
    def put_item(
        self, Item: dict[str, Any], ConditionExpression: str | None = None
    ) -> None:
        check(Item)
        super().put_item(Item, ConditionExpression)


class Items(test_items.Table):
    def put_item(self, Item: dict[str, Any], ConditionExpression: str) -> None:
        check(Item)
        super().put_item(Item, ConditionExpression)

    def get_item(self, Key: Mapping[str, str]) -> dict[str, Any]:
        check(Key)
        if not 0 < len(Key["id"].encode()) <= 2048:
            raise ClientError({"Error": {"Code": "ValidationException"}}, "GetItem")
        return super().get_item(Key)


class Heard(logging.Handler):
    """Everything that was logged, with its extra fields."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        clock = {"created", "msecs", "relativeCreated", "thread", "process"}
        shown = {k: v for k, v in vars(record).items() if k not in clock}
        self.words.append(f"{record.getMessage()} {shown}")


@pytest.fixture(scope="module")
def heard() -> Iterator[Heard]:
    """What both handlers log."""
    listening = Heard()
    os.environ["REGION"] = "eu-west-1"
    for module in (items, payments):
        module.log.addHandler(listening)
    yield listening
    for module in (items, payments):
        module.log.removeHandler(listening)
    del os.environ["REGION"]


EXAMPLES = 1000 if "TAPGEN_SOAK" in os.environ else 100


def judge(answer: Mapping[str, Any], heard: Heard) -> None:
    assert answer["statusCode"] < 500
    json.loads(answer["body"])
    assert "<" not in answer["body"] and answer["headers"]["X-Content-Type-Options"]
    said = " ".join(heard.words)
    heard.words.clear()
    assert not any(card in said for card in CARDS), said


@settings(max_examples=EXAMPLES)
@given(payment_bodies(), st.sampled_from(["POST /validate", "GET /health", " /x"]))
def test_payments_answer_every_request(
    heard: Heard, body: str | None, route: str
) -> None:
    method, _, resource = route.partition(" ")
    world = payments.World(
        Payments(),
        test_payments.Objects(),
        test_payments.Topics(),
        test_payments.Databases(),
        test_payments.SETTINGS,
    )
    event = {"httpMethod": method, "resource": resource, "body": body}
    judge(payments.respond(event, world), heard)
    for stored in world.table.payments:
        assert not payments.account_numbers(stored.get("reference", ""))


@settings(max_examples=EXAMPLES)
@given(
    bodies(("name", "value", "other")),
    st.booleans(),
    st.sampled_from(["POST", "GET", "PUT"]),
    st.none() | st.dictionaries(st.sampled_from(["id", "x"]), texts),
    st.none() | st.dictionaries(st.sampled_from(["name", "after"]), texts),
)
def test_items_answer_every_request(
    heard: Heard,
    body: str | None,
    coded: bool,
    method: str,
    path: dict[str, str] | None,
    query: dict[str, str] | None,
) -> None:
    event = {
        "httpMethod": method,
        "resource": "/items",
        "body": body,
        "isBase64Encoded": coded,
        "pathParameters": path,
        "queryStringParameters": query,
    }
    judge(items.respond(event, Items()), heard)


def test_the_health_answers_whatever_the_table_does(heard: Heard) -> None:
    table = Payments()
    answers = [health.respond(table, test_payments.SETTINGS)]
    table.items[fences.FENCE, "primary"] = {"closed": True}
    answers.append(health.respond(table, test_payments.SETTINGS))
    broken = test_payments.Table(get_error=test_payments.refused("InternalError"))
    answers.append(health.respond(broken, test_payments.SETTINGS))
    assert [answer["statusCode"] for answer in answers] == [200, 503, 503]
    assert "InternalError" in heard.words[-1]
    assert "InternalError" not in answers[-1]["body"]


@pytest.mark.parametrize("levels", [5, 29, 31, 33, 400, 7000])
def test_a_deep_body_is_refused_or_kept_and_never_an_error(
    levels: int, heard: Heard
) -> None:
    value = "[" * levels + "]" * levels
    body = f'{{"name": "x", "value": {value}}}'
    event = {"httpMethod": "POST", "resource": "/items", "body": body}
    status = items.respond(event, Items())["statusCode"]
    assert status == (201 if levels < 30 else 400)
