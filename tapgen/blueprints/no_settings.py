"""The `settings` block of a custom system."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Empty: a custom system has its values in the parameters of its stack sets."""

    model_config = ConfigDict(extra="forbid")
