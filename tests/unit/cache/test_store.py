"""A stored text is returned for exactly what it depends on, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen.cache.store import Store, digest

TEXT = "one\ntwo ü\r\n"


def test_a_text_comes_back_as_it_was(tmp_path: Path) -> None:
    Store(tmp_path / "new").put("name", TEXT, "this")

    assert Store(tmp_path / "new").get("name", "this") == TEXT


def test_a_text_is_for_what_it_is_about_and_under_its_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("name", TEXT, "this")

    assert store.get("name", "that") is None
    assert store.get("other", "this") is None
    (tmp_path / "name.json").rename(tmp_path / "other.json")
    assert store.get("other", "this") is None


def test_a_name_has_one_text(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("name", TEXT, "this")
    store.put("name", "", "that")

    assert (store.get("name", "this"), store.get("name", "that")) == (None, "")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b" ",
        lambda content: content.replace(b"two", b"too"),
        lambda content: content.replace(b"two", b"\xff\xfe"),
        lambda content: content.partition(b"\n")[2],
        lambda content: b"\x00" * 100,
    ],
)
def test_a_damaged_file_is_none(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    store.put("name", TEXT)
    path = tmp_path / "name.json"
    path.write_bytes(damage(path.read_bytes()))

    assert store.get("name") is None


def test_a_folder_that_cannot_be_used_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    store.put("name", TEXT)
    store.prune(0)

    assert store.get("name") is None


@given(st.lists(st.text()), st.lists(st.text()))
def test_other_texts_have_another_digest(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
