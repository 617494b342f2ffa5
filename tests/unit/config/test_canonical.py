"""The canonical form of configs and templates: same meaning, same comments, and final."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tapgen.config import canonical, layout
from tapgen.config.document import thoroughly
from tapgen.config.problems import Keys, Problems
from tapgen.errors import ConfigError
from tapgen.template import decode

FILE = Path("shop.yaml")
ROOT = Path(__file__).parents[3]


def laid_out(text: str) -> str:
    return layout.text(
        text, FILE, lambda keys: ("e", "c", "a") if not keys else (), given_as
    )


def given_as(keys: Keys, given: str) -> str:
    return given


def said(text: str) -> Any:
    """What a text says; None where it is not YAML."""
    problems = Problems(FILE)
    root = thoroughly(text, problems)
    return root.data() if root and not problems else None


SCALARS = st.sampled_from(
    [
        *(
            "1",
            "x",
            "a b",
            "'it''s'",
            "'one'",
            '"two # 2"',
            "'a\"b'",
            '"\\t"',
            "~",
            "''",
        ),
        *("x#y", "'- no list'", "10m", "a:b", '"{"'),
    ]
)
LONG = st.sampled_from(["x" * 60, f'"{"y z " * 20}"'])
BLOCKS = st.sampled_from(
    [
        *("|\n{0}one\n{0}  two\n", ">-\n{0}one\n\n{0}two\n", "|+\n{0}one\n\n"),
        *("|2-\n  {1}   one\n  {1}two\n", '"one\n{0}two"\n', "one\n{0}two\n", "\n"),
        "'one\n\n{0}two'\n",
    ]
)


ORDERS = (["a", "b"], ["c", "d"], ["e"])


class Person:
    """Writes YAML as a person might, with a number in every comment."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.comments = 0

    def upto(self, most: int) -> int:
        return self.draw(st.integers(0, most))

    def comment(self) -> str:
        self.comments += 1
        return f"#{' ' * self.upto(1)}c{self.comments}"

    def beside(self) -> str:
        gap = " " * (1 + self.upto(3))
        return f"{gap}{self.comment()}" if self.upto(3) == 3 else ""

    def between(self, column: int) -> str:
        lines = ""
        while self.upto(3) == 3:
            space = " " * max(0, column + self.draw(st.integers(-2, 2)))
            lines += "\n" if self.upto(1) else f"{space}{self.comment()}\n"
        return lines

    def flow(self, depth: int) -> str:
        kind = self.upto(3) if depth else 0
        if kind < 2:
            return self.draw(LONG if kind and self.upto(1) else SCALARS)
        inner = [self.flow(depth - 1) for _ in range(self.upto(3))]
        comma = self.draw(
            st.sampled_from([",", ", ", " ,\n ", f", {self.comment()}\n "])
        )
        # A line of a flow collection that begins in the first column ends the block.
        comma = comma.replace("\n", "\n" + " " * 20)
        if kind == 2:
            return f"[{comma.join(inner)}]"
        return f"{{{comma.join(f'k{n}: {v}' for n, v in enumerate(inner))}}}"

    def value(self, column: int, depth: int) -> str:
        """What follows a key or a dash in this column, with the line's end."""
        kind = self.upto(5 if depth else 3)
        space = " " * (1 + self.upto(2))
        if kind == 0:
            return f"{space}{self.draw(SCALARS)}{self.beside()}\n"
        if kind == 1:
            inner = " " * (column + 1 + self.upto(3))
            # An explicit margin counts from the column of the key.
            return space + self.draw(BLOCKS).format(inner, " " * column)
        if kind in (2, 3):
            return f"{space}{self.flow(2)}{self.beside()}\n"
        first = f"{self.beside()}\n"
        return first + self.block(column + 1 + self.upto(3), depth - 1, kind == 4)

    def block(self, column: int, depth: int, is_map: bool) -> str:
        lines = ""
        for n in range(1 + self.upto(2)):
            lines += self.between(column) + " " * column
            name = self.draw(st.sampled_from(ORDERS[n]))
            lines += f"{name}:" if is_map else "-"
            lines += self.value(column, depth)
        return lines + self.between(column)


@st.composite
def texts(draw: st.DrawFn) -> str:
    person = Person(draw)
    return person.between(0) + person.block(0, 3, True) + person.between(0)


@settings(max_examples=3000 if "TAPGEN_SOAK" in os.environ else 120, deadline=None)
@given(text=texts())
def test_the_canonical_form_says_the_same_keeps_comments_and_is_final(
    text: str,
) -> None:
    assume(said(text))
    once = laid_out(text)

    assert said(once) == said(text)
    assert sorted(re.findall(r"# ?(c\d+)", once)) == sorted(
        re.findall(r"# ?(c\d+)", text)
    )
    assert laid_out(once) == once


def shipped() -> list[Path]:
    found = [*ROOT.glob("stacksets/*.yaml"), *ROOT.glob("tapgen/data/*.yaml")]
    return [path for path in sorted(found) if not path.name.startswith("pipeline")]


@pytest.mark.parametrize(
    "path", shipped(), ids=lambda path: path.parent.name + path.name
)
def test_what_tapgen_ships_and_writes_is_canonical(path: Path) -> None:
    text = path.read_text()
    form = canonical.template if decode.is_template(text) else canonical.system

    assert form(text, path) == text


LOOSE = """\
# yaml-language-server: $schema=./tapgen.schema.json

# of tags
tags: {b: 1, a: 'x'}
blueprint:   custom # which
accounts: [012345678901, '222222222222']
stack_sets:
    app:   {parameters: {B: 1, A: 012345678901}, template: a.yaml}

    other:
        # of regions
        regions:
        - dr
        - primary   # c
        template: b.yaml
# of rollout
rollout:
  patience: 3600s
  gates:
  - bake: 600s
    alarms: true
  # nothing else
admin:
    # account: "111111111111"
environments: {stg: {suffix: stg, blueprint: custom}}
"""
TIDY = """\
# yaml-language-server: $schema=./tapgen.schema.json

blueprint: custom   # which
accounts: ["012345678901", "222222222222"]
admin:
  # account: "111111111111"
stack_sets:
  app: {template: a.yaml, parameters: {B: 1, A: 012345678901}}

  other:
    template: b.yaml
    # of regions
    regions:
      - dr
      - primary   # c
# of tags
tags: {b: 1, a: "x"}
# of rollout
rollout:
  gates:
    - alarms: true
      bake: 10m
  patience: 1h
  # nothing else
environments: {stg: {blueprint: custom, suffix: stg}}
"""


def test_a_config_has_the_order_of_its_models_and_one_form_of_each_value() -> None:
    assert canonical.system(LOOSE, FILE) == TIDY
    assert canonical.system(TIDY, FILE) == TIDY


def test_nothing_moves_where_there_are_anchors() -> None:
    text = "tags: &t {a: b}\nblueprint: custom\nenvironments: {stg: {tags: *t}}\n"

    assert canonical.system(text, FILE) == text


@pytest.mark.parametrize(
    "text",
    [
        "? a\n: b\n",
        "a: 1\n...\n",
        "a: 1\n---\nb: 1\n",
        "[a, b]\n",
        "%YAML 1.2\n---\na: 1\n",
    ],
)
def test_what_has_no_canonical_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="shop.yaml:[1-3]: "):
        canonical.system(text, FILE)


def test_sections_of_a_template_are_ordered_and_short_forms_stay() -> None:
    text = (
        "Resources:\n    A:\n        Type: AWS::SNS::Topic\n        Properties:\n"
        "            TopicName: !If\n            - C\n            - !Sub 'a-${B}'\n"
        "            - Fn::Sub: |\n                    x\n                      y\n"
        "Conditions: {C: !Equals [!Ref B, '1']}\nParameters: {B: {Type: String}}\n"
    )

    assert canonical.template(text, FILE) == (
        'Parameters: {B: {Type: String}}\nConditions: {C: !Equals [!Ref B, "1"]}\n'
        "Resources:\n  A:\n    Type: AWS::SNS::Topic\n    Properties:\n"
        '      TopicName: !If\n        - C\n        - !Sub "a-${B}"\n'
        "        - Fn::Sub: |\n            x\n              y\n"
    )
