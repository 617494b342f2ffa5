"""Every block is documented, and the examples use what there is."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tapgen import blocks

MODULES = {
    found.name: import_module(f"tapgen.blocks.{found.name}")
    for found in pkgutil.iter_modules(blocks.__path__)
}


def example(module: Any) -> str:
    """The indented code of a module's docstring."""
    found = re.findall(r"(?m)^    .*$|^$", inspect.getdoc(module) or "")
    return textwrap.dedent("\n".join(found))


def public(module: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        made_here = getattr(value, "__module__", "") == module.__name__
        if made_here and not name.startswith("_") and callable(value):
            yield name, value


@pytest.mark.parametrize("name", MODULES)
def test_the_example_of_a_block_calls_what_there_is(name: str) -> None:
    tree = ast.parse(example(MODULES[name]))

    used = set()
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=function)):
                if module not in MODULES:
                    continue
                used.add(module)
                taken = inspect.signature(getattr(MODULES[module], function))
                given = {k.arg: None for k in call.keywords if k.arg}
                taken.bind_partial(*call.args, **given)
                if None not in {k.arg for k in call.keywords}:
                    taken.bind(*call.args, **given)
    assert name in used, "the docstring of the module has no example"


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_says_what_it_gives(name: str) -> None:
    for title, value in public(MODULES[name]):
        assert inspect.getdoc(value), title
