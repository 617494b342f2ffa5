"""A cache of lint results by content hash, so that nothing is checked twice.

The key of a result is a hash of everything that it depends on: the template and its
target regions, the configuration, and the versions of cfn-lint, of its schemas and of
tapgen with its rules. A change of any of these gives another key, so a cached result is
never stale.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from tapgen.cache.store import Store, digest
from tapgen.errors import ConfigError
from tapgen.frozen import dataclass
from tapgen.model import Finding, Severity

_PACKAGE = Path(__file__).parents[1]
# The rooms whose code decides what lint finds.
_ROOMS = ("cache", "knowledge", "lint", "model", "rules", "system", "template")
# cfn-lint reads rules and schemas from the files that these options name. The key does
# not cover those files, so results that may depend on them are not cached.
_NAMES_FILES = re.compile(
    r"append_rules|custom_rules|override_spec|registry_schemas|parameter_files"
    r"|deployment_files"
)


@dataclass(frozen=True)
class ResultCache:
    """A folder of results; all keys depend on `common`, and `most` limits their number."""

    folder: Path
    common: str
    most: int = 2_000

    def get(self, key: str) -> list[Finding] | None:
        """Return the findings under a key; None where it is not in the cache."""
        text = Store(self.folder).get(key)
        return None if text is None else from_text(text)

    def put(self, key: str, findings: Sequence[Finding]) -> None:
        """Store findings under a key; a folder that cannot be written is ignored."""
        Store(self.folder).put(key, to_text(findings))

    def prune(self) -> None:
        """Remove the oldest results beyond `most`."""
        Store(self.folder).prune(self.most)

    def key(self, *parts: str) -> str:
        """Return the key of a result that depends on these parts."""
        return digest(self.common, *parts)


def open_folder(folder: Path) -> ResultCache | None:
    """Return the cache in a folder; None where the configuration names files whose
    changes the keys would not cover.

    Raises ConfigError when a `.cfnlintrc` cannot be read.
    """
    configuration = "\n".join(_configuration())
    if _NAMES_FILES.search(configuration):
        return None
    return ResultCache(folder, digest(configuration, *_versions(), *_sources()))


def is_cacheable(template: str) -> bool:
    """Whether the cfn-lint configuration in a template names no files."""
    return not _NAMES_FILES.search(template)


def _configuration() -> Iterator[str]:
    """Yield the `.cfnlintrc` files that cfn-lint reads: the user's and the project's."""
    for folder in (Path.home(), Path.cwd()):
        for name in (".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml"):
            path = folder / name
            if path.is_file():
                try:
                    yield f"{path}\n{path.read_text(encoding='utf-8')}"
                except (OSError, UnicodeDecodeError) as error:
                    problem = f"{path}: cannot be read ({error}); correct or remove it"
                    raise ConfigError([problem]) from error
                break


def _versions() -> Iterator[str]:
    """Yield the installed versions of cfn-lint and its dependencies, and of schemas."""
    yield sys.version
    for name in ("cfn-lint", "aws-sam-translator", "regex", "networkx"):
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        # RECORD has the hash of every file of the package.
        yield installed.read_text("RECORD") or installed.version
    yield from _downloaded()


def _downloaded() -> Iterator[str]:
    """Yield the schemas of `cfn-lint --update-specs`, which override bundled ones."""
    if sys.platform == "darwin":
        base = Path("~/Library/Caches").expanduser()
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = base / "aws" / "cfn-lint" / "schemas"
    for path in sorted([*folder.glob("*.json"), *folder.glob("providers/*.json")]):
        status = path.stat()
        yield f"{path} {status.st_size} {status.st_mtime_ns}"


def _sources() -> Iterable[str]:
    """Yield tapgen's own code that decides what lint finds."""
    for room in _ROOMS:
        for path in sorted((_PACKAGE / room).rglob("*.py")):
            yield str(path.relative_to(_PACKAGE))
            yield path.read_text(encoding="utf-8")


def to_text(findings: Iterable[Finding]) -> str:
    """Return findings as the text to store."""
    return json.dumps([asdict(f) for f in findings])


def from_text(text: str) -> list[Finding] | None:
    """Return the findings in a text of `to_text`; None for any other text."""
    try:
        return [_finding(found) for found in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        return None


def _finding(data: dict[str, Any]) -> Finding:
    return Finding(
        **{**data, "severity": Severity(data["severity"]), "path": tuple(data["path"])}
    )
