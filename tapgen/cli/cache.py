"""What configs make and what lint says of it: from before, where nothing has changed.

Only for the blueprints that tapgen ships is it known what they depend on
(`tapgen.cache.fingerprint`); everything else is made anew each time. What is kept is used for
exactly that, and can be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapgen.cache import fingerprint
from tapgen.cache.store import Store, digest
from tapgen.cli.common import LINT_FOLDER, LOCAL_FOLDER, Loaded, each, load, load_all
from tapgen.model import Finding

MADE_FOLDER = LOCAL_FOLDER / "made"

Progress = Callable[[int], Callable[[str], None]]
"""Takes how many stack sets are checked anew; what it gives takes each that is done."""


@dataclass(frozen=True)
class Made:
    """The files of a config and all its environments, by their path below the output
    folder; its code and suffixes are what the names of its resources begin with."""

    code: str
    suffixes: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """What lint found in a config, and the stack sets it was looked for in."""

    stack_sets: tuple[str, ...]
    findings: tuple[Finding, ...]


def files(path: Path, use_kept: bool = True) -> Made:
    """What a config makes; raises ConfigError, BlueprintError or TemplateError."""
    slot = _Slot.of(path, "templates") if use_kept else None
    if slot and (known := slot.get()):
        return Made(known["code"], tuple(known["suffixes"]), known["files"])
    loaded = load_all(path)
    suffixes = tuple(one.config.suffix for one in loaded)
    made = Made(loaded[0].blueprint.code, suffixes, _files(loaded))
    if slot:
        slot.put(loaded, vars(made))
    return made


def _files(loaded: Sequence[Loaded]) -> dict[str, str]:
    from tapgen.accounts import bootstrap
    from tapgen.system import templates_out

    default, *others = loaded
    code = default.blueprint.code
    found = templates_out.files(default.system) | bootstrap.files(default.system, code)
    for other in others:
        found |= templates_out.files(other.system, default.system)
        # Where templates alone tell names, an environment may have its own.
        roles = {} if code else bootstrap.files(other.system, code)
        for path, text in roles.items():
            if found.get(path) != text:
                stem = path.removesuffix(".json")
                found[f"{stem}.{other.system.environment}.json"] = text
    return found


def check(
    paths: Collection[Path],
    environment: str | None,
    to: Path,
    progress: Progress,
    use_kept: bool = True,
) -> list[Checked]:
    """What lint finds in each of these configs, in their order.

    That is in one environment or, with None, in the default and all environments; `to`
    is where their templates are committed. Raises ConfigError where a config or
    `.cfnlintrc` cannot be used, BlueprintError where a system cannot be built.
    """
    from tapgen import lint
    from tapgen.lint import result_cache

    opened = result_cache.open_folder(LINT_FOLDER) if use_kept else None
    asked = json.dumps([str(Path.cwd()), str(to), environment])
    slots = {p: _Slot.of(p, asked, opened.common) if opened else None for p in paths}
    known = {p: _checked(slot.get()) for p, slot in slots.items() if slot}
    left = [p for p in paths if not known.get(p)]
    loaded = each(
        left, lambda p: [load(p, environment)] if environment else load_all(p)
    )
    systems = [one.system for group in loaded.values() for one in group]
    on_progress = progress(sum(len(system.stack_sets) for system in systems))
    cache = LINT_FOLDER if use_kept else None
    results = iter(lint.check_each(systems, to, on_progress, cache=cache))
    for path, group in loaded.items():
        findings = tuple(finding for _ in group for finding in next(results))
        stack_sets = [s for one in group for s in one.system.stack_sets]
        names = tuple(s.name for s in stack_sets)
        known[path] = Checked(names, findings)
        slot = slots[path]
        if slot and lint.is_cacheable((s.template for s in stack_sets), findings):
            texts = result_cache.to_text(findings)
            slot.put(group, {"stack_sets": names, "findings": texts})
    return [checked for p in paths if (checked := known[p])]


def _checked(data: Any) -> Checked | None:
    from tapgen.lint import result_cache

    if not data:
        return None
    findings = result_cache.from_text(data["findings"]) or []
    return Checked(tuple(data["stack_sets"]), tuple(findings))


@dataclass(frozen=True)
class _Slot:
    """The place of what is kept of a config: `name` says what that is, and `about` all
    that it depends on, of which `fingerprint` is the config's own share."""

    path: Path
    name: str
    fingerprint: str
    about: str

    @staticmethod
    def of(path: Path, what: str, common: str = "") -> _Slot | None:
        """The place of something, which also depends on `common`; None where it is not
        known what the config depends on."""
        found = fingerprint.fingerprint(path)
        if found is None:
            return None
        return _Slot(path, digest(what, str(path)), found, digest(found, common))

    def get(self) -> Any:
        """The data that was kept; None where there is none."""
        text = Store(MADE_FOLDER).get(self.name, self.about)
        return None if text is None else json.loads(text)

    def put(self, loaded: Sequence[Loaded], data: Mapping[str, Any]) -> None:
        """Keep data that was made of a config, if nothing else can have had a say."""
        from tapgen import blueprints

        shipped = all(one.config.blueprint in blueprints.NAMES for one in loaded)
        # Somebody may have saved the config while it was read.
        if shipped and fingerprint.fingerprint(self.path) == self.fingerprint:
            Store(MADE_FOLDER).put(self.name, json.dumps(data), self.about)
