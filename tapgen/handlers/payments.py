"""The function behind the payments API: it validates a payment and records it once.

    POST /validate   {"paymentId", "customerId", "amount", "currency", "reference"?}
                     201 recorded, 200 had been before, 400 what is wrong, 409 the id is
                     another payment's, 503 this region takes none now
    GET  /health     200, or 503 when the table is out of reach or writes are closed;
                     deployed APIs of before call it here, newer ones call `health`
    GET  /status     role, writes, and whether the database here is the one that writes

The record counts: where receipt or notification fail, the payment stands, and a retry
completes them; a notification may come twice, never not at all.

A payment is one item: its id with a constant sort key, put on a condition. A global
table with eventual consistency judges the condition in one region only, so both regions
can take an id at once, and the last write wins. Each region therefore notes what it has
accepted in an item of its own, before it answers, and `{"task": "reconcile"}`, every
minute in each region, finds the ids that both accepted: the first of them stays.
With strong consistency (`CONSISTENCY`) the condition is judged against the latest version
in any region. Then no id is taken twice, and there is nothing to note or to reconcile. A
write that meets one of the other region is refused, and the answer is 503: try again.

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
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tapgen.handlers.account_numbers import account_numbers, in_account_number, masked
from tapgen.handlers.answers import answer, kind, not_json, refuses_request
from tapgen.handlers.fences import closed

log = logging.getLogger()
log.setLevel(logging.INFO)

REQUEST = "#request"
"""The sort key of every payment: constant, so that an id is one item."""

CLAIM = "#claim "
"""What the sort keys of the notes begin with; the role of a region follows."""

OPEN = "#claimed"
"""The status of a note that is not reconciled yet: its key in the index by status."""

ALIVE = "#alive"
"""The id of the items in which each region says that it runs; no payment can have it."""

SETTLE = timedelta(minutes=5)
"""How long after a claim the other region must have been heard: more than the lag of the
table in good times, and than the clocks of two regions differ."""

LARGEST_BODY = 16_384
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
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
    """The entry point that Lambda calls, for a request or for a task."""
    if event.get("task") == "reconcile":
        left = context.get_remaining_time_in_millis
        return reconcile(connect(), lambda: left() > 5000)
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
        if do is validate and refuses_request(error):
            log.error("a service refuses the request", extra={"error": kind(error)})
            return answer(400, {"message": "the payment is not valid"})
        log.error("a service does not answer", extra={"error": kind(error)})
        return answer(503, {"message": "try again"})


def validate(event: Mapping[str, Any], world: World) -> Answer:
    """Validate a payment and record it; the same payment again changes nothing."""
    payment = read(body(event), world.settings)
    if fenced(world):
        raise Refused(503, "this region takes no payments now; try again")
    claimed = claim(payment, world)
    record = claimed.record
    keep_receipt(record, world, retry=not claimed.first)
    if not claimed.told:
        notify(record, world)
    what = "payment recorded" if claimed.first else "payment had been recorded"
    log.info(what, extra={"paymentId": masked(payment.id)})
    code = 201 if claimed.first else 200
    names = ("paymentId", "timestamp", "status")
    return answer(code, {name: record[name] for name in names})


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
    if number.isdigit() and in_account_number(len(number)):
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


def fenced(world: World) -> bool:
    """Whether this region is closed."""
    return closed(world.table, world.settings["REGION_ROLE"])


@dataclass(frozen=True)
class Claim:
    """A payment that is recorded: whether just now, and whether the topic was told.

    `record` is what receipts show: its `timestamp` is the time of the first try.
    """

    record: Mapping[str, Any]
    first: bool
    told: bool


def claim(payment: Payment, world: World) -> Claim:
    """Record a payment under its id, or find that an earlier try did."""
    mine = {
        "paymentId": payment.id,
        "timestamp": REQUEST,
        "at": world.now().isoformat(timespec="microseconds"),
        "fingerprint": payment.fingerprint,
        "customerId": payment.customer,
        "amount": payment.amount,
        "currency": payment.currency,
        "status": "VALIDATED",
        "region": world.settings["REGION"],
        **({"reference": payment.reference} if payment.reference else {}),
    }
    if put_once(world.table, mine):
        note(mine, world)
        return Claim(shown(mine), first=True, told=False)
    there = items(payment.id, world)
    theirs = there[REQUEST]
    if theirs["fingerprint"] != payment.fingerprint:
        raise Refused(409, "another payment has this id", paymentId="is taken")
    told = any(item.get("told") for item in there.values())
    if "status" not in theirs:
        return _claimed_before(theirs, mine, there, told, world)
    accepted = standing(there)
    if any(n["payment"]["fingerprint"] != payment.fingerprint for n in accepted):
        # The other region took the id at the same time; one of the two will stand.
        raise Refused(503, "this id is being reconciled; try again")
    if not accepted:
        # The try that recorded it ended before it made its note.
        note(theirs, world)
    return Claim(shown(theirs), first=False, told=told)


def _claimed_before(
    theirs: Mapping[str, Any],
    mine: Mapping[str, Any],
    there: Mapping[str, Mapping[str, Any]],
    told: bool,
    world: World,
) -> Claim:
    """Go on with an id that an earlier version of this function took.

    It kept the payment as another item, with the time of the claim as its sort key. That
    item stays as it is; where it is missing, the payment becomes what it is today.
    """
    if theirs["at"] in there:
        return Claim(there[theirs["at"]], first=False, told=told)
    whole = {**mine, "at": theirs["at"]}
    world.table.put_item(Item=whole)
    note(whole, world)
    return Claim(shown(whole), first=True, told=told)


def items(identifier: str, world: World) -> dict[str, dict[str, Any]]:
    """Everything under a payment's id, by sort key, as this region has it now."""
    found = world.table.query(
        KeyConditionExpression=Key("paymentId").eq(identifier), ConsistentRead=True
    )
    return {item["timestamp"]: item for item in found["Items"]}


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """A payment as receipts show it, with the time in the place of the sort key."""
    inner = {"timestamp", "at", "fingerprint"}
    return {
        "timestamp": item["at"],
        **{name: value for name, value in item.items() if name not in inner},
    }


def standing(there: Mapping[str, Any]) -> list[Any]:
    """The notes under a payment's id that are not withdrawn, the first claim first."""
    notes = [i for key, i in there.items() if key.startswith(CLAIM) and "payment" in i]
    notes = [i for i in notes if i.get("outcome") != "WITHDRAWN"]
    return sorted(notes, key=lambda i: (i["at"], i["timestamp"]))


def note(item: Mapping[str, Any], world: World) -> None:
    """Note that this region accepts a payment, before anybody is told so.

    With strong consistency nobody else can accept it.
    """
    if world.settings["CONSISTENCY"] == "strong":
        return
    put_once(
        world.table,
        {
            "paymentId": item["paymentId"],
            "timestamp": CLAIM + world.settings["REGION_ROLE"],
            "status": OPEN,
            "at": item["at"],
            "payment": dict(item),
        },
    )


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
        extra = {"paymentId": masked(record["paymentId"]), "error": kind(error)}
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

    That it was told is kept with this region's note, for retries, and not with the
    payment: the other region may be writing that, and its indexes would be written again.
    """
    told = ("paymentId", "timestamp", "status", "region")
    try:
        world.topics.publish(
            TopicArn=world.settings["SNS_TOPIC_ARN"],
            Subject="Payment validated",
            Message=json.dumps({name: record[name] for name in told}),
        )
        world.table.update_item(
            Key={
                "paymentId": record["paymentId"],
                "timestamp": CLAIM + world.settings["REGION_ROLE"],
            },
            UpdateExpression="SET told = :yes",
            ExpressionAttributeValues={":yes": True},
        )
    except (ClientError, BotoCoreError) as error:
        extra = {"paymentId": masked(record["paymentId"]), "error": kind(error)}
        log.warning("the notification was not sent, or not noted", extra=extra)


def reconcile(world: World, more: Callable[[], bool]) -> Answer:
    """Settle the notes of this region while there is `more` time; say how many.

    A note waits until the other region has been heard `SETTLE` after it, so that what
    that region accepted before is visible here: the later of two claims sees the first.
    """
    role = world.settings["REGION_ROLE"]
    now = world.now()
    alive = {"paymentId": ALIVE, "timestamp": role, "at": now.isoformat()}
    world.table.put_item(Item=alive)
    heard = items(ALIVE, world)
    until = [datetime.fromisoformat(heard[r]["at"]) for r in heard if r != role]
    settled = waiting = 0
    for item in open_notes(world):
        if not more():
            break
        if item["timestamp"] != CLAIM + role:
            continue
        if until and datetime.fromisoformat(item["at"]) + SETTLE < min(until):
            settle(item["paymentId"], world)
            settled += 1
        else:
            waiting += 1
    log.info("claims reconciled", extra={"settled": settled, "waiting": waiting})
    return {"settled": settled, "waiting": waiting}


def open_notes(world: World) -> Iterator[dict[str, Any]]:
    """Every note that is not settled, from the index by status."""
    start: dict[str, Any] = {}
    while True:
        page = world.table.query(
            IndexName="by-status",
            KeyConditionExpression=Key("status").eq(OPEN),
            **start,
        )
        yield from page["Items"]
        if not page.get("LastEvaluatedKey"):
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def settle(identifier: str, world: World) -> None:
    """Let one payment have an id, the first that was accepted, whoever wrote last.

    Both regions choose the same one. What is withdrawn stays in its note.
    """
    there = items(identifier, world)
    notes = standing(there)
    if not notes:
        return
    first = notes[0]["payment"]
    kept = there.get(REQUEST, {})
    # An item of an earlier version has no note, and came before everything that has one.
    old = bool(kept) and "status" not in kept
    chosen = kept if old else first
    if len(notes) > 1 or old:
        extra = {"paymentId": masked(identifier), "claims": len(notes)}
        log.warning("an id was taken more than once", extra=extra)
    if not old and any(kept.get(k) != first[k] for k in ("fingerprint", "at")):
        world.table.put_item(Item=first)
    for each in notes:
        same = each["payment"]["fingerprint"] == chosen["fingerprint"]
        outcome = "RECORDED" if same else "WITHDRAWN"
        if not same:
            withdraw(each["payment"], world)
        if each.get("outcome") != outcome:
            close(each, outcome, world)


def close(claimed: Mapping[str, Any], outcome: str, world: World) -> None:
    """Take a note out of the index, with what became of its payment."""
    world.table.update_item(
        Key={name: claimed[name] for name in ("paymentId", "timestamp")},
        UpdateExpression="SET outcome = :outcome REMOVE #status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":outcome": outcome},
    )


def withdraw(item: Mapping[str, Any], world: World) -> None:
    """Tell the topic that an accepted payment does not stand; on an error, next time."""
    told = ("paymentId", "timestamp", "status", "region")
    record = {**shown(item), "status": "WITHDRAWN"}
    world.topics.publish(
        TopicArn=world.settings["SNS_TOPIC_ARN"],
        Subject="Payment withdrawn",
        Message=json.dumps({name: record[name] for name in told}),
    )


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


_ROUTES: Mapping[str, Callable[[Mapping[str, Any], World], Answer]] = {
    "POST /validate": validate,
    "GET /health": health,
    "GET /status": status,
}
