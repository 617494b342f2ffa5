"""What a run says at its end to those who did not see it: what Route 53 answers now, and a
message to the topic of the system.

Nothing of it can fail a run: what it is about is done. What could not be read or sent is said
instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tapgen.aws import stacks
from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError, Unreachable
from tapgen.model import Target

Payload = Mapping[str, Any]

_ATTEMPTS = 1
"""What is done needs no answer: a lost region is not waited for."""

_LONGEST_SUBJECT = 99
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""


def _notify(aws: Aws, target: Target, payload: Payload) -> Mapping[str, Any]:
    """Read names back, and send a message to a topic in the target; return what became of
    both as `said`, in sentences."""
    found = [*_names(aws, target, payload["Names"])]
    if payload["Topic"]:
        found.append(_sent(aws, target, payload, found))
    return {"said": found}


def _names(
    aws: Aws, target: Target, names: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    """Yield what Route 53 answers for names of public zones. It is asked in us-east-1, where
    its control plane is, so that region may be the one that is lost.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_TestDNSAnswer.html
    https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html
    """
    client = aws.client("route53", target, _ATTEMPTS)
    for one in names:
        given = {"HostedZoneId": one["Zone"], "RecordName": one["Name"]}
        try:
            answer = ask(client, "test_dns_answer", **given, RecordType="A")
        except AwsError as error:
            why = (
                "Route 53 is asked in us-east-1; its name servers answer without that region"
                if isinstance(error, Unreachable)
                else "Route 53 tests only names of public zones"
            )
            yield f"{one['Name']} was not read back: {error} ({why})"
            continue
        data = ", ".join(answer.get("RecordData", ()))
        yield f"{one['Name']}: Route 53 answers {data or answer['ResponseCode']}"


def _sent(aws: Aws, target: Target, payload: Payload, found: Sequence[str]) -> str:
    part, output = payload["Topic"]["StackSet"], payload["Topic"]["Output"]
    topic = f"the topic of {part} in {target}"
    try:
        stack = stacks.of_stack_set(aws, target, part)
        topics = stacks.outputs(aws, target, stack) if stack else None
        arn = (topics or {}).get(output)
        if not arn:
            return f"nobody was notified: {topic} is not deployed"
        message = [*payload["Lines"], f"as {_caller(aws, target)}", *found]
        answer = ask(
            aws.client("sns", target, _ATTEMPTS),
            "publish",
            TopicArn=arn,
            Subject=payload["Subject"][:_LONGEST_SUBJECT],
            Message="\n".join(message),
        )
    except AwsError as error:
        return f"nobody was notified: {topic}: {error}"
    return f"{arn} was notified (message {answer['MessageId']})"


def _caller(aws: Aws, target: Target) -> str:
    try:
        return str(
            ask(aws.client("sts", target, _ATTEMPTS), "get_caller_identity")["Arn"]
        )
    except AwsError as error:
        return f"somebody whom AWS does not name ({error})"


ACTS: Mapping[str, Callable[[Aws, Target, Payload], Mapping[str, Any]]] = {
    "notify": _notify
}
"""The scripts of this module, by name."""
