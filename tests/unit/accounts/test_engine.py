"""The engine in AWS, as far as it needs no AWS: who is let in, and what code it has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tapgen.accounts import engine
from tapgen.accounts.engine import Engine, Package
from tapgen.errors import RolloutError
from tapgen.model import Target
from tests import make

ELSEWHERE = replace(make.EAST, account="222222222222")
NOBODY: Any = None
ROLE = "role/tapgen-engine-us-east-1-function"
THERE = Engine(
    "arn:m", "f", "arn:t", Package(b"code", 4).key, 4, frozenset(), "https://x", "arn:p"
)


@pytest.mark.parametrize(
    ("callers", "targets", "refused"),
    [
        (("role/deploy",), (make.EAST, ELSEWHERE), True),
        (("role/deploy",), (make.EAST,), False),
        (("role/deploy", ROLE), (make.EAST, ELSEWHERE), False),
        (("role/tapgen-*",), (make.EAST, ELSEWHERE), False),
        ((), (make.EAST, ELSEWHERE), False),
    ],
)
def test_operator_roles_that_would_not_let_it_in_are_named_before_it_is_deployed(
    callers: tuple[str, ...], targets: tuple[Target, ...], refused: bool
) -> None:
    system = make.system(make.stack_set(targets=targets))
    system = replace(system, callers=callers)
    if refused:
        with pytest.raises(RolloutError, match=f"add {ROLE} to admin.callers"):
            engine.wanted(NOBODY, system, Package(b"code", 4))
    else:
        # It goes on to ask AWS, which is not there.
        with pytest.raises(AttributeError):
            engine.wanted(NOBODY, system, Package(b"code", 4))


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (Package(b"code", 4), ""),
        (Package(b"other", 4), "another tapgen"),
        (Package(b"other", 5), "up to format 4, this tapgen writes format 5"),
        (Package(b"other", 3), "up to format 4, this tapgen writes format 3"),
    ],
)
def test_other_code_and_other_formats_are_told_apart(
    package: Package, words: str
) -> None:
    found = engine.differs(THERE, package)
    assert words in found and bool(found) == bool(words)
