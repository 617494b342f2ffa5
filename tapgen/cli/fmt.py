"""`tapgen fmt`: the canonical form of configs and of YAML templates."""

from __future__ import annotations

import difflib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from tapgen.cli import DONE, FAILED
from tapgen.cli.common import (
    output_option,
    print_json,
    say,
    stacksets_option,
    system_path,
)
from tapgen.cli.files import requested_systems
from tapgen.cli.suggest import systems_and_files
from tapgen.errors import ConfigError, TapgenError
from tapgen.report.control import visible
from tapgen.report.counting import counted

_EPILOG = """\b
Examples:
  tapgen fmt
  tapgen fmt --check
  tapgen fmt payments_dr stacksets/shop.yaml
  tapgen fmt --templates templates/app.yaml
"""


@click.command("fmt", epilog=_EPILOG)
@click.argument(
    "files",
    nargs=-1,
    metavar="[SYSTEM|FILE]...",
    shell_complete=systems_and_files,
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; print the differences, and end with exit code 1 if there are any.",
)
@click.option(
    "--templates",
    is_flag=True,
    help="Format YAML templates too: those named, or those that the systems name.",
)
@stacksets_option
@output_option
def fmt_command(
    files: tuple[str, ...], check: bool, templates: bool, folder: Path, output: str
) -> int:
    """Format the YAML files of systems, all of them by default.

    The order of keys is that of the documentation. Settings, tags, stack sets, regions and
    parameters keep their order. Comments stay where they belong, and so does the meaning.
    Of templates, sections get the order of CloudFormation's user guide. If one file cannot
    be formatted, no file is written.
    """
    paths = [system_path(name, folder) for name in requested_systems(files, folder)]
    if templates and not files:
        paths += _templates_of(paths)
    found = _formatted(dict.fromkeys(paths), templates=templates)
    changed = [path for path, (old, new) in found.items() if old.text != new]
    if not check:
        _write({path: found[path][0].bytes_of(found[path][1]) for path in changed})
    if output == "json":
        rows = [{"file": str(p), "changed": p in changed} for p in found]
        print_json({"files": rows, "written": bool(changed) and not check})
    elif check:
        for path in changed:
            old, new = found[path]
            click.echo(_difference(path, old.text, new), nl=False)
    else:
        for path in changed:
            click.echo(f"formatted {path}")
    same = len(found) - len(changed)
    if output == "text":
        differ = f"{counted(len(changed), 'file')} to format, " if check else ""
        say(f"{differ}{counted(same, 'file')} in canonical form already")
    return FAILED if check and changed else DONE


class _Text:
    """The text of a file, without its byte order mark, lines ending with a line feed; and
    the way back."""

    def __init__(self, content: str) -> None:
        self._mark = "\ufeff" if content.startswith("\ufeff") else ""
        self._returns = content.count("\r\n") * 2 > content.count("\n")
        self.text = content.removeprefix("\ufeff").replace("\r\n", "\n")

    @classmethod
    def of(cls, path: Path) -> _Text:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ConfigError([f"{path}: not a regular file; name a YAML file"])
            return cls(path.read_bytes().decode())
        except UnicodeDecodeError as error:
            at = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
            raise ConfigError(
                [f"{path}: not UTF-8: {at}; save the file as UTF-8"]
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError([f"{path}: cannot be read ({reason})"]) from error

    def bytes_of(self, text: str) -> bytes:
        ends = text.replace("\n", "\r\n") if self._returns else text
        return f"{self._mark}{ends}".encode()


def _formatted(
    paths: Iterable[Path], *, templates: bool
) -> dict[Path, tuple[_Text, str]]:
    """Return the text of each file and its canonical form; raise ConfigError with what is
    wrong in all."""
    found: dict[Path, tuple[_Text, str]] = {}
    problems: list[str] = []
    for path in paths:
        try:
            one = _Text.of(path)
            found[path] = one, _form(one.text, path, templates=templates)
        except TapgenError as error:
            problems += str(error).splitlines()
    if problems:
        raise ConfigError(problems)
    return found


def _form(text: str, path: Path, *, templates: bool) -> str:
    from tapgen.config import canonical
    from tapgen.template import decode

    if text.lstrip().startswith("{"):
        raise ConfigError([f"{path}: this is JSON; tapgen fmt formats YAML"])
    if not decode.is_template(text):
        return canonical.system(text, path)
    if templates:
        return canonical.template(text, path)
    raise ConfigError([f"{path}: this is a template; give --templates to format it"])


def _templates_of(paths: Iterable[Path]) -> list[Path]:
    """Return the YAML templates that systems name, those in no readable config left out:
    it is reported when it is formatted."""
    from tapgen.config import document
    from tapgen.config.problems import Problems

    found: list[Path] = []
    for path in paths:
        root = document.read(path, Problems(path))
        stack_sets = root.get("stack_sets") if root else None
        for part in stack_sets.mapping.values() if stack_sets else ():
            node = part.get("template")
            if node and str(node.value).endswith((".yaml", ".yml")):
                found.append(Path(os.path.relpath(path.parent / str(node.value))))
    return found


def _difference(path: Path, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True),
        new.splitlines(keepends=True),
        str(path),
        f"{path} (canonical)",
    )
    return visible("".join(one if one.endswith("\n") else f"{one}\n" for one in lines))


def _write(contents: Mapping[Path, bytes]) -> None:
    """Replace files, each as a whole; a link stays one, and permissions stay. Nothing is
    replaced before all drafts are on the disk."""
    drafts: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            real = path.resolve()
            handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
            drafts[real] = Path(name)
            with open(handle, "wb") as file:
                file.write(content)
            shutil.copymode(real, name)
        for real, draft in drafts.items():
            os.replace(draft, real)
    except OSError as error:
        where = error.filename or next(iter(contents))
        raise ConfigError([f"{where}: cannot be written ({error.strerror})"]) from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
