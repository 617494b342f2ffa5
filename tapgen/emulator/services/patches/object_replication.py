"""S3 objects that are PENDING until their replica is there.

ministack writes the replica before it answers. So it is here with the real time; while the
clock stands, it takes the time of AWS, and while one of the regions is away it waits: such
an object "remains PENDING".
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-status.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-troubleshoot.html
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock, reach
from tapgen.emulator.services.patches import encrypted_replicas

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.s3": {
        "_bucket_owner_account": ("name",),
        "_buckets": None,
        "_in_account": ("account_id",),
        "_maybe_replicate": ("bucket_name", "key", "obj", "data", "tags"),
        "_maybe_replicate_delete_marker": ("bucket_name", "key"),
        "_object_record_from_version": ("v",),
        "_object_tags": None,
        "_object_versions": None,
        "_replication_rule_for": ("bucket_name", "key", "tags"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

REPLICATION = 15 * 60.0
"""How long an object is PENDING, in seconds: "most objects replicate within 15 minutes"."""

_STATUS = "replication_status"


# ministack's functions, by name.
_real: dict[str, Any] = {}


def apply() -> None:
    """Replicate later, where it takes time or a region is away."""
    s3 = _s3()
    for name, new in {
        "_maybe_replicate": _replicate,
        "_maybe_replicate_delete_marker": _mark,
    }.items():
        _real[name] = getattr(s3, name)
        setattr(s3, name, new)
    clock.work("object", _replicate_now, _is_possible)
    clock.work("marker", _mark_now, _is_possible)


def _replicate(
    bucket_name: str,
    key: str,
    obj: dict[str, Any],
    data: Any,
    tags: Mapping[str, str] | None = None,
) -> None:
    rule, _ = _s3()._replication_rule_for(bucket_name, key, tags)
    if rule is None or encrypted_replicas.leaves_out(rule, obj):
        return
    if _is_at_once(bucket_name, rule):
        _real["_maybe_replicate"](bucket_name, key, obj, data, tags)
        return
    obj[_STATUS] = "PENDING"
    about = {"bucket": bucket_name, "key": key, "tags": tags, "etag": obj["etag"]}
    clock.after(REPLICATION, "object", about)


def _mark(bucket_name: str, key: str) -> None:
    about = {"bucket": bucket_name, "key": key, "tags": None}
    rule, _ = _s3()._replication_rule_for(bucket_name, key, None)
    if rule is None or _is_at_once(bucket_name, rule):
        _mark_now(about)
    else:
        clock.after(REPLICATION, "marker", about)


def _mark_now(about: Mapping[str, Any]) -> None:
    _real["_maybe_replicate_delete_marker"](about["bucket"], about["key"])


def _replicate_now(about: Mapping[str, Any]) -> None:
    s3, bucket, key, tags = _s3(), about["bucket"], about["key"], about["tags"]
    version = _pending(bucket, key, about["etag"])
    if version is None:
        return  # deleted meanwhile
    obj = s3._object_record_from_version(version)
    _real["_maybe_replicate"](bucket, key, obj, version.get("data"), tags)
    current = s3._buckets[bucket]["objects"].get(key) or {}
    found = current.get("version_id") == version["version_id"]
    for record in (version, *([current] if found else [])):
        record[_STATUS] = obj.get(_STATUS)
    if "_replica" in obj:
        name, version_id, account = current["_replica"] = obj["_replica"]
        if tags:
            with s3._in_account(account):
                s3._object_tags[name, key, version_id] = dict(tags)


def _pending(bucket: str, key: str, etag: str) -> dict[str, Any] | None:
    """The oldest version of an object that waits for its replica."""
    for version in _s3()._object_versions.get((bucket, key)) or []:
        if version.get(_STATUS) == "PENDING" and version["etag"] == etag:
            return version  # type: ignore[no-any-return]
    return None


def _is_at_once(bucket: str, rule: Mapping[str, Any]) -> bool:
    return not (clock.stands() or clock.waits()) and _can_reach(bucket, rule)


def _is_possible(about: Mapping[str, Any]) -> bool:
    rule, _ = _s3()._replication_rule_for(about["bucket"], about["key"], about["tags"])
    return rule is None or _can_reach(about["bucket"], rule)


def _can_reach(bucket: str, rule: Mapping[str, Any]) -> bool:
    s3 = _s3()
    destination = str((rule.get("Destination") or {}).get("Bucket", "")).split(":")[-1]
    for name in (bucket, destination):
        account = s3._bucket_owner_account(name)
        found = s3._buckets.get_scoped(account, None, name) if account else None
        region = (found or {}).get("region") or "us-east-1"
        if found and not reach.can_reach(account, region, "s3"):
            return False
    return True


def _s3() -> Any:
    return import_module("ministack.services.s3")
