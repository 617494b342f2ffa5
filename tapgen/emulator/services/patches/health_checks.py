"""Route 53 health checks: the names of child checks and regions.

ministack reads how many child checks a calculated check has, and how many regions a
check is made from, but not which.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

PRIVATE: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "ministack.services.route53": {
        "_find": ("el", "tag"),
        "_parse_health_check_config": ("el",),
    }
}
"""Private names of ministack used here, as `private_names` describes them."""


def apply() -> None:
    """Read and store the names."""
    route53: Any = import_module("ministack.services.route53")
    original = route53._parse_health_check_config

    def parse(el: Any) -> dict[str, Any]:
        config: dict[str, Any] = original(el)
        for name in ("ChildHealthChecks", "Regions"):
            given = route53._find(el, name)
            if given is not None:
                config[name] = [each.text or "" for each in given]
        return config

    parse.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    route53._parse_health_check_config = parse
