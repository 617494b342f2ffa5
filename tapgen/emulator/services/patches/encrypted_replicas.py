"""Replication of S3 objects that are encrypted with a KMS key.

S3 replicates them only where the rule says so, and encrypts the replica with the key of
the rule; ministack copies object and key.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.s3": {
        "_maybe_replicate": ("bucket_name", "key", "obj", "data", "tags"),
        "_replication_rule_for": ("bucket_name", "key", "tags"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_SSE = "x-amz-server-side-encryption"
_SSE_KEY = f"{_SSE}-aws-kms-key-id"


def apply() -> None:
    """Replicate encrypted objects as the rule of the bucket says."""
    s3: Any = import_module("ministack.services.s3")
    original = s3._maybe_replicate

    def replicate(
        bucket_name: str,
        key: str,
        obj: dict[str, Any],
        data: Any,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        rule, _ = s3._replication_rule_for(bucket_name, key, tags)
        headers = obj.get("preserved_headers") or {}
        if rule is None or headers.get(_SSE) != "aws:kms":
            original(bucket_name, key, obj, data, tags)
            return
        if leaves_out(rule, obj):
            return
        encryption = rule["Destination"].get("EncryptionConfiguration") or {}
        replica_key = encryption.get("ReplicaKmsKeyID")
        obj["preserved_headers"] = {**headers, _SSE_KEY: replica_key}
        original(bucket_name, key, obj, data, tags)
        obj["preserved_headers"] = headers

    replicate.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    s3._maybe_replicate = replicate


def leaves_out(rule: Mapping[str, Any], obj: Mapping[str, Any]) -> bool:
    """Whether a rule does not replicate an object because it is encrypted with a key."""
    headers = obj.get("preserved_headers") or {}
    criteria = rule.get("SourceSelectionCriteria") or {}
    wanted = criteria.get("SseKmsEncryptedObjects") or {}
    return headers.get(_SSE) == "aws:kms" and wanted.get("Status") != "Enabled"
