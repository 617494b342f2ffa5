"""`python -m tools.generate [--check]`: write the modules that come from others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import black

from tools import permissions

ROOT = Path(__file__).parents[1]

MODULES: Mapping[str, Callable[[], str]] = {
    "tapgen/template/permission_index.py": permissions.source,
}
"""Path of a generated module → what returns its source."""


def stale(root: Path = ROOT) -> dict[Path, str]:
    """Return the modules that are not what they would be now, with what they would be."""
    wanted = {
        root / path: black.format_str(source(), mode=black.Mode())
        for path, source in MODULES.items()
    }
    return {path: text for path, text in wanted.items() if path.read_text() != text}


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or only name it; return the exit code."""
    check = list(arguments) == ["--check"]
    found = stale()
    for path, text in found.items():
        if not check:
            path.write_text(text)
        print(f"{'stale' if check else 'wrote'} {path.relative_to(ROOT)}")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
