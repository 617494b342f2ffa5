"""The page of a plan: what it shows, and that nothing of it is taken for HTML."""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapgen import plan, rollout
from tapgen.aws.stacks import Worked
from tapgen.costs import change
from tapgen.model import (
    CommandGate,
    Finding,
    RolloutSettings,
    Severity,
    StackSet,
    Target,
)
from tapgen.plan import forecast
from tapgen.report import ran as report
from tapgen.report.outlook import Outlook
from tapgen.report.page import Page, Planned, html, rendering
from tapgen.rollout import history, ran
from tapgen.system import topology
from tests import make
from tests.make import EAST, WEST
from tests.unit.rollout.fakes import Cloud

NOW = datetime(2026, 11, 30, 4, 5, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]>--><!--{{ 7 * 7 }}{% raw %}",
    "</style></main>&lt;b&gt;&#x1b;",
)


def page(the_plan: plan.Plan, words: str = "x", **more: Any) -> str:
    ahead = Outlook(forecast.of(the_plan), first=(words, words))
    finding = Finding("demo-test-data", words, words, Severity.WARNING, words)
    planned = Planned(the_plan, ahead, apply=words)
    facts: dict[str, Any] = {
        "planned": planned,
        "topology": topology.of(the_plan.system),
        "findings": (finding,),
        "policy": (finding,),
        "unread": (words,),
    }
    return html(Page(words, the_plan.system, NOW, words, **facts | more))


def topic(words: str, **attributes: Any) -> str:
    resources = {
        f"Topic{n}": {
            "Type": "AWS::SNS::Topic",
            "Properties": {name: words},
            **attributes,
        }
        for n, name in enumerate(("DisplayName", "TopicName"))
    }
    return make.template(resources=resources, defaults={"Name": words})


def changed(words: str) -> plan.Plan:
    """A plan with words of others wherever a plan has words of others."""
    before = make.stack_set(targets=(EAST, WEST), text=topic("before"))
    after = make.stack_set(targets=(EAST, WEST), text=topic(f"{words}!"))
    the_plan = plan.make(make.system(after), {before.name: make.observed(before)})
    return replace(the_plan, blocked=(words,), writers=(words,), sources=(words,))


class Elements(HTMLParser):
    """Elements and names of attributes; texts apart from them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


PLAIN = Elements(page(changed("x"))).found


@settings(max_examples=500 if "TAPGEN_SOAK" in os.environ else 30)
@given(st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40)))
@example("\x1b]0;title\x07\u202e")
def test_no_text_is_taken_for_html(words: str) -> None:
    shown = page(changed(words), words)
    read = Elements(shown)

    assert read.found == PLAIN
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)


def test_the_policy_allows_the_style_and_the_script_of_the_page_only() -> None:
    shown = page(changed("x"))

    def hashed(tag: str) -> str:
        found = re.findall(f"<{tag}>(.*?)</{tag}>", shown, re.DOTALL)
        digests = (b64encode(sha256(one.encode()).digest()).decode() for one in found)
        return " ".join(f"'sha256-{one}'" for one in digests)

    assert Elements(shown).policy == (
        f"default-src 'none'; style-src {hashed('style')}; "
        f"script-src {hashed('script')}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    names = {name for _, attributes in Elements(shown).found for name in attributes}
    assert "style" not in names and not any(name.startswith("on") for name in names)
    named = shown.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in named


def test_a_page_has_no_value_of_a_secret() -> None:
    secret = {"Type": "String", "NoEcho": True, "Default": "open sesame"}

    def template(name: str) -> str:
        properties = {"SecretString": {"Ref": "Password"}, "Name": name}
        data = {"Type": "AWS::SecretsManager::Secret", "Properties": properties}
        text = {"Parameters": {"Password": secret}, "Resources": {"Data": data}}
        return json.dumps(text)

    before = make.stack_set(text=template("old"))
    after = make.stack_set(text=template("new"))
    there = make.observed(before, parameters={"Password": "****"})
    for observed in ({before.name: there}, {}):
        shown = page(plan.make(make.system(after), observed))
        assert "sesame" not in shown and "Data" in shown


def test_what_could_be_lost_comes_first() -> None:
    volume = {
        "Type": "AWS::EC2::Volume",
        "Properties": {"AvailabilityZone": "us-east-1a"},
    }
    before = make.stack_set(text=make.template(resources={"Data": volume}))
    after = make.stack_set(text=make.template())
    the_plan = plan.make(make.system(after), {before.name: make.observed(before)})
    texts = " ".join(Elements(page(the_plan)).texts)

    lost = texts.index("data.Data (AWS::EC2::Volume): removed; its data")
    assert texts.index("What could be lost") < lost < texts.index("A wave begins")


def test_what_is_interrupted_and_costs_unknown_is_said_where_it_is_seen() -> None:
    """Also that a rehearsal is one, and that a command plans again."""

    def database(size: str) -> StackSet:
        properties = {"DBInstanceClass": size, "Engine": "postgres"}
        own = {"Type": "AWS::RDS::DBInstance", "Properties": properties}
        text = make.template(resources={f"Data{n}": own for n in range(6)})
        return make.stack_set(targets=(EAST, WEST), text=text)

    before, after = database("db.r6g.large"), database("db.of-no-price.large")
    the_plan = plan.make(make.system(after), {before.name: make.observed(before)})
    ahead = Outlook(forecast.of(the_plan), cost=change.of(the_plan))
    assert ahead.cost.unknown

    def shown(local: bool, saved: bool = False) -> str:
        command = "tapgen rollout demo"
        one = Planned(the_plan, ahead, (), "to apply it", command, saved)
        page = html(Page("Plan", the_plan.system, NOW, "1", local=local, planned=one))
        return " ".join(" ".join(Elements(page).texts).split())

    banner = "Rehearsal on the embedded AWS: no AWS account is touched."
    text = shown(local=True)
    assert banner in text and banner not in shown(local=False)
    assert "Estimated time on real AWS: " in text
    assert "Change in cost: unknown; " in text and "USD a month less" not in text
    assert "tapgen cost demo" in text
    assert "⚠ Interruptions data.Data0 : " in text and "and 2 more" in text
    assert "in wave 1 (us-" in text and "⚠ interrupts Data0, " in text
    assert "there are no gates" in text and "tapgen stops, and restores" in text
    assert "plans again" in text and "exactly the saved plan" in shown(False, True)


@pytest.mark.parametrize("text", ["", "Receipts and their keys"])
def test_a_wave_says_what_its_parts_are(text: str) -> None:
    template = json.loads(make.template()) | ({"Description": text} if text else {})
    the_plan = plan.make(make.system(make.stack_set(text=json.dumps(template))), {})
    shown = page(the_plan)

    assert shown.count(text) == 2 or not text
    assert "Nothing: every stack of this plan is new." in shown


def ran_with(words: str, targets: Sequence[Target] = (EAST, WEST)) -> ran.Ran:
    """A run that fails in one place, with words of others wherever it has any."""
    before = make.stack_set(targets=targets, text=topic("before"))
    after = make.stack_set(targets=targets, text=topic(f"{words}!"))
    return failed(before, after, words)


def failed(before: StackSet, after: StackSet, words: str) -> ran.Ran:
    cloud = Cloud(words=words)
    ways: Any = {"sleep": lambda seconds: None, "on_event": lambda event: None}
    sets: Any = cloud
    rollout.run(plan.make(make.system(before), {}), sets, **ways)
    cloud.failing = lambda name, target, text, values: (
        target == WEST and text == after.template
    )
    starter = rollout.Starter(words, host=words)
    # Its words stand in the gate and, as what it prints, in the evidence.
    gate = CommandGate(
        command=("printf", "%s", words.replace("\x00", "")), after="wave"
    )
    wanted = replace(make.system(after), rollout=RolloutSettings(gates=(gate,)))
    made = plan.make(wanted, cloud.observe([before.name]))
    ended = rollout.run(made, sets, starter=starter, **ways)
    found = history.find(cloud.bucket, "demo-test", ended.run)
    worked = [Worked(words, words, words, found.events[0]["at"], NOW.isoformat())]
    one = ran.read(found, make.system(after), sets, worked=lambda *_: worked)
    return replace(one, ways=(words,))


def page_of(one: ran.Ran, words: str = "x") -> str:
    assert one.plan
    planned = Planned(one.plan, None)
    system = one.plan.system
    facts: Any = {"ran": one, "planned": planned, "topology": topology.of(system)}
    return html(Page(words, system, NOW, words, **facts))


RAN = Elements(page_of(ran_with("x"))).found


@settings(max_examples=100 if "TAPGEN_SOAK" in os.environ else 5, deadline=None)
@given(st.sampled_from(HOSTILE))
@example("\x1b]0;title\x07\u202e")
def test_no_text_of_a_run_is_taken_for_html(words: str) -> None:
    shown = page_of(ran_with(words), words)

    assert Elements(shown).found == RAN
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)
    assert Elements(shown).policy.count("sha256") == 3


def test_a_run_says_how_it_ended_why_and_what_it_left_before_anything_else() -> None:
    shown = " ".join(Elements(page_of(ran_with("it broke"))).texts)
    place = 0
    for words in (
        *("How it ended", "restored", "What failed", "it broke", "Where"),
        *("Which version each target has", "Gates and what they found", "held"),
        *("By account and region", "UpdateStackSet"),
        *("By resource", "The plan, as it was agreed", "What could be lost"),
        "Every change",
    ):
        place = shown.index(words, place)


def test_a_run_has_no_value_of_a_secret() -> None:
    """Not on its page, as data, or as text."""
    secret = {"Type": "String", "NoEcho": True, "Default": "open sesame"}

    def part(name: str) -> StackSet:
        properties = {"SecretString": {"Ref": "Password"}, "Name": name}
        data = {"Type": "AWS::SecretsManager::Secret", "Properties": properties}
        text = {"Parameters": {"Password": secret}, "Resources": {"Data": data}}
        return make.stack_set(targets=(EAST, WEST), text=json.dumps(text))

    one = failed(part("old"), part("new"), "x")
    for shown in (page_of(one), report.text(one), json.dumps(report.data(one))):
        assert "sesame" not in shown and "restored" in shown


def test_thousands_of_targets_of_a_run_are_a_few_rows() -> None:
    one = ran_with("x", THOUSANDS[:300])
    shown = page_of(one)

    assert shown.count('<h3 id="by-place">') == 1
    assert len(shown) < 150_000


REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "sa-east-1")
THOUSANDS = [
    Target(f"{account:012}", region) for account in range(1, 601) for region in REGIONS
]


def test_thousands_of_targets_are_named_once_and_stay_small() -> None:
    """Equal targets are folded: 3,000 cost a few kilobytes more than two."""
    before = make.stack_set(targets=THOUSANDS, text=topic("before"))
    after = make.stack_set(targets=THOUSANDS, text=topic("after"))
    the_plan = plan.make(make.system(after), {before.name: make.observed(before)})
    shown = page(the_plan)

    assert "3,000 stack instances to update" in shown
    (numbers,) = re.findall('data-where="(.*?)"', shown)
    assert {*numbers.split()} == {f"{region}:0-599" for region in REGIONS}
    assert "000000000600" in shown
    assert len(shown) < 120_000


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_text_has_contrast_in_light_and_in_dark() -> None:
    """https://www.w3.org/TR/WCAG22/#contrast-minimum"""
    style = (Path(rendering.__file__).parent / "page.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    assert light.keys() == dark.keys()
    on = {
        "paper": ("ink", "quiet", "link"),
        "card": ("ink", "quiet", "link"),
        "warn-paper": ("ink", "quiet", "warn", "link"),
        "grave-paper": ("ink", "quiet", "grave", "link"),
        "good-paper": ("ink", "quiet", "good", "link"),
    }
    for colours in (light, dark):
        for paper, inks in on.items():
            for ink in inks:
                found = sorted(luminance(colours[name]) for name in (paper, ink))
                assert (found[1] + 0.05) / (found[0] + 0.05) >= 4.5, (paper, ink)
