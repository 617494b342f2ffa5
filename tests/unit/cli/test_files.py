"""Files that a command writes: all of them or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapgen.cli.files import drafted, unwritable, written
from tapgen.errors import ConfigError

TEXT = "a: 1\r\n"


def test_files_stay_as_they_were_written(tmp_path: Path) -> None:
    files = {tmp_path / "new" / "a.yaml": TEXT, tmp_path / "b.yaml": TEXT}

    with written(files):
        pass

    assert [p.read_bytes() for p in files] == [TEXT.encode()] * 2
    assert not unwritable(files)  # the command can be given again


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConfigError(["no"])])
def test_what_fails_or_is_interrupted_leaves_nothing(
    tmp_path: Path, error: BaseException
) -> None:
    before = tmp_path / "before.yaml"
    before.write_bytes(TEXT.encode())

    with pytest.raises((KeyboardInterrupt, ConfigError)):
        with written({tmp_path / "new" / "a.yaml": TEXT, before: TEXT}):
            raise error

    assert [*tmp_path.iterdir()] == [before]


def test_a_file_that_cannot_be_written_takes_the_others_with_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = {tmp_path / "a.yaml": TEXT, tmp_path / "file" / "b.yaml": TEXT}

    with pytest.raises(ConfigError, match=r"b.yaml: cannot be written \("):
        with written(files):
            raise AssertionError

    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert "file: no folder that files can be written to" in unwritable(files)[0]


def test_other_content_is_not_overwritten(tmp_path: Path) -> None:
    other, folder = tmp_path / "other.yaml", tmp_path / "folder"
    other.write_bytes(b"\xff")
    folder.mkdir()

    (line,) = unwritable({other: TEXT, folder: TEXT})

    assert line.startswith(f"{other}, {folder}: already exists")


def test_errors_of_a_draft_name_the_files_where_they_will_be(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"

    with pytest.raises(ConfigError) as raised:
        with drafted({file: TEXT}, tmp_path) as draft:
            assert (draft / "a.yaml").read_bytes() == TEXT.encode()
            raise ConfigError([f"{draft / 'a.yaml'}:1: wrong"])

    assert str(raised.value) == f"{file}:1: wrong" and not file.exists()
