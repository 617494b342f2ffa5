"""The rooms of docs/architecture.md: who may use whom, checked on the source itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
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
    "engine": {"aws", "rollout"},
    "operate": {"template", "aws", "procedures", "rollout"},
    "accounts": {"knowledge", "template", "aws", "system", "blueprints"},
    "costs": {"knowledge", "template", "system", "plan"},
    "report": {"template", "plan", "rollout", "system", "knowledge", "costs"},
}
EVERYWHERE = {"model", "errors", "frozen"}
# Rooms of the embedded AWS -> the ones they use.
LOCAL_ROOMS: dict[str, set[str]] = {
    "accounts": set(),
    "state": set(),
    "wire": set(),
    "faults": {"wire"},
    "permissions": set(),
    "services": {"faults", "permissions", "state", "wire"},
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
    *("reconcile", "remote", "restore", "runner", "snapshot", "turns"),
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


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Module -> what it imports. Read in the process that needs it only."""
    return {module(path): imports(path) for path in sorted(PACKAGE.rglob("*.py"))}


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


def test_a_room_uses_only_the_rooms_below_it(imported: dict[str, set[str]]) -> None:
    known = {"cli", LOCAL, HANDLERS, *ROOMS, *EVERYWHERE}
    wrong = []
    for name, found in imported.items():
        if not (room := room_of(name)):
            continue
        assert room in known, f"{name}: {room} is no room"
        wrong += [
            f"{name}: {room} must not use {room_of(i)}"
            for i in found
            if i.startswith("tapgen.") and i != "tapgen.__version__"
            if room_of(i) not in allowed(room)
        ]
    assert not wrong


def test_third_party_packages_stay_with_their_owners(
    imported: dict[str, set[str]],
) -> None:
    wrong = [
        f"{name} imports {i}"
        for name, found in imported.items()
        if room_of(name) != HANDLERS  # Lambda has boto3
        for i in found
        if (owners := OWNERS.get(i.split(".")[0])) is not None
        if not {room_of(name), name.removeprefix("tapgen.")} & owners
    ]
    assert not wrong


def test_tables_use_the_standard_library_only(imported: dict[str, set[str]]) -> None:
    own = (f"tapgen.{TABLES}.", "tapgen.frozen.", "__future__")
    for name in (n for n in imported if room_of(n) == TABLES):
        for i in imported[name]:
            assert i.startswith(own) or i.split(".")[0] in sys.stdlib_module_names, i


def test_what_advances_a_run_knows_no_plans_and_no_templates(
    imported: dict[str, set[str]],
) -> None:
    own = tuple(f"tapgen.rollout.{name}" for name in ENGINE)
    for part in sorted(ENGINE):
        for i in imported.get(f"tapgen.rollout.{part}", ()):
            known = i.startswith((*ENGINE_USES, *own)) or i in own
            package = i.removeprefix("tapgen.rollout.") in ENGINE
            library = i.split(".")[0] in sys.stdlib_module_names
            assert known or package or library, (part, i)


def test_rooms_use_each_other_one_way() -> None:
    TopologicalSorter(ROOMS).prepare()
    TopologicalSorter(LOCAL_ROOMS).prepare()


def test_every_arrow_between_rooms_is_used(imported: dict[str, set[str]]) -> None:
    """The table says what is, not what once was."""
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for name, found in imported.items():
        if room_of(name) in ROOMS:
            used[room_of(name)] |= {room_of(i) for i in found if i.startswith("tapgen")}
    for room, others in ROOMS.items():
        assert others <= used[room], f"{room} no longer uses {others - used[room]}"


def local_room_of(name: str) -> str:
    return "".join(name.removeprefix(f"tapgen.{LOCAL}").split(".")[1:2])


def test_rooms_of_the_embedded_aws_use_only_those_below(
    imported: dict[str, set[str]],
) -> None:
    inside = f"tapgen.{LOCAL}."
    for name in (n for n in imported if n.startswith(inside)):
        room = local_room_of(name)
        assert room in LOCAL_ROOMS, f"{name}: {room} is no room of the embedded AWS"
        used = {local_room_of(i) for i in imported[name] if i.startswith(inside)}
        over = used - {room, *LOCAL_ROOMS[room]}
        assert not over, f"{name}: {room} must not use {over}"


def outer(name: str) -> Iterator[str]:
    """A dotted name, and those that it is below."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def test_no_import_cycles_inside_a_room(imported: dict[str, set[str]]) -> None:
    graph = {
        name: {m for i in found for m in outer(i) if m in imported and m != name}
        for name, found in imported.items()
    }
    packages = {name.rpartition(".")[0] for name in graph}
    leaves = {n: d - packages for n, d in graph.items() if n not in packages}
    TopologicalSorter(leaves).prepare()


def test_the_architecture_page_has_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = ["cli", LOCAL, HANDLERS, *ROOMS, *LOCAL_ROOMS]
    assert [room for room in rooms if f"| `{room}` |" not in page] == []


def test_every_room_says_where_to_begin_reading() -> None:
    for room in ("cli", LOCAL, "model", *ROOMS, *(f"{LOCAL}/{r}" for r in LOCAL_ROOMS)):
        code = (PACKAGE / room / "__init__.py").read_text()
        about = ast.get_docstring(ast.parse(code))
        assert about and "Begin reading" in about.replace("\n", " "), room


def test_no_test_patches_what_it_tests() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        banned = ("unittest." + "mock", "mock." + "patch", "monkeypatch." + "setattr")
        assert not [w for w in banned if w in path.read_text()], path
