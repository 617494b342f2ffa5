"""Artifacts are named by what is in them."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from tapgen.errors import TemplateError
from tapgen.model import Artifact, StackSet, Target
from tapgen.system import artifacts


def artifact(base: Path, path: str) -> Artifact:
    return artifacts.artifact(path, base, "CodeBucket", "CodeKey")


def test_the_key_is_the_hash_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "app.zip").write_bytes(b"one")
    first = artifact(tmp_path, "app.zip")
    (tmp_path / "copy.zip").write_bytes(b"one")
    (tmp_path / "app.zip").write_bytes(b"two")

    assert first.key.startswith("artifacts/") and first.key.endswith(".zip")
    assert artifact(tmp_path, "copy.zip").key == first.key
    assert artifact(tmp_path, "app.zip").key != first.key
    assert first.bytes == 3


def test_a_folder_is_zipped_the_same_whenever_and_wherever(tmp_path: Path) -> None:
    for name, order in (("here", "ab"), ("there", "ba")):
        folder = tmp_path / name / "inner"
        folder.mkdir(parents=True)
        for letter in order:
            (folder / f"{letter}.py").write_text(letter)
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / f"{name}.pyc").write_text(name)
    os.utime(tmp_path / "there" / "inner" / "a.py", (1, 1))

    here = artifact(tmp_path, "here")

    assert artifact(tmp_path, "there").key == here.key
    with zipfile.ZipFile(io.BytesIO(artifacts.content(here))) as archive:
        assert archive.namelist() == ["inner/a.py", "inner/b.py"]
        assert archive.read("inner/b.py") == b"b"


def test_a_changed_folder_has_another_key(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "run.sh").write_text("echo")
    keys = {artifact(tmp_path, "app").key}
    (folder / "run.sh").write_text("echo 2")
    keys.add(artifact(tmp_path, "app").key)
    (folder / "more.sh").write_text("")
    keys.add(artifact(tmp_path, "app").key)

    assert len(keys) == 3


def test_what_changed_since_it_was_planned_is_not_uploaded(tmp_path: Path) -> None:
    (tmp_path / "app.zip").write_bytes(b"one")
    planned = artifact(tmp_path, "app.zip")
    (tmp_path / "app.zip").write_bytes(b"two")

    with pytest.raises(
        TemplateError, match="changed since the plan was made; plan again"
    ):
        artifacts.content(planned)


def test_what_is_missing_or_empty_is_said(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="no such file.*; build it first"):
        artifact(tmp_path, "build/app.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TemplateError, match="the folder is empty; build"):
        artifact(tmp_path, "empty")


def test_each_target_takes_the_bucket_of_its_own_account_and_region(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.zip").write_bytes(b"one")
    code = artifact(tmp_path, "app.zip")
    one, two = Target("1" * 12, "us-east-1"), Target("2" * 12, "eu-west-1")
    s = StackSet("n", "p", "{}", "every", (one, two), artifacts={"Code": code})

    assert s.values(one) == {
        "CodeBucket": "tapgen-artifacts-111111111111-us-east-1",
        "CodeKey": code.key,
    }
    assert s.values(two)["CodeBucket"] == "tapgen-artifacts-222222222222-eu-west-1"
