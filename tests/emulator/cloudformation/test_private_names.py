"""The installed ministack has the private names that we use."""

from __future__ import annotations

import inspect
import json

from tapgen.emulator.cloudformation import patches, private_names


def test_the_installed_ministack_is_the_tested_one() -> None:
    # Whether they are applied in this process or not.
    assert patches.check() == []


def test_names_that_have_moved_are_listed_with_their_parameters() -> None:
    moved = private_names.moved(
        {"json": {"dumps": ("obj",), "loads_all": None, "JSONDecoder": None}}
    )
    assert moved == [
        f"json.dumps takes {_parameters()}, expected ('obj',)",
        "json.loads_all is gone",
    ]
    assert "cannot be imported" in private_names.moved({"no_such_module": {}})[0]


def _parameters() -> tuple[str, ...]:
    return tuple(inspect.signature(json.dumps).parameters)
