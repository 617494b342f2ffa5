"""Drift of secrets: a stack has their ARN, ministack reads them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapgen.emulator.cloudformation.patches.replacing import CFN, loaded

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    f"{CFN}.drift": {"_DRIFT_READERS": None},
    "ministack.services.secretsmanager": {"_resolve": ("secret_id", "use_arn_scope")},
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Let drift detection find secrets by their ARN (see `resources.keys`)."""
    readers = loaded(f"{CFN}.drift")._DRIFT_READERS
    read, covered = readers["AWS::SecretsManager::Secret"]

    def by_arn(physical_id: str, props: Mapping[str, Any]) -> Any:
        name, _ = loaded("ministack.services.secretsmanager")._resolve(physical_id)
        return read(name, props) if name else None

    readers["AWS::SecretsManager::Secret"] = (by_arn, covered)
