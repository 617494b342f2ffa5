"""`tapgen diff`: compare two templates or two systems, without AWS."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from tapgen.cli import CHANGES, DONE
from tapgen.cli.common import (
    load,
    output_option,
    print_json,
    stacksets_option,
    system_path,
)
from tapgen.cli.suggest import systems_and_files
from tapgen.errors import TemplateError
from tapgen.model import System, Target

_EPILOG = """\b
Examples:
  tapgen diff old.yaml new.yaml
  tapgen diff old.json new.json --parameter Size=2 --target 111111111111/eu-west-1
  tapgen diff stacksets/secure_network.yaml my/secure_network.yaml

Exit codes: 0 no differences, 2 differences, 1 error.
"""


@click.command("diff", epilog=_EPILOG)
@click.argument("old", shell_complete=systems_and_files)
@click.argument("new", shell_complete=systems_and_files)
@stacksets_option
@output_option
@click.option(
    "--parameter",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    help="For templates: a parameter value for both, instead of the default.",
)
@click.option(
    "--target",
    metavar="ACCOUNT/REGION",
    default="111111111111/us-east-1",
    show_default=True,
    help="For templates: account and region to evaluate both for.",
)
def diff_command(
    old: str, new: str, folder: Path, output: str, given: tuple[str, ...], target: str
) -> int:
    """Show what changes from OLD to NEW: two template files, or two systems.

    tapgen evaluates both first, so formatting, key order and equivalent spellings of a
    value make no difference. Resource schemas show which changes replace a resource.
    """
    from tapgen.cli.progress import console
    from tapgen.report import data, text

    templates = [name for name in (old, new) if _is_template(name)]
    for name in (old, new):
        odd = Path(name).suffix not in ("", ".yaml", ".yml")
        if name not in templates and (templates or odd):
            raise click.UsageError(
                f"{name}: not a template (a file with Resources), or not found; give two "
                "templates, or two systems by name or YAML file"
            )
    if templates:
        place = _place(target)
        rows = [("", place, _templates(Path(old), Path(new), place, _values(given)))]
    else:
        before = load(system_path(old, folder), None).system
        after = load(system_path(new, folder), None).system
        rows = list(_systems(before, after))
    found = [_compared(*row) for row in rows]
    found = [row for row in found if row[2] or row[3]]
    if output == "json":
        print_json(
            [
                {
                    "part": part,
                    "account": place.account,
                    "region": place.region,
                    "changes": [data.resource(change) for change in changes],
                    "others": [data.entry(one) for one in others],
                }
                for part, place, changes, others in found
            ]
        )
    else:
        changed = [row[:3] for row in found if row[2]]
        others = [(*row[:2], row[3]) for row in found]
        console().print(text.differences(changed, others) or "no differences")
    return CHANGES if found else DONE


def _templates(old: Path, new: Path, place: Target, values: dict[str, str]) -> Any:
    from tapgen.template import diff, loops

    sides = diff.sides((_body(old), values), (_body(new), values), place)
    for path, side in zip((old, new), sides, strict=True):
        _refuse(path, (problem for problem in side.problems if loops.LOOP in problem))
    return sides


def _compared(part: str, place: Target, sides: Any) -> tuple[str, Target, Any, Any]:
    """Return a row with the changes of resources, and what else differs."""
    from tapgen.template import diff

    return part, place, diff.compare(*sides), diff.entries(*sides)


def _systems(old: System, new: System) -> Iterator[tuple[str, Target, Any]]:
    """Yield every part and target of either system, evaluated before and after; outputs
    of other parts count as unknown."""
    from tapgen.template import diff

    for part in dict.fromkeys(s.part for s in (*new.stack_sets, *old.stack_sets)):
        places = dict.fromkeys((*_targets(new, part), *_targets(old, part)))
        for place in places:
            before, after = _side(old, part, place), _side(new, part, place)
            yield part, place, diff.sides(before, after, place)


def _targets(system: System, part: str) -> tuple[Target, ...]:
    return next((s.targets for s in system.stack_sets if s.part == part), ())


def _side(system: System, part: str, place: Target) -> tuple[str, dict[str, Any]]:
    from tapgen.template import evaluate

    for s in system.stack_sets:
        if s.part == part and place in s.targets:
            return s.template, evaluate.given(s.values(place))
    return "{}", {}


def _is_template(name: str) -> bool:
    """Whether a file is a template rather than a system: it has Resources."""
    path = Path(name)
    if not path.is_file():
        return False
    if path.suffix == ".json":
        return True
    lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()
    return any(line.lstrip(b'" {').startswith(b"Resources") for line in lines)


def _body(path: Path) -> dict[str, Any]:
    from tapgen.template import decode, loops

    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: cannot be read ({error})") from None
    body = decode.template(text, str(path))
    _refuse(path, loops.mistakes(body))
    return body


def _refuse(path: Path, problems: Iterable[str]) -> None:
    """Raise TemplateError for mistakes in a template's loops, which then generate
    nothing to compare."""
    lines = [f"{path}: {line}" for line in problems]
    if lines:
        raise TemplateError("\n".join(lines))


def _place(text: str) -> Target:
    account, _, region = text.partition("/")
    if not (account.isdigit() and len(account) == 12 and region):
        raise click.UsageError(
            f"--target {text}: give an account and a region, such as 111111111111/eu-west-1"
        )
    return Target(account, region)


def _values(given: tuple[str, ...]) -> dict[str, str]:
    wrong = [pair for pair in given if "=" not in pair]
    if wrong:
        raise click.UsageError(f"--parameter {wrong[0]}: give NAME=VALUE")
    pairs = (pair.partition("=") for pair in given)
    return {name: value for name, _, value in pairs}
