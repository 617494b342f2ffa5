"""KMS keys that wait for their deletion, and are gone once the time is over.

https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.services import clock

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.kms": {"_aliases": None, "_keys": None, "time": None}
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Count the waiting period by the clock, and delete keys at its end."""
    clock.drive("ministack.services.kms")
    clock.watch(_happen)


def _happen() -> None:
    kms: Any = import_module("ministack.services.kms")
    for id_, key in clock.everywhere(kms._keys):
        due = key.get("KeyState") == "PendingDeletion" and clock.stands()
        if due and key["DeletionDate"] <= clock.now():
            del kms._keys[id_]
            for alias, of in kms._aliases.items():
                if of == id_:
                    del kms._aliases[alias]
