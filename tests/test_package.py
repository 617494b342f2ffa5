"""A wheel has everything, and works where there is no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tapgen import blueprints

ROOT = Path(__file__).parents[1]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy: building leaves folders in the tree it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tapgen", tree / "tapgen", ignore=skip)
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip("wheel", "--wheel-dir", str(folder), str(tree))
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_a_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    tree = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tapgen").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = set(ZipFile(wheel).namelist())

    assert tree - names == set()
    assert {n for n in names if n.split("/")[0].endswith("tests")} == set()


def test_a_wheel_has_its_licence(wheel: Path) -> None:
    with ZipFile(wheel) as files:
        (text,) = (n for n in files.namelist() if n.endswith("/licenses/LICENSE"))
        (about,) = (n for n in files.namelist() if n.endswith("/METADATA"))
        metadata = files.read(about).decode().splitlines()

        assert files.read(text) == (ROOT / "LICENSE").read_bytes()
    assert "License-File: LICENSE" in metadata
    assert {"License: Apache-2.0", "License-Expression: Apache-2.0"} & {*metadata}


def test_what_is_installed_is_used_and_not_the_checkout(
    run: Run, installed: Path
) -> None:
    where = run("-c", "import tapgen; print(tapgen.__file__)").stdout

    assert Path(where.strip()).is_relative_to(installed)


def test_the_schema_is_printed_outside_the_checkout(run: Run) -> None:
    schema = json.loads(run("-m", "tapgen", "schema").stdout)

    assert "blueprint" in schema["properties"]


@pytest.mark.parametrize("blueprint", blueprints.NAMES)
def test_a_new_system_gets_templates_outside_the_checkout(
    run: Run, tmp_path: Path, blueprint: str
) -> None:
    run("-m", "tapgen", "init", blueprint)
    run("-m", "tapgen", "templates")

    made = tmp_path / "templates_out" / blueprint
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["blueprint"] == blueprint
    for stack_set in manifest["stack_sets"]:
        assert json.loads((made / stack_set["template"]).read_text())["Resources"]
    run("-m", "tapgen", "templates", "--check")
