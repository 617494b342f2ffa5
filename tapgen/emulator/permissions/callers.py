"""Calls at the port that the session of a role makes: of tapgen's operator role, or of
any role that somebody has assumed.

Whoever calls with the keys of an account may do everything, as its root user. What IAM
calls the action of a request is mostly the name of the operation; where it is not, `_OF`
has it, and what is no action of IAM is not decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from urllib.parse import unquote

from tapgen.emulator.permissions.enforcing import Call

IsAction = Callable[[str], bool]
"""Whether an action, in lower case, is one of IAM's."""

# Service and operation → action. Of Amazon S3:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
# of AWS Lambda: https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
_OF: Mapping[str, Mapping[str, str]] = {
    "lambda": {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeAsync"},
    "s3": {
        "CompleteMultipartUpload": "PutObject",
        "CopyObject": "PutObject",
        "CreateMultipartUpload": "PutObject",
        "DeleteBucketCors": "PutBucketCORS",
        "DeleteBucketEncryption": "PutEncryptionConfiguration",
        "DeleteBucketLifecycle": "PutLifecycleConfiguration",
        "DeleteBucketReplication": "PutReplicationConfiguration",
        "DeleteBucketTagging": "PutBucketTagging",
        "DeleteObjects": "DeleteObject",
        "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
        "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
        "GetBucketCors": "GetBucketCORS",
        "GetBucketEncryption": "GetEncryptionConfiguration",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "GetBucketNotificationConfiguration": "GetBucketNotification",
        "GetBucketReplication": "GetReplicationConfiguration",
        "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "ListBuckets": "ListAllMyBuckets",
        "ListMultipartUploads": "ListBucketMultipartUploads",
        "ListObjectVersions": "ListBucketVersions",
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "ListParts": "ListMultipartUploadParts",
        "PutBucketCors": "PutBucketCORS",
        "PutBucketEncryption": "PutEncryptionConfiguration",
        "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
        "PutBucketNotificationConfiguration": "PutBucketNotification",
        "PutBucketReplication": "PutReplicationConfiguration",
        "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
        "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
        "UploadPart": "PutObject",
        "UploadPartCopy": "PutObject",
    },
}
_SERVICES = {
    "email": "ses",
    "monitoring": "cloudwatch",
}
# Everybody may ask who they are: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = frozenset({"sts:GetCallerIdentity"})
# Parameters of CloudFormation with a role that the service then acts as.
_PASSED = ("RoleARN", "AdministrationRoleARN")
_PASSED_TO = "cloudformation.amazonaws.com"


def calls(
    service: str,
    operation: str,
    place: tuple[str, str],
    path: str,
    given: Mapping[str, str],
    is_action: IsAction,
) -> Iterator[Call]:
    """Yield what a request calls: its action, and the roles that it passes.

    `service` is the one of the signature. `place` is account and region, `given` are the
    fields of a form, empty for other protocols.
    """
    named = _SERVICES.get(service, service)
    action = f"{named}:{_OF.get(service, {}).get(operation, operation)}"
    if not operation or action in _FREE or not _known(is_action, action.lower()):
        return
    if service == "s3" and given.get("versionId") and action == "s3:GetObject":
        action = "s3:GetObjectVersion"
    keys: dict[str, str | None] = {"aws:requestedregion": place[1]}
    if service == "cloudformation":
        keys["cloudformation:rolearn"] = given.get("RoleARN")
        keys["cloudformation:templateurl"] = given.get("TemplateURL")
        if not (name := given.get("ChangeSetName", "")).startswith("arn:"):
            keys["cloudformation:changesetname"] = name or None
    yield action, _resource(service, place, path, given), [keys]
    for parameter in _PASSED if service == "cloudformation" else ():
        if role := given.get(parameter):
            yield "iam:PassRole", (role,), [{"iam:passedtoservice": _PASSED_TO}]


@cache
def _known(is_action: IsAction, action: str) -> bool:
    return is_action(action)


def _resource(
    service: str, place: tuple[str, str], path: str, given: Mapping[str, str]
) -> tuple[str, ...]:
    """The ARN that a request is about; `*` where its parameters do not show it."""
    account, region = place
    if service == "s3" and path.strip("/"):
        return (f"arn:aws:s3:::{unquote(path).lstrip('/').removesuffix('/')}",)
    if service != "cloudformation":
        return ("*",)
    start = f"arn:aws:cloudformation:{region}:{account}:"
    if name := given.get("StackSetName"):
        return (f"{start}stackset/{name if ':' in name else f'{name}:*'}",)
    if name := given.get("StackName"):
        return (name if name.startswith("arn:") else f"{start}stack/{name}/*",)
    return ("*",)
