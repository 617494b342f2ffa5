"""Plans in terminals: narrow ones, and those without colours."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tapgen import plan
from tapgen.cli.progress import VisibleConsole
from tapgen.model import StackSet
from tapgen.report import text
from tapgen.report.wrapping import wrapped
from tapgen.template import schemas
from tests import make
from tests.systems import look

SYSTEMS = sorted(path.stem for path in (look.ROOT / "stacksets").glob("*.yaml"))
COMMAND = "continue with: tapgen resume payments_dr -e staging; undo with: tapgen x"


def before(s: StackSet) -> StackSet:
    """A stack set whose resources all had other names, or something else that cannot
    change in place."""
    template = json.loads(s.template)
    for resource in template["Resources"].values():
        for name in schemas.create_only(resource["Type"]):
            value = resource.get("Properties", {}).get(name)
            if isinstance(value, str):
                resource["Properties"][name] = f"{value}-before"
            elif isinstance(value, dict) and "Fn::Sub" in value:
                resource["Properties"][name] = "before"
    return replace(s, template=json.dumps(template))


def shown(words: str, width: int, *, wraps: bool = True, colours: bool = True) -> str:
    file = io.StringIO()
    VisibleConsole(
        wraps, file=file, width=width, force_terminal=True, no_color=not colours
    ).print(words)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


def fits(line: str, width: int) -> bool:
    """Whether a line is no longer than a terminal is wide, or has no place to break."""
    return cell_len(line) <= width or not re.search(r"(?<!:) (?!tapgen)", line.strip())


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_plan_fits_its_terminal_and_loses_no_word(name: str) -> None:
    system = look.shipped(name)
    there = {s.name: make.observed(before(s)) for s in system.stack_sets}
    the_plan = plan.make(system, there)
    assert text.risks(the_plan)
    words = text.plan(the_plan)
    piped = shown(words, 10_000, wraps=False)

    for width in (60, 80, 120):
        lines = shown(words, width)
        assert lines.split() == piped.split()
        assert lines == shown(words, width, colours=False)
        assert [one for one in lines.splitlines() if not fits(one, width)] == []
    assert max(map(len, piped.splitlines())) > 120, "a pipe wraps nothing"


@given(st.text(st.sampled_from('ab日 :;!-+→("é'), max_size=80), st.integers(1, 40))
def test_wrapping_keeps_all_words_and_continues_below_them(
    line: str, width: int
) -> None:
    lines = wrapped(line, width).split("\n")

    assert " ".join(lines).split() == line.split()
    assert all(len(one) <= width or len(one.split()) <= 2 for one in lines)
    assert len({len(one) - len(one.lstrip()) for one in lines[1:]}) <= 1
    assert wrapped(line, max(len(line), 1)) == line


def test_a_command_that_somebody_may_copy_stays_in_one_line() -> None:
    assert wrapped(COMMAND, 30).splitlines() == [
        "continue with:",
        "  tapgen resume payments_dr -e staging;",
        "  undo with: tapgen x",
    ]


@pytest.mark.parametrize("head", ["    0.4 s   ✗ ", "08:51:22 ", "  ! ", "      ±? "])
def test_a_line_continues_below_the_word_behind_its_time_and_mark(head: str) -> None:
    assert wrapped(f"{head}one two", len(head) + 4).split("\n") == [
        f"{head}one",
        f"{' ' * min(len(head), (len(head) + 4) // 2)}two",
    ]
