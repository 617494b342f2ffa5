"""`tapgen local serve` that also writes the calls of handlers into `calls.jsonl`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tapgen.emulator.server import lifecycle, process
from tapgen.system import names
from tapgen.template import (
    handler_calls,
    java_patterns,
    refusals,
    replacements,
    schemas,
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    calls = (options.folder / "calls.jsonl").open("a", buffering=1)

    def recorded(*given: Any) -> Iterator[handler_calls.Call]:
        *resource, _ = given  # also what policies allow without looking
        for call in handler_calls.of(*resource, lambda action: True):
            print(json.dumps([resource[0], *call]), file=calls)
            yield call

    process.serve(
        *(options.port, options.folder, os.environ[lifecycle.TOKEN_VARIABLE]),
        *(schemas.schema, refusals.reason, names.exclusive, replacements.of_update),
        *(java_patterns.matches, recorded, schemas.is_action),
    )
