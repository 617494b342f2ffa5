"""Commands on systems as files: init, list, schema, templates, lint. They need no AWS."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import click

from tapgen.cli import CHANGES, DONE, FAILED, near
from tapgen.cli.common import (
    TEMPLATES_FOLDER,
    Timings,
    load_all,
    output_option,
    print_json,
    say,
    stacksets_option,
    system_names,
    system_path,
    timings_option,
)
from tapgen.errors import ConfigError, TapgenError

_FOLDER_HELP = "Folder the templates are written to."
folder_option = click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=TEMPLATES_FOLDER,
    show_default=True,
    help=_FOLDER_HELP,
)


@click.command("init", epilog="\b\nExample:\n  tapgen init secure_network")
@click.argument("blueprint")
@stacksets_option
def init_command(blueprint: str, folder: Path) -> int:
    """Write stacksets/BLUEPRINT.yaml and the schema that editors complete it with.

    Leaves a file that is there already as it is.
    """
    from tapgen import blueprints

    if blueprint not in blueprints.NAMES:
        has = ", ".join(blueprints.NAMES)
        hint = near(blueprint, blueprints.NAMES)
        raise click.UsageError(f"no blueprint {blueprint!r}; there are {has}{hint}")
    path = folder / f"{blueprint}.yaml"
    if path.exists():
        raise ConfigError([f"{path}: is there already; edit it, or remove it first"])
    text = resources.files("tapgen").joinpath(f"data/{blueprint}.yaml").read_text()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tapgen.schema.json").write_text(schema_text())
        path.write_text(text)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written ({error.strerror})"]) from error
    click.echo(f"wrote {path}; next: tapgen rollout {blueprint} --local")
    return DONE


@click.command("list", epilog="\b\nExample:\n  tapgen list --output json")
@stacksets_option
@output_option
def list_command(folder: Path, output: str) -> int:
    """List the systems with their blueprints, environments and regions."""
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    read: list[tuple[Path, str, str]] = []
    for name in system_names(folder):
        try:
            loaded, *others = load_all(folder / f"{name}.yaml")
        except TapgenError as error:
            problems.append(str(error))
            continue
        code = loaded.blueprint.code
        read += [(o.config.path, code, o.config.suffix) for o in (loaded, *others)]
        found.append(
            {
                "system": name,
                "blueprint": loaded.config.blueprint,
                "suffix": loaded.config.suffix,
                "regions": dict(loaded.config.regions),
                "environments": [o.config.environment for o in others],
                "stack_sets": [s.name for s in loaded.system.stack_sets],
            }
        )
    problems += _clashes(read)
    for problem in problems:
        say(f"error: {problem}")
    if output == "json":
        print_json(found)
        return FAILED if problems else DONE
    for row in found:
        regions = ", ".join(f"{k} {v}" for k, v in row["regions"].items())
        environments = ", ".join(row["environments"]) or "none"
        click.echo(
            f"{row['system']}  blueprint {row['blueprint']}, suffix {row['suffix']}"
        )
        click.echo(f"  regions: {regions}; environments: {environments}")
        click.echo(f"  {len(row['stack_sets'])} stack sets")
    if not found:
        say(f"{folder}/ has no systems; write one with tapgen init")
    return FAILED if problems else DONE


@click.command(
    "schema", epilog="\b\nExample:\n  tapgen schema > stacksets/tapgen.schema.json"
)
def schema_command() -> int:
    """Print the JSON Schema of a system's YAML file, for editors."""
    click.echo(schema_text(), nl=False)
    return DONE


@click.command(
    "templates",
    epilog="\b\nExamples:\n  tapgen templates\n  tapgen templates secure_network --check\n\n"
    "Exit codes: 0 written (or, with --check, up to date), 2 stale, 1 error.",
)
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
@stacksets_option
@folder_option
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 2 when files are stale."
)
@click.option(
    "--no-cache", is_flag=True, help="Make everything anew; keep and use nothing."
)
@timings_option
def templates_command(
    systems: tuple[str, ...],
    folder: Path,
    to: Path,
    check: bool,
    no_cache: bool,
    timings: bool,
) -> int:
    """Write the templates and manifests of SYSTEMs (default: all), all environments.

    What the blueprints of tapgen made is kept in .tapgen/made/ and used again for
    configs that have not changed.
    """
    from tapgen.system import templates_out

    clock = Timings()
    with clock.stage("config and templates"):
        paths = [system_path(name, folder) for name in _chosen(systems, folder)]
        files = _generated(paths, use_kept=not no_cache)
    with clock.stage("comparing" if check else "writing"):
        changed = (
            templates_out.stale(to, files) if check else templates_out.write(to, files)
        )
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote'} {to / path}")
    if not changed:
        click.echo(f"{len(files)} files are up to date")
    if timings:
        clock.show()
    if check and changed:
        say("run: tapgen templates")
        return CHANGES
    return DONE


@click.command(
    "lint",
    epilog="\b\nExamples:\n  tapgen lint\n  tapgen lint secure_network --format sarif > lint.sarif\n\n"
    "Exit codes are cfn-lint's: 0 clean, 2 errors, 4 warnings, 8 informational, added up; "
    "1 when the config is wrong.",
)
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
@click.option("-e", "--environment", metavar="NAME", help="Only this environment.")
@stacksets_option
@folder_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit", "github"]),
    default="text",
    show_default=True,
    help="Form of the findings on standard output.",
)
@click.option(
    "--no-cache", is_flag=True, help="Check everything anew; keep and use no verdicts."
)
def lint_command(
    systems: tuple[str, ...],
    environment: str | None,
    folder: Path,
    to: Path,
    form: Literal["text", "json", "sarif", "junit", "github"],
    no_cache: bool,
) -> int:
    """Check SYSTEMs with cfn-lint and tapgen's rules, for exactly their target regions.

    Verdicts are kept in .tapgen/lint/ and .tapgen/made/ and used again for what has not
    changed.
    """
    from tapgen import lint
    from tapgen.cli import cache

    names = _chosen(systems, folder)
    paths = [system_path(name, folder) for name in names]
    checked = cache.check(paths, environment, to, _counter, use_kept=not no_cache)
    stack_sets = [name for one in checked for name in one.stack_sets]
    findings = list(dict.fromkeys(f for one in checked for f in one.findings))
    click.echo(lint.render(findings, form, stack_sets), nl=form != "github")
    return lint.exit_code(findings)


def _counter(total: int) -> Callable[[str], None]:
    """Tells how many stack sets are to be checked, and on a terminal how many are."""
    done = 0
    if total:
        say(f"checking {total} stack set{'s' * (total != 1)} …")

    def count(_: str) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            click.echo(f"\r{done} of {total} checked{end}", nl=False, err=True)

    return count


def _chosen(systems: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """The systems named, or all there are; a folder without any is a mistake."""
    names = systems or tuple(system_names(folder))
    if not names:
        raise click.UsageError(
            f"{folder}/ has no systems; write one with tapgen init, or name another "
            "folder with --stacksets"
        )
    return names


def _generated(paths: Iterable[Path], use_kept: bool) -> dict[str, str]:
    """Path → text of everything under templates_out/ for these configs."""
    from tapgen.cli import cache

    each = {path: cache.files(path, use_kept) for path in paths}
    clashes = _clashes(
        (path, one.code, suffix)
        for path, one in each.items()
        for suffix in one.suffixes
    )
    if clashes:
        raise ConfigError(clashes)
    return {path: text for one in each.values() for path, text in one.files.items()}


def _clashes(read: Iterable[tuple[Path, str, str]]) -> list[str]:
    """Configs, with their code and suffix, whose resources would have the same names:
    code and suffix are all that tells them apart."""
    seen: dict[tuple[str, str], Path] = {}
    problems = []
    for path, code, suffix in read:
        if not code:  # names of a custom system are its own
            continue
        other = seen.setdefault((code, suffix), path)
        if other.stem != path.stem:
            problems.append(
                f"{path}: suffix: {suffix!r} is that of {other} too, which makes "
                f"resources of the same names ({code}-{suffix}-…); give one of them "
                "another suffix"
            )
    return problems


def schema_text() -> str:
    import json

    from tapgen import blueprints, config

    known = [b for b in map(blueprints.find, blueprints.names()) if b]
    return json.dumps(config.json_schema(known), indent=2) + "\n"
