"""The updates that AWS refuses: those of custom names are in
`custom_names`."""

from __future__ import annotations

from tapgen.knowledge.refusals.compute import COMPUTE
from tapgen.knowledge.refusals.databases import DATABASES
from tapgen.knowledge.refusals.identity import IDENTITY
from tapgen.knowledge.refusals.model import Refusal, Rule
from tapgen.knowledge.refusals.services import SERVICES
from tapgen.knowledge.refusals.storage import STORAGE
from tapgen.knowledge.refusals.tables import TABLES

__all__ = [
    "REFUSALS",
    "Refusal",
    "Rule",
]

REFUSALS: tuple[Refusal, ...] = (
    *TABLES,
    *DATABASES,
    *STORAGE,
    *COMPUTE,
    *IDENTITY,
    *SERVICES,
)
"""Every known refusal, by service area."""
