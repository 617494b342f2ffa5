"""What has not changed is neither generated nor checked again, and is never stale."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tapgen.cli import main
from tapgen.cli.cache import CACHE_FOLDER
from tapgen.cli.common import LINT_FOLDER
from tapgen.lint import result_cache
from tapgen.model import Finding, Severity

CONFIG = """\
blueprint: secure_network
suffix: dev
regions: {primary: us-east-1, dr: us-west-2}
settings:
  profile: minimal
  vpc_cidr: 10.20.0.0/16
  allowed_cidr: 203.0.113.0/24
environments:
  staging: {suffix: stg}
"""
TOPIC = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
CUSTOM = """\
blueprint: custom
suffix: dev
regions: {main: us-east-1}
stack_sets:
  topic: {template: ../topic.json}
"""
FOUND = Finding("", "Key", "E1", Severity.ERROR, "no", ("Resources", "Key"), "f", 2, 3)
NET = Path("stacksets/net.yaml")
HEAVY = ("cfnlint", "pydantic", "ruamel.yaml", "troposphere", "tapgen.blueprints")


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been checked once: that takes seconds."""
    folder = tmp_path_factory.mktemp("project")
    (folder / NET.parent).mkdir()
    (folder / NET).write_text(CONFIG)
    subprocess.run([sys.executable, "-m", "tapgen", "lint"], cwd=folder, check=True)
    return folder


@pytest.fixture
def project(checked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, generated and checked where it is now."""
    folder = shutil.copytree(checked, tmp_path / "project")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (main(["templates"]), main(["lint"])) == (0, 0)
    return folder


def regenerates(*arguments: str) -> bool:
    """Whether a command writes a result to the cache."""

    def cached() -> dict[str, int]:
        found = CACHE_FOLDER.iterdir() if CACHE_FOLDER.is_dir() else ()
        return {path.name: path.stat().st_ino for path in found}

    before = cached()
    main(arguments)
    return cached() != before


def contents(folder: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*.json")
    }


def test_what_has_not_changed_is_not_regenerated(project: Path) -> None:
    assert not regenerates("templates")
    assert not regenerates("lint")
    assert not regenerates("templates", "--check")


@pytest.mark.parametrize("command", ["templates", "lint"])
def test_nothing_slow_is_imported_for_it(command: str, project: Path) -> None:
    code = (
        "import sys\n"
        "from tapgen.cli import main\n"
        f"assert main([{command!r}]) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert printed.splitlines()[-1] == "[]"


def test_the_files_are_the_same_with_and_without_it(project: Path) -> None:
    main(["templates", "--to", "cached"])
    main(["templates", "--to", "regenerated", "--no-cache"])

    assert contents("cached") == contents("regenerated") == contents("templates_out")


def test_a_changed_config_is_regenerated_and_checked_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    NET.write_text(CONFIG + "# a comment\n")
    assert regenerates("templates") and regenerates("lint")
    NET.write_text(CONFIG.replace("suffix: dev", "suffix: other"))
    assert regenerates("templates")
    assert "net-other-" in Path("templates_out/net/manifest.json").read_text()
    NET.write_text(CONFIG)
    assert regenerates("templates")
    assert "net-dev-" in Path("templates_out/net/manifest.json").read_text()
    NET.write_text(CONFIG.replace("10.20", "300.20"))
    capsys.readouterr()
    for command in ("templates", "lint"):
        assert main([command]) == 1
        assert "300.20" in capsys.readouterr().err


def test_another_request_has_its_own_result(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert regenerates("lint", "-e", "staging")
    assert regenerates("lint", "--to", "elsewhere")
    capsys.readouterr()
    assert not regenerates("lint", "-e", "staging")
    assert "clean: 7 stack sets" in capsys.readouterr().out
    assert not regenerates("lint")
    assert "clean: 14 stack sets" in capsys.readouterr().out
    assert main(["lint", "-e", "none"]) == 1


def test_another_configuration_of_cfn_lint_has_its_own_result(project: Path) -> None:
    main(["lint", "-e", "staging"])
    Path(".cfnlintrc").write_text("ignore_checks: [W3005]\n")
    assert regenerates("lint", "-e", "staging")
    assert not regenerates("lint", "-e", "staging")
    Path(".cfnlintrc").write_text("append_rules: [tapgen.rules]\n")
    assert not regenerates("lint", "-e", "staging")  # it names files: nothing is cached


def test_findings_come_back_as_they_were(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Whatever the verdict about a template was, this is printed of it from now on.
    opened = result_cache.open_folder(LINT_FOLDER)
    assert opened
    for path in LINT_FOLDER.iterdir():
        opened.put(path.stem, [FOUND])
    shutil.rmtree(CACHE_FOLDER)
    capsys.readouterr()

    printed = []
    for _ in range(2):
        code = main(["lint", "--format", "json"])
        printed.append((code, json.loads(capsys.readouterr().out)))

    assert printed[0] == printed[1]
    assert printed[0][0] == 2 and len(printed[0][1]) == 14
    shutil.rmtree(LINT_FOLDER)
    assert main(["lint", "--format", "json"]) == 2  # it is not read any more


def test_the_result_of_a_rule_that_crashed_is_not_cached(project: Path) -> None:
    opened = result_cache.open_folder(LINT_FOLDER)
    assert opened
    for path in LINT_FOLDER.iterdir():
        opened.put(path.stem, [replace(FOUND, rule="E0002")])
    shutil.rmtree(CACHE_FOLDER)

    assert not regenerates("lint")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"dev", b"dew")),
        lambda path: path.write_bytes(b"\xff" * 9),
    ],
)
def test_a_damaged_result_is_regenerated(
    damage: Callable[[Path], None], project: Path
) -> None:
    before = contents("templates_out")
    for path in CACHE_FOLDER.iterdir():
        damage(path)

    assert regenerates("templates") and regenerates("lint")
    assert contents("templates_out") == before


def test_everything_works_where_nothing_can_be_cached(project: Path) -> None:
    shutil.rmtree(CACHE_FOLDER)
    CACHE_FOLDER.write_text("in the way")

    assert (main(["templates", "--check"]), main(["lint"])) == (0, 0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_read(project: Path) -> None:
    CACHE_FOLDER.chmod(0o500)

    assert not regenerates("templates")
    NET.write_text(CONFIG + "# changed\n")
    assert main(["templates", "--check"]) == 0


def test_no_cache_writes_and_uses_nothing(project: Path) -> None:
    shutil.rmtree(CACHE_FOLDER.parent)

    assert main(["templates", "--no-cache"]) == 0
    assert not CACHE_FOLDER.exists()


def test_templates_of_your_own_are_read_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    NET.parent.mkdir()
    NET.write_text(CUSTOM)
    body = Path("topic.json")
    body.write_text(json.dumps(TOPIC))
    assert (main(["templates"]), main(["lint"])) == (0, 0)
    assert not CACHE_FOLDER.exists()

    body.write_text(json.dumps({**TOPIC, "Description": "changed"}))
    main(["templates"])
    assert "changed" in Path("templates_out/net/topic.json").read_text()


def test_a_blueprint_of_your_own_runs_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "shop"]) == 0
    assert main(["templates"]) == 0
    assert not CACHE_FOLDER.exists()


def test_systems_of_the_same_names_are_refused_from_the_cache(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(NET, "stacksets/other.yaml")

    for _ in range(2):
        assert main(["templates"]) == 1
        assert "stacksets/net.yaml has 'dev' too" in capsys.readouterr().err
