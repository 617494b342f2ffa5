"""Requests to the APIs that systems have deployed, signed as an SDK does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tapgen.aws.session import Aws
from tapgen.model import Target

_PATIENCE = 10  # seconds; API Gateway itself answers within 29
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html


@dataclass(frozen=True)
class Api:
    """A stage of a REST API in a target."""

    target: Target
    id: str
    stage: str

    def url(self, aws: Aws, path: str) -> str:
        """Return the address of a path; the embedded AWS has it below its own."""
        if aws.local:
            return (
                f"{aws.endpoint}/restapis/{self.id}/{self.stage}/_user_request_{path}"
            )
        ending = ".cn" * self.target.region.startswith("cn-")
        host = f"{self.id}.execute-api.{self.target.region}.amazonaws.com{ending}"
        return f"https://{host}/{self.stage}{path}"


@dataclass(frozen=True)
class Answer:
    """The status of an answer, and its content where that is JSON."""

    status: int
    content: Any

    def __str__(self) -> str:
        return f"{self.status} {json.dumps(self.content)[:200]}"


def request(aws: Aws, api: Api, method: str, path: str, body: str = "") -> Answer:
    """Send a request, signed with Signature Version 4 as the caller in the API's account.
    Raises Unreachable where there is no answer.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    url = api.url(aws, path)
    sent = AWSRequest(method, url, {"Content-Type": "application/json"}, body.encode())
    keys = aws.keys(api.target.account)
    SigV4Auth(keys, "execute-api", api.target.region).add_auth(sent)
    return _sent(aws, sent)


def get(aws: Aws, url: str) -> Answer:
    """Send a request that nobody signs. Raises Unreachable where there is no answer."""
    from botocore.awsrequest import AWSRequest

    return _sent(aws, AWSRequest("GET", url))


def _sent(aws: Aws, request: Any) -> Answer:
    status, text = aws.send(request.prepare(), _PATIENCE)
    try:
        return Answer(status, json.loads(text))
    except ValueError:
        return Answer(status, text)
