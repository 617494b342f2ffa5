"""No control character reaches a terminal or a comment."""

from __future__ import annotations

import io
import subprocess
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapgen import plan
from tapgen.cli.progress import Screen, VisibleConsole
from tapgen.model import Target
from tapgen.report import markdown, text
from tapgen.report.control import shell_word, visible
from tapgen.rollout import Event
from tapgen.template import diff
from tests import make

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\x00\x07\x08\x1b\r\x7f\x9b\u202e\u2028\u2066[31m;\\]"),
        st.characters(exclude_categories=("Cs",)),
    ),
    min_size=1,
)
HERE = Target("111111111111", "us-east-1")


def steers(shown: str) -> list[str]:
    """The characters that could steer a terminal; `Cc` are the control characters."""
    return [
        c
        for c in shown
        if unicodedata.category(c) == "Cc"
        and c not in "\n\t"
        or c in "\u202e\u2028\u2066"
    ]


def bucket(**properties: Any) -> str:
    return make.template(
        resources={"B": {"Type": "AWS::S3::Bucket", "Properties": properties}}
    )


@given(HOSTILE)
def test_nothing_visible_steers_a_terminal(value: str) -> None:
    assert steers(visible(value)) == []
    assert visible(visible(value)) == visible(value)


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_other_text_stays(value: str) -> None:
    assert visible(value) == value


def test_the_escape_shows_what_it_was() -> None:
    assert visible("a\x1b[31mb\x07\r\u202e\tc\n") == "a\\x1b[31mb\\x07\\x0d\\u202e\tc\n"


@given(HOSTILE, HOSTILE)
def test_values_of_a_plan_are_escaped(before: str, after: str) -> None:
    old = make.stack_set(text=bucket(BucketName=before), parameters={})
    new = make.stack_set(text=bucket(BucketName=after, **{before: after}))
    the_plan = plan.make(make.system(new), {new.name: make.observed(old)})

    changes = diff.templates(bucket(BucketName=before), bucket(BucketName=after))
    for shown in (
        text.plan(the_plan, details=True),
        markdown.plan(the_plan),
        text.differences([("", HERE, changes)]),
    ):
        assert steers(shown) == []


@given(HOSTILE)
def test_reasons_and_events_are_escaped(value: str) -> None:
    instance = {
        "account": "1",
        "region": value,
        "status": "OUTDATED",
        "detailed_status": "FAILED",
        "reason": value,
        "meaning": value,
    }
    found = {"stack_sets": [{"name": value, "instances": [instance], "missing": []}]}
    assert steers(text.status(found)) == []

    stream = io.StringIO()
    screen = Screen(VisibleConsole(False, file=stream, width=10_000))
    screen(Event("failed", "set", HERE, "FAILED", value))
    assert steers(stream.getvalue()) == []


@pytest.mark.parametrize("value", ["plain", "two words", "\x1b[31m", "it's\n\x07\\n"])
def test_a_shell_reads_the_same_value(value: str) -> None:
    word = shell_word(value)

    assert steers(word) == []
    read = subprocess.run(
        ["bash", "-c", f"printf %s {word}"], capture_output=True, text=True, check=True
    )
    assert read.stdout == value
