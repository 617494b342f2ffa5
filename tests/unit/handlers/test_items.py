"""The items function, on a table that is only a stand-in."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import ConditionExpressionBuilder
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError, ConnectTimeoutError

from tapgen.handlers import items


class Table:
    """Keeps items as DynamoDB does, and fails when told to."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.queries: list[dict[str, Any]] = []
        self.failing = failing
        self.page: dict[str, Any] = {}

    def _answer(self) -> None:
        if self.failing is not None:
            raise self.failing

    def put_item(self, Item: dict[str, Any], ConditionExpression: str) -> None:
        self._answer()
        TypeSerializer().serialize(Item)  # refuses what DynamoDB cannot hold
        assert ConditionExpression == "attribute_not_exists(id)"
        self.stored[Item["id"]] = Item

    def get_item(self, Key: Mapping[str, str]) -> dict[str, Any]:
        self._answer()
        found = self.stored.get(Key["id"])
        return {} if found is None else {"Item": found}

    def query(self, **query: Any) -> dict[str, Any]:
        self._answer()
        self.queries.append(query)
        built = ConditionExpressionBuilder().build_expression(
            query["KeyConditionExpression"], is_key_condition=True
        )
        (name,) = built.attribute_value_placeholders.values()
        found = [i for i in self.stored.values() if i["name"] == name]
        return {"Items": found, **self.page}


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGION", "eu-west-1")


def ask(
    table: Table, method: str, body: Any = None, **event: Any
) -> tuple[int, dict[str, Any]]:
    """Status and content of the answer to a request."""
    text = body if isinstance(body, str | None) else json.dumps(body)
    answer = items.respond(
        {"httpMethod": method, "resource": "/items", "body": text, **event}, table
    )
    assert answer["headers"]["Content-Type"] == "application/json"
    return answer["statusCode"], json.loads(answer["body"])


def test_what_is_posted_can_be_got() -> None:
    table = Table()
    status, made = ask(table, "POST", {"name": " tea ", "value": 1.5})
    assert status == 201
    assert (made["name"], made["value"], made["region"]) == ("tea", 1.5, "eu-west-1")
    assert table.stored[made["id"]]["value"] == Decimal("1.5")
    assert ask(table, "GET", pathParameters={"id": made["id"]}) == (200, made)


def test_two_posts_make_two_items() -> None:
    table = Table()
    ask(table, "POST", {"name": "tea"})
    ask(table, "POST", {"name": "tea"})
    assert len(table.stored) == 2


def test_values_may_be_anything_json_has() -> None:
    table = Table()
    value = {"list": [1, "two", None, True], "half": 0.5}
    status, made = ask(table, "POST", {"name": "tea", "value": value})
    assert (status, made["value"]) == (201, value)


def test_items_are_found_by_name_newest_first() -> None:
    table = Table()
    _, made = ask(table, "POST", {"name": "tea"})
    ask(table, "POST", {"name": "milk"})
    status, found = ask(table, "GET", queryStringParameters={"name": "tea"})
    assert (status, found) == (200, {"items": [made]})
    (query,) = table.queries
    assert query["IndexName"] == "by-name"
    assert query["ScanIndexForward"] is False


def test_a_page_says_where_the_next_one_begins() -> None:
    table = Table()
    key = {"id": "1", "name": "tea", "createdAt": "2026-01-01"}
    table.page = {"LastEvaluatedKey": key}
    _, found = ask(table, "GET", queryStringParameters={"name": "tea"})
    wanted = {"name": "tea", "after": found["next"]}
    ask(table, "GET", queryStringParameters=wanted)
    assert table.queries[1]["ExclusiveStartKey"] == key


@pytest.mark.parametrize("after", ["?", "e30=", "bnVsbA==", "//8="])
def test_a_made_up_page_is_refused(after: str) -> None:
    query = {"name": "tea", "after": after}
    status, told = ask(Table(), "GET", queryStringParameters=query)
    assert status == 400
    assert "earlier answer" in told["message"]


def test_an_item_that_is_not_there_is_not_found() -> None:
    assert ask(Table(), "GET", pathParameters={"id": "1"})[0] == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "not JSON"),
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"name": "tea", "value": NaN}', "not JSON"),
        ({}, "name is missing"),
        ({"name": "  "}, "name is missing"),
        ({"name": 7}, "name is missing"),
        ({"name": "x" * 257}, "more than 256 characters"),
        ({"name": "tea", "admin": True}, "unknown: admin"),
        ('{"name": "tea", "value": 1.' + "1" * 40 + "}", "38 digits"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_stored(body: Any, message: str) -> None:
    table = Table()
    status, told = ask(table, "POST", body)
    assert status == 400
    assert message in told["message"]
    assert not table.stored


def test_a_large_body_is_refused() -> None:
    status, _ = ask(Table(), "POST", {"name": "tea", "value": "x" * 20_000})
    assert status == 413


def test_a_body_in_base64_is_read_and_a_broken_one_refused() -> None:
    status, made = ask(Table(), "POST", "eyJuYW1lIjogInRlYSJ9", isBase64Encoded=True)
    assert (status, made["name"]) == (201, "tea")
    assert ask(Table(), "POST", "%%%", isBase64Encoded=True)[0] == 400


def test_a_search_without_a_name_is_refused() -> None:
    assert ask(Table(), "GET")[0] == 400


@pytest.mark.parametrize("method", ["DELETE", "PUT", ""])
def test_other_methods_are_not_allowed(method: str) -> None:
    status, told = ask(Table(), method)
    assert status == 405
    assert "GET or POST" in told["message"]


FAILURES = [
    ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem"),
    ConnectTimeoutError(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=["refused", "timed out"])
def test_a_failing_table_is_logged_and_not_told(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        status, told = ask(Table(failure), "POST", {"name": "secret"})
    assert (status, told) == (500, {"message": "internal error"})
    assert "the table does not answer" in caplog.text
    assert "secret" not in caplog.text


def test_health_is_that_of_the_table() -> None:
    health = {"resource": "/health"}
    assert ask(Table(), "GET", **health) == (
        200,
        {"status": "ok", "region": "eu-west-1"},
    )
    assert ask(Table(FAILURES[0]), "GET", **health)[0] == 503


def test_the_entry_point_connects_to_the_table_it_is_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TABLE_NAME", "sa-x-items")
    first = items.table()
    assert (first.name, first.meta.client.meta.region_name) == (
        "sa-x-items",
        "eu-west-1",
    )
    assert items.table() is first
    answer = items.handler({"httpMethod": "PATCH", "resource": "/items"}, None)
    assert answer["statusCode"] == 405


# --- Pages of other origins ------------------------------------------------------------

PAGE = "https://www.example.com"
ALLOW = "Access-Control-Allow-Origin"


def headers_for(
    monkeypatch: pytest.MonkeyPatch, origin: str, method: str = "GET", **event: Any
) -> dict[str, str]:
    """The headers of an answer to a request of a page, where PAGE is allowed."""
    monkeypatch.setenv("ALLOWED_ORIGINS", f"https://d1.cloudfront.net,,{PAGE}")
    asked = {"httpMethod": method, "resource": "/items", "body": None, **event}
    found = items.respond({**asked, "headers": {"origin": origin}}, Table())["headers"]
    assert isinstance(found, dict)
    return found


def test_an_allowed_page_may_ask_and_read_answers_and_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    preflight = headers_for(monkeypatch, PAGE, "OPTIONS")
    assert preflight[ALLOW] == PAGE
    assert "POST" in preflight["Access-Control-Allow-Methods"].split(",")
    assert "Content-Type" in preflight["Access-Control-Allow-Headers"].split(",")
    for method in ("GET", "POST", "PUT"):  # each of them is refused
        assert headers_for(monkeypatch, PAGE, method)[ALLOW] == PAGE
    assert headers_for(monkeypatch, PAGE)["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        *("https://www.example.com.evil.org", "https://example.com", "null", "*", ""),
        *("http://www.example.com", "https://www.example.com:8443"),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_no_other_origin_is_named(
    monkeypatch: pytest.MonkeyPatch, origin: str, method: str
) -> None:
    found = headers_for(monkeypatch, origin, method)
    assert not [name for name in found if name.startswith("Access-Control")]
    assert found["Vary"] == "Origin"


def test_every_exception_becomes_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Table(failing=KeyError("unforeseen"))
    assert ask(broken, "GET", pathParameters={"id": "1"})[0] == 500
    monkeypatch.delenv("TABLE_NAME", raising=False)
    event = {"httpMethod": "GET", "resource": "/items", "pathParameters": {"id": "1"}}
    assert items.handler(event, None)["statusCode"] == 500
