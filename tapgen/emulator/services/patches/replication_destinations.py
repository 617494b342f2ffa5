"""Replication to a bucket that is not there.

S3 refuses it: "Destination bucket must exist." (hashicorp/terraform-provider-aws#749, which
also has the refusal of a destination without versioning). ministack takes it, and fails to
replicate each object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.s3": {
        "_put_bucket_replication": ("bucket_name", "body"),
        "_bucket_owner_account": ("name",),
        "_error": None,
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_DESTINATION = re.compile(rb"<Bucket>\s*(?:arn:[^<]*:::)?([^<\s]+)\s*</Bucket>")


def apply() -> None:
    """Refuse a replication to a bucket that is not there."""
    s3: Any = import_module("ministack.services.s3")
    original = s3._put_bucket_replication

    def put(bucket_name: str, body: bytes) -> Any:
        for name in _DESTINATION.findall(body or b""):
            if s3._bucket_owner_account(name.decode()) is None:
                message = "Destination bucket must exist."
                return s3._error("InvalidRequest", message, 400)
        return original(bucket_name, body)

    s3._put_bucket_replication = put
