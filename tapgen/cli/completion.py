"""`tapgen completion`: the script that lets a shell complete commands and names."""

from __future__ import annotations

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
)

from tapgen.cli import COMPLETE, DONE, tapgen

_EPILOG = """\b
Install, once:
  bash  add to ~/.bashrc:  eval "$(tapgen completion bash)"
  zsh   add to ~/.zshrc, after compinit:  eval "$(tapgen completion zsh)"
  fish  tapgen completion fish > ~/.config/fish/completions/tapgen.fish

A new shell then completes commands, options, systems, environments, stack sets and
regions. bash must be 4.4 or later.
"""


class Bash(BashComplete):
    """Bash, which splits `--output=json` into three words: the sign is none."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, incomplete = super().get_completion_args()
        return [word for word in words if word != "="], incomplete


class _Joined(ShellComplete):
    """A shell that completes `--output=js` as one word: to `--output=json`, not `json`."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        option, sign, _ = incomplete.partition("=")
        start = f"{option}{sign}" if sign and option.startswith("-") else ""
        return [
            CompletionItem(f"{start}{one.value}", one.type, one.help)
            for one in super().get_completions(args, incomplete)
        ]


class Zsh(_Joined, ZshComplete):
    """Zsh."""


class Fish(_Joined, FishComplete):
    """Fish; click's script cuts a description at its first comma."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split -m 1 ","'
    )


for _shell in (Bash, Zsh, Fish):
    add_completion_class(_shell)


@click.command("completion", epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the completion script of a shell.

    Names come from file names, from the YAML file of the system, and from the manifests
    in templates_out/. Completing never connects to AWS.
    """
    kind = get_completion_class(shell)
    assert kind, "click has all three"
    script = kind(tapgen, {}, "tapgen", COMPLETE)
    # Not kind.source(): that starts bash, to look whether it is new enough.
    click.echo(ShellComplete.source(script), nl=False)
    return DONE
