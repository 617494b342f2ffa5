"""Global tables with multi-Region strong consistency (MRSC).

ministack knows no such tables, and ignores what asks for them. It replicates a write
before it answers, so each of its global tables is read and written as if it were one.
What is added is the mode, the witness, and what such a table refuses: another number of
regions than three, items from before, a time to live, transactions.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.dynamodb": {
        "_replica_group": ("table",),
        "_table_description": ("name",),
        "_tables": None,
        "_transact_get_items": ("data",),
        "_transact_write_items": ("data",),
        "_update_table": ("data",),
        "_update_ttl": ("data",),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""

_MODE, _WITNESSES = "MultiRegionConsistency", "GlobalTableWitnesses"
Answer = tuple[int, Mapping[str, str], bytes]


def _tables() -> Any:
    return import_module("ministack.services.dynamodb")


def apply() -> None:
    """Keep the mode of global tables, and refuse what it does not go with."""
    tables = _tables()
    _wrap("_update_table", _update)
    _wrap("_update_ttl", _no_expiry)
    _wrap("_transact_get_items", _no_transaction)
    _wrap("_transact_write_items", _no_transaction)
    original = tables._table_description

    def description(name: str) -> dict[str, Any]:
        stored = tables._tables[name]
        more = {key: stored[key] for key in (_MODE, _WITNESSES) if key in stored}
        return {**original(name), **more}

    description.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    tables._table_description = description


def _wrap(name: str, around: Callable[[Any, Any], Answer]) -> None:
    original = getattr(_tables(), name)

    def wrapped(data: Any) -> Answer:
        return around(original, data)

    wrapped.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    setattr(_tables(), name, wrapped)


def _refused(message: str) -> Answer:
    answer: Answer = _tables().error_response_json("ValidationException", message, 400)
    return answer


def _is_strong(name: Any) -> bool:
    table = _tables()._tables.get(str(name).rpartition("/")[2]) or {}
    return table.get(_MODE) == "STRONG"


def _update(original: Any, data: Any) -> Answer:
    updates = data.get("ReplicaUpdates") or []
    created = sum("Create" in update for update in updates)
    if data.get(_MODE) == "STRONG" and created:
        return _create(original, data, created)
    if _is_strong(data.get("TableName")) and updates:
        return _dissolve(original, data)
    return original(data)  # type: ignore[no-any-return]


def _create(original: Any, data: Any, created: int) -> Answer:
    wanted = data.get("GlobalTableWitnessUpdates") or []
    witnesses = [u["Create"]["RegionName"] for u in wanted if "Create" in u]
    if (created, len(witnesses)) not in ((2, 0), (1, 1)):
        return _refused(
            "A table with multi-Region strong consistency is in exactly three Regions:"
            " add two replicas, or one replica and a witness"
        )
    table = _tables()._tables.get(data.get("TableName")) or {}
    if table.get("items"):
        return _refused(
            "A table with multi-Region strong consistency must be empty when its first"
            " replica is added"
        )
    answer: Answer = original(data)
    if answer[0] == 200:
        shown = [{"RegionName": r, "WitnessStatus": "ACTIVE"} for r in witnesses]
        for each in _replicas(data["TableName"], table):
            each[_MODE] = "STRONG"
            if shown:
                each[_WITNESSES] = shown
    return answer


def _replicas(name: str, table: Any) -> list[Any]:
    tables = _tables()
    account = import_module("ministack.core.responses").get_account_id()
    regions = tables._replica_group(table)
    return [tables._tables.get_scoped(account, region, name) for region in regions]


def _dissolve(original: Any, data: Any) -> Answer:
    """Take all other replicas and the witness away; a part of them cannot go."""
    table = _tables()._tables[data["TableName"]]
    wanted = [*data["ReplicaUpdates"], *(data.get("GlobalTableWitnessUpdates") or [])]
    going = sum("Delete" in update for update in wanted)
    others = len(_tables()._replica_group(table)) - 1
    if going != others + len(table.get(_WITNESSES) or []):
        return _refused(
            "The replicas of a table with multi-Region strong consistency cannot be"
            " added or deleted one by one"
        )
    answer: Answer = original(data)
    for key in (_MODE, _WITNESSES):
        table.pop(key, None)
    return answer


def _no_expiry(original: Any, data: Any) -> Answer:
    if _is_strong(data.get("TableName")):
        return _refused(
            "Time to Live is not supported with multi-Region strong consistency"
        )
    return original(data)  # type: ignore[no-any-return]


def _no_transaction(original: Any, data: Any) -> Answer:
    parts = [part for item in data.get("TransactItems") or [] for part in item.values()]
    if any(_is_strong(part.get("TableName")) for part in parts):
        return _refused(
            "Transactions are not supported with multi-Region strong consistency"
        )
    return original(data)  # type: ignore[no-any-return]
