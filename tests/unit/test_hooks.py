"""The pre-commit hooks that other repositories get from this one."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import yaml

from tapgen.cli import tapgen

HOOKS = yaml.safe_load(
    (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text()
)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_a_command_that_there_is(hook: dict[str, object]) -> None:
    program, name, *options = str(hook["entry"]).split()
    command = tapgen.get_command(click.Context(tapgen), name)

    assert program == "tapgen" and command is not None
    assert {*options} <= {o for p in command.params for o in p.opts}
    assert hook["language"] == "python"
    # Only the quick look takes the files that were edited.
    assert hook.get("pass_filenames", True) is ("--quick" in options)


def test_there_are_hooks_for_the_form_templates_and_lint() -> None:
    assert [hook["id"] for hook in HOOKS] == [
        *("tapgen-fmt", "tapgen-templates", "tapgen-lint-quick", "tapgen-lint")
    ]
