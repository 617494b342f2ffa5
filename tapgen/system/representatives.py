"""Accounts that stand for others: all of their targets come to the same.

Two accounts that are targets of the same stack sets in the same regions with the same
overrides, and that no template and no value names, can change places without anything
else changing. What is found for one is found for the other, under its own number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tapgen.model import StackSet, System, Target
from tapgen.template import evaluate

Groups = Mapping[str, tuple[str, ...]]
"""The first account of each group → all accounts of the group."""

_DIGITS = re.compile(r"[0-9]{12,}")


def of(system: System) -> dict[str, tuple[str, ...]]:
    """Return the accounts of a system, grouped: the first of each group → all of it."""
    targets = [placed for s in system.stack_sets for placed in _placed(s)]
    named = {system.admin.account}
    if len({t.account for _, t in targets}) > 1:
        named |= {account for s in system.stack_sets for account in _named(s)}
    return grouped(targets, named)


def grouped(
    targets: Iterable[tuple[Any, Target]], named: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Group the accounts of targets, each with what it is a target of: those that are
    named alone, the others by that and their regions."""
    places: dict[str, list[tuple[Any, str]]] = {}
    for stack_set, target in targets:
        places.setdefault(target.account, []).append((stack_set, target.region))
    alone = frozenset(named)
    groups: dict[Any, list[str]] = {}
    for account, those in places.items():
        single = account in alone or not account.isdigit()
        groups.setdefault(account if single else frozenset(those), []).append(account)
    return {accounts[0]: tuple(accounts) for accounts in groups.values()}


def first(groups: Groups, most: int) -> frozenset[str]:
    """Return the first accounts of each group."""
    return frozenset(a for accounts in groups.values() for a in accounts[:most])


def _named(s: StackSet) -> set[str]:
    """Return the accounts that a stack set's template and values name."""
    values = [s.parameters, [o.parameters for o in s.overrides]]
    found = numbers(s.template) | numbers(repr(values))
    if "AWS::AccountId" in s.template:
        # A text that is put together may name one as well.
        for target in {t.region: t for t in s.targets}.values():
            given = evaluate.given(s.values(target))
            found |= numbers(evaluate.account_numbers(s.template, given, target))
    return found


def _placed(s: StackSet) -> Iterator[tuple[Any, Target]]:
    """Yield the targets of a stack set, each with the part and the account's overrides."""
    overrides: dict[str | None, list[Any]] = {}
    for one in s.overrides:
        overrides.setdefault(one.account, []).append([one.region, one.parameters])
    keys = {account: (s.part, repr(own)) for account, own in overrides.items()}
    for target in s.targets:
        yield keys.get(target.account, s.part), target


def numbers(text: str) -> set[str]:
    """Return whatever may be an account number in a text."""
    return {
        run[at : at + 12]
        for run in _DIGITS.findall(text)
        for at in range(len(run) - 11)
    }
