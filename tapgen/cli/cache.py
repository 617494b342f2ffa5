"""Cached templates and lint results of configs that have not changed.

Only shipped blueprints have known inputs (`tapgen.cache.fingerprint`); everything else is
generated and checked each time. The cache can be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapgen.cache import fingerprint
from tapgen.cache.store import Store, digest
from tapgen.cli.common import (
    LINT_FOLDER,
    LOCAL_FOLDER,
    Loaded,
    each,
    load,
    load_all,
    local_folder,
)
from tapgen.frozen import dataclass
from tapgen.model import Finding

CACHE_FOLDER = LOCAL_FOLDER / "made"

Progress = Callable[[int], Callable[[str], None]]
"""Takes the number of stack sets to check, and returns a function to call for each that
is done."""


@dataclass(frozen=True)
class GeneratedFiles:
    """The files of a config and all its environments, by path below the output folder.

    Names of its resources begin with `code` and one of `suffixes`.
    """

    code: str
    suffixes: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """The findings of lint in a config, and the stack sets that were checked.

    `names` are those that no other config may have; empty where only one is checked.
    """

    stack_sets: tuple[str, ...]
    findings: tuple[Finding, ...]
    names: tuple[str, ...] = ()


def files(path: Path, use_cache: bool = True) -> GeneratedFiles:
    """Return the generated files of a config, from the cache where nothing has changed.

    Raises ConfigError, BlueprintError or TemplateError.
    """
    slot = _Slot.of(path, "templates") if use_cache else None
    if slot and (known := slot.get()):
        return GeneratedFiles(known["code"], tuple(known["suffixes"]), known["files"])
    loaded = load_all(path)
    suffixes = tuple(one.config.suffix for one in loaded)
    generated = GeneratedFiles(loaded[0].blueprint.code, suffixes, _files(loaded))
    if slot:
        slot.put(loaded, vars(generated))
    return generated


def _files(loaded: Sequence[Loaded]) -> dict[str, str]:
    from tapgen.accounts import roles
    from tapgen.system import templates_out

    default, *others = loaded
    code = default.blueprint.code
    found = templates_out.files(default.system) | roles.files(default.system, code)
    for other in others:
        found |= templates_out.files(other.system, default.system)
        # Without a code, names come from templates, which environments may change.
        own = {} if code else roles.files(other.system, code)
        for path, text in own.items():
            if found.get(path) != text:
                stem = path.removesuffix(".json")
                found[f"{stem}.{other.system.environment}.json"] = text
    return found


def check(
    paths: Collection[Path],
    environment: str | None,
    to: Path,
    progress: Progress,
    use_cache: bool = True,
    on_first: Callable[[list[Finding]], None] | None = None,
) -> list[Checked]:
    """Return the findings of lint for each of these configs, in their order.

    Checks one environment or, with None, the default and all environments; `to` is the
    folder of their committed templates; `on_first` is as for `lint.check_each`. Raises ConfigError when a config or `.cfnlintrc`
    is invalid, BlueprintError when a system cannot be built.
    """
    from tapgen import lint
    from tapgen.lint import result_cache

    opened = result_cache.open_folder(LINT_FOLDER) if use_cache else None
    several = len(paths) > 1
    request = json.dumps([str(Path.cwd()), str(to), environment, several])
    slots = {p: _Slot.of(p, request, opened.common) if opened else None for p in paths}
    known = {p: _checked(slot.get()) for p, slot in slots.items() if slot}
    left = [p for p in paths if not known.get(p)]

    def read(path: Path) -> list[Loaded]:
        return [load(path, environment)] if environment else load_all(path)

    loaded = each(left, read)
    systems = [one.system for group in loaded.values() for one in group]
    on_progress = progress(sum(len(system.stack_sets) for system in systems))
    cache = LINT_FOLDER if use_cache else None
    if use_cache:
        local_folder()
    results = iter(
        lint.check_each(systems, to, on_progress, cache=cache, on_first=on_first)
    )
    for path, group in loaded.items():
        its = [one.system for one in group]
        alone = tuple(finding for _ in group for finding in next(results))
        between = lint.check_between(its, to, cache)
        findings = (*alone, *(finding for some in between for finding in some))
        stack_sets = [s for system in its for s in system.stack_sets]
        shared = tuple(sorted(lint.names(its, cache))) if several else ()
        done = Checked(tuple(s.name for s in stack_sets), findings, shared)
        known[path] = done
        slot = slots[path]
        if slot and lint.is_cacheable((s.template for s in stack_sets), findings):
            texts = result_cache.to_text(findings)
            slot.put(group, vars(done) | {"findings": texts})
    whole = {p: checked for p in paths if (checked := known[p])}
    return list(_with_collisions(whole, read, to, cache).values())


def _with_collisions(
    whole: Mapping[Path, Checked],
    read: Callable[[Path], list[Loaded]],
    to: Path,
    cache: Path | None,
) -> dict[Path, Checked]:
    """Return the results with what different configs have in common: those are read
    again, which happens only where a name is really there twice."""
    from tapgen import lint

    found = dict(whole)
    shared = lint.sharing({path: one.names for path, one in whole.items()})
    systems = [
        (path, one.system) for path in whole if path in shared for one in read(path)
    ]
    between = lint.check_between([system for _, system in systems], to, cache)
    for (path, _), more in zip(systems, between, strict=True):
        before = found[path]
        together = dict.fromkeys((*before.findings, *more))
        found[path] = replace(before, findings=tuple(together))
    return found


def _checked(data: Any) -> Checked | None:
    from tapgen.lint import result_cache

    if not data:
        return None
    findings = result_cache.from_text(data["findings"]) or []
    return Checked(tuple(data["stack_sets"]), tuple(findings), tuple(data["names"]))


@dataclass(frozen=True)
class _Slot:
    """The place of one cached result of a config.

    `name` is the kind of result, `about` a digest of everything that it depends on, and
    `fingerprint` the config's own part of that.
    """

    path: Path
    name: str
    fingerprint: str
    about: str

    @staticmethod
    def of(path: Path, what: str, common: str = "") -> _Slot | None:
        """Return the place of a result that also depends on `common`; None when the
        inputs of the config are unknown."""
        found = fingerprint.fingerprint(path)
        if found is None:
            return None
        return _Slot(path, digest(what, str(path)), found, digest(found, common))

    def get(self) -> Any:
        """Return the cached data; None when there is none."""
        text = Store(CACHE_FOLDER).get(self.name, self.about)
        return None if text is None else json.loads(text)

    def put(self, loaded: Sequence[Loaded], data: Mapping[str, Any]) -> None:
        """Cache data of a config, if it depends on known inputs only."""
        from tapgen import blueprints

        shipped = all(one.config.blueprint in blueprints.NAMES for one in loaded)
        # The config may have been saved while it was read.
        if shipped and fingerprint.fingerprint(self.path) == self.fingerprint:
            local_folder()
            Store(CACHE_FOLDER).put(self.name, json.dumps(data), self.about)
