"""The rooms of docs/architecture.md: who may use whom, checked on the source itself."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tapgen"
LOCAL = "emulator"
# Sources that run in AWS, as functions and scripts of runbooks: they use nothing of tapgen.
HANDLERS = "handlers"

# Room -> the rooms it uses: a room is a package directly in tapgen/, and `model`, `errors`
# and `frozen`, which every room may use. Below its own, a room uses nothing else.
ROOMS: dict[str, set[str]] = {
    "cache": set(),
    "knowledge": set(),
    "template": {"knowledge"},
    "aws": {"template", HANDLERS},
    "config": {"knowledge", "template"},
    "blocks": set(),
    "system": {"knowledge", "template", "aws", "cache"},
    "rules": {"knowledge", "template", "system"},
    "lint": {"template", "system", "rules", "cache"},
    "procedures": set(),
    "blueprints": {
        *("knowledge", "template", "config", "system", "blocks", "procedures"),
    },
    "plan": {"knowledge", "template", "aws", "system"},
    "rollout": {"template", "aws", "system", "plan", "knowledge"},
    "operate": {"template", "aws", "procedures", "rollout"},
    "accounts": {"knowledge", "template", "aws", "system", "blueprints"},
    "report": {"template", "plan", "rollout", "system", "knowledge"},
}
EVERYWHERE = {"model", "errors", "frozen"}
# Rooms of the embedded AWS -> the ones they use.
LOCAL_ROOMS: dict[str, set[str]] = {
    "accounts": set(),
    "state": set(),
    "wire": set(),
    "faults": {"wire"},
    "permissions": set(),
    "services": {"state", "wire"},
    "cloudformation": {"accounts", "faults", "permissions", "services", "wire"},
    "resources": {"cloudformation", "services"},
    "live": {"resources"},
    "stacksets": {"accounts", "cloudformation", "live", "permissions", "wire"},
    "persistence": {"cloudformation", "stacksets", "state", "wire"},
    "server": {
        *("accounts", "cloudformation", "faults", "persistence", "resources"),
        *("permissions", "services", "stacksets", "state", "wire"),
    },
}
# Modules of the rollout that advance a run: what could run in AWS as well.
ENGINE = {
    *(
        "calls",
        "codec",
        "copies",
        "execute",
        "expand",
        "fold",
        "gates",
        "gating",
        "instances",
        "journal",
    ),
    *("adoption", "handing_over"),
    *("kinds", "lock", "model", "opening", "outcome", "places", "program"),
    *("reconcile", "restore", "runner", "snapshot"),
}
# What they may import, besides the standard library and each other.
ENGINE_USES = (
    *("tapgen.aws", "tapgen.model", "tapgen.errors", "tapgen.frozen"),
    "tapgen.__version__",
)
# Tables of facts, which use the standard library and `frozen` only.
TABLES = "knowledge"

# Third-party package -> the only rooms that may import it (`room.module` for one file).
OWNERS = {
    "boto3": {"aws", "emulator"},
    "botocore": {"aws", "emulator"},
    "ministack": {"emulator"},
    "hypercorn": {"emulator"},
    "samtranslator": {"blueprints.sam"},
    "troposphere": {"blocks", "blueprints", "system.templates_out"},
    "awacs": {"blocks", "blueprints"},
    "cfnlint": {"lint", "rules", "template.schemas"},
    "orjson": {"system.templates_out"},
    "cloudformation_validate": {"lint"},
    "ruamel": {"config"},
    "yaml": {"config.document", "template.decode", "emulator"},
    "click": {"cli"},
    "jinja2": {"report.page.rendering"},
    "rich": {"cli", "report"},
    "networkx": {"report"},
    "fast_sugiyama": {"report"},
}


def module(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Dotted names of everything a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import absolutely"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


IMPORTS = {module(path): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(name: str) -> str:
    """The room of a dotted name; empty for tapgen itself and its `__main__`."""
    return "".join(name.split(".")[1:2]).replace("__main__", "")


def allowed(room: str) -> set[str]:
    """The rooms that may be imported from a room, its own included."""
    if room in (TABLES, "cache", "model", "frozen"):
        return {room, "frozen"}
    if room in EVERYWHERE:
        return {room, *EVERYWHERE}
    if room == "cli":
        return {room, LOCAL, *ROOMS, *EVERYWHERE}
    if room in (LOCAL, HANDLERS):
        return {room}
    return {room, *ROOMS[room], *EVERYWHERE}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_room_uses_only_the_rooms_below_it(name: str) -> None:
    room = room_of(name)
    if not room:
        return
    assert room in {"cli", LOCAL, HANDLERS, *ROOMS, *EVERYWHERE}, f"{room} is no room"
    for imported in IMPORTS[name]:
        if imported.startswith("tapgen.") and imported != "tapgen.__version__":
            used = room_of(imported)
            assert used in allowed(room), f"{room} must not use {used}"


@pytest.mark.parametrize("name", IMPORTS)
def test_third_party_packages_stay_with_their_owners(name: str) -> None:
    here = name.removeprefix("tapgen.")
    if room_of(name) == HANDLERS:
        return  # Lambda has boto3
    for imported in IMPORTS[name]:
        owners = OWNERS.get(imported.split(".")[0])
        assert owners is None or {room_of(name), here} & owners, imported


def test_tables_use_the_standard_library_only() -> None:
    own = (f"tapgen.{TABLES}.", "tapgen.frozen.", "__future__")
    for name in (n for n in IMPORTS if room_of(n) == TABLES):
        for imported in IMPORTS[name]:
            root = imported.split(".")[0]
            assert imported.startswith(own) or root in sys.stdlib_module_names, imported


@pytest.mark.parametrize("part", sorted(ENGINE))
def test_what_advances_a_run_knows_no_plans_and_no_templates(part: str) -> None:
    own = tuple(f"tapgen.rollout.{name}" for name in ENGINE)
    for imported in IMPORTS.get(f"tapgen.rollout.{part}", ()):
        root = imported.split(".")[0]
        known = imported.startswith((*ENGINE_USES, *own)) or imported in own
        package = imported.removeprefix("tapgen.rollout.") in ENGINE
        assert known or package or root in sys.stdlib_module_names, imported


def test_rooms_use_each_other_one_way() -> None:
    TopologicalSorter(ROOMS).prepare()
    TopologicalSorter(LOCAL_ROOMS).prepare()


def test_every_arrow_between_rooms_is_used() -> None:
    """The table says what is, not what once was."""
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for name, found in IMPORTS.items():
        if room_of(name) in ROOMS:
            used[room_of(name)] |= {room_of(i) for i in found if i.startswith("tapgen")}
    for room, others in ROOMS.items():
        assert others <= used[room], f"{room} no longer uses {others - used[room]}"


def local_room_of(name: str) -> str:
    return "".join(name.removeprefix(f"tapgen.{LOCAL}").split(".")[1:2])


@pytest.mark.parametrize(
    "name", [n for n in IMPORTS if n.startswith(f"tapgen.{LOCAL}.")]
)
def test_rooms_of_the_embedded_aws_use_only_those_below(name: str) -> None:
    room = local_room_of(name)
    assert room in LOCAL_ROOMS, f"{room} is no room of the embedded AWS"
    for imported in IMPORTS[name]:
        if imported.startswith(f"tapgen.{LOCAL}."):
            used = local_room_of(imported)
            assert used in {room, *LOCAL_ROOMS[room]}, f"{room} must not use {used}"


def test_no_import_cycles_inside_a_room() -> None:
    graph = {
        name: {
            m
            for m in IMPORTS
            for i in found
            if m != name and (i == m or i.startswith(f"{m}."))
        }
        for name, found in IMPORTS.items()
    }
    packages = {name.rpartition(".")[0] for name in graph}
    leaves = {n: d - packages for n, d in graph.items() if n not in packages}
    TopologicalSorter(leaves).prepare()


@pytest.mark.parametrize(
    "room", ["cli", LOCAL, HANDLERS, *ROOMS, *(f"{LOCAL}/{r}" for r in LOCAL_ROOMS)]
)
def test_the_architecture_page_has_every_room(room: str) -> None:
    name = room.removeprefix(f"{LOCAL}/")
    assert f"| `{name}` |" in (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize(
    "room", ["cli", LOCAL, "model", *ROOMS, *(f"{LOCAL}/{r}" for r in LOCAL_ROOMS)]
)
def test_every_room_says_where_to_begin_reading(room: str) -> None:
    about = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
    assert about and "Begin reading" in about.replace("\n", " ")


def test_no_test_patches_what_it_tests() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        banned = ("unittest." + "mock", "mock." + "patch", "monkeypatch." + "setattr")
        assert not [w for w in banned if w in path.read_text()], path
