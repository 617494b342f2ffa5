"""What all tests share: no long pauses, and properties are never judged by their speed.

Properties are tried on the same examples in every run, so that a run fails only for what has
been changed since the last one; `make soak` (TAPGEN_SOAK) looks for new examples.
"""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

SOAK = "TAPGEN_SOAK" in os.environ

# The collector of garbage looks at all that 350 files of tests and what they import have
# made, again and again: a tenth of the time of a test, two thirds of the time of reading
# the code. It looks seldom here, and never at what was there before the first test.
gc.set_threshold(50_000, 20, 50)


def pytest_collection_finish() -> None:
    gc.freeze()


# Calls that get no answer are repeated after a twentieth of the time, as AWS's SDKs do by
# default from November 2026 on (SDKs and Tools reference, "Retry behavior":
# docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html). Tests that have a
# region go away waited for a minute. botocore looks when it is imported: forks have it,
# and a command in a process of its own needs it in its environment.
os.environ["AWS_NEW_RETRIES_2026"] = "true"

settings.register_profile(
    "tapgen",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not SOAK,
)
settings.load_profile("tapgen")

if not SOAK:
    # Now and then it takes a constant of the modules that are imported by then. Which
    # these are depends on what the process has run before, so other examples would be
    # tried where the tests are shared out in another way.
    assert callable(providers._get_local_constants)
    providers._get_local_constants = lambda: providers._local_constants
