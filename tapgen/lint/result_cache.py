"""Verdicts of lint, kept by what they are about, so that nothing is checked twice.

A verdict is kept under a digest of everything it depends on: the template and where it
goes, and the versions of cfn-lint, of its schemas and of tapgen with its rules, and the
configuration. What changes any of these asks for another key, so that a verdict is
never stale.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tapgen.cache.store import Kept, digest
from tapgen.errors import ConfigError
from tapgen.model import Finding, Severity

_PACKAGE = Path(__file__).parents[1]
# The rooms whose code decides what lint finds.
_ROOMS = ("cache", "lint", "model", "rules", "system", "template")
# cfn-lint takes rules and schemas from the files these name: they are not looked at
# here, so that nothing is kept.
_NAMES_FILES = re.compile(
    r"append_rules|custom_rules|override_spec|registry_schemas|parameter_files"
    r"|deployment_files"
)


@dataclass(frozen=True)
class Verdicts:
    """A folder of verdicts; `common` is what all keys share, `most` how many are kept."""

    folder: Path
    common: str
    most: int = 2_000

    def get(self, key: str) -> list[Finding] | None:
        """What was found under a key, None where nothing is known."""
        text = Kept(self.folder).get(key)
        return None if text is None else read(text)

    def put(self, key: str, findings: Sequence[Finding]) -> None:
        """Keep what was found; where it cannot be written, it is not kept."""
        Kept(self.folder).put(key, written(findings))

    def prune(self) -> None:
        """Remove the oldest verdicts beyond `most`."""
        Kept(self.folder).prune(self.most)

    def key(self, *parts: str) -> str:
        """The key of a verdict about these."""
        return digest(self.common, *parts)


def open_folder(folder: Path) -> Verdicts | None:
    """The verdicts kept in a folder; None where the configuration names files of which
    it is not known whether they changed.

    Raises ConfigError when a `.cfnlintrc` cannot be read.
    """
    configuration = "\n".join(_configuration())
    if _NAMES_FILES.search(configuration):
        return None
    return Verdicts(folder, digest(configuration, *_versions(), *_sources()))


def keepable(template: str) -> bool:
    """Whether a template's own configuration names no files."""
    return not _NAMES_FILES.search(template)


def _configuration() -> Iterator[str]:
    """The `.cfnlintrc` files that cfn-lint reads: of the user, and of the project."""
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
    """cfn-lint and what decides with it: as installed, and schemas it downloaded."""
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
    """What `cfn-lint --update-specs` left, which goes before the bundled schemas."""
    if sys.platform == "darwin":
        base = Path("~/Library/Caches").expanduser()
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = base / "aws" / "cfn-lint" / "schemas"
    for path in sorted([*folder.glob("*.json"), *folder.glob("providers/*.json")]):
        seen = path.stat()
        yield f"{path} {seen.st_size} {seen.st_mtime_ns}"


def _sources() -> Iterable[str]:
    """tapgen's own code that decides what lint finds."""
    for room in _ROOMS:
        for path in sorted((_PACKAGE / room).rglob("*.py")):
            yield str(path.relative_to(_PACKAGE))
            yield path.read_text(encoding="utf-8")


def written(findings: Iterable[Finding]) -> str:
    """Findings as the text that is kept."""
    return json.dumps([asdict(f) for f in findings])


def read(text: str) -> list[Finding] | None:
    """The findings in a text that `written` gave; None where it gave another."""
    try:
        return [_finding(found) for found in json.loads(text)]
    except (ValueError, TypeError, KeyError):
        return None


def _finding(data: dict[str, Any]) -> Finding:
    return Finding(
        **{**data, "severity": Severity(data["severity"]), "path": tuple(data["path"])}
    )
