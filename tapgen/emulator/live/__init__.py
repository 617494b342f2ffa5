"""Live properties of resources, in the form of templates, for drift detection.

One table, type to reader. Properties that a reader does not cover never drift; types
without a reader are NOT_CHECKED. `reading` has what all readers share. May use
`resources/`. Begin reading at `reading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from tapgen.emulator.live import identity, messages, network, storage
from tapgen.emulator.live.reading import Covering, guarded

TABLE: Mapping[str, Covering] = {
    **identity.READERS,
    **messages.READERS,
    **network.READERS,
    **storage.READERS,
}
"""Resource type to its reader and the properties that it reads."""


def apply() -> None:
    """Let drift detection use the table, before ministack's own readers."""
    readers = import_module("ministack.services.cloudformation.drift")._DRIFT_READERS
    for type_name, (read, covered) in TABLE.items():
        readers[type_name] = (guarded(read), covered)
