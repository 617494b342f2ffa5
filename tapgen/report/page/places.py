"""Targets of a page: in words, in full, and as numbers that a script can filter by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tapgen.frozen import dataclass
from tapgen.model import Target
from tapgen.report.targets import MOST_ACCOUNTS, target_list


@dataclass(frozen=True)
class Where:
    """Targets: `words` is short, `every` names each account where `words` does not, and
    `numbers` has each region with the numbers of its accounts, as `us-east-1:0-3,7`."""

    words: str
    every: tuple[str, ...] = ()
    numbers: str = ""


class Places:
    """The accounts and regions of a page; an account is a number in the order of its
    names, so that a page with thousands of targets stays short."""

    def __init__(self, targets: Iterable[Target]) -> None:
        every = {*targets}
        self.accounts = sorted({t.account for t in every})
        self.regions = sorted({t.region for t in every})
        self._numbers = {account: n for n, account in enumerate(self.accounts)}

    def where(self, targets: Sequence[Target]) -> Where:
        """Return targets as a page shows them."""
        regions: dict[str, set[int]] = {}
        for target in targets:
            number = self._numbers[target.account]
            regions.setdefault(target.region, set()).add(number)
        numbers = " ".join(f"{r}:{','.join(_ranges(n))}" for r, n in regions.items())
        return Where(target_list(targets), tuple(_every(targets)), numbers)


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    """Yield `first-last` of numbers that follow each other."""
    first = last = -2
    for number in sorted(numbers):
        if number == last + 1:
            last = number
            continue
        if first >= 0:
            yield str(first) if first == last else f"{first}-{last}"
        first = last = number
    if first >= 0:
        yield str(first) if first == last else f"{first}-{last}"


def _every(targets: Sequence[Target]) -> Iterator[str]:
    """Yield every account by its regions, where there are more than a line names."""
    regions: dict[str, list[str]] = {}
    for target in targets:
        regions.setdefault(target.account, []).append(target.region)
    grouped: dict[tuple[str, ...], list[str]] = {}
    for account, those in regions.items():
        grouped.setdefault(tuple(those), []).append(account)
    if any(len(accounts) > MOST_ACCOUNTS for accounts in grouped.values()):
        for where, accounts in grouped.items():
            yield f"{', '.join(where)}: {', '.join(accounts)}"
