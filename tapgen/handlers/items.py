"""The function behind the items API: GET and POST, and a check that it can do both.

    POST /items         {"name": "tea"}       201  the item as it was stored
    GET  /items/{id}                          200  the item, or 404
    GET  /items?name=tea                      200  the newest items of a name, a page
    GET  /health                              200  or 503; deployments of before ask it here,
                                              newer ones `items_health`

Pages of `ALLOWED_ORIGINS` (commas between) may call it from a browser: it answers their
preflight requests (OPTIONS), and names their origin in its answers.

`TABLE_NAME` and `REGION` come from the environment. Items are in a global table, so
that what one region takes the other one shows a moment later.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tapgen.handlers.answers import answer, kind, not_json, refuses_request

log = logging.getLogger()
log.setLevel(logging.INFO)

BY_NAME = "by-name"
PAGE = 25
LONGEST = 256
LARGEST_BODY = 16_384
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    "Access-Control-Allow-Headers": (
        "Content-Type,Authorization,X-Amz-Date,X-Amz-Security-Token"
    ),
    "Access-Control-Max-Age": "600",
}
DEEPEST = 30
"""How deep a value may be nested. DynamoDB takes 32 levels, the item's own among them.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

_table: Any = None


class Refused(Exception):
    """What the caller asked for cannot be done; the status says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """The entry point that Lambda calls."""
    return shared(event, answered(event, table))


def table() -> Any:
    """The table, connected to once for each instance of the function."""
    global _table
    if _table is None:
        # Shorter than the function's own timeout, so that a failure is answered.
        patience = Config(
            connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 2}
        )
        resource = boto3.resource(
            "dynamodb", region_name=os.environ["REGION"], config=patience
        )
        _table = resource.Table(os.environ["TABLE_NAME"])
    return _table


def respond(event: Mapping[str, Any], items: Any) -> dict[str, Any]:
    """The answer to a request, whatever happens on the way."""
    return shared(event, answered(event, lambda: items))


def shared(event: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """An answer that a page may read if its origin is one of those allowed."""
    sent = {k.lower(): v for k, v in (event.get("headers") or {}).items()}
    origin = sent.get("origin")
    headers = {**given["headers"], "Vary": "Origin"}
    if origin and origin in os.environ.get("ALLOWED_ORIGINS", "").split(","):
        headers["Access-Control-Allow-Origin"] = origin
        if event.get("httpMethod") == "OPTIONS":
            headers |= PREFLIGHT
    return {**given, "headers": headers}


def answered(event: Mapping[str, Any], connect: Callable[[], Any]) -> dict[str, Any]:
    """The answer to a request; an exception becomes one, too."""
    if event.get("httpMethod") == "OPTIONS":
        return {"statusCode": 204, "headers": {"Cache-Control": "no-store"}, "body": ""}
    try:
        return dispatch(event, connect())
    except Refused as refusal:
        return answer(refusal.status, {"message": str(refusal)})
    except (ClientError, BotoCoreError) as error:
        if event.get("resource") == "/health":
            log.error("the table does not answer: %s", kind(error))
            return answer(503, {"status": "unavailable"})
        if refuses_request(error):
            return answer(400, {"message": "the table does not take this request"})
        log.error("the table does not answer: %s", kind(error))
    except Exception:
        log.exception("the request cannot be answered")
    return answer(500, {"message": "internal error"})


def dispatch(event: Mapping[str, Any], items: Any) -> dict[str, Any]:
    """The answer to a request. Raises Refused, or what the table's client raises."""
    method = event.get("httpMethod", "")
    if event.get("resource") == "/health":
        items.get_item(Key={"id": "health"})
        return answer(200, {"status": "ok", "region": os.environ["REGION"]})
    if method == "GET":
        wanted = (event.get("pathParameters") or {}).get("id")
        if wanted:
            return answer(200, get(items, wanted), plain)
        return answer(200, find(items, event.get("queryStringParameters") or {}), plain)
    if method == "POST":
        return answer(201, post(items, body(event)), plain)
    raise Refused(405, f"{method or 'this method'} is not allowed; use GET or POST")


def body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object that a request carries."""
    text = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            text = base64.b64decode(text, validate=True).decode()
        if len(text) > LARGEST_BODY:
            raise Refused(413, f"the body has more than {LARGEST_BODY} characters")
        # Numbers as DynamoDB takes them: it refuses binary floating point.
        found = json.loads(text, parse_float=Decimal, parse_constant=not_json)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(found, dict):
        raise Refused(400, "the body is not a JSON object")
    return found


def post(items: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Store an item and give it as stored."""
    name = given.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Refused(400, "name is missing; give a text")
    if len(name) > LONGEST:
        raise Refused(400, f"name has more than {LONGEST} characters")
    unknown = sorted(set(given) - {"name", "value"})
    if unknown:
        raise Refused(400, f"unknown: {', '.join(unknown)}; give name and value")
    if deeper(given.get("value"), DEEPEST):
        raise Refused(400, f"value is nested deeper than {DEEPEST} levels")
    if not whole(given):
        raise Refused(400, "half of a surrogate pair is no character")
    item = {
        "id": str(uuid.uuid4()),
        "name": name.strip(),
        "createdAt": datetime.now(timezone.utc).isoformat(),
        "region": os.environ["REGION"],
    }
    if "value" in given:
        item["value"] = given["value"]
    try:
        items.put_item(Item=item, ConditionExpression="attribute_not_exists(id)")
    except ArithmeticError as error:
        # The client checks numbers before it sends them.
        raise Refused(400, "value has a number of more than 38 digits") from error
    log.info("stored item %s", item["id"])
    return item


def deeper(value: Any, levels: int) -> bool:
    """Whether a value is nested deeper than some levels."""
    inside = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return False
    return levels == 0 or any(deeper(each, levels - 1) for each in inside)


def whole(given: Any) -> bool:
    """Whether all texts can be sent: JSON can name half of a surrogate pair."""
    try:
        json.dumps(given, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def get(items: Any, wanted: str) -> dict[str, Any]:
    """The item of an id."""
    found: dict[str, Any] | None = items.get_item(Key={"id": wanted}).get("Item")
    if found is None:
        raise Refused(404, "there is no such item")
    return found


def find(items: Any, query: Mapping[str, str]) -> dict[str, Any]:
    """The newest items of a name, a page at a time.

    `next` in the answer is what to give as `after` for the next page.
    """
    name = query.get("name")
    if not name:
        raise Refused(400, "give the name of the items, or an id in the path")
    more: dict[str, Any] = {}
    if query.get("after"):
        more["ExclusiveStartKey"] = position(query["after"])
    page = items.query(
        IndexName=BY_NAME,
        KeyConditionExpression=Key("name").eq(name),
        ScanIndexForward=False,
        Limit=PAGE,
        **more,
    )
    found: dict[str, Any] = {"items": page["Items"]}
    if page.get("LastEvaluatedKey"):
        text = json.dumps(page["LastEvaluatedKey"])
        found["next"] = base64.urlsafe_b64encode(text.encode()).decode()
    return found


def position(text: str) -> dict[str, str]:
    """Where a page begins: the key of an index, as `find` gave it."""
    try:
        key = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, RecursionError) as error:
        raise Refused(
            400, "after is not what an earlier answer gave as next"
        ) from error
    keys = {"id", "name", "createdAt"}
    if not isinstance(key, dict) or set(key) != keys:
        raise Refused(400, "after is not what an earlier answer gave as next")
    return {name: str(value) for name, value in key.items()}


def plain(value: Any) -> Any:
    """Numbers as DynamoDB has them, as JSON has them."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
