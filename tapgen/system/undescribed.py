"""Stack sets of a system that its file does not describe.

A suffix or an administration region that changes in the file, or an environment that is
removed from it, leaves the earlier stack sets running: nothing in the file names them.
Their tags do (`ownership.ownership_tags`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tapgen.aws.stacksets import StackSets
from tapgen.errors import AwsError
from tapgen.frozen import dataclass
from tapgen.knowledge.regions import ALWAYS_ENABLED
from tapgen.model import System, Target, Undescribed, Unsearched
from tapgen.template import scope

Described = Collection[tuple[str, str]]
"""Administration region and suffix of the system, and of each of its environments."""


MANY = 8
"""Up to how many regions of a file are searched without a bucket in them."""


@dataclass(frozen=True)
class Where:
    """The regions to search, and those in the file that are left out."""

    regions: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def where(
    system: System,
    buckets: Collection[str] | None,
    *,
    deployed: bool,
    everything: bool = False,
) -> Where:
    """Return the regions that may administer stack sets of a system.

    These are the regions in its file, and those with artifact `buckets`: without one,
    tapgen deploys nothing from a region, since the journal is in it. None says that these
    are not known. Where none of the system is `deployed`, its administration region may
    just have changed: then also all regions that every account can use. Of a file with
    many regions, those without a bucket are left out, unless `everything` is wanted.
    """
    admin = system.admin.region
    found = {admin, *system.regions.values()}
    if not deployed:
        found |= {*ALWAYS_ENABLED.get(scope.partition(admin), ())}
    elif buckets is not None and len(found) > MANY and not everything:
        left = found - {admin, *buckets}
        return Where(tuple(sorted({admin, *buckets})), tuple(sorted(left)))
    return Where(tuple(sorted(found.union(buckets or ()))))


def find(
    system: System, sets: StackSets, described: Described, looked_at: Iterable[str]
) -> tuple[Undescribed | Unsearched, ...]:
    """Return the stack sets in the administration account that carry the system's tag and
    are not `described`, and the regions that cannot be searched for them."""
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda r: _in(system, sets, described, r), looked_at)
        every = [one for some in found for one in some]
    there = sorted(one for one in every if isinstance(one, Undescribed))
    return *there, *sorted(one for one in every if isinstance(one, Unsearched))


def _in(
    system: System, sets: StackSets, described: Described, region: str
) -> list[Undescribed | Unsearched]:
    there = replace(sets, admin=Target(sets.admin.account, region))
    start = f"{system.name.replace('_', '-')}-"
    ours = tuple(f"{start}{suffix}-" for place, suffix in described if place == region)
    found: list[Undescribed | Unsearched] = []
    try:
        for name in there.names(start):
            if ours and name.startswith(ours):
                continue
            tags = there.tags(name)
            if tags.get("tapgen:system") == system.name:
                suffix = tags.get("tapgen:suffix", "")
                found.append(Undescribed(region, suffix, name))
    except AwsError as error:
        return [*found, Unsearched(region, error.message)]
    return found
