"""The pages of a plan and of a run in a real browser: policy, script, and without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapgen import plan
from tests import make
from tests.emulated import browser
from tests.make import EAST, WEST
from tests.unit.report.test_first import network
from tests.unit.report.test_page import page, page_of, ran_with

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        browser.find() is None, reason="no browser: install chromium, or set BROWSER"
    ),
]
NARROW, WIDE = 390, 1600


def planned() -> plan.Plan:
    """A network that is replaced in two regions, and a new topic in one of them."""
    before = make.stack_set("net", targets=(EAST, WEST), text=network("10.0.0.0/16"))
    after = make.stack_set("net", targets=(EAST, WEST), text=network("10.1.0.0/16"))
    topic = make.stack_set("topic", targets=(WEST,))
    system = make.system(after, topic)
    return plan.make(system, {before.name: make.observed(before)})


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        with started.chromium.launch(
            executable_path=browser.find(), args=options
        ) as launched:
            yield launched


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "plan.html"
    path.write_text(page(planned(), "words"))
    return path.as_uri()


@pytest.fixture(scope="module")
def of_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "run.html"
    path.write_text(page_of(ran_with("words")))
    return path.as_uri()


def opened(chromium: Any, address: str, **context: Any) -> tuple[Any, list[str]]:
    """The page, and what the browser complains about, blocked content included."""
    shown = chromium.new_context(**context).new_page()
    shown.set_default_timeout(browser.LONGEST * 1000)
    complaints: list[str] = []
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.goto(address)
    return shown, complaints


def test_filters_show_what_fits_and_say_how_much(chromium: Any, address: str) -> None:
    shown, complaints = opened(chromium, address)
    said = shown.locator("#filters output")
    assert said.text_content() == "2 of 2 changes shown"
    assert said.get_attribute("aria-live") == "polite"

    shown.get_by_role("combobox", name="Region").select_option("us-east-1")
    assert said.text_content() == "1 of 2 changes shown"
    assert not shown.locator(".step", has_text="create topic").is_visible()
    shown.get_by_role("combobox", name="Account").select_option(make.ACCOUNT)
    assert said.text_content() == "1 of 2 changes shown"
    shown.get_by_role("combobox", name="Change").select_option("creates stacks")
    assert said.text_content() == "0 of 2 changes shown"
    shown.get_by_role("button", name="Show everything").click()
    shown.wait_for_function(
        "document.querySelector('output').textContent === '2 of 2 changes shown'"
    )

    shown.get_by_role("button", name="Fold all", exact=True).click()
    assert shown.locator(".step[open]").count() == 0
    shown.emulate_media(media="print")
    assert shown.locator(".resource").first.bounding_box()["height"] > 0
    assert not shown.locator("form").is_visible()
    assert complaints == []


@pytest.mark.parametrize("which", ["address", "of_run"])
def test_the_keyboard_reaches_everything_in_the_order_of_the_page(
    chromium: Any, which: str, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(which)
    shown, complaints = opened(chromium, address)
    reached = []
    while True:
        shown.keyboard.press("Tab")
        place = shown.evaluate(
            "(() => { const one = document.activeElement;"
            " return one === document.body ? null :"
            " [...document.querySelectorAll('*')].indexOf(one); })()"
        )
        if place is None or place in reached:
            break
        reached.append(place)
    operable = "a[href], summary, select, button, [tabindex='0']"
    wanted = shown.evaluate(
        "wanted => { const every = [...document.querySelectorAll('*')];"
        " return [...document.querySelectorAll(wanted)]"
        ".filter(one => one.checkVisibility()).map(one => every.indexOf(one)); }",
        operable,
    )

    assert reached == wanted == sorted(wanted)
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_a_wide_screen(
    chromium: Any, address: str, of_run: str, scheme: Any
) -> None:
    """Nothing is wider than the screen, which would scroll both ways."""
    for width, place in ((NARROW, address), (WIDE, address), (NARROW, of_run)):
        shown, complaints = opened(
            chromium,
            place,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
        )
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        picture = shown.locator(".picture")
        room = picture.evaluate("one => [one.clientWidth, one.scrollWidth]")
        assert room[0] < room[1] or width == WIDE  # it scrolls in its own box
        dark = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(255, 255, 255)") == (scheme == "light")
        assert complaints == []


def test_it_works_without_its_script(chromium: Any, address: str) -> None:
    shown, _ = opened(chromium, address, java_script_enabled=False)

    assert not shown.locator("#filters").is_visible()
    step = shown.locator(".step").first
    step.locator("summary").first.click()
    assert step.get_attribute("open") is None


def test_it_prints_whole(chromium: Any, address: str, tmp_path: Path) -> None:
    shown, _ = opened(chromium, address)
    shown.get_by_role("button", name="Fold all", exact=True).click()
    path = tmp_path / "plan.pdf"
    shown.pdf(path=path)

    assert path.read_bytes().startswith(b"%PDF")
