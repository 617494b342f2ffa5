"""A rehearsal in words: what is worst comes first, and no loss is left out."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from tapgen.model import Target
from tapgen.model.rehearsals import Copied, Rehearsal, Result, Trial
from tapgen.report import rehearsal

HERE, THERE = Target("111111111111", "us-east-1"), Target("222222222222", "us-east-1")
GONE = "shop-data in 111111111111/us-east-1: Orders (AWS::DynamoDB::Table) o-1 is gone"
PLAIN = Rehearsal("shop", None, targets=2, waves=1, copied=Copied(4))


def trial(result: Result, **more: object) -> Trial:
    return replace(Trial("shop-data", HERE, "update", result), **more)  # type: ignore[arg-type]


def words(found: Rehearsal) -> str:
    return Text.from_markup(rehearsal.text(found)).plain


def test_what_is_worst_comes_first_and_every_loss_is_named() -> None:
    every = [trial(result) for result in Result]
    lost = trial(Result.RESTORED, lost=(GONE,), equal=(THERE,))
    found = replace(PLAIN, trials=(*every, lost))

    text = words(found)
    order = [text.index(words) for words in ("by hand", "all the same", "restored")]
    assert order == sorted(order)
    assert GONE in text and "222222222222 in us-east-1" in text
    assert "8 failing targets" in text and "data is lost in 1" in text
    assert found.has_findings
    assert rehearsal.data(found)["trials"][-1]["lost"] == [GONE]


def test_what_the_copy_is_not_the_same_in_is_said() -> None:
    copied = Copied(4, ("AWS hides Password",), (("shop-data", THERE),))
    found = replace(PLAIN, copied=copied, gates=1, differs=("another plan",))

    text = words(found)
    for part in (
        "1 gate left out",
        "hides Password",
        "no stack in 2222",
        "another plan",
    ):
        assert part in text
    assert found.has_findings, "a rehearsal of another plan shows nothing"


def test_only_what_somebody_has_to_know_is_a_finding() -> None:
    fine = (Result.GREEN, Result.RESTORED, Result.CONTINUES, Result.NOTHING)
    assert not replace(PLAIN, trials=tuple(map(trial, fine))).has_findings
    assert replace(PLAIN, trials=(trial(Result.BY_HAND),)).has_findings
    assert replace(PLAIN, trials=(trial(Result.UNTRIED),)).has_findings
    assert replace(PLAIN, failures=("it fails",)).has_findings
    assert replace(PLAIN, unfinished=1).has_findings
