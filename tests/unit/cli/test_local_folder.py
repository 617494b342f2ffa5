"""The folder `.tapgen/`, and the embedded AWS that is an extra of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli.common import embedded, local_folder
from tapgen.errors import LocalError


def test_the_local_folder_is_created_with_a_gitignore_for_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert local_folder() == Path(".tapgen")

    assert "*" in (tmp_path / ".tapgen/.gitignore").read_text().splitlines()


def test_a_gitignore_that_somebody_removed_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    local_folder()
    (tmp_path / ".tapgen/.gitignore").unlink()

    local_folder()

    assert not (tmp_path / ".tapgen/.gitignore").exists()


def test_without_the_extra_one_line_says_what_to_install() -> None:
    with pytest.raises(LocalError) as caught:
        embedded(lambda name: None)

    assert str(caught.value) == (
        "the embedded AWS is not installed; install it with: "
        "pip install 'tapgen[local]'"
    )
