"""The payments function on a table in memory: once, exact, and told in no log."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import ConditionExpressionBuilder
from botocore.exceptions import ClientError, ConnectTimeoutError, ParamValidationError

from tapgen.blueprints.payments_dr import roles
from tapgen.handlers import fences, payments
from tapgen.handlers.payments import World

SETTINGS = {
    "REGION": "us-east-1",
    "REGION_ROLE": "primary",
    "SNS_TOPIC_ARN": "arn:topic",
    "BUCKET_NAME": "bucket",
    "CLUSTER_ID": "db",
    "GLOBAL_CLUSTER_ID": "global",
    "MAX_AMOUNT": "1000",
    "CURRENCIES": "USD,JPY,KWD",
    "CONSISTENCY": "eventual",
}
# Numbers for tests that payment networks publish; they pass the check of real ones.
CARDS = ("4111111111111111", "5500 0000 0000 0004", "3782-822463-10005")


def refused(code: str, operation: str = "PutItem") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "text"}}, operation)


@dataclass
class Table:
    """A table that puts on a condition, as DynamoDB does."""

    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    error: Exception | None = None
    get_error: Exception | None = None

    def put_item(
        self, Item: dict[str, Any], ConditionExpression: str | None = None
    ) -> None:
        for value in Item.values():
            assert not isinstance(value, float), "boto3 refuses binary floating point"
        if self.error:
            raise self.error
        key = (Item["paymentId"], Item["timestamp"])
        if ConditionExpression is not None:
            assert ConditionExpression == "attribute_not_exists(paymentId)"
            if key in self.items:
                raise refused("ConditionalCheckFailedException")
        self.items[key] = dict(Item)

    def get_item(self, Key: Mapping[str, str], ConsistentRead: bool) -> dict[str, Any]:
        assert ConsistentRead, "an old answer would let a duplicate through"
        if self.get_error:
            raise self.get_error
        item = self.items.get((Key["paymentId"], Key["timestamp"]))
        return {"Item": item} if item else {}

    def query(
        self,
        KeyConditionExpression: Any,
        IndexName: str = "",
        ConsistentRead: bool = False,
    ) -> dict[str, Any]:
        assert (
            ConsistentRead or IndexName
        ), "an old answer would let a duplicate through"
        built = ConditionExpressionBuilder().build_expression(
            KeyConditionExpression, is_key_condition=True
        )
        (name,) = built.attribute_name_placeholders.values()
        (value,) = built.attribute_value_placeholders.values()
        assert name == ("status" if IndexName else "paymentId")
        found = [dict(i) for i in self.items.values() if i.get(name) == value]
        return {"Items": found}

    def update_item(
        self,
        Key: Mapping[str, str],
        UpdateExpression: str,
        ExpressionAttributeValues: Mapping[str, Any],
        ExpressionAttributeNames: Mapping[str, str] | None = None,
    ) -> None:
        key = Key["paymentId"], Key["timestamp"]
        item = {**Key, **self.items.get(key, {})}
        if UpdateExpression == "SET told = :yes":
            item["told"] = ExpressionAttributeValues[":yes"]
        else:
            assert UpdateExpression == "SET outcome = :outcome REMOVE #status"
            item["outcome"] = ExpressionAttributeValues[":outcome"]
            item.pop("status", None)
        self.items[key] = item

    @property
    def payments(self) -> list[dict[str, Any]]:
        return [i for i in self.items.values() if i.get("status") == "VALIDATED"]


@dataclass
class Objects:
    kept: dict[str, bytes] = field(default_factory=dict)
    error: Exception | None = None

    def put_object(self, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        if self.error:
            raise self.error
        self.kept[Key] = Body

    def head_object(self, Bucket: str, Key: str) -> None:
        if Key not in self.kept:
            raise refused("404", "HeadObject")


@dataclass
class Topics:
    told: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def publish(self, TopicArn: str, Subject: str, Message: str) -> None:
        if self.error:
            raise self.error
        self.told.append(json.loads(Message))


@dataclass
class Databases:
    error: Exception | None = None

    def describe_db_clusters(self, DBClusterIdentifier: str) -> dict[str, Any]:
        if self.error:
            raise self.error
        return {"DBClusters": [{"Status": "available", "DBClusterArn": "arn:db"}]}

    def describe_global_clusters(self, GlobalClusterIdentifier: str) -> dict[str, Any]:
        members = [{"DBClusterArn": "arn:db", "IsWriter": True}]
        return {"GlobalClusters": [{"GlobalClusterMembers": members}]}


@dataclass
class Clock:
    second: int = 0

    def __call__(self) -> datetime:
        self.second += 1
        return datetime(2026, 1, 1, 0, 0, self.second, tzinfo=timezone.utc)


@pytest.fixture
def world() -> World:
    return World(Table(), Objects(), Topics(), Databases(), SETTINGS, Clock())


def payment(**changes: Any) -> dict[str, Any]:
    return {
        "paymentId": "p-1",
        "customerId": "c-1",
        "amount": "12.50",
        "currency": "USD",
        **changes,
    }


def post(world: World, content: Any) -> tuple[int, dict[str, Any]]:
    text = content if isinstance(content, str) else json.dumps(content)
    return ask(world, "POST", "/validate", text)


def ask(
    world: World, method: str, resource: str, body: str | None = None
) -> tuple[int, dict[str, Any]]:
    event = {"httpMethod": method, "resource": resource, "body": body}
    answer = payments.respond(event, world)
    assert answer["headers"]["Cache-Control"] == "no-store"
    return answer["statusCode"], json.loads(answer["body"])


def test_a_payment_is_recorded_kept_and_told(world: World) -> None:
    status, shown = post(world, payment(reference="order 7"))
    assert status == 201
    (record,) = world.table.payments
    assert record.pop("fingerprint")
    assert record == {
        "paymentId": "p-1",
        "timestamp": payments.REQUEST,
        "at": shown["timestamp"],
        "customerId": "c-1",
        "amount": Decimal("12.50"),
        "currency": "USD",
        "status": "VALIDATED",
        "region": "us-east-1",
        "reference": "order 7",
    }
    (receipt,) = world.objects.kept.values()
    assert json.loads(receipt)["amount"] == "12.50"
    (told,) = world.topics.told
    assert told["paymentId"] == "p-1" and "amount" not in told


def test_a_number_in_json_stays_exact(world: World) -> None:
    text = json.dumps(payment(currency="KWD")).replace('"12.50"', "0.1")
    assert post(world, text)[0] == 201
    (record,) = world.table.payments
    assert record["amount"] == Decimal("0.1") and str(record["amount"]) == "0.100"


@pytest.mark.parametrize("name", ["paymentId", "customerId", "amount", "currency"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_field_is_named(world: World, name: str, value: Any) -> None:
    status, shown = post(world, payment(**{name: value}))
    assert status == 400
    assert shown["problems"][name] == "is missing"
    assert world.table.items == {}


@pytest.mark.parametrize(
    "amount",
    [
        *("0", "-1", "-0.01", "1000.01", "12.505", "0.001", "1e2", "12,50", "abc"),
        *("NaN", "Infinity", " 1", "1_000", "9" * 40, True, [], {"a": 1}, -3, 0, 1.999),
    ],
)
def test_amounts_that_are_none_are_refused(world: World, amount: Any) -> None:
    status, shown = post(world, payment(amount=amount))
    assert status == 400
    assert list(shown["problems"]) == ["amount"]
    assert world.table.items == {}


@pytest.mark.parametrize(
    ("amount", "currency", "status"),
    [
        ("100", "JPY", 201),
        ("100.5", "JPY", 400),
        ("1.234", "KWD", 201),
        ("1.2345", "KWD", 400),
        ("1000", "USD", 201),
        ("1", "EUR", 400),
    ],
)
def test_each_currency_has_its_digits(
    world: World, amount: str, currency: str, status: int
) -> None:
    assert post(world, payment(amount=amount, currency=currency))[0] == status


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "12", '"text"', '{"amount": NaN}', '{"amount": 1e999999999999}']
    + ["[" * 10_000],
)
def test_what_is_no_json_object_is_refused(world: World, body: str) -> None:
    assert post(world, body)[0] == 400
    assert world.table.items == {}


def test_a_huge_body_is_not_even_read(world: World) -> None:
    assert post(world, " " * 20_000)[0] == 413


@pytest.mark.parametrize(
    "changes",
    [
        {"paymentId": "no spaces"},
        {"paymentId": "#fence"},
        {"paymentId": "x" * 65},
        {"customerId": 7},
        {"reference": "x" * 141},
        {"reference": 7},
        {"surprise": 1},
    ],
)
def test_other_fields_are_checked_too(world: World, changes: dict[str, Any]) -> None:
    status, shown = post(world, payment(**changes))
    assert status == 400 and len(shown["problems"]) == 1
    assert world.table.items == {}


def test_every_problem_is_told_at_once(world: World) -> None:
    status, shown = post(world, {"amount": "x", "currency": "USD", "reference": 1})
    assert status == 400
    assert set(shown["problems"]) == {"paymentId", "customerId", "amount", "reference"}


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("name", ["paymentId", "customerId", "reference", "cardNumber"])
def test_a_card_number_is_neither_stored_nor_logged_nor_sent_back(
    world: World, card: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, shown = post(world, payment(**{name: card}))
    assert status == 400
    assert world.table.items == {} and world.objects.kept == {}
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert card not in json.dumps(shown) and card not in logged


@pytest.mark.parametrize(
    "text",
    [
        *("4111.1111.1111.1111", "4111/1111/1111/1111", "4111_1111_1111_1111"),
        *("4111\u00a01111\u00a01111\u00a01111", "4111\u20131111\u20131111\u20131111"),
        *("4111 - 1111 - 1111 - 1111", "41\u200b11111111111111", "x4111111111111111y"),
        *("order 12 4111111111111111", "4111111111111111 12/29", "pan:4222222222222."),
        "\uff14\uff11\uff11\uff11" + "\uff11" * 12,
    ],
)
def test_no_separator_hides_an_account_number_in_a_text(
    world: World, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    status, shown = post(world, payment(reference=text))
    assert (status, list(shown["problems"])) == (400, ["reference"])
    assert world.table.items == {} and text not in json.dumps(shown)


def test_no_uuid_is_taken_for_an_account_number() -> None:
    """This one holds 4111 1111 1111 1111."""
    assert not payments.account_numbers("see 41111111-1111-1111-8000-00000000000a")
    assert payments.account_numbers("4111-1111-1111-1111")
    ids = (str(uuid.UUID(int=n << 96)) for n in range(2000))
    assert not any(map(payments.account_numbers, ids))


@pytest.mark.parametrize("name", ["paymentId", "customerId"])
@pytest.mark.parametrize(
    ("value", "status"),
    [
        *(("order-4111111111111111", 201), ("4111111111111111-7a", 201)),
        *(("123456789012", 201), ("4" * 20, 201)),
        # By the form of the id: whether the digits pass the check makes no difference.
        *(
            ("4111111111111111", 400),
            ("4111111111111112", 400),
            ("4111-1111_11111", 400),
        ),
    ],
)
def test_an_id_is_judged_by_its_form_and_not_by_its_digits(
    world: World, name: str, value: str, status: int
) -> None:
    assert post(world, payment(**{name: value}))[0] == status


def test_logs_mask_what_could_be_an_account_number_in_an_id(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.topics.error = world.objects.error = refused("InternalError", "Publish")
    post(world, payment(paymentId="order-4111111111111111"))
    told = [vars(record)["paymentId"] for record in caplog.records]
    assert told == ["order-" + "*" * 16] * 3


def test_a_long_number_that_is_no_card_is_fine(world: World) -> None:
    assert post(world, payment(reference="order 4111111111111112"))[0] == 201


def test_a_request_that_the_table_refuses_is_wrong_and_not_unlucky(
    world: World,
) -> None:
    world.table.error = refused("ValidationException")
    assert post(world, payment())[0] == 400
    world.table.error = ParamValidationError(report="text")
    assert post(world, payment())[0] == 400
    assert ask(world, "GET", "/health")[0] == 200


# --- Once -----------------------------------------------------------------------------


def test_a_retry_changes_nothing_and_says_the_same(world: World) -> None:
    first, again = post(world, payment()), post(world, payment(amount="12.5"))
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1], "even the time is that of the first try"
    assert len(world.table.payments) == 1
    assert len(world.topics.told) == 1


@pytest.mark.parametrize(
    "changes",
    [{"amount": "13"}, {"customerId": "c-2"}, {"currency": "KWD"}, {"reference": "x"}],
)
def test_another_payment_of_the_same_id_is_refused(
    world: World, changes: dict[str, Any]
) -> None:
    post(world, payment())
    status, shown = post(world, payment(**changes))
    assert (status, shown["problems"]) == (409, {"paymentId": "is taken"})
    assert len(world.table.payments) == 1


def test_a_retry_completes_what_a_crash_left_undone(world: World) -> None:
    """The payment was recorded, and then the function was gone."""
    payment_ = payments.read(payment(), SETTINGS)
    at = payments.claim(payment_, world).record["timestamp"]
    status, shown = post(world, payment())
    assert status == 200 and shown["timestamp"] == at
    assert len(world.table.payments) == len(world.objects.kept) == 1
    assert len(world.topics.told) == 1


@pytest.mark.parametrize("crashed", [False, True])
def test_what_an_earlier_version_recorded_is_still_that_payment(
    world: World, crashed: bool
) -> None:
    """It took the id with an item, and kept the payment in another one, by time."""
    at = "2025-12-31T23:59:59.000000+00:00"
    fingerprint = payments.read(payment(), SETTINGS).fingerprint
    old = {"paymentId": "p-1", "customerId": "c-1", "status": "VALIDATED"}
    claimed = {"paymentId": "p-1", "fingerprint": fingerprint, "at": at}
    claimed["timestamp"] = payments.REQUEST
    world.table.put_item(claimed if crashed else {**claimed, "told": True})
    if not crashed:
        world.table.put_item({**old, "timestamp": at, "region": "us-east-1"})
    before = dict(world.table.items)
    status, shown = post(world, payment())
    assert (status, shown["timestamp"]) == (201 if crashed else 200, at)
    assert crashed or world.table.items == before, "nothing deployed is written again"
    assert len(world.table.payments) == 1
    assert post(world, payment())[0] == 200
    assert post(world, payment(amount="13"))[0] == 409
    assert len(world.topics.told) == crashed


def test_a_retry_tells_what_nobody_could_be_told_at_first(world: World) -> None:
    broken = replace(world, topics=Topics(error=refused("InternalError", "Publish")))
    assert post(broken, payment())[0] == 201
    assert post(world, payment())[0] == 200
    assert [told["paymentId"] for told in world.topics.told] == ["p-1"]
    assert post(world, payment())[0] == 200
    assert len(world.topics.told) == 1, "told is told"


def test_a_retry_keeps_the_receipt_that_failed_at_first(world: World) -> None:
    broken = replace(world, objects=Objects(error=refused("SlowDown", "PutObject")))
    assert post(broken, payment())[0] == 201
    assert post(world, payment())[0] == 200
    assert len(world.objects.kept) == 1
    world.objects.error = AssertionError("what is there is not written again")
    assert post(world, payment())[0] == 200


# --- When things fail -----------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [refused("InternalError", "Publish"), ConnectTimeoutError(endpoint_url="x")],
)
def test_a_payment_stands_when_nobody_can_be_told(
    world: World, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world.topics.error = error
    world.objects.error = error
    assert post(world, payment())[0] == 201
    assert len(world.table.payments) == 1
    warned = [r for r in caplog.records if r.levelname == "WARNING"]
    assert [vars(r)["paymentId"] for r in warned] == ["p-1", "p-1"]


def test_a_table_that_fails_is_an_answer_and_a_log_entry(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.table.error = refused("ProvisionedThroughputExceededException")
    status, shown = post(world, payment())
    assert status == 503 and "text" not in json.dumps(shown)
    (entry,) = (r for r in caplog.records if r.levelname == "ERROR")
    expected = "PutItem: ProvisionedThroughputExceededException"
    assert vars(entry)["error"] == expected


def test_logs_are_structured_and_name_no_amount_or_customer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    post(world, payment(customerId="customer-secret", amount="777.77"))
    post(world, payment(paymentId="p 2", amount="777.77"))
    clock = {"created", "msecs", "relativeCreated", "thread", "process"}
    logged = " ".join(
        f"{key}={value}"
        for record in caplog.records
        for key, value in vars(record).items()
        if key not in clock  # numbers that may be anything
    )
    assert "customer-secret" not in logged and "777.77" not in logged
    done, refused_ = caplog.records
    assert vars(done)["paymentId"] == "p-1"
    assert vars(refused_)["fields"] == ["paymentId"]


# --- Closed regions, health, status ---------------------------------------------------


def close(world: World, role: str) -> None:
    key = (fences.FENCE, role)
    world.table.items[key] = {"closed": True}


def test_a_closed_region_takes_no_payments_and_is_unwell(world: World) -> None:
    assert ask(world, "GET", "/health")[0] == 200
    close(world, "dr")
    assert post(world, payment())[0] == 201, "the other one is closed"
    close(world, "primary")
    assert post(world, payment(paymentId="p-2"))[0] == 503
    assert ask(world, "GET", "/health")[0] == 503
    assert ask(world, "GET", "/status")[1]["writes"] == "closed"
    assert len(world.table.payments) == 1


def test_operators_may_write_just_the_items_that_close_regions() -> None:
    assert roles.FENCE == fences.FENCE


def test_status_says_whether_the_database_here_writes(world: World) -> None:
    status, shown = ask(world, "GET", "/status")
    assert status == 200
    assert shown == {
        "region": "us-east-1",
        "role": "primary",
        "writes": "open",
        "database": {"status": "available", "writer": True},
    }
    world.databases.error = refused("Throttling", "DescribeDBClusters")
    shown = ask(world, "GET", "/status")[1]
    assert shown["database"]["status"] == "unknown"


@pytest.mark.parametrize(("method", "path"), [("GET", "/validate"), ("POST", "/x")])
def test_there_is_nothing_else(world: World, method: str, path: str) -> None:
    assert ask(world, method, path)[0] == 404
