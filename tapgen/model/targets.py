"""Where stack instances live, and the parameter values that they get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from tapgen.frozen import dataclass

SELF = "self"
"""The caller's own account, until a plan resolves it."""

SAME = "same"
"""In an `Output`: the account or region of the target that receives the value."""


@dataclass(frozen=True, order=True)
class Target:
    """The place of one stack instance: an account and a region, never apart.

    Until `System.resolve` the account may be `self`, or an organizational unit that
    stands for its accounts. After it, `unit` is the id of the unit through which a
    service-managed stack set reaches the account; a unit without accounts, where
    automatic deployment waits for some, stands for itself.
    """

    account: str
    region: str
    unit: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"

    def resolve(self, account: str) -> Target:
        """Return the target with `self` replaced by an account."""
        return replace(self, account=account) if self.account == SELF else self

    @property
    def joins_later(self) -> bool:
        """Whether this target stands for accounts that join the unit later."""
        return self.unit is not None and self.account == self.unit


@dataclass(frozen=True)
class Output:
    """A parameter value that an output of another stack set provides.

    `region` is `same`, a region role of the system, or a region; `account` is `same`,
    `self` or an account. `all` joins the outputs of every matching target with commas.
    With `by_name` the target gets the name of an SSM parameter that has the value, and
    that the other stack set writes; only within one account and region.
    """

    part: str
    output: str
    region: str = SAME
    account: str = SAME
    all: bool = False
    by_name: bool = False

    def __str__(self) -> str:
        return f"{self.part}.{self.output}"

    def ssm_name(self, prefix: str) -> str:
        """Return the name of the SSM parameter in a system with this prefix."""
        return f"/tapgen/{prefix}/{self.part}/{self.output}"


Value = str | Output


@dataclass(frozen=True)
class Override:
    """Parameter values for the targets in one region, one account, or both.

    Where several overrides match a target, the one naming account and region wins
    over one naming only the account, which wins over one naming only the region.
    """

    parameters: Mapping[str, Value]
    region: str | None = None
    account: str | None = None
