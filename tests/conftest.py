"""What all tests share: properties are never judged by their speed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("tapgen")
settings.load_profile("tapgen")
