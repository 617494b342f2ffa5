"""Results are cached, used for exactly what they depend on, and never for more."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tapgen import lint
from tapgen.errors import ConfigError
from tapgen.lint import result_cache
from tapgen.model import Finding, Severity, StackSet, System, Target

FOLDER = Path("templates_out")
TOPIC = {"Type": "AWS::SNS::Topic"}
FOUND = Finding("s", "A", "E1", Severity.ERROR, "no", ("Resources", "A", 0), "f", 2, 3)


def system(*regions: str, body: Any = None, **changes: Any) -> System:
    text = json.dumps(body or {"Resources": {"Topic": {**TOPIC, "Nope": 1}}})
    targets = tuple(Target("self", region) for region in regions or ("us-east-1",))
    one = StackSet("x-dev-a", "a", text, "every", targets)
    admin = Target("self", "us-east-1")
    return System("x", "custom", "dev", {}, admin, (replace(one, **changes),))


def poisoned(cache: Path) -> None:
    """Make every cached result FOUND, as if lint had found it."""
    results = result_cache.open_folder(cache)
    assert results
    for path in cache.iterdir():
        results.put(path.stem, [FOUND])


def used(it: System, cache: Path) -> bool:
    """Whether a check uses the cache, and not cfn-lint."""
    return any(f.rule == "E1" for f in lint.check(it, FOLDER, cache=cache))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a result for `system()`, which is not the true one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "cache"
    lint.check(system(), FOLDER, cache=folder)
    poisoned(folder)
    return folder


def test_findings_come_back_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    bad = {"Parameters": {"P": {"Type": "String"}}, "Resources": {"T": TOPIC}}
    it = system(body=bad)

    first = lint.check(it, FOLDER, cache=folder)
    assert [f.rule for f in first] == ["E9580", "W2001"]
    assert lint.check(it, FOLDER, cache=folder) == first
    assert lint.check(it, FOLDER) == first


def test_what_has_not_changed_is_not_checked_again(cache: Path) -> None:
    assert used(system(), cache)


@pytest.mark.parametrize(
    "changed",
    [
        system(body={"Resources": {"Topic": TOPIC}}),
        system("us-west-2"),
        system("us-east-1", "us-west-2"),
        system(targets=(Target("111122223333", "us-east-1"),)),
        system(parameters={"P": "x"}),
        system(capabilities=("CAPABILITY_IAM",)),
    ],
)
def test_what_has_changed_is_checked_again(changed: System, cache: Path) -> None:
    assert not used(changed, cache)


@pytest.mark.parametrize("name", [".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml"])
def test_another_configuration_is_another_result(
    name: str, cache: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for folder in (tmp_path, home):
        path = folder / name
        path.write_text("ignore_checks: [E3001]\n")
        assert not used(system(), cache)
        path.unlink()
    assert used(system(), cache)


def test_a_configuration_that_names_rule_files_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".cfnlintrc").write_text("append_rules: [tapgen.rules]\n")

    assert result_cache.open_folder(tmp_path / "cache") is None
    assert lint.check(system(), FOLDER, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_configuration_that_cannot_be_read_is_the_users_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".cfnlintrc").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match="cfnlintrc"):
        lint.check(system(), FOLDER, cache=tmp_path / "cache")


def test_downloaded_schemas_give_other_results(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = result_cache.open_folder(cache)
    schemas = tmp_path / "aws" / "cfn-lint" / "schemas" / "providers"
    schemas.mkdir(parents=True)
    (schemas / "us-east-1.json").write_text("{}")

    assert before != result_cache.open_folder(cache)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("E1", "E2"),
        lambda text: text.replace('"error"', '"fatal"'),
        lambda text: "\x00" * 50,
        lambda text: text.partition("\n")[2],
    ],
)
def test_a_damaged_result_is_none(damage: Any, tmp_path: Path) -> None:
    results = result_cache.ResultCache(tmp_path, "")
    results.put("k", [FOUND])
    assert results.get("k") == [FOUND]

    path = tmp_path / "k.json"
    path.write_text(damage(path.read_text()))
    assert results.get("k") is None


def test_a_result_of_another_name_is_none(tmp_path: Path) -> None:
    results = result_cache.ResultCache(tmp_path, "")
    results.put("k", [FOUND])
    (tmp_path / "k.json").rename(tmp_path / "other.json")

    assert results.get("other") is None


def test_a_folder_that_cannot_be_written_is_only_slow(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    assert lint.check(system(), FOLDER, cache=tmp_path / "cache")


def test_the_oldest_results_go(tmp_path: Path) -> None:
    results = result_cache.ResultCache(tmp_path, "", most=3)
    for number in range(5):
        results.put(f"k{number}", [])
    results.prune()

    assert len(list(tmp_path.iterdir())) == 3


def test_cfn_lint_is_not_imported_when_all_is_known(tmp_path: Path) -> None:
    code = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from tapgen import lint\n"
        "from tests.unit.lint.test_result_cache import TOPIC, system\n"
        "it = system(body={'Resources': {'Topic': TOPIC}})\n"
        "assert lint.check(it, Path('out'), cache=Path(sys.argv[1])) == []\n"
        "print('cfnlint' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    said = [subprocess.check_output(command, text=True).strip() for _ in range(2)]

    assert said == ["True", "False"]
