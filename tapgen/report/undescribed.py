"""Stack sets of a system that its file does not describe, as lines and JSON data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tapgen.model import Undescribed, Unsearched

TITLE = "stack sets of this system that its file does not describe"


def lines(found: Iterable[Undescribed | Unsearched]) -> list[str]:
    """Return a line for each suffix and administration region that the file lacks, and
    for the regions that cannot be searched."""
    groups: dict[tuple[str, str], list[str]] = {}
    unread: dict[str, list[str]] = {}
    for one in found:
        if isinstance(one, Unsearched):
            unread.setdefault(one.why, []).append(one.admin_region)
            continue
        groups.setdefault((one.admin_region, one.suffix), []).append(one.name)
    return [
        f"{', '.join(names)}: deployed with suffix {suffix} from {region}, and not "
        "described by the file; they stay as they are. To delete them, run tapgen destroy "
        f"with a file that has suffix {suffix} and admin.region {region}"
        for (region, suffix), names in groups.items()
    ] + [
        f"not known for {', '.join(regions)}: stack sets cannot be listed there ({why}); "
        "if this system was ever administered from there, look with other credentials"
        for why, regions in unread.items()
    ]


def data(found: Iterable[Undescribed | Unsearched]) -> list[dict[str, Any]]:
    """Return the same as JSON data."""
    return [
        {"name": u.name, "suffix": u.suffix, "admin_region": u.admin_region}
        for u in found
        if isinstance(u, Undescribed)
    ]
