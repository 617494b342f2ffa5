"""Objects encrypted with a key of KMS that the request does not name.

"If you specify x-amz-server-side-encryption:aws:kms or aws:kms:dsse, but do not provide
x-amz-server-side-encryption-aws-kms-key-id, Amazon S3 uses the AWS managed key (aws/s3)"
(S3 API reference, PutObject). ministack refuses it, and knows no aws:kms:dsse.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from importlib import import_module
from typing import Any

_S3 = "ministack.services.s3"
_RESPONSES = "ministack.core.responses"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _S3: {
        "_bucket_default_sse_headers": ("bucket_name",),
        "_resolve_sse_write_headers": ("headers", "bucket_name"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_ALGORITHM = "x-amz-server-side-encryption"
_KEY = f"{_ALGORITHM}-aws-kms-key-id"
_KMS = ("aws:kms", "aws:kms:dsse")


def apply() -> None:
    """Use the key of the account where a request or a bucket names none."""
    s3: Any = import_module(_S3)
    resolve, defaults = s3._resolve_sse_write_headers, s3._bucket_default_sse_headers

    def resolving(headers: Any, bucket_name: str) -> Any:
        algorithm = headers.get(_ALGORITHM)
        if algorithm not in _KMS:
            return resolve(headers, bucket_name)
        key = headers.get(_KEY) or _default_key()
        named = {**headers, _ALGORITHM: "aws:kms", _KEY: key}
        found, error = resolve(named, bucket_name)
        return ({**found, _ALGORITHM: algorithm} if found else found), error

    def of_the_bucket(bucket_name: str) -> dict[str, str]:
        found: dict[str, str] = defaults(bucket_name)
        if found.get(_ALGORITHM) in _KMS:
            found.setdefault(_KEY, _default_key())
        return found

    s3._resolve_sse_write_headers = resolving
    s3._bucket_default_sse_headers = of_the_bucket


def _default_key() -> str:
    """The ARN of the managed key of the account and region, aws/s3."""
    responses: Any = import_module(_RESPONSES)
    region, account = responses.get_region(), responses.get_account_id()
    place = f"arn:aws:kms:{region}:{account}"
    return f"{place}:key/{uuid.uuid5(uuid.NAMESPACE_URL, f'{place}:alias/aws/s3')}"
