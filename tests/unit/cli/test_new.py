"""`tapgen new` writes systems that work as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tapgen.cli import DONE, FAILED, USAGE, main
from tapgen.cli.new import next_steps


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }


def passes(folder: Path) -> str:
    """What pytest says to the tests of a project, which must pass."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_new_systems_of_every_kind_pass_their_own_tests(project: Path) -> None:
    assert main(["new", "shop"]) == DONE
    assert main(["new", "queues", "--blueprint", "./lib/work_queues.py"]) == DONE
    assert main(["new", "net", "--blueprint", "secure_network"]) == DONE

    assert written(project) == {
        ".gitignore",
        "lib/work_queues.py",
        "stacksets/net.yaml",
        "stacksets/queues.yaml",
        "stacksets/shop.yaml",
        "stacksets/shop/alerts.yaml",
        "stacksets/shop/app.yaml",
        "stacksets/tapgen.schema.json",
        "tests/test_net.py",
        "tests/test_queues.py",
        "tests/test_shop.py",
    }
    # Each has two environments, and two tests of each.
    assert "12 passed" in passes(project)
    config = (project / "stacksets/queues.yaml").read_text()
    assert "blueprint: ../lib/work_queues.py:build\n" in config
    assert 'CODE = "wq"' in (project / "lib/work_queues.py").read_text()


def test_python_that_is_written_is_formatted_as_black_would(project: Path) -> None:
    main(["new", "queues", "--blueprint", "./queues.py"])

    black = [sys.executable, "-m", "black", "--check", "queues.py", "tests"]
    assert subprocess.run(black, capture_output=True).returncode == 0


def test_other_folders_may_be_named(project: Path) -> None:
    folders = ["--stacksets", "infra/systems", "--tests", "infra/checks/unit"]
    assert main(["new", "shop", *folders]) == DONE

    assert "infra/systems/shop/app.yaml" in written(project)
    assert "4 passed" in passes(project / "infra/checks/unit")


def test_what_is_there_is_not_touched(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "tests").mkdir()
    (project / "tests/test_shop.py").write_text("mine")

    assert main(["new", "shop"]) == FAILED

    assert "tests/test_shop.py: already exists" in capsys.readouterr().err
    assert written(project) == {"tests/test_shop.py"}


def test_git_ignores_what_tapgen_keeps(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "shop"]) == DONE
    assert (project / ".gitignore").read_bytes() == b".tapgen/\n"
    assert "wrote .gitignore\n" in capsys.readouterr().out

    assert main(["new", "queues"]) == DONE
    assert (project / ".gitignore").read_bytes() == b".tapgen/\n"
    assert ".gitignore" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("there", "then"),
    [
        (b"*.pyc\n", b"*.pyc\n.tapgen/\n"),
        (b"*.pyc\r\n\xff", b"*.pyc\r\n\xff\n.tapgen/\n"),
        (b"", b".tapgen/\n"),
        (b"# .tapgen/\n.tapgen2\n", b"# .tapgen/\n.tapgen2\n.tapgen/\n"),
    ],
)
def test_a_gitignore_that_is_there_gets_a_line(
    project: Path, capsys: pytest.CaptureFixture[str], there: bytes, then: bytes
) -> None:
    (project / ".gitignore").write_bytes(there)

    assert main(["new", "shop"]) == DONE

    assert (project / ".gitignore").read_bytes() == then
    assert "added .tapgen/ to .gitignore\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", [".tapgen/", ".tapgen", "/.tapgen/", "**/.tapgen/", ".tapgen/*", "!.tapgen"]
)
def test_a_gitignore_that_speaks_of_it_is_not_touched(project: Path, line: str) -> None:
    (project / ".gitignore").write_text(f"a\n{line} \nb")

    assert main(["new", "shop"]) == DONE

    assert (project / ".gitignore").read_text() == f"a\n{line} \nb"


@pytest.mark.parametrize(("line", "covers"), [(".tapgen/", True), ("/.tapgen/", False)])
def test_a_repository_that_ignores_it_at_its_root_gets_no_second_file(
    project: Path, monkeypatch: pytest.MonkeyPatch, line: str, covers: bool
) -> None:
    (project / ".git").mkdir()
    (project / ".gitignore").write_text(f"{line}\n")
    (project / "infra").mkdir()
    monkeypatch.chdir(project / "infra")

    assert main(["new", "shop"]) == DONE

    assert (project / "infra/.gitignore").exists() is not covers


def test_what_to_do_next_works_where_it_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "shop", "--stacksets", "infra"]) == DONE
    _, _, said = capsys.readouterr().out.partition("next:\n")

    assert [line.strip() for line in said.splitlines()] == [
        "tapgen lint shop --stacksets infra",
        "tapgen plan shop --stacksets infra --local",
        "tapgen rollout shop --stacksets infra --local",
        "pytest tests/test_shop.py",
    ]
    assert main(said.splitlines()[0].split()[1:]) == DONE


def test_pytest_is_only_named_with_how_to_install_it() -> None:
    test, folder = Path("tests/test_shop.py"), Path("stacksets")

    *first, last = next_steps("shop", test, folder, has_pytest=False)

    assert first[-1] == "tapgen rollout shop --local"
    assert last == "pip install pytest && pytest tests/test_shop.py"


def test_a_blueprint_file_that_is_there_is_used(project: Path) -> None:
    main(["new", "one", "--blueprint", "./queues.py"])
    before = (project / "queues.py").read_text()

    assert main(["new", "two", "--blueprint", "./queues.py:build"]) == DONE

    assert (project / "queues.py").read_text() == before
    assert "../queues.py:build" in (project / "stacksets/two.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["Shop"],
            "'Shop' is not a valid system name; give at most 40 lower-case letters",
        ),
        (["shop", "--blueprint", "custm"], "did you mean 'custom'?"),
        (["shop", "--blueprint", "custm"], "or a file such as ./shop.py"),
    ],
)
def test_wrong_usage_says_what_to_give(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert main(["new", *arguments]) == USAGE

    assert said in " ".join(capsys.readouterr().err.split())
    assert written(project) == set()


def test_the_schema_beside_a_new_system_takes_it(project: Path) -> None:
    from cfnlint.jsonschema import StandardValidator
    from ruamel.yaml import YAML

    main(["new", "shop"])
    schema = json.loads((project / "stacksets/tapgen.schema.json").read_text())
    data = YAML(typ="safe", pure=True).load(project / "stacksets/shop.yaml")

    assert [*StandardValidator(schema=schema).iter_errors(data)] == []
