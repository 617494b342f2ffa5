"""The fingerprint of everything that turns a config of a shipped blueprint into templates.

The blueprints that tapgen ships read nothing but the config: no clock, no environment,
no network (a test watches which files they open). So a config gives the same files as
long as its bytes, tapgen's source, Python and the packages listed below are the same.
This does not hold for the user's own blueprints and templates.
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

# Module → name of its distribution: the packages that build, check and describe
# templates, and read configs.
_DISTRIBUTIONS = {
    "awacs": "awacs",
    "cfnlint": "cfn_lint",
    "orjson": "orjson",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic_core",
    "ruamel.yaml": "ruamel*yaml",
    "troposphere": "troposphere",
    "yaml": "[Pp]y[Yy][Aa][Mm][Ll]",
}


def fingerprint(config: Path) -> str | None:
    """Return a digest of a config file and of everything that turns it into templates;
    None where that is unknown.

    It does not cover files that a user's own blueprint may read.
    """
    common = _common()
    try:
        return common and digest(common, str(config), config.read_bytes().hex())
    except OSError:
        return None


@cache
def _common() -> str | None:
    """Return a digest of what is the same for every config."""
    installed = [_record(*each) for each in _DISTRIBUTIONS.items()]
    if None in installed:
        return None
    return digest(sys.version, *filter(None, installed), *_sources())


def _record(module: str, distribution: str) -> str | None:
    """Return the record of an installed package, with a hash of each file; None where no
    installer put the module there, so that it may change without a trace."""
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
    """Yield tapgen's own files, without the embedded AWS: templates do not depend on it."""
    for path in sorted(map(str, _PACKAGE.rglob("*.py"))):
        name = path.removeprefix(str(_PACKAGE))
        if not name.startswith(f"{os.sep}emulator"):
            with open(path, encoding="utf-8") as file:
                yield from (name, file.read())
