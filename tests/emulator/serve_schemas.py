"""The command that `places.served` gives to `life.start`: with the real schemas."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tapgen.emulator.server import lifecycle, process
from tapgen.system import names
from tapgen.template import java_patterns, refusals, replacements, schemas


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    token = os.environ[lifecycle.TOKEN_VARIABLE]
    process.serve(
        *(options.port, options.folder, token),
        *(schemas.schema, refusals.reason, names.exclusive, replacements.of_update),
        java_patterns.matches,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
