"""What a drill does to a deployed system: it leaves marks in one region, waits for them in
the other, and removes them. Each mark has a name of its own, so that nobody takes it for
data, and all of it can be done again.

A script that measures returns `samples`, in seconds.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from tapgen.aws import lags, web
from tapgen.aws.selecting import select
from tapgen.aws.session import Aws, ask, pages
from tapgen.errors import AwsError, Unreachable
from tapgen.model import Target

Payload = Mapping[str, Any]
Facts = Mapping[str, Any] | None

LIMIT = 10.0
"""How long the copy of one item is waited for, in seconds."""

TOGETHER = 45.0
"""After how many seconds no further item is put: others must not take the run for dead."""

_GLANCE = 0.02  # seconds between two readings of a copy
_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


# -- a table -------------------------------------------------------------------------


def _copy_items(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Put items into a global table, and read each in another region until it is there."""
    here, there = (
        aws.client("dynamodb", Target(target.account, region))
        for region in (target.region, payload["To"])
    )
    table, found = payload["Table"], []
    end = time.monotonic() + TOGETHER
    try:
        for number in range(payload["Samples"]):
            if time.monotonic() > end:
                break
            key, mark = _key(payload, number), {"S": secrets.token_hex(8)}
            ask(here, "put_item", TableName=table, Item={**key, "drill": mark})
            found.append(_until_there(there, table, key, mark))
    finally:
        _remove_items(aws, target, payload)
    if not any(seconds is not None for seconds in found):
        raise TimeoutError(f"no item is in {payload['To']} after {LIMIT:.0f} seconds")
    return {"samples": found}


def _until_there(client: Any, table: str, key: Any, mark: Any) -> float | None:
    began = time.monotonic()
    while (passed := time.monotonic() - began) < LIMIT:
        item = ask(client, "get_item", TableName=table, Key=key).get("Item", {})
        if item.get("drill") == mark:
            return time.monotonic() - began
        time.sleep(_GLANCE if passed < 1 else 10 * _GLANCE)
    return None


def _remove_items(aws: Aws, target: Target, payload: Payload) -> Facts:
    client = aws.client("dynamodb", target)
    for number in range(payload["Samples"]):
        key = _key(payload, number)
        ask(client, "delete_item", TableName=payload["Table"], Key=key)
    return None


def _key(payload: Payload, number: int) -> dict[str, Any]:
    given = payload["Key"].items()
    return {name: {"S": text.replace("{n}", str(number))} for name, text in given}


# -- a bucket ------------------------------------------------------------------------


def _put_object(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Put a small object; the encryption is that of the bucket."""
    body = f"a drill of tapgen: {payload['Key']}\n".encode()
    given = {"Bucket": payload["Bucket"], "Key": payload["Key"]}
    ask(aws.client("s3", target), "put_object", **given, Body=body)
    return None


def _is_copied(aws: Aws, target: Target, payload: Payload) -> tuple[Any, ...]:
    """Whether the copy of an object is in the other bucket; it never comes where S3 says
    that it has failed.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
    """
    given = {"Bucket": payload["Bucket"], "Key": payload["Key"]}
    source = ask(aws.client("s3", target), "head_object", **given)
    status = source.get("ReplicationStatus", "not known yet")
    there = Target(target.account, payload["To"])
    try:
        copy = ask(
            aws.client("s3", there),
            "head_object",
            Bucket=payload["Copy"],
            Key=payload["Key"],
        )
    except AwsError as error:
        if error.code not in ("404", "NoSuchKey"):
            raise
        return False, f"no copy yet, replication {status}", status == "FAILED"
    return True, f"replication {status}, the copy {copy.get('ReplicationStatus', '')}"


def _remove_objects(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Delete every version of the objects with a prefix, in both buckets: S3 replicates no
    deletion of a version.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-marker-replication.html
    """
    places = ((target.region, "Bucket"), (payload["To"], "Copy"))
    for region, name in places:
        client = aws.client("s3", Target(target.account, region))
        given = {"Bucket": payload[name], "Prefix": payload["Prefix"]}
        listed = ask(client, "list_object_versions", **given)
        for kind in ("Versions", "DeleteMarkers"):
            for one in listed.get(kind, ()):
                ask(
                    client,
                    "delete_object",
                    Bucket=payload[name],
                    Key=one["Key"],
                    VersionId=one["VersionId"],
                )
    return None


# -- an API --------------------------------------------------------------------------


def _ask_api(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Send signed requests, and measure how long each takes."""
    found = []
    for _ in range(payload["Samples"]):
        began = time.monotonic()
        good, words = _answers(aws, target, payload)
        found.append(time.monotonic() - began)
        if not good:
            raise LookupError(words)
    return {"samples": found, "seen": words}


def _answers(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether an API gives the status and the values that are wanted."""
    api = web.Api(target, payload["Api"], payload["Stage"])
    method, path = payload["Method"], payload["Path"]
    try:
        answer = web.request(aws, api, method, path, payload.get("Body", ""))
    except Unreachable as error:
        return False, str(error)
    wanted = payload.get("Wanted", {})
    right = all(select(answer.content, name) == text for name, text in wanted.items())
    said = f"{method} {path} answers {answer}"
    return right and answer.status == payload["Status"], said


# -- a name --------------------------------------------------------------------------


def dns_answers(aws: Aws, account: str, zone: str, name: str) -> list[str]:
    """Return what Route 53 answers now, with the present health of its records.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_TestDNSAnswer.html
    """
    client = aws.client("route53", Target(account, aws.region))
    given = {"HostedZoneId": zone, "RecordName": name, "RecordType": "A"}
    return [*ask(client, "test_dns_answer", **given).get("RecordData", ())]


def _leads(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether a name leads to a region: the API that answers under it says so. The embedded
    AWS serves no names, so there another answer than at home has to do."""
    name, home = payload["Name"], {*payload["Home"]}
    found = dns_answers(aws, target.account, payload["Zone"], name)
    said = f"Route 53 answers {', '.join(found) or 'nothing'}"
    if aws.local:
        return bool(found) and payload["Back"] == (not home.isdisjoint(found)), said
    try:
        answer = web.get(aws, f"https://{name}{payload['Path']}")
    except Unreachable as error:
        return False, f"{said}; {error}"
    there = select(answer.content, "$.region") == target.region
    return there and answer.status == 200, f"{said}; {name} answers {answer}"


# -- an alarm ------------------------------------------------------------------------


def _listen(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Make a queue that only a topic may send to, and subscribe it.

    https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
    """
    topic, arn = payload["Topic"], _queue_arn(target, payload)
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = {"Version": "2012-10-17", "Statement": [allow]}
    ask(
        aws.client("sqs", target),
        "create_queue",
        QueueName=payload["Queue"],
        Attributes={"Policy": json.dumps(policy), "MessageRetentionPeriod": "3600"},
    )
    topics = aws.client("sns", target)
    ask(topics, "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return None


def _stop_listening(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Remove the subscription and the queue, where they are there."""
    topics, arn = aws.client("sns", target), _queue_arn(target, payload)
    listed = pages(
        topics,
        "list_subscriptions_by_topic",
        "Subscriptions",
        TopicArn=payload["Topic"],
    )
    for one in [s for s in listed if s["Endpoint"] == arn]:
        ask(topics, "unsubscribe", SubscriptionArn=one["SubscriptionArn"])
    queues = aws.client("sqs", target)
    url = _queue_url(queues, payload)
    if url:
        ask(queues, "delete_queue", QueueUrl=url)
    return None


def _is_heard(aws: Aws, target: Target, payload: Payload) -> tuple[bool, str]:
    """Whether the queue has the notification of an alarm, with a reason."""
    queues = aws.client("sqs", target)
    url = _queue_url(queues, payload)
    if not url:
        return False, f"there is no queue {payload['Queue']}"
    found = ask(
        queues,
        "receive_message",
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=1,
    ).get("Messages", [])
    for message in found:
        notice = _object(_object(message["Body"]).get("Message"))
        if payload["Reason"] in str(notice.get("NewStateReason", "")):
            return True, f"the notification of {notice['AlarmName']} was received"
    return False, "no notification yet"


def _object(text: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for another text: anybody may write to a topic."""
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _queue_url(client: Any, payload: Payload) -> str:
    try:
        return str(ask(client, "get_queue_url", QueueName=payload["Queue"])["QueueUrl"])
    except AwsError as error:
        if not error.code.endswith(_NO_QUEUE):
            raise
        return ""


def _queue_arn(target: Target, payload: Payload) -> str:
    partition = payload["Topic"].split(":")[1]
    name = payload["Queue"]
    return f"arn:{partition}:sqs:{target.region}:{target.account}:{name}"


# -- the lag -------------------------------------------------------------------------


def _measure_lag(aws: Aws, target: Target, payload: Payload) -> Facts:
    """Return how far a copy was behind in the last minutes."""
    found, why = lags.recent(aws, target, payload["Alarm"])
    return {"samples": [value / 1000 for _, value in found], "why": why}


ACTS: Mapping[str, Callable[[Aws, Target, Payload], Facts]] = {
    "copy items": _copy_items,
    "remove items": _remove_items,
    "put object": _put_object,
    "remove objects": _remove_objects,
    "ask api": _ask_api,
    "listen": _listen,
    "stop listening": _stop_listening,
    "measure lag": _measure_lag,
}
"""What a drill does, by name."""

CHECKS: Mapping[str, Callable[[Aws, Target, Payload], tuple[Any, ...]]] = {
    "copied": _is_copied,
    "answers": _answers,
    "heard": _is_heard,
    "leads": _leads,
}
"""What a drill waits for; a third value says that it will never come."""
