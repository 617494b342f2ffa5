"""`tapgen new`: start a system of your own with a config, templates and a test."""

from __future__ import annotations

import os
import re
import shlex
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import click

from tapgen.cli import DONE, near
from tapgen.cli.common import LOCAL_FOLDER, stacksets_option
from tapgen.cli.schema import schema_text
from tapgen.errors import ConfigError

_EPILOG = """\b
Examples:
  tapgen new shop
  tapgen new shop --blueprint payments_dr
  tapgen new shop --blueprint ./blueprints/queues.py
"""
NAME = r"[a-z][a-z0-9_]{0,39}"
"""The name of a system, as config requires of a file's name."""

NAME_RULE = "give at most 40 lower-case letters, digits and underscores, beginning with a letter"


@click.command("new", epilog=_EPILOG)
@click.argument("name")
@click.option(
    "--blueprint",
    metavar="NAME|FILE",
    default="custom",
    show_default=True,
    help="custom (your own templates), a shipped blueprint, or a Python file.",
)
@click.option(
    "--tests",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tests"),
    show_default=True,
    help="Folder of your project's tests.",
)
@stacksets_option
def new_command(name: str, blueprint: str, tests: Path, folder: Path) -> int:
    """Start a system NAME: its YAML file, its templates or blueprint, a pytest test.

    With custom it writes two small YAML templates, with a Python file a small
    blueprint; both deploy without a change. Existing files are never overwritten, but
    .gitignore gets a line for .tapgen/ if it has none.
    """
    if not re.fullmatch(NAME, name):
        raise click.UsageError(f"{name!r} is not a valid system name; {NAME_RULE}")
    files = _files(name, blueprint, folder)
    test = tests / f"test_{name}.py"
    files[test] = _test(name, test, folder)
    there = [path for path in files if path.exists()]
    # An existing blueprint is used: the config is written for it.
    if there and there != [_python(blueprint)]:
        names = ", ".join(map(str, there))
        raise ConfigError([f"{names}: already exists; give another name, or edit it"])
    files[folder / "tapgen.schema.json"] = schema_text()
    for path, text in files.items():
        if path not in there:
            _write(path, text)
    for path in files:
        if path not in there and path.suffix != ".json":
            click.echo(f"wrote {path}")
    ignored = _ignore(Path.cwd(), f"{LOCAL_FOLDER}/")
    if ignored:
        click.echo(ignored)
    click.echo("next:")
    for command in next_steps(name, test, folder, find_spec("pytest") is not None):
        click.echo(f"  {command}")
    return DONE


def next_steps(name: str, test: Path, folder: Path, has_pytest: bool) -> list[str]:
    """Return the next commands, pytest last: tapgen does not install it."""
    where = "" if folder == Path("stacksets") else f" --stacksets {_quoted(folder)}"
    install = "" if has_pytest else "pip install pytest && "
    return [
        f"tapgen lint {name}{where}",
        f"tapgen plan {name}{where} --local",
        f"tapgen rollout {name}{where} --local",
        f"{install}pytest {_quoted(test)}",
    ]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _ignore(project: Path, line: str) -> str | None:
    """Add a folder to .gitignore; return what was done, None if git ignores it already."""
    path = project / ".gitignore"
    for folder in _up_to_the_root(project):
        given = (_text(folder / ".gitignore") or "").splitlines()
        # A leading slash means the folder of the .gitignore itself.
        if _is_ignored(given, line, "!?/?" if folder == project else "!?"):
            return None
    text = _text(path)
    if text is None:
        _write(path, f"{line}\n")
        return f"wrote {path.name}"
    end = "" if text.endswith("\n") or not text else "\n"
    _write(path, f"{text}{end}{line}\n")
    return f"added {line} to {path.name}"


def _up_to_the_root(folder: Path) -> list[Path]:
    """Return a folder, and the folders above it in the same repository."""
    above = [folder, *folder.parents]
    roots = [n for n, each in enumerate(above, 1) if (each / ".git").exists()]
    return above[: roots[0]] if roots else above[:1]


def _is_ignored(given: list[str], line: str, start: str) -> bool:
    """Whether a line of a .gitignore matches a folder."""
    pattern = rf"{start}(\*\*/)?{re.escape(line.rstrip('/'))}(/\*{{0,2}})?"
    return any(re.fullmatch(pattern, each.strip()) for each in given)


def _text(path: Path) -> str | None:
    """What a file has, to the byte; None where there is none."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error


def _files(name: str, blueprint: str, folder: Path) -> dict[Path, str]:
    from tapgen import blueprints

    config = folder / f"{name}.yaml"
    if blueprint == blueprints.CUSTOM:
        dashed = name.replace("_", "-")
        found = {config: _data("new_custom.yaml", NAME=name)}
        for part in ("alerts", "app"):
            text = _data(f"new_{part}.yaml", DASHED=dashed)
            found[folder / name / f"{part}.yaml"] = text
        return found
    if blueprint in blueprints.NAMES:
        return {config: _data(f"{blueprint}.yaml")}
    file = _python(blueprint)
    if file is None:
        known = (*blueprints.NAMES, blueprints.CUSTOM)
        raise click.UsageError(
            f"no blueprint {blueprint!r}; give one of {', '.join(known)}, or a file such "
            f"as ./{name}.py{near(blueprint, known)}"
        )
    function = blueprint.partition(".py:")[2] or "build"
    relative = Path(os.path.relpath(file, folder)).as_posix()
    reference = relative if relative.startswith("..") else f"./{relative}"
    return {
        config: _data("new_blueprint.yaml", BLUEPRINT=f"{reference}:{function}"),
        file: _data("new_blueprint.py.txt", CODE_=_code(file.stem)),
    }


def _python(blueprint: str) -> Path | None:
    """Return the file of a blueprint such as `./queues.py:build`; None for a name."""
    path, colon, _ = blueprint.partition(".py:")
    if not colon and not blueprint.endswith(".py"):
        return None
    return Path(f"{path}.py" if colon else blueprint)


def _code(stem: str) -> str:
    """Return the code that names begin with: the initials, else the first letters."""
    words = [word for word in re.split(r"[^a-z]+", stem.lower()) if word]
    initials = "".join(word[0] for word in words)
    return (initials if len(initials) > 1 else "".join(words))[:4] or "my"


def _test(name: str, test: Path, folder: Path) -> str:
    """Return the test, which finds the config relative to its own place."""
    root = Path(os.path.commonpath([test.resolve(), folder.resolve()]))
    return _data(
        "new_test.py.txt",
        NAME=name,
        DEPTH=str(len(test.resolve().relative_to(root).parts) - 1),
        STACKSETS=folder.resolve().relative_to(root).as_posix(),
    )


def _data(file: str, **words: str) -> str:
    """Return one of tapgen's data files, with some words replaced."""
    text = resources.files("tapgen").joinpath(f"data/{file}").read_text()
    for word, replacement in words.items():
        text = text.replace(word, replacement)
    return text


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written ({error.strerror})"]) from error
