"""The command that the tests give to `life.start`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tapgen.emulator.server import lifecycle, process


def everywhere(type_name: str, region: str) -> Mapping[str, Any] | None:
    """Every AWS type everywhere, without any detail."""
    if not type_name.startswith("AWS::") or type_name.startswith("AWS::Nowhere::"):
        return None
    return {"typeName": type_name, "properties": {}}


def main(shape: process.Shape = everywhere) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    token = os.environ[lifecycle.TOKEN_VARIABLE]
    try:
        process.serve(options.port, options.folder, token, shape)
    except lifecycle.EmulatorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
