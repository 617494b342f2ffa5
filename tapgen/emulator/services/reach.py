"""Whether the services of a region can be reached, while faults are set.

What goes on between regions by itself, replication and health checks, does not pass the
port at which faults hit calls: it asks here.
"""

from __future__ import annotations

from collections.abc import Callable

Reaches = Callable[[str, str, str], bool]
"""Whether a service in a region can be reached by an account: (account, region, service)."""


def _always(account: str, region: str, service: str) -> bool:
    return True


_reaches: list[Reaches] = [_always]


def know(reaches: Reaches) -> None:
    """Ask `reaches` from now on."""
    _reaches[:] = [reaches]


def can_reach(account: str, region: str, service: str) -> bool:
    """Whether no fault keeps a service of a region away; always true until `know`."""
    return _reaches[0](account, region, service)
