"""Artifact buckets: snapshots, artifacts, and templates too large for a request.

`tapgen bootstrap` creates them; their names follow from account and region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tapgen.aws.session import Aws, ask
from tapgen.errors import AwsError, NotFound
from tapgen.model import Target, artifact_bucket


@dataclass(frozen=True)
class ArtifactBucket:
    """Objects in the artifact bucket of one account and region."""

    aws: Aws
    target: Target

    @property
    def _client(self) -> Any:
        return self.aws.client("s3", self.target)

    def put(self, key: str, body: bytes, *, kind: str = "application/json") -> str:
        """Store an object; return the https URL by which CloudFormation reads it.

        Raises AwsError where the bucket is missing.
        """
        name = artifact_bucket(self.target)
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

    def link(self, key: str, seconds: int = 3600) -> str:
        """Return a URL by which anybody can read an object for `seconds` (S3 user guide,
        "Sharing objects with presigned URLs")."""
        place = {"Bucket": artifact_bucket(self.target), "Key": key}
        url: str = self._client.generate_presigned_url(
            "get_object", Params=place, ExpiresIn=seconds
        )
        return url

    def exists(self) -> bool:
        """Return whether the bucket exists."""
        try:
            ask(self._client, "head_bucket", Bucket=artifact_bucket(self.target))
        except NotFound:
            return False
        return True

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes; None when it does not exist."""
        try:
            name = artifact_bucket(self.target)
            owner = {"ExpectedBucketOwner": self.target.account}
            answer = ask(self._client, "get_object", Bucket=name, Key=key, **owner)
        except NotFound:
            return None
        body: bytes = answer["Body"].read()
        return body

    def has(self, key: str) -> bool:
        """Return whether the object exists; False without a bucket."""
        try:
            name = artifact_bucket(self.target)
            owner = {"ExpectedBucketOwner": self.target.account}
            ask(self._client, "head_object", Bucket=name, Key=key, **owner)
        except NotFound:
            return False
        return True
