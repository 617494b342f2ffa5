"""`tapgen rules`: the rules that tapgen adds to cfn-lint's."""

from __future__ import annotations

import click

from tapgen.cli import DONE, near
from tapgen.cli.common import print_json


@click.group(
    "rules",
    epilog="\b\nExamples:\n  tapgen rules list\n  tapgen rules explain E9500",
)
def rules_command() -> None:
    """List and explain tapgen's own lint rules.

    cfn-lint can run them too: cfn-lint --append-rules tapgen.rules.
    """


@rules_command.command("list", epilog="\b\nExample:\n  tapgen rules list --output json")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Format of the list; markdown is the page docs/rules.md.",
)
def list_command(output: str) -> int:
    """List the rules: id, theme, and what each finds."""
    from tapgen import rules
    from tapgen.rules import pages, system_view

    if output == "markdown":
        click.echo(pages.page(), nl=False)
    elif output == "json":
        print_json(
            [
                {
                    "id": rule.id,
                    "theme": rules.theme(rule),
                    "finds": rule.shortdesc,
                    "breaks": rule.description,
                    "source": rule.source_url,
                    "needs_targets": rule.needs_targets,
                    "whole_system": issubclass(rule, system_view.SystemRule),
                }
                for rule in rules.ALL
            ]
        )
    else:
        for rule in rules.ALL:
            click.echo(f"{rule.id}  {rules.theme(rule):<12} {rule.shortdesc}")
    return DONE


@rules_command.command("explain", epilog="\b\nExample:\n  tapgen rules explain E9525")
@click.argument("rule", metavar="ID")
def explain_command(rule: str) -> int:
    """Explain a rule: what breaks, AWS's documentation, a wrong and a right example."""
    from tapgen import rules
    from tapgen.rules import pages

    known = {one.id: one for one in rules.ALL}
    name = rule.upper()
    if name not in known:
        hint = near(name, known)
        raise click.UsageError(
            f"tapgen has no rule {rule!r}{hint}; list its rules with tapgen rules list, and "
            "those of cfn-lint with cfn-lint --list-rules"
        )
    click.echo(pages.explain(known[name]), nl=False)
    return DONE
