"""The generated checkers take only what the models take, and give the same values."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tapgen.config import document
from tapgen.config.gate_shape import GateShape
from tapgen.config.gates import KNOWN
from tapgen.config.problems import Problems
from tapgen.config.record import Record
from tests.systems import look
from tests.systems.look import ROOT
from tools.checkers import MODULES, snake

CONFIGS = sorted((ROOT / "stacksets").glob("*.yaml"))
SUITE = (
    *("tests.unit.config.test_config", "tests.unit.config.test_stack_sets"),
    *("tests.unit.config.test_units", "tests.unit.config.test_gates"),
    *(f"tests.systems.test_{path.stem}" for path in CONFIGS),
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**70, 0.5, 1.0, float("nan"), "", " ", "x", "1"),
    *("true", "self", "prod", "prod\n", "us-east-1", "10.0.0.0/16", "10.0.0.1/8", "\n"),
    *("\ud800", "ü", "123456789012", "role/x", "a@b.c", "9" * 300, [], ["x"], [1], {}),
    *({"a": "b"}, {1: 2}, {"account": "self"}, ("x",), b"x", "$", "1\n", "v" * 20),
)


def models() -> Iterator[tuple[type[BaseModel], Any]]:
    """Each model, and the function that checks the same."""
    for name in MODULES:
        checker = import_module(f"{name}_checker")
        for found in vars(import_module(name)).values():
            own = isinstance(found, type) and found.__module__ == name
            check = (
                getattr(checker, f"check_{snake(found.__name__)}", None) if own else 0
            )
            if check:
                yield found, check


def same(model: type[BaseModel], check: Any, data: Any) -> bool | None:
    """Whether both take the data; fails where only the checker does, or they differ."""
    try:
        wanted = look.plain(model.model_validate(data))
    except ValidationError:
        wanted = None
    try:
        found = check(data)
    except (ValueError, AssertionError):
        return None if wanted is None else False
    assert wanted is not None, f"{model.__name__} refuses {data!r}"
    assert isinstance(found, Record)
    assert repr(look.plain(found)) == repr(wanted), data
    return True


def parts(data: Any) -> Iterator[Any]:
    """Data, and all that is in it."""
    yield data
    inner = data.values() if isinstance(data, dict) else data
    if isinstance(data, dict | list):
        for each in inner:
            yield from parts(each)


def read(text: str, folder: Path) -> Any:
    path = folder / "config.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        root = document.read(path, Problems(path))
    except Exception:  # a CloudFormation template
        return None
    return root.data() if root else None


def of_the_suite() -> Iterator[Any]:
    """Everything that the tests of configs and settings are given to load."""
    for name in SUITE:
        if not (ROOT / f"{name.replace('.', '/')}.py").exists():
            continue
        for test in vars(import_module(name)).values():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "parametrize":
                    yield from parts([_listed(each) for each in mark.args[1]])


def _listed(value: Any) -> Any:
    return list(getattr(value, "values", value)) if isinstance(value, tuple) else value


def mutated(data: Any, chance: random.Random) -> Any:
    """The data with one value replaced, removed or added somewhere."""
    if not isinstance(data, dict | list) or not data or chance.random() < 0.2:
        return chance.choice(ODD)
    if isinstance(data, list):
        at = chance.randrange(len(data))
        return [*data[:at], mutated(data[at], chance), *data[at + 1 :]]
    key = chance.choice([*data])
    what = chance.random()
    if what < 0.1:
        return {k: v for k, v in data.items() if k != key}
    if what < 0.2:
        return data | {"unknown": 1}
    return data | {key: mutated(data[key], chance)}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("texts")
    base = "blueprint: secure_network\nsuffix: prod\n"
    found: list[Any] = [*ODD]
    for given in of_the_suite():
        if isinstance(given, str):
            texts = [given, base + given]
            found += [p for text in texts for p in parts(read(text, folder))]
        else:
            found.append(given)
    return found


def test_no_wrong_input_of_the_suite_passes_a_checker(inputs: list[Any]) -> None:
    assert sum(isinstance(each, dict) for each in inputs) > 300
    refused = 0
    for model, check in models():
        refused += sum(same(model, check, data) is None for data in inputs)
    assert refused > 1000


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.stem))
def test_no_config_with_a_mistake_passes_a_checker(path: Path, tmp_path: Path) -> None:
    whole = read(path.read_text(), tmp_path)
    pieces = [p for p in parts(whole) if isinstance(p, dict)]
    chance = random.Random(path.stem)
    outcomes = []
    for model, check in models():
        fitting = [p for p in pieces if same(model, check, p)]
        for piece in fitting:
            outcomes += [same(model, check, mutated(piece, chance)) for _ in range(300)]
    assert {True, None} <= {*outcomes}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.stem))
def test_a_shipped_config_needs_no_pydantic(path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tapgen.cli import common\n"
        f"common.load_all(Path({str(path)!r}))\n"
        "assert 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_custom_system_needs_no_pydantic_either(tmp_path: Path) -> None:
    (tmp_path / "topic.json").write_text(
        '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    )
    config = tmp_path / "topic.yaml"
    config.write_text(
        "blueprint: custom\nsuffix: dev\nregions: {main: us-east-1}\n"
        "rollout: {gates: [{alarms: true}]}\n"
        "stack_sets: {topic: {template: topic.json}}\n"
    )
    test_a_shipped_config_needs_no_pydantic(config)


def test_gates_know_all_of_their_keys() -> None:
    assert KNOWN == set(GateShape.model_fields)


def test_records_are_equal_where_their_values_are() -> None:
    check = import_module("tapgen.blueprints.values_checker").check_database
    assert check({}) == check({"name": "app"}) != check({"name": "other"})
    assert check({}) != {} and "name='app'" in repr(check({}))
