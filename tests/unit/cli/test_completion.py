"""What shells complete, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.run import HEAVY, ROOT

BIN = Path(sys.executable).parent

# What is typed -> what is offered, and what is not. The last word is completed.
TYPED = [
    ("tapgen pl", {"plan"}, {"rollout"}),
    ("tapgen plan pay", {"payments_dr"}, {"serverless_api"}),
    ("tapgen plan payments_dr -e ", {"staging"}, set()),
    ("tapgen repair payments_dr --only back", {"backup", "backup-dr"}, {"api"}),
    ("tapgen plan payments_dr -e staging --region us-", {"us-west-2"}, {"us-east-2"}),
    ("tapgen failover payments_dr --to ", {"primary", "dr"}, set()),
    ("tapgen plan payments_dr --output=js", {"json"}, {"text"}),
    ("tapgen diff payments_dr serverless", {"serverless_api"}, set()),
    ("tapgen rehearse payments_dr --part backup", {"backup"}, {"api"}),
]

BASH = """\
eval "$(tapgen completion bash)"
while read -r line; do
  COMP_WORDS=($line) COMPREPLY=()
  [[ $line == *" |" ]] && COMP_WORDS[-1]=""
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  _tapgen_completion tapgen
  echo "${COMPREPLY[@]}"
done; true
"""
ZSH = """\
autoload -Uz compinit; compinit -u -D
eval "$(tapgen completion zsh)"
compadd() { print -rn -- "$completions " }
_describe() { print -rn -- "${completions_with_descriptions%%:*} " }
while read -r line; do
  words=(${=line}); [[ $line == *" |" ]] && words[-1]=""
  CURRENT=$#words
  _tapgen_completion; print
done; true
"""
FISH = """\
tapgen completion fish | source
while read -l line
  echo (complete -C (string replace -r '\\|$' '' -- $line) | string replace -r '\\t.*' '')
end
"""


def offered(shell: list[str], script: str, lines: list[str]) -> list[set[str]]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*shell, "-c", script],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if "TAPGEN" not in k} | {"PATH": path},
        check=True,
    )
    assert not done.stderr
    return [set(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        (["bash", "--norc"], BASH),
        (["zsh", "-f"], ZSH),
        (["fish", "--no-config"], FISH),
    ],
    ids=["bash", "zsh", "fish"],
)
def test_a_shell_completes_commands_and_the_names_of_the_project(
    shell: list[str], script: str
) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    # Bash itself splits at the sign; `|` stands for a last word that is still empty.
    lines = [f"{typed}|" if typed.endswith(" ") else typed for typed, _, _ in TYPED]
    if shell[0] == "bash":
        lines = [line.replace("=", " = ") for line in lines]

    found = offered(shell, script, lines)

    for (typed, wanted, not_wanted), got in zip(TYPED, found, strict=True):
        words = {word.removeprefix("--output=") for word in got}
        assert wanted <= words and not not_wanted & words, typed


def test_completing_imports_nothing_slow() -> None:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from tapgen.cli import main\n"
        "main()\n"
    )
    asked = {"COMP_WORDS": "tapgen plan payments_dr -e ", "COMP_CWORD": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **asked, "_TAPGEN_COMPLETE": "bash_complete"},
        check=True,
    )

    assert done.stdout.split() == ["plain,staging"]
    assert not {*HEAVY, "ruamel.yaml", "tapgen.blueprints"} & set(done.stderr.split())
