"""The artifact bucket: what a rollout must not lose, and templates too big to send.

`tapgen bootstrap` makes it; its name follows from account and region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError, NotFound
from tapgen.model import Target


def bucket(target: Target) -> str:
    """The name of the artifact bucket of an administration account and region."""
    return f"tapgen-artifacts-{target.account}-{target.region}"


@dataclass(frozen=True)
class Store:
    """Objects in the artifact bucket of one administration account and region."""

    aws: Aws
    target: Target

    @property
    def _client(self) -> Any:
        return self.aws.client("s3", self.target)

    def put(self, key: str, body: bytes, *, kind: str = "application/json") -> str:
        """Store an object; returns the https URL CloudFormation can read it by."""
        name = bucket(self.target)
        owner = {"ExpectedBucketOwner": self.target.account}
        try:
            ask(
                self._client,
                "put_object",
                Bucket=name,
                Key=key,
                Body=body,
                ContentType=kind,
                **owner,
            )
        except NotFound as error:
            raise AwsError(
                error.call,
                error.code,
                f"artifact bucket {name} is missing; run tapgen bootstrap",
            ) from error
        partition = self.aws.session.get_partition_for_region(self.target.region)
        suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        return f"https://{name}.s3.{self.target.region}.{suffix}/{key}"

    def get(self, key: str) -> bytes | None:
        """An object's bytes; None when there is none."""
        try:
            answer = ask(
                self._client, "get_object", Bucket=bucket(self.target), Key=key
            )
        except NotFound:
            return None
        body: bytes = answer["Body"].read()
        return body
