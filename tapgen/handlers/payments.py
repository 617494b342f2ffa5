"""The function behind the payments API: it validates a payment and records it once.

    POST /validate   {"paymentId", "customerId", "amount", "currency", "reference"?}
                     201 recorded, 200 had been before, 400 what is wrong, 409 the id is
                     another payment's, 503 this region takes none now
    GET  /health     200, or 503 when the table is out of reach or writes are closed
    GET  /status     role, writes, and whether the database here is the one that writes

The record counts: where receipt or notification fail, the payment stands, and a retry
completes them; a notification may come twice, never not at all.

Account numbers are kept out by field. In free text (`reference`) no digits may pass the
check of card numbers (Luhn); ids have a pattern that no bare card number fits, and logs
mask what could be one in an id.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

log = logging.getLogger()
log.setLevel(logging.INFO)

FENCE = "#fence"
"""The id of the items that close regions; no payment can have it."""

REQUEST = "#request"
"""The sort key of the item that makes an id unique."""

LARGEST_BODY = 16_384
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# The number of digits in an account number (ISO/IEC 7812-1; networks use 13 to 19).
_LENGTHS = range(13, 20)
# Digits in groups, with at most three other signs, and no letter, between two groups.
_GROUPS = re.compile(r"\d+(?:[\W_]{1,3}\d+)*")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
# How DynamoDB says that it is the request that is wrong.
_WRONG_REQUEST = ("ValidationException", "SerializationException")
# Digits after the point, where it is not two (ISO 4217).
_DIGITS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_FIELDS = ("paymentId", "customerId", "amount", "currency", "reference")

Answer = dict[str, Any]


class Refused(Exception):
    """`problems` say why, by field, never with values."""

    def __init__(self, status: int, message: str, **problems: str) -> None:
        super().__init__(message)
        self.status = status
        self.problems = problems


@dataclass(frozen=True)
class Payment:
    """A valid payment: what was asked for, the amount exact."""

    id: str
    customer: str
    amount: Decimal
    currency: str
    reference: str = ""

    @property
    def fingerprint(self) -> str:
        """Equal for equal payments: how a retry is told from another payment."""
        parts = (self.id, self.customer, self.amount, self.currency, self.reference)
        return hashlib.sha256(json.dumps([str(p) for p in parts]).encode()).hexdigest()


@dataclass(frozen=True)
class World:
    """What the function works with."""

    table: Any
    objects: Any
    topics: Any
    databases: Any
    settings: Mapping[str, str]
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


def handler(event: Mapping[str, Any], context: Any) -> Answer:
    """The entry point that Lambda calls."""
    return respond(event, connect())


@cache
def connect() -> World:
    """The clients, connected once for each instance of the function."""
    region = os.environ["REGION"]
    # Shorter than the function's own timeout, so that a failure is answered.
    patience = Config(
        connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2}
    )
    tables = boto3.resource("dynamodb", region_name=region, config=patience)
    return World(
        table=tables.Table(os.environ["DYNAMODB_TABLE"]),
        objects=boto3.client("s3", region_name=region, config=patience),
        topics=boto3.client("sns", region_name=region, config=patience),
        databases=boto3.client("rds", region_name=region, config=patience),
        settings=os.environ,
    )


def respond(event: Mapping[str, Any], world: World) -> Answer:
    """The answer to a request, whatever happens on the way."""
    route = f"{event.get('httpMethod', '')} {event.get('resource', '')}"
    do = _ROUTES.get(route)
    if do is None:
        return answer(404, {"message": "there is nothing here"})
    try:
        return do(event, world)
    except Refused as refusal:
        fields = sorted(refusal.problems)
        log.info("request refused", extra={"status": refusal.status, "fields": fields})
        content: Answer = {"message": str(refusal)}
        if refusal.problems:
            content["problems"] = refusal.problems
        return answer(refusal.status, content)
    except (ClientError, BotoCoreError) as error:
        if do is validate and refuses_input(error):
            log.error("a service refuses the request", extra={"error": kind(error)})
            return answer(400, {"message": "the payment is not valid"})
        log.error("a service does not answer", extra={"error": kind(error)})
        return answer(503, {"message": "try again"})


def refuses_input(error: Exception) -> bool:
    """Whether the request is wrong, so that another try would be, too."""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _WRONG_REQUEST
    return isinstance(error, ParamValidationError)


def kind(error: Exception) -> str:
    """What went wrong, without its text, which may quote the request."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    return type(error).__name__


def validate(event: Mapping[str, Any], world: World) -> Answer:
    """Validate a payment and record it; the same payment again changes nothing."""
    payment = read(body(event), world.settings)
    if fenced(world):
        raise Refused(503, "this region takes no payments now; try again")
    claimed = claim(payment, world)
    record = {
        "paymentId": payment.id,
        "timestamp": claimed.at,
        "customerId": payment.customer,
        "amount": payment.amount,
        "currency": payment.currency,
        "status": "VALIDATED",
        "region": world.settings["REGION"],
        **({"reference": payment.reference} if payment.reference else {}),
    }
    new = put_once(world.table, record)
    keep_receipt(record, world, retry=not claimed.first)
    if not claimed.told:
        notify(record, world)
    what = "payment recorded" if new else "payment had been recorded"
    log.info(what, extra={"paymentId": logged(payment.id)})
    shown = ("paymentId", "timestamp", "status")
    return answer(201 if new else 200, {name: record[name] for name in shown})


def body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object that a request carries, its numbers exact."""
    text = event.get("body") or ""
    if len(text) > LARGEST_BODY:
        raise Refused(413, f"the body has more than {LARGEST_BODY} characters")
    try:
        # Never binary floating point: 0.1 would be another amount.
        found = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=not_json
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise Refused(400, "the body is not JSON") from error
    if not isinstance(found, dict):
        raise Refused(400, "the body is not a JSON object")
    return found


def not_json(text: str) -> Any:
    """Refuses NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(f"{text} is not JSON")


def read(given: Mapping[str, Any], settings: Mapping[str, str]) -> Payment:
    """The payment that a request asks for. Raises Refused with every problem."""
    problems: dict[str, str] = {}
    if set(given) - set(_FIELDS):
        problems["unknown"] = f"give only {', '.join(_FIELDS)}"
    for name in _FIELDS[:-1]:
        if given.get(name) in (None, ""):
            problems[name] = "is missing"
    for name, problem in _wrong(given, settings):
        problems.setdefault(name, problem)
    if problems:
        raise Refused(400, "the payment is not valid", **problems)
    currency = given["currency"]
    return Payment(
        given["paymentId"],
        given["customerId"],
        # Always with the currency's digits, so that 12.5 and 12.50 are one payment.
        Decimal(given["amount"]).quantize(Decimal(1).scaleb(-digits(currency))),
        currency,
        given.get("reference") or "",
    )


def _wrong(
    given: Mapping[str, Any], settings: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name in ("paymentId", "customerId"):
        problem = _wrong_id(given.get(name))
        if problem:
            yield name, problem
    problem = _wrong_text(given.get("reference") or "")
    if problem:
        yield "reference", problem
    currency = given.get("currency")
    allowed = settings["CURRENCIES"].split(",")
    if currency not in allowed:
        yield "currency", f"give one of {', '.join(allowed)}"
        return
    problem = _wrong_amount(given.get("amount"), str(currency), settings["MAX_AMOUNT"])
    if problem:
        yield "amount", problem


def _wrong_id(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        return "give 1 to 64 letters, digits, hyphens or underscores"
    # By its form, not by its digits: a check of those would refuse one id in ten.
    number = re.sub("[_-]", "", value)
    if number.isdigit() and len(number) in _LENGTHS:
        return "13 to 19 digits could be an account number; begin with a letter"
    return ""


def _wrong_text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 140:
        return "give a text of 140 characters at most"
    if any(unicodedata.category(c) == "Cs" for c in value):
        return "give whole characters; half of a surrogate pair is none"
    if account_numbers(value):
        return "looks like an account number, which must never be sent here"
    return ""


def _wrong_amount(value: Any, currency: str, largest: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", value):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        return "give a decimal number, such as 12.50"
    if value <= 0:
        return "give more than 0"
    if value > Decimal(largest):
        return f"give {largest} at most"
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > digits(currency):
        return f"{currency} has {digits(currency)} digits after the point"
    return ""


def digits(currency: str) -> int:
    """How many digits a currency has after the point."""
    return _DIGITS.get(currency, 2)


def account_numbers(text: str) -> list[str]:
    """Return what could be account numbers in a text, as they stand there.

    That is 13 to 19 digits that pass the check of card numbers (Luhn), with any
    separators, also beside letters. Signs without width do not hide one. Such a number
    begins and ends where a group of digits does: not in the middle of a longer number.
    A UUID holds none: of those that happen to hold many digits, one in ten would pass.
    """
    seen = "".join(c for c in text if unicodedata.category(c) != "Cf")
    seen = _UUID.sub("uuid", seen)
    found = []
    for run in _GROUPS.finditer(seen):
        groups = [m.span() for m in re.finditer(r"\d+", run[0])]
        for first, (begin, _) in enumerate(groups):
            for _, end in groups[first:]:
                part = run[0][begin:end]
                digits_ = [int(c) for c in part if c.isdecimal()]
                if len(digits_) in _LENGTHS and luhn(digits_):
                    found.append(part)
    return found


def luhn(number: list[int]) -> bool:
    """Whether digits pass the check of card numbers (ISO/IEC 7812-1, annex B)."""
    number = number[::-1]
    doubled = (sum(divmod(2 * d, 10)) for d in number[1::2])
    return (sum(number[::2]) + sum(doubled)) % 10 == 0


def logged(identifier: str) -> str:
    """An id as logs show it: what could be an account number without its digits."""
    for number in account_numbers(identifier):
        identifier = identifier.replace(number, "*" * len(number))
    return identifier


def fenced(world: World) -> bool:
    """Whether this region is closed, by an item written in whichever still works."""
    key = {"paymentId": FENCE, "timestamp": world.settings["REGION_ROLE"]}
    item = world.table.get_item(Key=key, ConsistentRead=True).get("Item") or {}
    return bool(item.get("closed"))


@dataclass(frozen=True)
class Claim:
    """A payment's id, taken: when, whether just now, and whether the topic was told."""

    at: str
    first: bool
    told: bool


def claim(payment: Payment, world: World) -> Claim:
    """Take the payment's id, or find that an earlier try of the same payment did.

    The key of a payment has a time: alone it would let a retry through as another one.
    """
    at = world.now().isoformat(timespec="microseconds")
    mine = {
        "paymentId": payment.id,
        "timestamp": REQUEST,
        "fingerprint": payment.fingerprint,
        "at": at,
    }
    if put_once(world.table, mine):
        return Claim(at, first=True, told=False)
    key = {"paymentId": payment.id, "timestamp": REQUEST}
    theirs = world.table.get_item(Key=key, ConsistentRead=True)["Item"]
    if theirs["fingerprint"] != payment.fingerprint:
        raise Refused(409, "another payment has this id", paymentId="is taken")
    return Claim(str(theirs["at"]), first=False, told=bool(theirs.get("told")))


def put_once(table: Any, item: Mapping[str, Any]) -> bool:
    """Put an item unless its key is there; whether it was put."""
    try:
        table.put_item(
            Item=dict(item), ConditionExpression="attribute_not_exists(paymentId)"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def keep_receipt(record: Mapping[str, Any], world: World, retry: bool) -> None:
    """Keep the record as an object, too; on a retry only where it is missing."""
    where = {
        "Bucket": world.settings["BUCKET_NAME"],
        "Key": f"receipts/{record['timestamp'][:10]}/{record['paymentId']}.json",
    }
    try:
        if retry and exists(world.objects, where):
            return
        world.objects.put_object(
            **where,
            Body=json.dumps(record, default=str, sort_keys=True).encode(),
            ContentType="application/json",
        )
    except (ClientError, BotoCoreError) as error:
        extra = {"paymentId": logged(record["paymentId"]), "error": kind(error)}
        log.warning("the receipt was not kept", extra=extra)


def exists(objects: Any, where: Mapping[str, str]) -> bool:
    """Whether an object is there; unknown counts as no."""
    try:
        objects.head_object(**where)
    except ClientError:
        return False
    return True


def notify(record: Mapping[str, Any], world: World) -> None:
    """Tell the topic, once; the payment stands all the same when that fails.

    That it was told is kept with the id, for retries, and not with the payment, whose
    indexes would be written again.
    """
    told = ("paymentId", "timestamp", "status", "region")
    try:
        world.topics.publish(
            TopicArn=world.settings["SNS_TOPIC_ARN"],
            Subject="Payment validated",
            Message=json.dumps({name: record[name] for name in told}),
        )
        world.table.update_item(
            Key={"paymentId": record["paymentId"], "timestamp": REQUEST},
            UpdateExpression="SET told = :yes",
            ExpressionAttributeValues={":yes": True},
        )
    except (ClientError, BotoCoreError) as error:
        extra = {"paymentId": logged(record["paymentId"]), "error": kind(error)}
        log.warning("the notification was not sent, or not noted", extra=extra)


def health(event: Mapping[str, Any], world: World) -> Answer:
    """Whether this region takes payments: what Route 53 asks."""
    if fenced(world):
        return answer(503, {"status": "closed"})
    return answer(200, {"status": "ok", "region": world.settings["REGION"]})


def status(event: Mapping[str, Any], world: World) -> Answer:
    """What an operator wants to see of this region during a failover."""
    return answer(
        200,
        {
            "region": world.settings["REGION"],
            "role": world.settings["REGION_ROLE"],
            "writes": "closed" if fenced(world) else "open",
            "database": database(world),
        },
    )


def database(world: World) -> Answer:
    """The state of this region's cluster, and whether it is the one that writes."""
    name = world.settings["CLUSTER_ID"]
    try:
        found = world.databases.describe_db_clusters(DBClusterIdentifier=name)
        cluster = found["DBClusters"][0]
        around = world.databases.describe_global_clusters(
            GlobalClusterIdentifier=world.settings["GLOBAL_CLUSTER_ID"]
        )
        members = around["GlobalClusters"][0]["GlobalClusterMembers"]
    except (ClientError, BotoCoreError) as error:
        return {"status": "unknown", "error": kind(error)}
    writers = {m["DBClusterArn"] for m in members if m.get("IsWriter")}
    return {
        "status": cluster["Status"],
        "writer": cluster["DBClusterArn"] in writers,
    }


def answer(code: int, content: Mapping[str, Any]) -> Answer:
    """A response in the form API Gateway takes from a function."""
    return {
        "statusCode": code,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
        # Harmless also where somebody takes it for a page.
        "body": json.dumps(content).replace("<", "\\u003c"),
    }


_ROUTES: Mapping[str, Callable[[Mapping[str, Any], World], Answer]] = {
    "POST /validate": validate,
    "GET /health": health,
    "GET /status": status,
}
