"""Removing replicas of secrets, and promoting one: what ministack lacks.

ministack replicates secrets to other regions, but cannot undo it: a secret with replicas
is not deleted, and a replica cannot be promoted.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_StopReplicationToReplica.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

Answer = dict[str, Any]

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.secretsmanager": {
        "_is_replica": ("secret",),
        "_resolve": ("secret_id", "use_arn_scope"),
        "_secrets": None,
        "_unlink_from_primary": ("replica",),
        "error_response_json": (
            *("code", "message", "status"),
            *("extra", "message_key", "content_type"),
        ),
        "handle_request": ("method", "path", "headers", "body", "query_params"),
        "json_response": ("data", "status", "content_type"),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Answer the two operations in front of ministack's Secrets Manager."""
    secrets: Any = import_module("ministack.services.secretsmanager")
    original = secrets.handle_request

    async def handle_request(
        method: str, path: str, headers: Any, body: bytes, query_params: Any
    ) -> Any:
        operation = _OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await original(method, path, headers, body, query_params)
        given = json.loads(body or b"{}")
        _, secret = secrets._resolve(given.get("SecretId"))
        if not secret:
            return secrets.error_response_json(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
                400,
            )
        return operation(secrets, secret, given)

    secrets.handle_request = handle_request


def _account() -> str:
    return str(import_module("ministack.core.responses").get_account_id())


def _remove(secrets: Any, secret: Answer, given: Answer) -> Any:
    """Delete the replicas in some regions; the secret itself stays."""
    wanted = given.get("RemoveReplicaRegions", [])
    known = {status["Region"] for status in secret.get("ReplicationStatus", [])}
    if secrets._is_replica(secret) or not set(wanted) <= known:
        return secrets.error_response_json(
            "InvalidParameterException",
            f"The secret is not replicated to {', '.join(set(wanted) - known)}.",
            400,
        )
    for region in wanted:
        secrets._secrets.pop_scoped(_account(), region, secret["Name"], None)
    secret["ReplicationStatus"] = [
        s for s in secret["ReplicationStatus"] if s["Region"] not in wanted
    ]
    answer = {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}
    return secrets.json_response(answer)


def _stop(secrets: Any, secret: Answer, given: Answer) -> Any:
    """Make the replica here a standalone secret, as after the loss of the other region."""
    if not secrets._is_replica(secret):
        return secrets.error_response_json(
            "InvalidRequestException", "The secret is not a replica.", 400
        )
    secrets._unlink_from_primary(secret)
    for name in ("_PrimarySecretArn", "_PrimaryRegion"):
        secret.pop(name, None)
    return secrets.json_response({"ARN": secret["ARN"]})


_OPERATIONS: Mapping[str, Callable[[Any, Answer, Answer], Any]] = {
    "RemoveRegionsFromReplication": _remove,
    "StopReplicationToReplica": _stop,
}
