"""The keys about stack sets that AWS Organizations deploys.

A stack set inherits missing keys from the file where the whole file is
`SERVICE_MANAGED`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tapgen.config.document import Node, wrong
from tapgen.config.model import Blueprint
from tapgen.config.problems import Problems, shown
from tapgen.model import (
    SELF,
    AccountFilter,
    AutoDeployment,
    PermissionModel,
    ServiceManaged,
)

_MODEL = "permission_model"
_UNITS = "organizational_units"
_FILTER = "account_filter"
_AUTO = "auto_deployment"
_ITS_KEYS = (_UNITS, _FILTER, _AUTO)
_MANAGED = PermissionModel.SERVICE_MANAGED.value


def is_managed(part: Node, root: Node) -> bool:
    """Whether a stack set is deployed by AWS Organizations."""
    node = part.get(_MODEL) or root.get(_MODEL)
    return node is not None and node.value == _MANAGED


def given(part: Node, root: Node, key: str) -> Node | None:
    """Return a service-managed stack set's node for a key, its own or inherited."""
    own = part.get(key)
    if own is not None:
        return own
    return root.get(key) if _whole(root) else None


def named(part: Node, root: Node) -> tuple[str, ...]:
    """Return the organizational units of a stack set, as the file names them."""
    node = given(part, root, _UNITS)
    return tuple(_texts(node))


def read(part: Node, root: Node) -> ServiceManaged | None:
    """Return how AWS Organizations deploys a valid stack set; None for self-managed."""
    if not is_managed(part, root):
        return None
    chosen, auto = given(part, root, _FILTER), given(part, root, _AUTO)
    settings = auto.data() if auto else {}
    return ServiceManaged(
        named(part, root),
        tuple(_texts(given(part, root, "accounts"))) if chosen else (),
        AccountFilter(str(chosen.value)) if chosen else AccountFilter.NONE,
        AutoDeployment(
            settings.get("enabled", False), settings.get("retain_stacks", False)
        ),
    )


def _texts(node: Node | None) -> Iterator[str]:
    for item in node.items if node else []:
        if isinstance(item.value, str):
            yield item.value


def _whole(root: Node) -> bool:
    node = root.get(_MODEL)
    return node is not None and node.value == _MANAGED


# What does not go together -------------------------------------------------------------


def check(root: Node, problems: Problems, kind: Blueprint) -> None:
    """Report what is wrong with the file's own keys about AWS Organizations."""
    if not kind.stack_sets:
        for key in (_MODEL, *_ITS_KEYS):
            node = root.get(key)
            if node is not None and (key != _MODEL or node.value == _MANAGED):
                wrong(
                    problems,
                    node,
                    "only the blueprint custom deploys through AWS Organizations; "
                    "remove this key and list the accounts",
                )
        delegate = root.get("admin", "call_as")
        if delegate is not None and delegate.value == "DELEGATED_ADMIN":
            message = "only the blueprint custom supports DELEGATED_ADMIN; remove it"
            wrong(problems, delegate, message)
        return
    if not _whole(root):
        _refuse_its_keys(root, problems)
    delegate = root.get("admin", "call_as")
    if delegate is not None and delegate.value == "DELEGATED_ADMIN":
        sets = root.get("stack_sets")
        for name, part in (sets.mapping if sets else {}).items():
            if not is_managed(part, root):
                wrong(
                    problems,
                    delegate,
                    "a delegated administrator can only have SERVICE_MANAGED stack "
                    f"sets, but {name} is SELF_MANAGED; move it to a file of its own",
                )


def check_part(part: Node, root: Node, problems: Problems) -> None:
    """Report what is wrong with these keys of one stack set."""
    if not is_managed(part, root):
        _refuse_its_keys(part, problems)
        return
    units = given(part, root, _UNITS)
    if units is None:
        message = "missing; SERVICE_MANAGED needs the organizational units to deploy to"
        wrong(problems, part, message, _UNITS)
    _check_accounts(part, root, problems)
    auto = given(part, root, _AUTO)
    if auto is not None:
        _check_auto(auto, problems)
    for key, why in (
        ("targets", "it deploys to all accounts of a unit; give regions instead"),
        (
            "artifacts",
            "accounts of a unit have no artifact bucket; put the file into a bucket "
            "that all of them can read, and give its name as a parameter",
        ),
    ):
        node = part.get(key)
        if node is not None and node.value not in ({}, []):
            wrong(problems, node, f"cannot be combined with SERVICE_MANAGED: {why}")


def _refuse_its_keys(node: Node, problems: Problems) -> None:
    for key in _ITS_KEYS:
        inner = node.get(key)
        if inner is not None:
            message = f"needs {_MODEL}: {_MANAGED}; add that, or remove this key"
            wrong(problems, inner, message)


def _check_accounts(part: Node, root: Node, problems: Problems) -> None:
    accounts, chosen = given(part, root, "accounts"), given(part, root, _FILTER)
    if chosen is not None and accounts is None:
        message = "missing; give the accounts that account_filter refers to"
        wrong(problems, part, message, "accounts")
    if accounts is None:
        return
    if chosen is None:
        wrong(
            problems,
            accounts,
            "accounts of SERVICE_MANAGED need an account_filter; add INTERSECTION "
            "(only these accounts of the units) or DIFFERENCE (all others)",
        )
    for item in accounts.items:
        if item.value == SELF:
            wrong(
                problems,
                item,
                f"{shown(SELF)} cannot be used with account_filter; give an account id of "
                "12 digits in quotes",
            )


def _check_auto(node: Node, problems: Problems) -> None:
    enabled, retain = node.get("enabled"), node.get("retain_stacks")
    if retain is not None and retain.value is True:
        if enabled is not None and enabled.value is False:
            wrong(problems, retain, "needs enabled: true; change one of the two")
