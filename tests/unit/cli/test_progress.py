"""The forms of `--progress`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import click
import pytest
from rich.console import Console

from tapgen.cli import progress
from tapgen.cli.common import PROGRESS
from tapgen.model import Target
from tapgen.rollout import Event

EAST = Target("111111111111", "us-east-1")
EVENTS = (
    Event("wave", "wave 1 of 2: data"),
    Event("target", "", "data", EAST, "RUNNING"),
    Event("target", "", "data", EAST, "FAILED"),
    Event("failed", "data in us-east-1: it broke"),
    Event("gate", "somebody approves", status="WAITING"),
    Event("gate", "somebody approves: Ann did"),
)


@pytest.fixture
def context() -> Iterator[click.Context]:
    with click.Context(click.Command("rollout")) as context:
        yield context


def shown(form: str | None, context: click.Context) -> list[str]:
    context.meta[PROGRESS] = form
    out = Console(file=io.StringIO(), width=200)
    screen = progress.plain(out)
    for event in EVENTS:
        screen(event)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def test_errors_only_shows_what_fails_and_what_waits(context: click.Context) -> None:
    lines = shown("errors-only", context)

    assert ["it broke" in lines[0], "approves" in lines[1], len(lines)] == [
        True,
        True,
        2,
    ]


def test_json_has_every_event_in_a_line(context: click.Context) -> None:
    found = [json.loads(line) for line in shown("json", context)]

    assert [one["kind"] for one in found] == [event.kind for event in EVENTS]
    assert (found[2]["account"], found[2]["region"]) == (EAST.account, EAST.region)
    assert {"at", "seconds", "message", "stack_set", "status"} <= found[0].keys()


def test_a_table_needs_a_terminal(context: click.Context) -> None:
    def words(form: str | None) -> list[str]:
        return [line.partition(" s ")[2] for line in shown(form, context)]

    assert words("bar") == words(None) != []


@pytest.mark.parametrize(("accounts", "regions"), [(500, 2), (20, 50)])
def test_many_targets_are_counted_failures_first(accounts: int, regions: int) -> None:
    places = [
        ("data", Target(f"{n:012}", f"us-east-{region}"))
        for n in range(accounts)
        for region in range(regions)
    ]
    out = Console(file=io.StringIO(), width=80)
    table = progress.LiveTable(out, places)
    table(Event("target", "", *places[7], status="FAILED"))

    out.print(table.table())

    assert isinstance(out.file, io.StringIO)
    _, failed, waits = out.file.getvalue().splitlines()
    assert "failed" in failed and "999" in waits
