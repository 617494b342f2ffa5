"""Everything that a config of a shipped blueprint turns into templates with.

The blueprints that tapgen ships read nothing but the config: no clock, no environment,
no network (a test watches what they open). So a config makes the same files for as long
as its bytes, tapgen's own source, Python and the packages that have a say are the same.
That does not hold for blueprints and templates of somebody's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tapgen.cache.store import digest

_PACKAGE = Path(__file__).parents[1]

# Module → name of its distribution: what makes, checks and describes templates, and
# reads configs.
_DISTRIBUTIONS = {
    "awacs": "awacs",
    "cfnlint": "cfn_lint",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic_core",
    "ruamel.yaml": "ruamel*yaml",
    "troposphere": "troposphere",
}


def fingerprint(config: Path) -> str | None:
    """A digest of a config file and of all that it is made into templates with; None
    where that cannot be told.

    It says nothing of files that a blueprint of somebody's own may read.
    """
    common = _common()
    try:
        return common and digest(common, str(config), config.read_bytes().hex())
    except OSError:
        return None


@cache
def _common() -> str | None:
    """A digest of what is the same for every config."""
    installed = [_record(*each) for each in _DISTRIBUTIONS.items()]
    if None in installed:
        return None
    return digest(sys.version, *filter(None, installed), *_sources())


def _record(module: str, distribution: str) -> str | None:
    """What is installed, with a hash of each file; None where the module lies where no
    installer put it, and may change without anybody's saying so."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    levels = module.count(".") + 1
    folder = Path(spec.origin).parents[levels]
    records = [*folder.glob(f"{distribution}-*.dist-info/RECORD")]
    if len(records) != 1:
        return None
    return f"{records[0]}\n{records[0].read_text(encoding='utf-8')}"


def _sources() -> Iterator[str]:
    """tapgen itself, less the embedded AWS, of which it knows nothing."""
    for path in sorted(map(str, _PACKAGE.rglob("*.py"))):
        name = path.removeprefix(str(_PACKAGE))
        if not name.startswith(f"{os.sep}emulator"):
            with open(path, encoding="utf-8") as file:
                yield from (name, file.read())
