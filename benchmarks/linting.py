"""What lint costs: everything anew, nothing changed, and one template edited.

The peer is the cfn-lint command on the same files and for the same regions: one command
for all files that go to the same regions, which is the least that takes. Ours always
generates the templates too, so that where little is left to lint the peer does as well,
and makes them anew: what tapgen keeps of before is ours alone.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TAPGEN = str(BIN / "tapgen")
CFN_LINT = str(BIN / "cfn-lint")
EDITED = ("secure_network", "storage")
"""The system and the part that the edited template is of."""

# Lints everything with one template that nobody has seen before.
_EDIT = """\
import json, sys, time
from dataclasses import replace
from pathlib import Path
from tapgen import lint
from tapgen.cli import common
name, part, cache = sys.argv[1:]
systems = []
for path in sorted(Path("stacksets").glob("*.yaml")):
    systems += [loaded.system for loaded in common.load_all(path)]
for number, system in enumerate(systems):
    if system.name == name and system.environment is None:
        body = json.loads(system.part(part).template)
        body["Description"] = f"edited at {time.time()}"
        text = json.dumps(body, indent=2) + "\\n"
        sets = [
            replace(s, template=text) if s.part == part else s
            for s in system.stack_sets
        ]
        systems[number] = replace(system, stack_sets=tuple(sets))
assert lint.check_all(systems, Path("templates_out"), cache=Path(cache)) == []
"""


@dataclass(frozen=True)
class Race:
    """Two commands that do the same; each gets a new empty folder."""

    name: str
    peer_name: str
    ours: Callable[[Path], Sequence[str]]
    peer: Callable[[Path], Sequence[str]]
    goal: float
    slow: bool = False


def races(cache: Path) -> list[Race]:
    """All three; `cache` is an empty folder that outlasts them."""
    files = sorted(_files())
    by_regions: dict[tuple[str, ...], set[str]] = {}
    for file, regions in files:
        by_regions.setdefault(regions, set()).add(file)
    everything = "; ".join(
        shlex.join([CFN_LINT, "-r", *regions, "--", *sorted(these)])
        for regions, these in sorted(by_regions.items())
    )
    system, part = EDITED
    file = f"templates_out/{system}/{part}.json"
    regions = next(r for f, r in files if f == file)
    only_that = shlex.join([CFN_LINT, "-r", *regions, "--", file])
    return [
        Race(
            "lint, all anew",
            f"cfn-lint, {len({f for f, _ in files})} files",
            lambda _: [TAPGEN, "lint", "--no-cache"],
            lambda _: ["bash", "-ec", everything],
            0.15,
            slow=True,
        ),
        Race(
            "templates + lint",
            "templates alone, anew",
            lambda folder: ["bash", "-ec", f"{_generate(folder)}; {TAPGEN} lint"],
            lambda folder: [*shlex.split(_generate(folder)), "--no-cache"],
            2.0,
        ),
        Race(
            "lint, one edited",
            "templates, cfn-lint 1 file",
            lambda _: [sys.executable, "-c", _EDIT, system, part, str(cache)],
            lambda folder: [
                *("bash", "-ec"),
                f"{_generate(folder)} --no-cache; {only_that}",
            ],
            1.0,
        ),
    ]


def _generate(folder: Path) -> str:
    return shlex.join([TAPGEN, "templates", "--to", str(folder)])


def _files() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every committed template of a system with the regions it goes to, for each
    environment."""
    for manifest in (ROOT / "templates_out").glob("*/manifest*.json"):
        for entry in json.loads(manifest.read_text())["stack_sets"]:
            path = (manifest.parent / entry["template"]).relative_to(ROOT)
            regions = {target["region"] for target in entry["targets"]}
            yield path.as_posix(), tuple(sorted(regions))
