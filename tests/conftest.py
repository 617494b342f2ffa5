"""What all tests share: properties are never judged by their speed."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tapgen", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tapgen")
