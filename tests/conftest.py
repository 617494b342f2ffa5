"""What all tests share: properties are never judged by their speed.

They are tried on the same examples in every run, so that a run fails only for what has
been changed since the last one; `make soak` (TAPGEN_SOAK) looks for new examples.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tapgen",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="TAPGEN_SOAK" not in os.environ,
)
settings.load_profile("tapgen")
