"""`python -m tools.generate [--check]`: write the modules that come from others, and the
pictures of the shipped systems."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import black
import isort

from tapgen import blueprints
from tools import checkers, condition_keys, permissions, pictures

ROOT = Path(__file__).parents[1]

MODULES: dict[str, Callable[[], str]] = {
    **{
        f"{name.replace('.', '/')}_checker.py": partial(checkers.source, name)
        for name in checkers.MODULES
    },
    "tapgen/template/permission_index.py": permissions.source,
    "tapgen/knowledge/condition_keys.py": condition_keys.source,
}
"""Path of a generated module → what returns its source."""

PICTURES: dict[str, Callable[[], str]] = {
    f"docs/{name}.svg": partial(pictures.source, name) for name in blueprints.NAMES
}
"""Path of a picture → what draws it."""


def stale(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield the files that are not what they would be now, with what they would be."""
    for path, source in (MODULES | PICTURES).items():
        wanted = source()
        if path in MODULES:
            ordered = isort.code(wanted, profile="black")
            wanted = black.format_str(ordered, mode=black.Mode())
        if not (root / path).exists() or (root / path).read_text() != wanted:
            yield root / path, wanted


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or only name it; return the exit code."""
    check = list(arguments) == ["--check"]
    found = False
    for path, text in stale():
        found = True
        if not check:
            path.write_text(text)  # before the next one is generated, which may use it
        print(f"{'stale' if check else 'wrote'} {path.relative_to(ROOT)}")
    if check and found:
        print("run: python -m tools.generate")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
