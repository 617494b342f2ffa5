"""What `tapgen WORD` leads to when WORD is no command."""

from __future__ import annotations

import pytest

from tapgen.cli import USAGE, main


def answer(word: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([word, "shop"]) == USAGE
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("deploy", "rollout"),
        ("apply", "rollout"),
        ("Up", "rollout"),
        ("launch", "rollout"),
        ("update", "rollout"),
        ("preview", "plan"),
        ("changeset", "plan"),
        ("validate", "lint"),
        ("synth", "templates"),
        ("describe", "status"),
        ("start", "local start"),
        ("rolout", "rollout"),
        ("destory", "destroy"),
        ("detroy", "destroy"),
    ],
)
def test_the_word_of_another_tool_leads_to_the_command(
    word: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = f"Error: No such command {word!r}; did you mean {command!r}?"

    assert answer(word, capsys) == expected


@pytest.mark.parametrize(
    "word", ["delete", "remove", "down", "ship", "destruct", "destination", "dest"]
)
def test_destroy_is_suggested_for_nothing_but_its_misspellings(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "destroy" not in answer(word, capsys)
