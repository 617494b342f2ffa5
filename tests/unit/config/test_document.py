"""Plain configs are read by libyaml, and come out as ruamel.yaml reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from tapgen.config import document
from tapgen.config.document import Node
from tapgen.config.problems import Problems

SHIPPED = sorted((Path(__file__).parents[3] / "stacksets").glob("*.yaml"))


def flat(node: Node | None) -> Any:
    """All that a node has, with the type of each value: 1 is not true."""
    if node is None:
        return None
    value: Any = (type(node.value), node.value)
    if isinstance(node.value, dict):
        value = {key: flat(inner) for key, inner in node.value.items()}
    elif isinstance(node.value, list):
        value = [flat(inner) for inner in node.value]
    return node.line, node.keys, node.text, value


def thoroughly(text: str) -> tuple[Any, Problems]:
    problems = Problems(Path("demo.yaml"))
    return flat(document.thoroughly(text, problems)), problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_configs_are_plain(path: Path) -> None:
    text = path.read_text()
    found, problems = thoroughly(text)
    assert not problems
    assert flat(document.quickly(text)) == found is not None


PIECES = st.sampled_from(
    [
        *"ab:-{}[],#'\" \n0.=~<_/é+!&*|>?%\\\t\x85",
        *(": ", "\n  ", "\n", "  ", " #", "- ", "---", "...", "\n---\n", "<<: "),
        *("null", "0x1", "1e3", "true", "a: 1\n", "a: [b, c]\n", "- a\n", "# c\n"),
        *("a: {b: c}\n", "k:\n  - x\n  - y: z\n", 'b: "y z"\n', "a: b # c\n"),
        *("a : b\n", "a:\n  b\n  c\n", 'a: "x\n  y"\n', "'a': b\n", "a:b: c\n"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@example("a: b\n...\n...\n")  # for libyaml nothing follows
@example("a: 1\na: 2\n")
@example("a: *b\n")
@example('a: "# \\x41"\n')
def test_what_libyaml_reads_is_what_ruamel_reads(text: str) -> None:
    for whole in (text, f"a: {text}"):
        quick = flat(document.quickly(whole))
        if quick is None:
            continue
        event("read by libyaml")
        found, problems = thoroughly(whole)
        assert not problems
        assert quick == found
