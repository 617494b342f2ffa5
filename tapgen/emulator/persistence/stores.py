"""Faster access to ministack's stores when there are many accounts.

A store is a dictionary of the records of all accounts and regions; a request sees those
of its own account and region.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from tapgen.emulator.cloudformation import private_names

_CFN = "ministack.services.cloudformation"
_RESPONSES = "ministack.core.responses"

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    _RESPONSES: {
        "AccountRegionScopedDict": None,
        "AccountScopedDict": None,
        "get_account_id": (),
        "get_region": (),
    },
    _CFN: {"_stacks": None},
    f"{_CFN}.handlers": {"_ACTION_HANDLERS": None},
    f"{_CFN}.helpers": {
        "_error": ("code", "message", "status"),
        "_p": ("params", "key", "default"),
    },
}
"""Private names of ministack used here."""


def check() -> list[str]:
    """Return the private names used here that have moved."""
    return private_names.moved(PRIVATE)


def apply() -> None:
    """Put the patches in place; a second call changes nothing."""
    responses: Any = import_module(_RESPONSES)
    if responses.AccountRegionScopedDict.values is _values:
        return
    # Iterating over a store reads account and region once per record of all accounts:
    # with 10,000 stacks that is most of the time of a delete.
    for kind in (responses.AccountScopedDict, responses.AccountRegionScopedDict):
        kind.items = _items
        kind.values = _values
        kind.keys = _keys
        kind.__iter__ = _iterate
        kind.__len__ = _length
        kind.__bool__ = _truth
    _find_stacks_by_id()


def _find_stacks_by_id() -> None:
    # ministack searches all stacks of the account and region for a stack id, or for a
    # stack that is gone, though the id contains the name, which is the key.
    package: Any = import_module(_CFN)
    handlers: Any = import_module(f"{_CFN}.handlers")
    helpers: Any = import_module(f"{_CFN}.helpers")
    kind = type(package._stacks)

    class Stacks(kind):  # type: ignore[misc, valid-type]
        """Stacks by name or id."""

        __slots__ = ()

        def get(self, key: Any, default: Any = None) -> Any:
            if not str(key).startswith("arn:"):
                return kind.get(self, key, default)
            stack = kind.get(self, str(key).split("/")[1]) if "/" in key else None
            return stack if stack and stack.get("StackId") == key else default

    package._stacks.__class__ = Stacks
    describe: Callable[[Any], Any] = handlers._ACTION_HANDLERS["DescribeStacks"]

    def describe_stacks(params: Any) -> Any:
        name = helpers._p(params, "StackName")
        if name and not name.startswith("arn:"):
            stack = package._stacks.get(name) or {}
            if stack.get("StackStatus", "DELETE_COMPLETE") == "DELETE_COMPLETE":
                message = f"Stack with id {name} does not exist"
                return helpers._error("ValidationError", message)
        return describe(params)

    handlers._ACTION_HANDLERS["DescribeStacks"] = describe_stacks


def _own(store: Any) -> list[Any]:
    """The keys of the current account, and region where the store has regions."""
    responses: Any = import_module(_RESPONSES)
    account = responses.get_account_id()
    # One step for the interpreter: other threads may change the store.
    keys = list(store._data)
    if isinstance(store, responses.AccountScopedDict):
        return [k for k in keys if k[0] == account]
    region = responses.get_region()
    return [k for k in keys if k[1] == region and k[0] == account]


def _items(store: Any) -> list[tuple[Any, Any]]:
    data, missing = store._data, object()
    found = ((k[-1], data.get(k, missing)) for k in _own(store))
    return [(name, value) for name, value in found if value is not missing]


def _values(store: Any) -> list[Any]:
    return [value for _, value in _items(store)]


def _keys(store: Any) -> list[Any]:
    return [k[-1] for k in _own(store)]


def _iterate(store: Any) -> Iterator[Any]:
    return iter(_keys(store))


def _length(store: Any) -> int:
    return len(_own(store))


def _truth(store: Any) -> bool:
    return bool(_own(store))
