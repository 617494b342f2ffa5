"""Artifact buckets: journals, snapshots, artifacts, and templates too large for a request.

`tapgen bootstrap` creates them; their names follow from account and region.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tapgen.aws.session import ATTEMPTS, HASTY, Aws, ask
from tapgen.errors import AwsError, Conflict, NotFound
from tapgen.frozen import dataclass
from tapgen.model import Target, artifact_bucket


@dataclass(frozen=True)
class Stored:
    """An object, its ETag, and how many seconds ago it was written, by S3's clock."""

    body: bytes
    etag: str
    age: float


def regions(aws: Aws, target: Target) -> frozenset[str]:
    """Return the regions in which the account of a target has artifact buckets; their
    names say so. One call, at any region, needs the action s3:ListAllMyBuckets
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html).

    Raises AwsError where they cannot be listed.
    """
    client, found = aws.client("s3", target), set()
    start = artifact_bucket(Target(target.account, ""))
    more: dict[str, Any] = {}
    while True:
        answer = ask(client, "list_buckets", Prefix=start, MaxBuckets=1000, **more)
        found |= {one["Name"].removeprefix(start) for one in answer.get("Buckets", ())}
        if not (token := answer.get("ContinuationToken")):
            return frozenset(found)
        more = {"ContinuationToken": token}


@dataclass(frozen=True)
class ArtifactBucket:
    """Objects in the artifact bucket of one account and region.

    A call without an answer fails after `attempts`.
    """

    aws: Aws
    target: Target
    attempts: int = ATTEMPTS

    @property
    def _client(self) -> Any:
        return self.aws.client("s3", self.target, self.attempts)

    @property
    def hasty(self) -> ArtifactBucket:
        """The same bucket, for finding out soon whether its region answers."""
        return replace(self, attempts=HASTY)

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

    def write(self, key: str, body: bytes, *, etag: str | None = None) -> str:
        """Store an object only where none exists, or with `etag` only in place of that
        one; return its ETag.

        Raises Conflict otherwise (S3 user guide, "Conditional write behavior"), and
        AwsError where the bucket is missing.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        while True:
            try:
                return self._write(key, body, condition)
            except Conflict as error:
                # Two writes at the same time: neither need have happened.
                if error.code != "ConditionalRequestConflict":
                    raise

    def _write(self, key: str, body: bytes, condition: dict[str, str]) -> str:
        name = artifact_bucket(self.target)
        try:
            answer = ask(
                self._client,
                "put_object",
                Bucket=name,
                Key=key,
                Body=body,
                ContentType="application/json",
                ExpectedBucketOwner=self.target.account,
                **condition,
            )
        except NotFound as error:
            if error.code == "NoSuchKey":
                raise Conflict(error.call, error.code, error.message) from error
            raise AwsError(
                error.call,
                error.code,
                f"artifact bucket {name} is missing; run tapgen bootstrap",
            ) from error
        return str(answer["ETag"])

    def read(self, key: str) -> Stored | None:
        """Return an object; None when it does not exist."""
        name = artifact_bucket(self.target)
        owner = {"ExpectedBucketOwner": self.target.account}
        try:
            answer = ask(self._client, "get_object", Bucket=name, Key=key, **owner)
        except NotFound:
            return None
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        now = _time(headers.get("date")) or datetime.now(answer["LastModified"].tzinfo)
        age = (now - answer["LastModified"]).total_seconds()
        return Stored(answer["Body"].read(), answer["ETag"], max(0.0, age))

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with `prefix`, sorted; none without a bucket."""
        name = artifact_bucket(self.target)
        owner = {"ExpectedBucketOwner": self.target.account}
        found: list[str] = []
        token = None
        while True:
            try:
                answer = ask(
                    self._client,
                    "list_objects_v2",
                    Bucket=name,
                    Prefix=prefix,
                    ContinuationToken=token,
                    **owner,
                )
            except NotFound:
                return []
            found += [one["Key"] for one in answer.get("Contents", [])]
            token = answer.get("NextContinuationToken")
            if not token:
                return sorted(found)

    def link(self, key: str, seconds: int = 3600) -> str:
        """Return a URL by which anybody can read an object for `seconds` (S3 user guide,
        "Sharing objects with presigned URLs")."""
        place = {"Bucket": artifact_bucket(self.target), "Key": key}
        url: str = self._client.generate_presigned_url(
            "get_object", Params=place, ExpiresIn=seconds
        )
        return url

    def exists(self) -> bool:
        """Return whether the bucket exists.

        A list of one key needs the same right as HeadBucket (s3:ListBucket); but an answer
        to HEAD has no body, so no code that tells SlowDown from a region that is away.
        """
        name = artifact_bucket(self.target)
        try:
            ask(self._client, "list_objects_v2", Bucket=name, MaxKeys=1)
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


def _time(header: str | None) -> datetime | None:
    """The time of a `Date` header."""
    return parsedate_to_datetime(header) if header else None
