"""The zip of the engine: small, the same for the same code, and enough by itself."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3

from tapgen.engine import package

# What boto3 needs, and Lambda's runtime of Python has.
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:3]
import tapgen
for one in pkgutil.walk_packages(tapgen.__path__, "tapgen."):
    importlib.import_module(one.name)
for name in "behind", "promotion", "switchover", "writer":
    importlib.import_module(f"tapgen.handlers.{name}")
import boto3
roots = {name.split(".")[0] for name in sys.modules} - {*sys.stdlib_module_names}
roots -= {"__main__", "tapgen", *sys.argv[3:]}
roots = {r for r in roots if not r.startswith("_")}
assert not roots, roots
from tapgen.engine import turn
assert callable(turn.handle)
print(boto3.__version__)
"""


def sdk(folder: Path) -> Path:
    """A folder with boto3 and what it needs, and nothing else: the oldest boto3 that the
    engine supports where `make soak` has installed that, else the one of the tests."""
    if oldest := os.environ.get("TAPGEN_OLDEST_BOTO3"):
        return Path(oldest)
    folder.mkdir()
    here = Path(boto3.__file__).parents[1]
    for name in SDK:
        (folder / name).symlink_to(here / name)
    return folder


def unpack(folder: Path) -> Path:
    """Unpack the zip into a folder, which is returned."""
    with zipfile.ZipFile(io.BytesIO(package.archive())) as file:
        file.extractall(folder)
    return folder


def test_it_needs_the_standard_library_and_boto3_only(tmp_path: Path) -> None:
    names = [name.removesuffix(".py") for name in SDK]
    given = [unpack(tmp_path / "engine"), sdk(tmp_path / "sdk"), *names]
    # -I and -S: no environment, no site-packages, and not this project.
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALL, *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_it_is_small_and_has_nothing_of_the_planner_and_of_templates() -> None:
    assert len(package.archive()) < 1_000_000
    rooms = {name.split(".")[1] for name in package.modules() if "." in name}
    assert not rooms & {"plan", "system", "cli", "blueprints", "lint", "emulator"}
    assert "tapgen.template.schemas" not in package.modules()


def test_the_same_code_gives_the_same_bytes() -> None:
    first = package.archive()
    package.archive.cache_clear()
    package.modules.cache_clear()
    assert package.archive() == first
    assert package.key() == f"artifacts/{hashlib.sha256(first).hexdigest()}.zip"
    with zipfile.ZipFile(io.BytesIO(first)) as file:
        assert {one.date_time for one in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.compress_type for one in file.infolist()} == {zipfile.ZIP_STORED}
